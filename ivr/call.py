"""A call as a script sees it: the caller, speaking and listening, and the facts to store."""

import contextvars
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import TypeVar

from sqlmodel import Session as DbSession

from hotline.callers.callers import find, last_language
from hotline.calls.facts import Fact
from hotline.keys import Keys
from hotline.line import languages
from hotline.log import log
from hotline.nudges import SPOOL_CHANGED, Nudges
from hotline.settings import Settings
from ivr.names import TONE
from ivr.session import AgiFailed, AgiRefused, Session
from ivr.sounds import FALLBACK, plain_sound, sound
from ivr.store import CallFacts, DatabaseUnavailable, FactStore
from models import CallbackSafety, MessageEnd
from models.db.types import now
from telephony import names

ANY_KEY = "0123456789*#"
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

T = TypeVar("T")


@dataclass(frozen=True)
class IvrServices:
    """The services that all calls of the process share."""

    settings: Settings
    memory: FactStore
    keys: Keys
    nudges: Nudges


@dataclass(frozen=True)
class Menu:
    """The languages by key, in the order they are spoken, and the one for a caller who presses nothing."""

    keys: dict[str, str]
    no_key: str

    def key_of(self, language: str) -> str | None:
        """The key that chooses a language."""
        return next((key for key, code in self.keys.items() if code == language), None)


class CallerSession:
    """One caller during one script."""

    def __init__(self, session: Session, house: IvrServices) -> None:
        self.session = session
        self.house = house
        self.settings = house.settings
        self.left_something = False
        self._speaks = False
        self._database_failed = False
        self._language: str | None = None

    @cached_property
    def facts(self) -> CallFacts:
        """The call's ids and number. Raises `AgiRefused` when Asterisk does not give them: the dialplan's net takes over."""
        ask = self.session.get_variable
        call = ask(names.CALL).lower()
        if not UUID.fullmatch(call):
            raise AgiRefused("Asterisk gave no call id")
        arrived = ask(names.ARRIVED)
        return CallFacts(
            call=call,
            linkedid=ask("CHANNEL(linkedid)") or self.session.env.get("agi_uniqueid"),
            line=ask(names.LINE) or None,
            number=ask(names.NUMBER) or None,
            arrived=datetime.fromtimestamp(float(arrived), UTC) if re.fullmatch(r"\d{1,11}", arrived) else now(),
        )

    @property
    def withheld(self) -> bool:
        """Return whether nobody can call this caller back."""
        return not self.settings.numbering.can_call_back(self.facts.number)

    def caller_id(self, session: DbSession) -> int | None:
        """The id of this caller's row; None when the telephone is new or withheld."""
        caller = find(session, self.house.keys, self.facts.number, self.settings.numbering)
        return caller.id if caller else None

    # The language

    @cached_property
    def menu(self) -> Menu:
        """The menu from the database, else as Asterisk knows it."""
        try:
            told = self.look(_menu)
            if told.keys:
                return told
        except DatabaseUnavailable:
            pass
        ask = self.session.get_variable
        codes = {key: ask(names.KEY_PREFIX + key) for key in languages.KEYS}
        return Menu({key: code for key, code in codes.items() if code}, ask(names.NO_KEY) or FALLBACK)

    @property
    def language(self) -> str:
        """The language to speak: the one this script set, else the one the caller chose, else the one for no key."""
        if self._language is None:
            chosen = self.session.get_variable(names.QUEUE)
            self._language = chosen if chosen in languages.catalogue() else self.menu.no_key
        return self._language

    def speak(self, language: str) -> None:
        """Speak this language from now on, in this script."""
        self._language = language

    def last_language(self) -> str | None:
        """The language that this caller chose in an earlier call."""
        try:
            return self.look(
                lambda db: last_language(db, self.house.keys, self.facts.number, self.settings.numbering, now())
            )
        except DatabaseUnavailable:
            return None

    # Saying and hearing

    def play(self, prompt: str, interrupt: str = "", language: str | None = None) -> str | None:
        """Play a prompt; return the key of `interrupt` that cut it short. One that cannot be played is skipped, logged."""
        return self._stream(prompt, sound(self.settings, language or self.language, prompt), interrupt)

    def tone(self) -> None:
        """The tone after which a message is recorded."""
        self._stream(TONE, plain_sound(self.settings, TONE), "")

    def hear(self, wait_s: float) -> str | None:
        """Wait for a key."""
        self.begin()
        try:
            return self.session.wait_for_digit(round(wait_s * 1000))
        except AgiFailed:
            return None

    def begin(self) -> None:
        """Answer the call, and get the time that a script has from its first word on. Idempotent."""
        if self._speaks:
            return
        self._speaks = True
        limit = self.session.get_variable(names.LIMIT)
        if limit:
            self.session.set_variable("TIMEOUT(absolute)", limit)
        self.session.answer()

    def _stream(self, prompt: str, path: Path | None, interrupt: str) -> str | None:
        self.begin()
        if path is None:
            log().warning("a prompt is missing", prompt=prompt)
            return None
        try:
            return self.session.stream_file(path, interrupt)
        except AgiFailed:
            log().warning("a prompt could not be played", prompt=prompt)
            return None

    # Remembering

    def look(self, what: Callable[[DbSession], T]) -> T:
        """Read from the database; `what` must return plain values. Raises `DatabaseUnavailable`."""
        return self.house.memory.look(what)

    def remember(
        self,
        *seen: Fact,
        at: datetime | None = None,
        language: str | None = None,
        chosen: bool = True,
        callback_said: CallbackSafety | None = None,
        message_end: MessageEnd | None = None,
    ) -> None:
        """Store facts of this call, with the time now unless another is given; after one failure only in the spool."""
        moment = at or now()
        facts = dict.fromkeys(seen, moment)
        memory = self.house.memory
        if self._database_failed:
            memory.note(self.facts, facts, language=language, callback_said=callback_said, message_end=message_end)
        elif not memory.keep(
            self.facts,
            facts,
            language=language,
            chosen=chosen,
            callback_said=callback_said,
            message_end=message_end,
        ):
            self._database_failed = True
        self.left_something = self.left_something or self._database_failed

    @contextmanager
    def remembering(self, fact: Fact, at: datetime) -> Iterator[None]:
        """Store a fact while a prompt plays: the caller hears it at once, and a key pressed meanwhile is not lost."""
        # Read from Asterisk before the other thread needs it: the session is for one thread.
        _ = self.facts
        context = contextvars.copy_context()
        with ThreadPoolExecutor(1, thread_name_prefix="remembering") as aside:
            kept = aside.submit(context.run, partial(self.remember, fact, at=at))
            yield
            kept.result()

    def tell(self) -> None:
        """Wake the transcriber when this script left something in the spool."""
        if self.left_something:
            self.house.nudges.tell(SPOOL_CHANGED)


def _menu(db: DbSession) -> Menu:
    return Menu({row.key: row.code for row in languages.menu(db) if row.key}, languages.for_no_key(db))
