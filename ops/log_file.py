"""The log of all processes on one machine: one file of a bounded size, for ever."""

import os
import sys
from contextlib import suppress
from pathlib import Path

LOG_MAX_BYTES = 20_000_000
# Of a log that is too long the end stays: so much of the most it may have.
STAYS = 4


class LogFile:
    """What the processes print goes here; without a path into our own stderr, whose bounds are another's.

    A log that cannot be opened is none: what is printed is lost, and all goes on.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file = self._open()

    def fileno(self) -> int:
        """For a process to be started."""
        if self._file is None:
            self._file = self._open()
        return self._file if self._file is not None else 2

    def bound(self) -> None:
        """Cut it where it has grown too long. All who write to it append, so they go on at its new end."""
        if self._path is None or self._file is None:
            return
        with suppress(OSError):
            if os.fstat(self._file).st_size <= LOG_MAX_BYTES:
                return
            with self._path.open("rb") as file:
                file.seek(-min(LOG_MAX_BYTES // STAYS, os.fstat(self._file).st_size), os.SEEK_END)
                _, _, end = file.read(LOG_MAX_BYTES // STAYS).partition(b"\n")
            os.truncate(self._file, 0)
            os.write(self._file, end)

    def close(self) -> None:
        """Write no more."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _open(self) -> int | None:
        try:
            if self._path is None:
                return os.dup(sys.stderr.fileno() if sys.stderr is not None else 2)
            return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        except (OSError, ValueError):
            try:
                return os.open(os.devnull, os.O_WRONLY)
            except OSError:
                return None
