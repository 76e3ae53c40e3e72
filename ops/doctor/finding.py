"""What the doctor says of one thing."""

from dataclasses import dataclass
from typing import Literal

Grade = Literal["ok", "warn", "bad"]


@dataclass(frozen=True)
class Finding:
    """One thing looked at. `warn` works but is not good, `bad` must be mended; `mend` says what to do."""

    grade: Grade
    text: str
    mend: str = ""


def ok(text: str) -> Finding:
    """As it should be."""
    return Finding("ok", text)


def warn(text: str, mend: str) -> Finding:
    """It works, and is not good."""
    return Finding("warn", text, mend)


def bad(text: str, mend: str) -> Finding:
    """It must be mended."""
    return Finding("bad", text, mend)
