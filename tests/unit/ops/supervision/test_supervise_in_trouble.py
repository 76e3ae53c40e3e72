"""Nothing of the supervisor needs the disk, a descriptor or a log: it goes on, and tells what is missing."""

import errno
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hotline.heartbeat import UP, Heartbeat, ask_supervisor
from hotline.settings import ROOT, Settings
from ops import log_file
from ops.log_file import LogFile
from ops.status import processes
from ops.supervision import processes as names
from ops.supervision import supervisor as supervise
from ops.supervision.probe import Probe
from ops.supervision.supervisor import Supervisor
from telephony.asterisk.secrets import make_secrets
from tests.support.wait import until


@pytest.fixture
def supervisor(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Supervisor]:
    """A supervisor of one process that only sleeps, and gives no beat by itself."""
    settings.run.mkdir(parents=True)
    monkeypatch.setattr(Supervisor, "_command", lambda *_: sleeper())
    one = Supervisor(settings, (names.SWITCHBOARD,))
    yield one
    one.stop()


def sleeper() -> "subprocess.Popen[bytes]":
    return subprocess.Popen(["sleep", "600"], start_new_session=True)


@contextmanager
def unwritable(folder: Path) -> Iterator[None]:
    """A folder that nobody can write into, root neither: a read-only mount over itself."""
    subprocess.run(["mount", "--bind", str(folder), str(folder)], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextmanager
def no_descriptors() -> Iterator[None]:
    """No file, pipe or socket more can be opened."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)
    first_free = os.open(os.devnull, os.O_RDONLY)
    os.close(first_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (first_free, most[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, most)


def test_who_hears_the_signs_of_life_goes_on_after_a_fault(
    supervisor: Supervisor, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deaf, and on a disk that cannot be written, it would take every process for hung and kill it."""
    asked: list[int] = []

    def fails_once() -> dict[str, object]:
        asked.append(1)
        if len(asked) == 1:
            raise AttributeError("a process was forgotten at this moment")
        return {"supervisor": 1}

    monkeypatch.setattr(supervisor, "state", fails_once)
    monkeypatch.setattr(supervisor, "write_state", lambda: None)
    supervisor.start()
    until(lambda: ask_supervisor(settings, UP) == {"supervisor": 1})
    assert len(asked) > 1


def test_a_folder_that_cannot_be_written_ends_nothing_and_is_told(supervisor: Supervisor, settings: Settings) -> None:
    supervisor.start()
    child = supervisor.children[names.SWITCHBOARD]
    with unwritable(settings.run):
        first = child.process
        assert first is not None
        os.kill(first.pid, signal.SIGKILL)
        until(lambda: (supervisor.watch_once(), child.running and child.process is not first)[1], 20)
        told = ask_supervisor(settings, UP)
        assert told is not None
        assert told["missing"] == [f"{settings.run} cannot be written (Read-only file system)"]
        # The file still tells of the first; the supervisor is asked.
        assert child.process is not None
        assert processes(settings, told)[names.SWITCHBOARD]["pid"] == child.process.pid
    until(lambda: (supervisor.watch_once(), not supervisor.missing)[1], 20)
    assert str(child.process.pid) in (settings.run / "processes.json").read_text()


def test_a_start_in_a_folder_that_cannot_be_written(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.run.mkdir(parents=True)
    monkeypatch.setattr(Supervisor, "_command", lambda *_: sleeper())
    with unwritable(settings.run):
        one = Supervisor(settings, (names.SWITCHBOARD,))
        try:
            one.start()
            one.watch_once()
            assert one.children[names.SWITCHBOARD].running
        finally:
            one.stop()


def test_without_descriptors_what_died_is_started_as_soon_as_there_are_some(supervisor: Supervisor) -> None:
    supervisor.start()
    child = supervisor.children[names.SWITCHBOARD]
    first = child.process
    assert first is not None
    with no_descriptors():
        os.kill(first.pid, signal.SIGKILL)
        until(lambda: first.poll() is not None, 10)
        for _ in range(3):
            child.not_before_s = 0.0
            supervisor.watch_once()
        assert not child.running
    child.not_before_s = 0.0
    supervisor.watch_once()
    assert child.running


def test_an_ivr_that_cannot_be_asked_for_want_of_descriptors_is_not_hung(settings: Settings) -> None:
    make_secrets(settings)
    probe = Probe(settings)
    assert probe.ivr_answers(0.5) is False, "nobody listens"
    with no_descriptors():
        assert probe.ivr_answers(0.5) is None


def test_an_unreadable_word_says_nothing_of_the_ivr(settings: Settings) -> None:
    assert Probe(settings).ivr_answers(0.5) is None


def test_a_beat_is_heard_where_no_file_can_be_written(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one who beats is a process of its own: whose beat it is, the kernel says."""
    settings.run.mkdir(parents=True)
    beats = (
        "import sys, time; from hotline.heartbeat import Heartbeat; from hotline.settings import Settings\n"
        "one = Heartbeat(Settings(data=sys.argv[1]), 'switchboard')\nwhile True: one.beat(); time.sleep(0.1)"
    )
    command = [sys.executable, "-c", beats, str(settings.data)]
    monkeypatch.setattr(Supervisor, "_command", lambda *_: subprocess.Popen(command, cwd=ROOT, start_new_session=True))
    one = Supervisor(settings, (names.SWITCHBOARD,))
    try:
        with unwritable(settings.run):
            one.start()
            child = one.children[names.SWITCHBOARD]
            assert child.process is not None
            pid = child.process.pid
            until(lambda: one._ears.beats.get(pid, 0) > 2, 30)
            assert not (settings.run / "switchboard.alive").exists()
            child.beat_seen_s = time.monotonic() - 1000
            assert not one._is_hung(child)
            child.process.send_signal(signal.SIGSTOP)
            one._is_hung(child)
            child.beat_seen_s = time.monotonic() - 1000
            until(lambda: one._is_hung(child), 10)
    finally:
        one.stop()


def test_nobody_is_taken_for_hung_who_has_no_way_to_tell(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.run.mkdir(parents=True)
    monkeypatch.setattr(Supervisor, "_command", lambda *_: sleeper())
    first = Supervisor(settings, (names.SWITCHBOARD,))
    second = Supervisor(settings, (names.SWITCHBOARD,))  # the name of its socket is taken
    try:
        second.start()
        child = second.children[names.SWITCHBOARD]
        child.beat_seen_s = time.monotonic() - 1000
        assert second._is_hung(child)
        with unwritable(settings.run):
            assert not second._is_hung(child)
    finally:
        first.stop()
        second.stop()


def test_a_beat_raises_nothing_and_returns_when_it_can(settings: Settings) -> None:
    settings.run.mkdir(parents=True)
    with no_descriptors():
        beat = Heartbeat(settings, "console")
        beat.beat()
    beat.beat()
    assert beat.path.exists()


def test_the_end_of_a_long_log_stays(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_file, "LOG_MAX_BYTES", 1000)
    settings.run.mkdir(parents=True)
    path = settings.run / "freeline.log"
    one = LogFile(path)
    lines = [f"line {n}\n" for n in range(200)]
    path.write_text("".join(lines))
    one.bound()
    kept = path.read_text()
    assert 0 < len(kept) <= 250
    assert "".join(lines).endswith("\n" + kept)
    one.bound()
    assert path.read_text() == kept
    one.close()


def test_a_log_that_cannot_be_opened_is_none(settings: Settings) -> None:
    one = LogFile(settings.run / "nowhere" / "freeline.log")
    os.write(one.fileno(), b"lost")
    one.bound()
    one.close()


def test_whoever_the_supervisor_started_ends_with_it_also_when_it_is_stopped_and_hears_no_signal(
    settings: Settings, tmp_path: Path
) -> None:
    """A frozen process never sees a polite signal: it would hold its ports beside the next stack."""
    script = (
        "import os, subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'from hotline.lifetime import end_with_parent; import os, sys\\n'\n"
        '  \'end_with_parent(int(sys.argv[1])); open(sys.argv[2], "w").write("x"); import time; time.sleep(600)\',\n'
        "  str(os.getpid()), sys.argv[1]])\nprint(child.pid, flush=True)\nchild.wait()"
    )
    marked = tmp_path / "runs"
    parent = subprocess.Popen([sys.executable, "-c", script, str(marked)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    until(marked.exists, 20)
    os.kill(pid, signal.SIGSTOP)
    parent.kill()
    parent.wait()
    parent.stdout.close()

    def gone() -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except OSError:
            return True

    until(gone, 10)


def test_a_fault_of_ours_while_watching_does_not_end_the_line(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ops.up import _watch

    def fails(_self: Supervisor) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(supervise.Supervisor, "watch_once", fails)
    _watch(supervisor)


def test_another_user_is_not_believed(settings: Settings) -> None:
    """A beat is counted for the process that the kernel names, so none can be sent in another's name."""
    settings.run.mkdir(parents=True)
    one = Supervisor(settings, (names.SWITCHBOARD,))
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
            from hotline.heartbeat import address

            line.sendto(b"switchboard", address(settings, UP))
        one._ears.hear(one.state, 1.0)
        assert list(one._ears.beats) == [os.getpid()]
    finally:
        one.stop()
