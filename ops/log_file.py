"""The log of all processes on one machine: one file of a bounded size."""

import os
import sys
from contextlib import suppress
from pathlib import Path

LOG_MAX_BYTES = 20_000_000
# When a log is too long its end is kept: this share of the maximum.
STAYS = 4


class LogFile:
    """The output of the processes goes here; without a path, to our own stderr, which others bound.

    When the log cannot be opened, the output is lost and everything goes on.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file = self._open()

    def fileno(self) -> int:
        """The descriptor for a process to be started."""
        if self._file is None:
            self._file = self._open()
        return self._file if self._file is not None else 2

    def bound(self) -> None:
        """Cut it when it has grown too long. All processes append to it, so they go on at its new end."""
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
        """Stop writing."""
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
