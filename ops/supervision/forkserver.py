"""The forkserver of `freeline up`: a process that has loaded everything and only forks.

Each process is a fork of it, so that Python's libraries are in memory once and not seven times, and a process that is
restarted needs no loading. Nothing but loading happens before the fork: no thread, key, connection or random number.
"""

import ctypes
import gc
import importlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from hotline.lifetime import end_with_parent
from hotline.settings import Settings
from ops.supervision.run import PARENT, PLACES, run

PR_SET_NAME, PR_SET_CHILD_SUBREAPER = 15, 36
BORN_WITHIN_S = 10.0
LOOK_S = 0.02
# The libraries import these only on first use, which would be once in each process.
USED_LATER = ("asyncio", "sqlalchemy.dialects.sqlite.pysqlite", "sqlite3", "pyrage")
_LIBC = ctypes.CDLL(None, use_errno=True)


class Forked:
    """A process from the forkserver, with the part of `subprocess.Popen` that a supervisor uses. Thread-safe."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._one = threading.Lock()

    def poll(self) -> int | None:
        """Its exit code, the number of a signal below zero; None while it runs."""
        with self._one:
            if self.returncode is None:
                try:
                    pid, status = os.waitpid(self.pid, os.WNOHANG)
                except ChildProcessError:
                    self.returncode = -signal.SIGKILL  # it ended, and another waiter got its exit code
                    return self.returncode
                if pid:
                    self.returncode = os.waitstatus_to_exitcode(status)
            return self.returncode

    def wait(self, timeout: float) -> int:
        """Its exit code once it has ended. Raises `subprocess.TimeoutExpired` after so many seconds."""
        end = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired("forked", timeout)
            time.sleep(LOOK_S)
        return code

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)


class Forkserver:
    """The supervisor's side. Make it first of all, while this process has one thread and nothing open.

    The processes are children of this process, not of the forkserver: a crash of the forkserver does not affect them.
    """

    def __init__(self, settings: Settings) -> None:
        _load()
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        supervisor = os.getpid()
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            self._line.close()
            _serve(settings, theirs, supervisor)
        theirs.close()
        gc.enable()
        # Orphans below this process become its children (subreaper): so do the processes that the forkserver forks.
        _LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1)
        self._line.settimeout(BORN_WITHIN_S)

    def start(self, name: str) -> Forked | None:
        """Start a process of this name; return None when the forkserver is gone."""
        try:
            self._line.send(name.encode())
            pid = self._line.recv(64)
        except OSError:
            pid = b""
        if pid:
            return Forked(int(pid))
        self._line.close()  # one that comes too late finds no reader and ends
        return None

    def close(self) -> None:
        """End the forkserver; the processes stay."""
        self._line.close()
        with suppress(ChildProcessError):  # it was gone before
            Forked(self.pid).wait(BORN_WITHIN_S)
        _LIBC.prctl(PR_SET_CHILD_SUBREAPER, 0)


def reap(ours: set[int]) -> None:
    """Reap orphans that have ended: children of a killed process are now children of this one."""
    try:
        while found := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            # Commands that this process runs and waits for are in its own process group.
            if found.si_pid in ours or os.getpgid(found.si_pid) == os.getpgrp():
                return
            os.waitpid(found.si_pid, 0)
    except (ChildProcessError, ProcessLookupError):
        return


def _load() -> None:
    # A garbage collection, now or later in a process, would write into every object: frozen ones are left alone.
    gc.disable()
    for place in (*PLACES.values(), *USED_LATER):
        importlib.import_module(place)
    gc.freeze()


def _serve(settings: Settings, line: socket.socket, supervisor: int) -> None:
    """Fork whenever a name comes; end the process when the supervisor is gone. Never returns."""
    os.setsid()  # Ctrl-C is for the supervisor
    end_with_parent(supervisor)
    _called("forkserver")
    while name := line.recv(64).decode():
        between = os.fork()
        if between == 0:
            _fork_again(settings, line, supervisor, name)
        os.waitpid(between, 0)
    os._exit(0)


def _fork_again(settings: Settings, line: socket.socket, supervisor: int, name: str) -> None:
    """Fork again: the process between ends at once, and the supervisor adopts its child."""
    between = os.getpid()
    if os.fork():
        os._exit(0)
    while (parent := os.getppid()) == between:
        time.sleep(0.001)
    if parent != supervisor:
        os._exit(1)
    os.setsid()
    line.send(str(os.getpid()).encode())
    line.close()
    _to_log(settings.run / "freeline.log")
    _called(name)
    os.environ[PARENT] = str(supervisor)
    gc.enable()
    # Exit through the code that made the forkserver, as the command itself does: buffers are flushed and threads joined.
    sys.exit(run(name, settings))


def _to_log(path: Path) -> None:
    """Read nothing, and print into the log, or nowhere when it cannot be opened: the line needs no log."""
    with suppress(OSError):
        nothing = os.open(os.devnull, os.O_RDWR)
        kept = nothing
        with suppress(OSError):
            kept = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        for source, target in ((nothing, 0), (kept, 1), (kept, 2)):
            os.dup2(source, target)
        for opened in {nothing, kept}:
            os.close(opened)


def _called(name: str) -> None:
    """Set the name that `ps -e` and `top` show: the command line is the supervisor's."""
    _LIBC.prctl(PR_SET_NAME, f"freeline {name}"[:15].encode())
