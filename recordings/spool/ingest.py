"""Moves the spool into the vault: each call's recording and notes become one row, once, whatever dies in between.

The order makes it safe: seal and fsync, then one transaction, then delete the spool's files. After a death between any two
of these, the next pass finds what is already done by the spool file's name and the audio's SHA-256.
"""

import fcntl
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from sqlalchemy.exc import IntegrityError, OperationalError, SQLAlchemyError
from sqlmodel import col, select

from hotline import nudges as events
from hotline.calls import facts as calls
from hotline.calls.facts import Fact, Seen
from hotline.errors import FreelineError
from hotline.keys import Keys
from hotline.line.languages import for_no_key
from hotline.log import log
from hotline.nudges import Nudges
from hotline.settings import Settings
from models import Contact, Database, Recording
from recordings.spool.conversations import Conversations
from recordings.spool.files import NET, REJECTED, CallNote, File, Left, Looked, Spool, being_written, read_note, remove
from recordings.spool.sealer import SpoolSealer
from recordings.vault.vault import Vault

# How long files must be unchanged before they are taken as finished, in seconds.
QUIET_S = 5.0
# A caller in the net's menu writes nothing for as long as the menu takes; after this the call is over.
NET_QUIET_S = 300.0
# After an error one call's files are left alone for so long, so that a full disk is not tried each second.
REST_S = 10.0
# How far the call's times and the file's may differ: prompts after the message, and our own delays.
CUT_MARGIN_S = 90.0


class OneIngester:
    """An exclusive lock on a file, held as long as this process lives: only one process ingests."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None

    def held(self) -> bool:
        """Return whether it is ours; try to take it when it is not."""
        if self._file is not None:
            return True
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            return False
        self._file = file
        return True

    def release(self) -> None:
        """Let another process ingest."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


@dataclass(frozen=True)
class Known:
    """The content of a call's row before its files were read."""

    arrived_at: datetime
    ended_at: datetime | None


