"""Stores facts of calls: in the database, else in the spool. Neither may delay a caller."""

import errno
import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session as DbSession

from hotline import disk
from hotline.calls import facts as calls
from hotline.calls.facts import Fact, Seen
from hotline.keys import Keys
from hotline.log import log
from hotline.settings import Settings
from models import CallbackSafety, Database, MessageEnd
from telephony import names

BUSY_S = 1.0  # how long the database waits for another writer
ANSWER_S = 1.5  # the longest a caller waits for the database
BREAK_S = 10.0  # how long it is not tried again after a failure
FULL = {errno.ENOSPC, errno.EDQUOT}
WRITERS = 4  # at once on a server; SQLite has one
READERS = 8

T = TypeVar("T")


class DatabaseUnavailable(Exception):
    """The database does not answer; go on without it."""


@dataclass(frozen=True)
class CallFacts:
    """The call's ids and number. `number` is as the trunk sent it, and leaves this process only sealed or into the spool."""

    call: str
    linkedid: str | None
    line: str | None
    number: str | None = field(repr=False)
    arrived: datetime


class _Gate:
    """The access to the database for reading or for writing: bounded, and closed for a while after a failure.

    Each has its own: a database that is locked for writing can still be read. Queries run in threads of its own,
    so that a caller goes on in time also when a disk or a network gives no answer at all.
    """

    def __init__(self, name: str, at_once: int) -> None:
        self._pool = ThreadPoolExecutor(at_once, thread_name_prefix=name)
        self._lock = threading.Lock()
        self.shut_until: float | None = None

    def ask(self, what: Callable[[], T]) -> T:
        """Run a query, if one may run now; any error of the database becomes `DatabaseUnavailable`."""
        if not self._may_try():
            raise DatabaseUnavailable
        future = self._pool.submit(what)
        try:
            answer = future.result(timeout=ANSWER_S)
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            future.cancel()
            with self._lock:
                self.shut_until = time.monotonic() + BREAK_S
            log().warning("going on without the database", error=error)
            raise DatabaseUnavailable from error
        with self._lock:
            self.shut_until = None
        return answer

    def _may_try(self) -> bool:
        with self._lock:
            now = time.monotonic()
            if self.shut_until is None:
                return True
            if now < self.shut_until:
                return False
            # One call tries; the others go on without the database until the result is known.
            self.shut_until = now + BREAK_S
            return True


class FactStore:
    """The store of the process. After a failure the database is not tried for `BREAK_S` seconds; then one call tries it."""

    def __init__(self, settings: Settings, db: Database, keys: Keys) -> None:
        self._settings = settings
        self._db = db
        self._keys = keys
        self.reading = _Gate("reading", READERS)
        self.writing = _Gate("writing", 1 if db.sqlite else WRITERS)

    def look(self, what: Callable[[DbSession], T]) -> T:
        """Read from the database. Raises `DatabaseUnavailable` when it cannot be read."""

        def look() -> T:
            with self._db.read() as session:
                return what(session)

        return self.reading.ask(look)

    def keep(
        self,
        facts: CallFacts,
        seen: Mapping[Fact, datetime],
        *,
        language: str | None = None,
        chosen: bool = True,
        callback_said: CallbackSafety | None = None,
        message_end: MessageEnd | None = None,
    ) -> bool:
        """Store facts of a call in one transaction. False when they went to the spool instead, for the transcriber.

        `chosen`: the caller chose the language, so it is offered first in the next call.
        """
        came_with = Seen(
            linkedid=facts.linkedid,
            line=facts.line,
            number=facts.number,
            language=language,
            chosen=chosen,
            callback_said=callback_said,
            message_end=message_end,
        )

        def write() -> None:
            with self._db.write() as session:
                for fact, at in seen.items():
                    calls.saw(session, self._keys, facts.call, fact, at, came_with, self._settings.numbering)

        try:
            self.writing.ask(write)
            return True
        except DatabaseUnavailable:
            # It may still be written later: facts are idempotent.
            self.note(facts, seen, language=language, callback_said=callback_said, message_end=message_end)
            return False

    def note(
        self,
        facts: CallFacts,
        seen: Mapping[Fact, datetime],
        *,
        language: str | None = None,
        callback_said: CallbackSafety | None = None,
        message_end: MessageEnd | None = None,
    ) -> None:
        """Write the facts as one line beside the message in the spool; each line stands alone."""
        line = {
            "call": facts.call,
            "linkedid": facts.linkedid,
            "arrived": facts.arrived.timestamp(),
            "line": facts.line,
            "number": facts.number,
            "language": language,
            "reason": "database",
            "facts": {fact.value: at.timestamp() for fact, at in seen.items()},
            "callback_said": callback_said,
            "message_end": message_end,
        }
        text = json.dumps({name: value for name, value in line.items() if value is not None}) + "\n"
        path = names.spool_note(self._settings.spool, facts.call)
        try:
            try:
                _append(path, text.encode())
            except OSError as error:
                if error.errno not in FULL or not disk.give_back(self._settings):
                    raise
                _append(path, text.encode())
        except OSError as error:
            log().error("neither the database nor the spool can be written", error=error)


def _append(path: Path, line: bytes) -> None:
    """Append a line; after half of one, left by a full disk, it starts a new one."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        end = os.lseek(descriptor, 0, os.SEEK_END)
        if end and os.pread(descriptor, 1, end - 1) != b"\n":
            line = b"\n" + line
        if (written := os.write(descriptor, line)) < len(line):
            raise OSError(errno.ENOSPC, f"only {written} bytes were written")
    finally:
        os.close(descriptor)
