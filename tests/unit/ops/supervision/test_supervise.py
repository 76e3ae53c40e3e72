"""The supervisor's own house: what it keeps for the processes, and what it does not let grow."""

import os
from collections.abc import Iterator

import pytest

from hotline.settings import Settings
from ops import log_file
from ops.supervision import processes as names
from ops.supervision.supervisor import Supervisor
from telephony.switchboard.process import ALIVE


@pytest.fixture
def supervisor(settings: Settings) -> Iterator[Supervisor]:
    """A supervisor of a switchboard that ends at once, for want of keys."""
    settings.run.mkdir(parents=True)
    one = Supervisor(settings, (names.SWITCHBOARD,))
    yield one
    one.stop()


def test_a_start_leaves_the_last_beat_to_the_switchboard_that_reads_it(
    supervisor: Supervisor, settings: Settings
) -> None:
    beat = settings.run / ALIVE
    beat.touch()
    os.utime(beat, (1_700_000_000, 1_700_000_000))
    supervisor.start()
    assert beat.stat().st_mtime == 1_700_000_000


def test_an_old_beat_is_no_hang(supervisor: Supervisor, settings: Settings) -> None:
    beat = settings.run / ALIVE
    beat.touch()
    os.utime(beat, (1_700_000_000, 1_700_000_000))
    supervisor.start()
    assert not supervisor._is_hung(supervisor.children[names.SWITCHBOARD])


def test_the_log_is_cut_while_the_processes_run(
    supervisor: Supervisor, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_file, "LOG_MAX_BYTES", 1000)
    log = settings.run / "freeline.log"
    with log.open("ab") as process:
        process.write(b"x" * 1001)
        process.flush()
        supervisor.watch_once()
        process.write(b"after")
    assert log.read_bytes() == b"after"