@dataclass
class Ingest:
    """Ingests finished files of the spool. `once` never raises because of a file: it logs and retries later."""

    settings: Settings
    db: Database
    keys: Keys
    vault: Vault
    nudges: Nudges
    clock: Callable[[], float] = time.monotonic
    # Called after each call's files: a long backlog is not a hang.
    beat: Callable[[], None] = lambda: None
    _resting: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._spool = Spool(self.settings.spool, self.clock)
        self._keeper = SpoolSealer(self.db, self.vault)
        self._conversations = Conversations(self.db, self._keeper, self.nudges, self.clock, self.beat)

    def once(self) -> int:
        """Take everything that is finished now; return how many calls and conversations were taken."""
        try:
            looked = self._spool.look()
        except FileNotFoundError:
            self.settings.spool.mkdir(mode=0o700, parents=True, exist_ok=True)
            return 0
        for stranger in looked.strangers:
            self._reject_stranger(stranger)
        self._forget_gone(looked)
        return self._calls(looked.left) + self._conversations.take(looked.talks)

    def _calls(self, left: list[Left]) -> int:
        waiting = [one for one in left if self._resting.get(one.call, 0.0) <= self.clock()]
        if not waiting:
            return 0
        try:
            rows = self._rows([one.call for one in waiting])
        except SQLAlchemyError as error:
            self._rest(waiting, "the database cannot be read; the spool is kept", error)
            return 0
        taken = 0
        for one in waiting:
            taken += self._try(one, rows.get(one.call))
            self.beat()
        return taken

    def _rows(self, names: list[str]) -> dict[str, Known]:
        found: dict[str, Known] = {}
        query = select(Contact.call, Contact.arrived_at, Contact.ended_at)
        with self.db.read() as session:
            for place in range(0, len(names), 500):
                some = query.where(col(Contact.call).in_(names[place : place + 500]))
                found |= {call: Known(arrived_at, ended_at) for call, arrived_at, ended_at in session.exec(some)}
        return found

    def _try(self, left: Left, row: Known | None) -> bool:
        """Take one call's files if they are finished. False when they are not, or when it failed and will be retried."""
        try:
            raw_note = left.note.path.read_bytes() if left.note else b""
            note = read_note(raw_note, left.call)
            ended = note.ended is not None or (row is not None and row.ended_at is not None)
            if not ended and left.quiet_s < QUIET_S:
                return False
            if left.sound is not None and being_written(left.sound.path):
                return False
            by_net = NET in note.reasons or (row is None and not note.lines)
            # A call that ivr leads goes on after its message (the caller is asked whether a call-back is safe): the
            # switchboard closes it. The net only says goodbye.
            over = ended or (by_net and (left.sound is not None or left.quiet_s >= NET_QUIET_S))
            if left.sound is None and by_net and not over:
                return False
            self._take(left, row, note, raw_note, over=over)
            return True
        except (FreelineError, OSError) as error:
            self._rest([left], "a recording could not be kept; the spool keeps it", error)
        except OperationalError as error:
            self._rest([left], "the database cannot be written; the spool is kept", error)
        except Exception as error:  # noqa: BLE001  (one call's files never stop the others)
            self._rest([left], "a call from the spool could not be ingested", error)
        return False

    def _take(self, left: Left, row: Known | None, note: CallNote, raw_note: bytes, *, over: bool) -> None:
        if note.broken:
            log().warning("lines of a call's note were not understood", lines=note.broken)
        recording = self._seal(left.sound) if left.sound is not None else None
        try:
            contact, is_new = self._write(left, row, note, recording, over=over)
        except IntegrityError:
            try:
                # Another process added the same caller or call at this moment: now it is there.
                contact, is_new = self._write(left, row, note, recording, over=over)
            except IntegrityError:
                # Two rows claim the same linkedid: the call's own row counts.
                contact, is_new = self._write(left, row, replace(note, linkedid=None), recording, over=over)
        self._keeper.in_a_row(left.call)
        if note.broken and not note.lines:
            self._reject(raw_note)
        if not remove(left.files):
            log().info("a file of the spool changed while it was ingested; it is taken again")
        names = [events.QUEUE_CHANGED, events.call_changed(contact.id)]
        if contact.case_id is not None:
            names.append(events.case_changed(contact.case_id))
        if is_new and recording is not None:
            names.append(events.RECORDINGS_CHANGED)
            log().info("a message was ingested", contact=contact.id, seconds=round(recording.duration_s))
        self.nudges.tell(*names)

    def _seal(self, file: File) -> Recording | None:
        sound = self._keeper.measure(file)
        recording = self._keeper.keep(file, sound) if sound.worth_keeping else None
        if recording is not None and sound.duration_s >= self.settings.message_max_s - 1:
            recording.cut_short = True
        return recording

    def _write(
        self, left: Left, row: Known | None, note: CallNote, recording: Recording | None, *, over: bool
    ) -> tuple[Contact, bool]:
        """Write everything about the call in one transaction: its row, its facts, its recording, and its end."""
        written_at = max(file.written_at for file in left.files)
        arrived_at = note.arrived or _arrival(left, row, recording)
        with self.db.write() as session:
            linkedid = note.linkedid
            if row is None and left.note is not None and not note.lines:
                linkedid = calls.met_by_time(session, arrived_at, written_at)
            seen = Seen(
                linkedid=linkedid,
                line=note.line,
                language=note.language,
                number=note.number,
                callback_said=note.callback_said,
                message_end=note.message_end,
                # The net does not say whether the caller pressed its key or none.
                chosen=NET not in note.reasons or note.language != for_no_key(session),
            )

            def saw(fact: Fact, at: datetime, what: Seen = seen) -> Contact:
                return calls.saw(session, self.keys, left.call, fact, at, what, self.settings.numbering)

            contact = saw(Fact.ARRIVED, arrived_at)
            for fact, at in note.facts.items():
                contact = saw(fact, at)
            if note.language is not None and NET in note.reasons:
                # The caller may have pressed a key, and a call with a key is never closed as a brief abandon.
                saw(Fact.KEY, arrived_at)
                contact = saw(Fact.LANGUAGE, arrived_at)
            is_new = False
            if recording is not None:
                contact = saw(Fact.MESSAGE, recording.recorded_at)
                # Made anew for each attempt: a rolled-back row cannot be added again.
                mine = Recording(**recording.model_dump(exclude={"id"}))
                mine.language = contact.language
                mine.cut_short = mine.cut_short or note.cut_short or _ran_on(contact, mine)
                is_new = calls.attach(session, contact, mine)
            if over:
                calls.close(
                    session,
                    contact,
                    note.ended or contact.ended_at or written_at,
                    join_within_s=self.settings.join_within_s,
                    # A caller who reached the message did not leave at once, whatever the file's times say.
                    brief_s=self.settings.brief_abandon_s if left.sound is None else -1,
                )
        return contact, is_new

    def _reject_stranger(self, file: File) -> None:
        if file.quiet_s < QUIET_S or being_written(file.path):
            return
        try:
            self._reject(file.path.read_bytes())
            remove([file])
        except OSError as error:
            log().warning("an unknown file stays in the spool", error=error)

    def _reject(self, content: bytes) -> None:
        """Set aside a file that is not understood: sealed and under a random name, because it may hold a number."""
        folder = self.settings.spool / REJECTED
        folder.mkdir(mode=0o700, exist_ok=True)
        target = folder / f"{secrets.token_hex(8)}.age"
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as sealed:
            sealed.write(self.keys.seal(content))
            sealed.flush()
            os.fsync(sealed.fileno())
        log().warning("an unknown file in the spool was sealed and set aside", rejected=_count(folder))

    def _rest(self, several: list[Left], why: str, error: Exception) -> None:
        log().warning(why, calls=len(several), error=error)
        for left in several:
            self._resting[left.call] = self.clock() + REST_S

    def _forget_gone(self, looked: Looked) -> None:
        present = {one.call for one in looked.left}
        self._resting = {call: until for call, until in self._resting.items() if call in present}
        self._keeper.forget_gone(present | {talk.file.path.stem for talk in looked.talks})


def _arrival(left: Left, row: Known | None, recording: Recording | None) -> datetime:
    """The arrival when no note has it: the row's own, else the earliest time of the files."""
    if row is not None:
        return row.arrived_at
    return recording.recorded_at if recording else min(file.written_at for file in left.files)


def _ran_on(contact: Contact, recording: Recording) -> bool:
    """Return whether the call went on much longer after the message began than was recorded: the rest is missing.

    False when the line saw the message end whole: a phone that sends nothing while it is silent leaves nothing to record.
    """
    if contact.message_at is None or contact.ended_at is None or contact.message_end is not None:
        return False
    lasted_s = (contact.ended_at - contact.message_at).total_seconds()
    return lasted_s - recording.duration_s > CUT_MARGIN_S


def _count(folder: Path) -> int:
    return sum(1 for _ in folder.iterdir())
