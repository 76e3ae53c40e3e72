"""Byte ranges, which a browser asks for when somebody seeks in a recording."""

import re
from dataclasses import dataclass

_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


@dataclass(frozen=True)
class Ranged:
    """A status, the bytes, and the Content-Range header when there is one."""

    status: int
    body: bytes
    content_range: str | None = None


def ranged(body: bytes, asked: str | None) -> Ranged:
    """The part asked for (206), the whole (200), or nothing when the range lies outside (416). One range only."""
    found = _RANGE.fullmatch(asked or "")
    if found is None or found.groups() == ("", ""):
        return Ranged(200, body)
    size = len(body)
    first, last = found.groups()
    if first == "":
        start, stop = max(0, size - int(last)), size
    else:
        start, stop = int(first), min(size, int(last) + 1 if last else size)
    if start >= stop:
        return Ranged(416, b"", f"bytes */{size}")
    return Ranged(206, body[start:stop], f"bytes {start}-{stop - 1}/{size}")
