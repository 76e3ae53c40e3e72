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
from tests.databases import on_sqlite
from tests.e2e.callers import leave_message
from tests.e2e.conftest import hire_before_start
from tests.e2e.whole import Whole
from tests.postgres import Postgres
from tests.wait import until


def begin(it: Whole, printed: Path) -> None:
    """`freeline up`, without waiting for anything."""
    with printed.open("w") as file:
        it.process = subprocess.Popen(
            [sys.executable, "-m", "ops", "up", "--no-demo"],
            cwd=ROOT, env=it.env, stdout=file, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip


def answers(it: Whole, number: str) -> bool:
    """Whether a caller can leave a message now."""
    story = leave_message(it, number, say_s=2.0)
    return story.tone and story.said


@pytest.fixture
def postgres_of_its_own() -> Iterator[Postgres]:
    server = Postgres()
    yield server
    with suppress(Exception):
        server.close()


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
        until(lambda: answers(it, "0812345678"), 120, 1)
        assert "freeline is ready" not in printed.read_text()
        told = ask_supervisor(it.settings, UP)
        assert told is not None
        assert "the database does not answer" in told["missing"][0]
        server.start()
        until(lambda: "freeline is ready" in printed.read_text(), 90, 0.5)
        until(lambda: [c for c in it.contacts() if c.case_id], 60, 0.5)
        with it.db.read() as s:
            assert s.exec(select(func.count()).select_from(Case)).one() == len(it.contacts())
    finally:
        it.stop()


@on_sqlite
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
            until(lambda: answers(it, "0812345678"), 120, 1)
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
            assert answers(it, "0812345679")
            found = it.status()
            assert found["ready"] is False
            assert f"{run} cannot be written" in " ".join(found["missing"])
            subprocess.run(["umount", "-l", str(run)], check=True)
            until(lambda: it.status()["ready"], 60, 1)
            until(lambda: len(it.contacts()) >= 2 and all(c.case_id for c in it.contacts()), 60, 0.5)
            assert len(it.contacts()) == 2
            assert json.loads((run / "processes.json").read_text())["processes"]["ivr"]["pid"] != old["ivr"]
        finally:
            subprocess.run(["umount", "-l", str(run)], check=False, stderr=subprocess.DEVNULL)
            it.stop()
