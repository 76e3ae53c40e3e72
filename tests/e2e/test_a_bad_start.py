"""A bad start and a bad disk: what is ready serves, and the rest comes when it can."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from sqlmodel import func, select

from hotline.heartbeat import UP, ask_supervisor
from hotline.settings import ROOT
from models import Case
from tests.e2e.conftest import hire_before_start
from tests.support.callers import leave_message
from tests.support.databases import on_sqlite
from tests.support.postgres import Postgres
from tests.support.stack import Whole
from tests.support.wait import until


def begin(it: Whole, printed: Path) -> None:
    """`freeline up`, without waiting for anything."""
    with printed.open("w") as file:
        it.process = subprocess.Popen(
            [sys.executable, "-m", "ops", "up", "--no-demo"],
            cwd=ROOT, env=it.env, stdout=file, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip


class Callers:
    """They call one after another, each from another telephone; `answered` is how many calls the line took."""

    def __init__(self, it: Whole) -> None:
        self._it, self._called, self.answered = it, 0, 0

    def leave_a_message(self) -> bool:
        """Whether a caller can leave a message now."""
        self._called += 1
        story = leave_message(self._it, f"08123456{self._called:02}", say_s=1.0, tone_within_s=20)
        self.answered += story.answered
        return story.tone and story.said

    def filed(self) -> bool:
        """Whether there is one row and one case for each call, and no more."""
        contacts = self._it.contacts()
        with self._it.db.read() as s:
            cases = s.exec(select(func.count()).select_from(Case)).one()
        return len(contacts) == cases == self.answered and all(c.case_id and c.ended_at for c in contacts)


@pytest.fixture
def postgres_of_its_own() -> Iterator[Postgres]:
    server = Postgres()
    yield server
    with suppress(Exception):
        server.close()


@pytest.mark.timeout(400)
def test_with_postgresql_away_at_the_start_the_line_answers_and_files_the_call_when_it_is_there(
    tmp_path: Path, quick_sounds: Path, postgres_of_its_own: Postgres
) -> None:
    server = postgres_of_its_own
    it = Whole(tmp_path / "data", quick_sounds, DATABASE_URL=server.create("freeline"))
    printed = tmp_path / "up.log"
    try:
        hire_before_start(it)
        it.db.dispose()
        server.stop()
        begin(it, printed)
        callers = Callers(it)
        until(callers.leave_a_message, 120, 1)
        assert "freeline is ready" not in printed.read_text()
        told = ask_supervisor(it.settings, UP)
        assert told is not None
        assert "the database does not answer" in told["missing"][0]
        server.start()
        until(lambda: "freeline is ready" in printed.read_text(), 90, 0.5)
        until(callers.filed, 90, 0.5)
    finally:
        it.stop()


@on_sqlite
@pytest.mark.timeout(400)
def test_with_the_console_s_port_taken_and_run_locked_the_line_stays_whatever_dies(
    tmp_path: Path, quick_sounds: Path, empty_database: str
) -> None:
    """One stack for both: what is missing is told, nothing is written into `run`, and a process that dies comes back."""
    it = Whole(tmp_path / "data", quick_sounds, DATABASE_URL=empty_database)
    printed, run = tmp_path / "up.log", it.settings.run
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", it.settings.console_port))
        taken.listen()
        try:
            hire_before_start(it)
            begin(it, printed)
            callers = Callers(it)
            until(callers.leave_a_message, 120, 1)
            taken.close()
            until(lambda: "freeline is ready" in printed.read_text(), 60, 0.5)
            subprocess.run(["mount", "--bind", str(run), str(run)], check=True)
            subprocess.run(["mount", "-o", "remount,bind,ro", str(run)], check=True)
            old = {name: row["pid"] for name, row in it.status()["processes"].items()}
            for name in ("redis", "switchboard", "ivr"):
                os.kill(old[name], signal.SIGKILL)

            def back() -> bool:
                told = (ask_supervisor(it.settings, UP) or {}).get("processes", {})
                return all(told[name]["pid"] not in {None, old[name]} for name in ("switchboard", "ivr"))

            until(back, 60, 0.2)
            assert it.process is not None
            assert it.process.poll() is None
            until(callers.leave_a_message, 60, 1)
            found = it.status()
            assert found["ready"] is False
            assert f"{run} cannot be written" in " ".join(found["missing"])
            subprocess.run(["umount", "-l", str(run)], check=True)
            until(lambda: it.status()["ready"], 60, 1)
            until(callers.filed, 90, 0.5)
            assert json.loads((run / "processes.json").read_text())["processes"]["ivr"]["pid"] != old["ivr"]
        finally:
            subprocess.run(["umount", "-l", str(run)], check=False, stderr=subprocess.DEVNULL)
            it.stop()
