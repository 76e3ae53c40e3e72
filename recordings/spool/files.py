"""The spool: the files that Asterisk and the net left, and whether they have finished writing them."""

import contextlib
import errno
import fcntl
import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hotline.calls.facts import Fact
from hotline.line.languages import catalogue
from models import CallbackSafety, MessageEnd
from recordings.vault.audio import RATE_HZ, SAMPLE_BYTES

CALL = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
TALK = re.compile(rf"({CALL.pattern})\.talk([1-9]\d{{0,5}})")
SOUND, NOTE = ".sln", ".call"
REJECTED = "rejected"
BYTES_A_SECOND = RATE_HZ * SAMPLE_BYTES
NET = "net"
NOTE_MAX_BYTES = 1_000_000
# A note with an earlier time comes from a clock that was never set.
EARLIEST = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class File:
    """A file of the spool as it was scanned. `quiet_s` is how long we have seen it unchanged (a message: also closed)."""

    path: Path
    size: int
    mtime_ns: int
    quiet_s: float

    @property
    def written_at(self) -> datetime:
        """When it was last written, UTC."""
        return datetime.fromtimestamp(self.mtime_ns / 1e9, UTC)

    @property
    def began_at(self) -> datetime:
        """When a recording in it began, UTC: its last write, less its length."""
        return self.written_at - timedelta(seconds=self.size / BYTES_A_SECOND)

    def unchanged(self) -> bool:
        """Return whether it is still as it was scanned."""
        with contextlib.suppress(FileNotFoundError):
            now = self.path.stat()
            return (now.st_size, now.st_mtime_ns) == (self.size, self.mtime_ns)
        return False


@dataclass(frozen=True)
class Left:
    """The files of one call: a recording, a note, or both."""

    call: str
    sound: File | None = None
    note: File | None = None

    @property
    def files(self) -> list[File]:
        """The existing files, the note first: it may hold a number in the clear, so it is removed first."""
        return [file for file in (self.note, self.sound) if file is not None]

    @property
    def quiet_s(self) -> float:
        """How long neither file has changed, in seconds."""
        return min(file.quiet_s for file in self.files)


@dataclass(frozen=True)
class RecordedConversation:
    """A recording of a call's conversation. `number` counts them from 1."""

    call: str
    number: int
    file: File


@dataclass(frozen=True)
class Looked:
    """The content of the spool: files of calls and recorded conversations, both oldest first, and unknown files."""

    left: list[Left]
    talks: list[RecordedConversation]
    strangers: list[File]


class Spool:
    """Scans the spool folder repeatedly, and remembers since when each file has not changed.

    Quiet is measured by our own steady clock, never by the files' times: the wall clock may jump either way.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self.folder = folder
        self._clock = clock
        self._since: dict[str, tuple[int, int, float]] = {}

    def look(self) -> Looked:
        """Scan the folder. An OSError means that it does not exist."""
        found: dict[str, dict[str, File]] = {}
        talks: list[RecordedConversation] = []
        strangers: list[File] = []
        present: dict[str, tuple[int, int, float]] = {}
        moment = self._clock()
        with os.scandir(self.folder) as entries:
            for entry in entries:
                try:
                    if not entry.is_file(follow_symlinks=False):
                        continue
                    stat = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                before = self._since.get(entry.name)
                same = before is not None and before[:2] == (stat.st_size, stat.st_mtime_ns)
                # A message is recorded in steps, and is closed for a moment between two of them: that does not mean done,
                # however long nothing came into it before.
                same = same and not (_is_message(entry.name) and being_written(Path(entry.path)))
                since = before[2] if before is not None and same else moment
                present[entry.name] = (stat.st_size, stat.st_mtime_ns, since)
                file = File(Path(entry.path), stat.st_size, stat.st_mtime_ns, moment - since)
                if CALL.fullmatch(file.path.stem) and file.path.suffix in {SOUND, NOTE}:
                    found.setdefault(file.path.stem, {})[file.path.suffix] = file
                elif (talk := TALK.fullmatch(file.path.stem)) and file.path.suffix == SOUND:
                    talks.append(RecordedConversation(talk[1], int(talk[2]), file))
                else:
                    strangers.append(file)
        self._since = present
        left = [Left(call, sound=files.get(SOUND), note=files.get(NOTE)) for call, files in found.items()]
        return Looked(
            sorted(left, key=lambda one: min(f.mtime_ns for f in one.files)),
            sorted(talks, key=lambda talk: talk.file.mtime_ns),
            strangers,
        )


def _is_message(name: str) -> bool:
    return name.endswith(SOUND) and CALL.fullmatch(name.removesuffix(SOUND)) is not None


def being_written(path: Path) -> bool | None:
    """Return whether a process has the file open for writing; None where the file system cannot tell.

    The kernel grants a read lease only on a file that no process has open for writing. A recording that gets no audio for a
    while, on a bad mobile connection, does not grow and is not over: this tells the two apart.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        # A writer that opens it in this instant breaks the lease with a signal; the default signal would end this process.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return True if error.errno == errno.EAGAIN else None
    finally:
        os.close(descriptor)
    return False


