"""A finding of the doctor."""

from dataclasses import dataclass
from typing import Literal

Grade = Literal["ok", "warn", "bad"]


@dataclass(frozen=True)
class Finding:
    """The result of one check. `warn` works but should be improved, `bad` must be fixed; `mend` says what to do."""

    grade: Grade
    text: str
    mend: str = ""


def ok(text: str) -> Finding:
    """A finding that all is as it should be."""
    return Finding("ok", text)


def warn(text: str, mend: str) -> Finding:
    """A finding that works but should be improved."""
    return Finding("warn", text, mend)


def bad(text: str, mend: str) -> Finding:
    """A finding that must be fixed."""
    return Finding("bad", text, mend)
