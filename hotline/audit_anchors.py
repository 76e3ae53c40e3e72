"""The head of the audit chain, written down each hour outside the database: what is cut off at its end shows by that.

One line of JSON an anchor, only ever added to. Each carries an HMAC over itself and the line before it, under the key of
the audit, so that who can write the file and has no key can cut it short at most; a copy elsewhere (a backup, the log)
shows that too.
"""

import hashlib
import hmac
import json
import os
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from models.db.types import now

# So much of its end is read for a page: some hundred hours. The doctor reads all of it.
TAIL_BYTES = 64 * 1024
DUE_AFTER = timedelta(hours=3)


@dataclass(frozen=True)
class Anchor:
    """The newest entry at some moment."""

    at: str
    entry_id: int
    digest: str
    mac: str


class Dated(Protocol):
    """Something that has a moment."""

    at: datetime


@dataclass(frozen=True)
class Anchors:
    """What the file says; `forged` is the entry of the first line that is not ours, 0 when it cannot be read at all."""

    lines: list[Anchor] = field(default_factory=list)
    forged: int | None = None
    expected: bool = False

    def missing_since(self, oldest: Dated | None) -> bool:
        """Whether there should be an anchor by now."""
        return self.expected and oldest is not None and now() - oldest.at > DUE_AFTER


def read(path: Path, key: bytes, *, all_of_it: bool = True) -> Anchors:
    """The anchors that are kept; those of the end only, when not all are wanted. Raises OSError but for a missing file."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            begin = 0 if all_of_it else max(0, size - TAIL_BYTES)
            file.seek(begin)
            content = file.read()
    except FileNotFoundError:
        return Anchors(expected=True)
    rows = content.split(b"\n")
    # After a crash or on a full disk the last line may be cut short: it was never told to anybody.
    rows = [row for row in rows[:-1] if row] if begin == 0 else [row for row in rows[1:-1] if row]
    lines: list[Anchor] = []
    for row in rows:
        anchor = _parsed(row)
        if anchor is None:
            return Anchors(lines, lines[-1].entry_id if lines else 0, expected=True)
        before = lines[-1].mac if lines else ("" if begin == 0 else None)
        if before is not None and not hmac.compare_digest(anchor.mac, _mac(anchor, before, key)):
            return Anchors(lines, anchor.entry_id, expected=True)
        lines.append(anchor)
    return Anchors(lines, expected=True)


def add(path: Path, key: bytes, entry_id: int, digest: str) -> Anchor | None:
    """Write the head down; None when it is the one that was written last. Raises OSError."""
    kept = read(path, key, all_of_it=False)
    last = kept.lines[-1] if kept.lines else None
    if last is not None and last.entry_id == entry_id and last.digest == digest:
        return None
    anchor = Anchor(now().isoformat(timespec="seconds"), entry_id, digest, "")
    anchor = Anchor(anchor.at, entry_id, digest, _mac(anchor, last.mac if last else "", key))
    line = json.dumps({"at": anchor.at, "entry": entry_id, "digest": digest, "mac": anchor.mac}).encode() + b"\n"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        before = os.fstat(descriptor).st_size
        torn = before > 0 and os.pread(descriptor, 1, before - 1) != b"\n"
        try:
            if torn:
                os.ftruncate(descriptor, _whole(path))
                before = os.fstat(descriptor).st_size
            if os.write(descriptor, line) != len(line):
                raise OSError("the disk is full")
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, before)  # half a line is none
            raise
    finally:
        os.close(descriptor)
    return anchor


def _whole(path: Path) -> int:
    """Up to where the file has whole lines."""
    return path.read_bytes().rfind(b"\n") + 1


def _parsed(row: bytes) -> Anchor | None:
    try:
        told = json.loads(row)
        return Anchor(str(told["at"]), int(told["entry"]), str(told["digest"]), str(told["mac"]))
    except (ValueError, KeyError, TypeError):
        return None


def _mac(anchor: Anchor, before: str, key: bytes) -> str:
    words = json.dumps(["anchor", before, anchor.at, anchor.entry_id, anchor.digest]).encode()
    return hmac.new(key, words, hashlib.sha256).hexdigest()