@dataclass
class CallNote:
    """A .call file, its lines merged: the first value of each key counts. `broken` lines were not understood."""

    linkedid: str | None = None
    line: str | None = None
    number: str | None = field(default=None, repr=False)
    language: str | None = None
    arrived: datetime | None = None
    ended: datetime | None = None
    cut_short: bool = False
    callback_said: CallbackSafety | None = None
    message_end: MessageEnd | None = None
    facts: dict[Fact, datetime] = field(default_factory=dict)
    reasons: set[str] = field(default_factory=set)
    lines: int = 0
    broken: int = 0


def read_note(raw: bytes, call: str) -> CallNote:
    """Read a note from a file's bytes. A line that is broken, or names another call, loses only itself."""
    note = CallNote()
    for piece in raw[:NOTE_MAX_BYTES].splitlines():
        if not piece.strip():
            continue
        try:
            said = json.loads(piece.decode("utf-8", errors="replace"))
        except (ValueError, RecursionError):
            note.broken += 1
            continue
        if not isinstance(said, dict) or said.get("call", call) != call:
            note.broken += 1
            continue
        note.lines += 1
        _merge(note, said)
    return note


def _merge(note: CallNote, said: dict[str, Any]) -> None:
    note.linkedid = note.linkedid or _text(said.get("linkedid"), 64)
    note.line = note.line or _text(said.get("line"), 32)
    note.number = note.number or _text(said.get("number"), 40)
    note.language = note.language or _known(_text(said.get("language"), 16))
    note.arrived = note.arrived or _moment(said.get("arrived"))
    note.ended = note.ended or _moment(said.get("ended"))
    note.callback_said = note.callback_said or _safety(said.get("callback_said"))
    note.message_end = note.message_end or _message_end(said.get("message_end"))
    for name, at in _facts(said.get("facts")):
        note.facts.setdefault(name, at)
    note.cut_short = note.cut_short or said.get("cut_short") in (True, "1")
    reason = _text(said.get("reason"), 32)
    if reason:
        note.reasons.add(reason)


def _text(value: object, longest: int) -> str | None:
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        return None
    text = str(value).strip()
    return text if 0 < len(text) <= longest and text.isprintable() else None


def _facts(said: object) -> Iterator[tuple[Fact, datetime]]:
    """Facts that ivr observed and could not write to the database, with their times."""
    for name, value in said.items() if isinstance(said, dict) else ():
        at = _moment(value)
        if isinstance(name, str) and name in list(Fact) and at is not None:
            yield Fact(name), at


def _safety(value: object) -> CallbackSafety | None:
    return CallbackSafety(value) if isinstance(value, str) and value in list(CallbackSafety) else None


def _message_end(value: object) -> MessageEnd | None:
    return MessageEnd(value) if isinstance(value, str) and value in list(MessageEnd) else None


def _known(code: str | None) -> str | None:
    return code if code in catalogue() else None


def _moment(value: object) -> datetime | None:
    """A time in seconds since the epoch, given as a number or its text; None when it is not a possible time."""
    try:
        moment = datetime.fromtimestamp(float(value), UTC)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError, OSError):
        return None
    return moment if EARLIEST < moment < datetime.now(UTC) + timedelta(days=1) else None


def remove(files: Iterable[File]) -> bool:
    """Delete ingested files. A file that changed since it was read stays, and is ingested again; False then."""
    all_gone = True
    for file in files:
        if file.unchanged():
            file.path.unlink(missing_ok=True)
        elif file.path.exists():
            all_gone = False
    return all_gone
