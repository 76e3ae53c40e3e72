"""Logs: key and value, one line each. Nothing about a caller is ever passed to them."""

import logging
import sys
import traceback
from typing import Any

import structlog


def start_log(process: str) -> None:
    """Send this process's log to stderr, each line marked with the process's name."""
    libraries = logging.StreamHandler(sys.stderr)
    libraries.setFormatter(_TypeOnly("%(message)s"))
    logging.basicConfig(handlers=[libraries], level=logging.WARNING)

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
            structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "process", "event"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


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
