"""Logs: key and value, one line each. Nothing about a caller is ever passed to them.

A line that cannot be written is lost, and nothing else: a full disk or a closed pipe never raises into the middle of other
code. What repeats is counted instead of written, so that nobody fills a disk with it.
"""

import atexit
import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TextIO

import structlog

MINUTE_S = 60.0
# Of one message, lines a minute; the rest is counted. One with a traceback is long, and its like come from strangers.
LINES_A_MINUTE, TRACEBACKS_A_MINUTE = 20, 2
# Of a library whose messages are all different, the later ones count as one.
MESSAGES_KNOWN = 200
_STANDARD = (0, 1, 2)


def start_log(process: str) -> None:
    """Send this process's log to stderr, each line marked with the process's name."""
    keep_standard_files()
    lines = Lines(sys.stderr)
    libraries = _Libraries(lines)
    libraries.setFormatter(_TypeOnly("%(message)s"))
    logging.basicConfig(handlers=[libraries], level=logging.WARNING, force=True)
    # A library that has no handler of its own, or one that fails, must not write either.
    logging.raiseExceptions = False

    def mark(_logger: Any, _method: str, entry: Any) -> Any:
        # Not a context variable: those do not reach the threads a process starts.
        entry["process"] = process
        return entry

    structlog.configure(
        processors=[
            mark,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _name_only,
            _Rendered(structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "process", "event"])),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=lambda *_: _Ours(lines),
        cache_logger_on_first_use=True,
    )
    _State.lines = lines
    atexit.register(lines.tell_counted, everything=True)


def keep_standard_files() -> None:
    """Open what is missing of stdin, stdout, stderr: else the next file opened, perhaps a database, would be one of them."""
    for number in _STANDARD:
        try:
            os.fstat(number)
        except OSError:
            try:
                opened = os.open(os.devnull, os.O_RDWR)
            except OSError:
                return
            if opened not in _STANDARD:
                os.close(opened)


def tell_counted() -> None:
    """Write how often a message was repeated, where its minute is over; to be called now and then by who has time."""
    if _State.lines is not None:
        _State.lines.tell_counted()


class _State:
    lines: "Lines | None" = None


@dataclass
class _Seen:
    since_s: float
    written: int = 0
    held_back: int = 0


class Lines:
    """Writes lines, and never raises. `clock` is in seconds."""

    def __init__(self, stream: TextIO | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._clock = stream, clock
        self._seen: dict[str, _Seen] = {}
        self._one = threading.RLock()  # a signal handler may log while its thread does

    def write(self, message: str, line: str, a_minute: int = LINES_A_MINUTE) -> None:
        """Write a line of this message, or count it when there were `a_minute` of it within the minute."""
        with self._one:
            self.tell_counted()
            if message not in self._seen and len(self._seen) >= MESSAGES_KNOWN:
                message = "other messages"
            seen = self._seen.setdefault(message, _Seen(self._clock()))
            if seen.written < a_minute:
                seen.written += 1
                self._put(line)
            else:
                seen.held_back += 1

    def tell_counted(self, *, everything: bool = False) -> None:
        """Write the counts of each message whose minute is over, or of all."""
        with self._one:
            moment = self._clock()
            for message, seen in list(self._seen.items()):
                if everything or moment - seen.since_s >= MINUTE_S:
                    del self._seen[message]
                    if seen.held_back:
                        self._put(f"{message} … {seen.held_back} more like it")

    def _put(self, line: str) -> None:
        data = (line + "\n").encode(errors="backslashreplace")
        try:
            # Past Python's own buffer: what cannot be written now is not to be written at the end, or to fail then.
            os.write(self._stream.fileno() if self._stream is not None else 2, data)
        except (OSError, ValueError):
            self._put_into(self._stream, line)

    @staticmethod
    def _put_into(stream: TextIO | None, line: str) -> None:
        """For a stream that is no file, as a test has it."""
        if stream is None or hasattr(stream, "buffer"):
            return
        try:
            stream.write(line + "\n")
        except (OSError, ValueError):
            return


@dataclass(frozen=True)
class _Line:
    """A rendered line with the message that it is one of."""

    message: str
    text: str


class _Rendered:
    """The last step: the line, and beside it what it is counted under."""

    def __init__(self, renderer: Callable[..., Any]) -> None:
        self._renderer = renderer

    def __call__(self, logger: Any, method: str, entry: Any) -> Any:
        message = " ".join(str(entry.get(key)) for key in ("level", "process", "event"))
        return (_Line(message, str(self._renderer(logger, method, entry))),), {}


class _Ours:
    """What structlog writes to."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines

    def msg(self, line: _Line) -> None:
        self._lines.write(line.message, line.text)

    log = debug = info = warn = warning = error = critical = fatal = exception = failure = msg


class _Libraries(logging.Handler):
    """What libraries log."""

    def __init__(self, lines: Lines) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        """Write or count it. The message as it was before its values were put in is what it is counted under."""
        try:
            a_minute = TRACEBACKS_A_MINUTE if record.exc_info else LINES_A_MINUTE
            self._lines.write(f"{record.levelname.lower()} {record.name}: {record.msg}", self.format(record), a_minute)
        except Exception:  # noqa: BLE001  (a library's log line must not be the end of what it was doing)
            return


class _TypeOnly(logging.Formatter):
    """What libraries log: where an error came from and its type, never its text."""

    def formatException(self, ei: Any) -> str:  # noqa: N802  (logging's own name)
        """The places in the code, and the type."""
        kind, _, trace = ei
        return "".join(traceback.format_tb(trace)) + (kind.__name__ if kind else "")


def _name_only(_logger: Any, _method: str, entry: Any) -> Any:
    """Keep of an exception its type alone: its text may quote a row, and a row may hold a caller."""
    error = entry.pop("error", None)
    if isinstance(error, BaseException):
        entry["error"] = type(error).__name__
    elif error is not None:
        entry["error"] = error
    entry.pop("exc_info", None)
    return entry


def log() -> Any:
    """The process's logger: `log().info("what happened", key=value)`."""
    return structlog.get_logger()
