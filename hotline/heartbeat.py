"""Signs of life of a process, for its supervisor: a file whose time is now, and a word over a socket that needs no disk.

The socket is the supervisor's own, in the kernel's abstract namespace: no file, so that it works on a disk that is full or
cannot be written. Over the same it is asked how its processes fare.
"""

import hashlib
import json
import os
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from hotline.log import tell_counted
from hotline.settings import Settings

# The supervisor of `freeline up`; one that keeps a single process is called by that process's name.
UP = "up"
ASK = b"?"
LONGEST = 65_536
_CREDENTIALS = struct.Struct("3i")


class Heartbeat:
    """The side of a process. `beat` costs little and never raises; for one thread."""

    def __init__(self, settings: Settings, name: str) -> None:
        self.path = settings.run / f"{name}.alive"
        self._name = name
        self._to = [address(settings, supervisor) for supervisor in (UP, name)]
        self._line: socket.socket | None = None

    def beat(self) -> None:
        """Show that this process turns."""
        with suppress(OSError):
            self._touch()
        with suppress(OSError):
            if self._line is None:
                self._line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        if self._line is not None:
            for to in self._to:
                with suppress(OSError):  # nobody listens there, or is too busy to
                    self._line.sendto(self._name.encode(), to)
        tell_counted()

    def _touch(self) -> None:
        try:
            os.utime(self.path)
        except FileNotFoundError:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.touch(mode=0o600)


class Ears:
    """The side of a supervisor. For one thread, which calls `hear`; `beats` may be read by others."""

    def __init__(self, settings: Settings, supervisor: str) -> None:
        self.beats: dict[int, int] = {}
        self._line: socket.socket | None = None
        line = None
        try:
            line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            # Who sends is told by the kernel: another user of the machine is not believed.
            line.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            line.bind(address(settings, supervisor))
            self._line = line
        except OSError:
            if line is not None:
                line.close()

    @property
    def open(self) -> bool:
        """Whether anybody can be heard; else the files alone tell."""
        return self._line is not None

    def hear(self, state: Callable[[], dict[str, Any]], within_s: float) -> None:
        """Wait for one word: note a beat, or answer with the state when that is asked."""
        if self._line is None:
            return
        self._line.settimeout(within_s)
        try:
            said, ancillary, _, who = self._line.recvmsg(LONGEST, socket.CMSG_SPACE(_CREDENTIALS.size))
            pid, uid = _sender(ancillary)
            if uid not in {os.getuid(), 0}:
                return
            if said == ASK:
                self._line.sendto(json.dumps(state()).encode(), socket.MSG_DONTWAIT, who)
            else:
                if len(self.beats) > 1000:
                    self.beats.clear()
                self.beats[pid] = self.beats.get(pid, 0) + 1
        except OSError:
            return

    def close(self) -> None:
        """Listen no more."""
        if self._line is not None:
            self._line.close()


def ask_supervisor(settings: Settings, supervisor: str, within_s: float = 1.0) -> dict[str, Any] | None:
    """Return what a supervisor says of its processes; None when there is none, or it does not answer."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
            line.settimeout(within_s)
            line.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            line.bind("")  # a name of the kernel's choice, to answer to
            line.sendto(ASK, address(settings, supervisor))
            said, ancillary, _, _ = line.recvmsg(LONGEST, socket.CMSG_SPACE(_CREDENTIALS.size))
            state = json.loads(said) if _sender(ancillary)[1] in {os.getuid(), 0} else None
            return state if isinstance(state, dict) else None
    except (OSError, ValueError):
        return None


def address(settings: Settings, supervisor: str) -> bytes:
    """Where a supervisor of this data folder listens."""
    mark = hashlib.sha256(f"{settings.run}".encode()).hexdigest()[:32]
    return f"\0freeline-{mark}-{supervisor}".encode()


def _sender(ancillary: list[tuple[int, int, bytes]]) -> tuple[int, int]:
    """Process and user who sent a message; -1 for nobody."""
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS) and len(data) >= _CREDENTIALS.size:
            pid, uid, _ = _CREDENTIALS.unpack(data[: _CREDENTIALS.size])
            return pid, uid
    return -1, -1
