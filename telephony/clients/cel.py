"""Asterisk's channel events on disk: what came and went while nobody listened. Evidence for the sweep, not the truth."""

import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from telephony import names
from telephony.names import agent_of

# The file is set aside when it is this long; a call writes about 2 kB.
SET_ASIDE_AT = 2_000_000
UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
# What the dialplan writes on a caller's channel: the call's own id, its line, and whether nothing could be kept.
_OURS = re.compile(rf"({UUID.pattern}) (\+?\d+)( {names.FAILED})?")
_CALLERS = (f"PJSIP/{names.TRUNK}-", f"PJSIP/{names.CALLER}-")


@dataclass
class Trail:
    """What the records say of one call, by its Linkedid. `first` is where its first row is: (file's place, offset).

    `call` is its own id, once the dialplan had given it one.
    """

    linkedid: str
    first: tuple[int, int]
    started_at: datetime | None = None
    line: str | None = None
    answered: tuple[int, datetime] | None = None
    ended_at: datetime | None = None
    last_at: datetime | None = None
    call: str | None = None
    failed_at: datetime | None = None


@dataclass
class CelLog:
    """The records at `path`. Everything before a kept offset is settled and never read again.

    A file that has grown long is set aside as PATH.old and removed when all in it is settled. Asterisk opens the file for
    each row, so it goes on in a new one.
    """

    path: Path
    kept: Path
    set_aside_at: int = SET_ASIDE_AT
    _read: list[tuple[int, int]] = field(default_factory=list)  # of each file: inode, and where reading ended

    @property
    def aside(self) -> Path:
        """The older file, when there is one."""
        return self.path.with_name(self.path.name + ".old")

    def read(self) -> dict[str, Trail]:
        """The calls from the trunk, and those that agents made, that are not settled yet, by Linkedid, oldest first."""
        trails: dict[str, Trail] = {}
        self._read = []
        for place, file in enumerate(self._files()):
            inode, start = file.stat().st_ino, self._offset(file) if place == 0 else 0
            self._read.append((inode, start))
            for offset, end, row in _rows(file, start):
                self._read[place] = (inode, end)
                _follow(trails, (place, offset), row)
        return {k: t for k, t in trails.items() if t.started_at is not None}

    def settle(self, unsettled: list[Trail], *, set_aside: bool = False) -> None:
        """Forget what `read` has shown, but for these. Call it only after a `read`.

        `set_aside`: do not wait until the file is long, so that it goes as soon as all in it is settled.
        """
        files = self._files()
        if not self._read or len(files) != len(self._read):
            return
        place, offset = min((t.first for t in unsettled), default=(len(files) - 1, self._read[-1][1]))
        self._keep(self._read[place][0], offset)
        for file in files[:place]:
            file.unlink(missing_ok=True)
        long = self.path.exists() and self.path.stat().st_size > (0 if set_aside else self.set_aside_at)
        if long and not self.aside.exists():
            self.path.rename(self.aside)

    def _files(self) -> list[Path]:
        return [file for file in (self.aside, self.path) if file.exists()]

    def _offset(self, file: Path) -> int:
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            kept = json.loads(self.kept.read_text())
            if kept["inode"] == file.stat().st_ino and 0 <= kept["offset"] <= file.stat().st_size:
                return int(kept["offset"])
        return 0

    def _keep(self, inode: int, offset: int) -> None:
        self.kept.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.kept.with_suffix(".new")
        fresh.write_text(json.dumps({"inode": inode, "offset": offset}))
        fresh.replace(self.kept)


def _rows(file: Path, start: int) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """Each whole row with where it begins and ends; a row that is being written, or is none, is left."""
    with file.open("rb") as stream:
        stream.seek(start)
        offset = start
        for line in stream:
            if not line.endswith(b"\n"):
                return
            end = offset + len(line)
            with contextlib.suppress(ValueError):
                row = json.loads(line)
                if isinstance(row, dict):
                    yield offset, end, {str(k).lower(): v for k, v in row.items()}
            offset = end


def _follow(trails: dict[str, Trail], first: tuple[int, int], row: dict[str, Any]) -> None:
    linkedid, channel = str(row.get("linkedid", "")), str(row.get("channame", ""))
    at = _moment(row.get("eventtime"))
    if not linkedid or at is None:
        return
    trail = trails.setdefault(linkedid, Trail(linkedid, first))
    trail.last_at = at
    # The worker's channel; or, of a call that we made, the agent's, from which the worker was called.
    ours = row.get("uniqueid") == linkedid and agent_of(channel) is not None
    callers = row.get("uniqueid") == linkedid and channel.startswith(_CALLERS)
    if callers and (said := _OURS.fullmatch(str(row.get("userfield", "")))):
        trail.call, trail.line = said[1], trail.line or said[2]
        trail.started_at = trail.started_at or at  # its first row may be lost
        trail.failed_at = trail.failed_at or (at if said[3] else None)
    kind = row.get("eventtype")
    if kind == "CHAN_START" and (callers or ours):
        trail.started_at, trail.line = at, (str(row.get("exten") or "") or None) if callers else None
    elif kind == "BRIDGE_ENTER" and trail.answered is None and (agent_id := agent_of(channel)) is not None:
        trail.answered = (agent_id, at)
    elif (kind == "CHAN_END" and (callers or ours)) or (kind == "LINKEDID_END" and trail.ended_at is None):
        trail.ended_at = at


def _moment(epoch: Any) -> datetime | None:
    with contextlib.suppress(ValueError, TypeError, OverflowError, OSError):
        return datetime.fromtimestamp(float(epoch), UTC)
    return None
