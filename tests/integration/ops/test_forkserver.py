"""Processes forked from one that has loaded everything: they come back, they end, and they share nothing but code."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hotline.keys import make_keys
from hotline.settings import ROOT, Settings
from models import Database
from tests.support.wait import PATIENCE_S, until


class Nursed:
    """A supervisor in a process of its own, whose one process comes from a forkserver."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        settings.data.mkdir(parents=True, exist_ok=True)
        with (settings.data / "supervisor.log").open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.forkserver_program", str(settings.data)],
                cwd=ROOT,
                env=os.environ | {"FREELINE_DATA": str(settings.data)},
                stderr=log,
            )
        until(lambda: (settings.data / "forkserver").exists())
        self.forkserver = int((settings.data / "forkserver").read_text())

    @property
    def pid(self) -> int:
        """Of the one process, as the supervisor wrote it; 0 while there is none."""
        state = json.loads((self.settings.run / "processes.json").read_text())
        return int(state["processes"]["transcriber"]["pid"] or 0)

    def born(self, pid: int) -> dict[str, Any]:
        """What it was born with."""
        file = self.settings.data / f"born-{pid}.json"
        until(file.exists)
        found: dict[str, Any] = json.loads(file.read_text())
        return found

    def another(self, old: int) -> int:
        """The process id of the next."""
        until(lambda: self.pid not in {0, old})
        return self.pid


@pytest.fixture
def nursed(settings: Settings) -> Iterator[Nursed]:
    one = Nursed(settings)
    yield one
    if one.process.poll() is None:
        one.process.terminate()
    one.process.wait(PATIENCE_S)


def there(pid: int) -> bool:
    """Whether it runs; a zombie does not."""
    return _stat(pid)[:1] not in ([], ["Z"])


def _stat(pid: int) -> list[str]:
    """State, parent and so on; nothing when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def zombies_of(parent: int) -> list[int]:
    pids = [int(folder.name) for folder in Path("/proc").glob("[0-9]*")]
    return [pid for pid in pids if _stat(pid)[:2] == ["Z", str(parent)]]


def test_a_process_inherits_no_connection_no_thread_and_no_handler(nursed: Nursed) -> None:
    born = nursed.born(nursed.pid)
    assert set(born["open"]) == {"/dev/null", str(nursed.settings.run / "freeline.log")}
    assert born["threads"] == 1
    assert born["ends_at_once"]
    assert born["session"]
    assert _stat(nursed.pid)[1] == str(nursed.process.pid)
    assert Path(f"/proc/{nursed.pid}/comm").read_text().strip() == "freeline transcriber"[:15]


def test_what_crashes_is_forked_again_and_draws_other_numbers(nursed: Nursed) -> None:
    old = nursed.pid
    first = nursed.born(old)
    os.killpg(old, signal.SIGKILL)
    second = nursed.born(nursed.another(old))
    assert first["random"] != second["random"]
    assert there(nursed.forkserver)


def test_what_a_killed_process_had_started_does_not_stay_as_a_zombie(nursed: Nursed) -> None:
    old = nursed.pid
    nursed.born(old)
    os.killpg(old, signal.SIGKILL)
    nursed.born(nursed.another(old))
    until(lambda: not zombies_of(nursed.process.pid))


def test_a_signal_ends_all_of_it_well(nursed: Nursed) -> None:
    pid = nursed.pid
    nursed.born(pid)
    nursed.process.terminate()
    assert nursed.process.wait(PATIENCE_S) == 0
    assert (nursed.settings.data / "ended-well").exists()
    assert not there(pid)
    assert not there(nursed.forkserver)


def test_a_supervisor_that_is_killed_leaves_nobody(nursed: Nursed) -> None:
    pid = nursed.pid
    nursed.born(pid)
    nursed.process.kill()
    until(lambda: not there(pid) and not there(nursed.forkserver))


def test_a_nursery_that_dies_takes_nobody_with_it_and_the_next_is_started_without_it(nursed: Nursed) -> None:
    pid = nursed.pid
    nursed.born(pid)
    make_keys(nursed.settings.keys)
    db = Database(nursed.settings.database)
    db.migrate()
    db.dispose()
    os.kill(nursed.forkserver, signal.SIGKILL)
    until(lambda: not there(nursed.forkserver))
    assert there(pid)
    os.killpg(pid, signal.SIGKILL)
    until(lambda: not zombies_of(nursed.process.pid))
    log = nursed.settings.run / "freeline.log"
    until(lambda: "the transcriber is ready" in log.read_text(), 60)  # the real one: it was started by its own command
