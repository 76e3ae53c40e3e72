"""Callers as tokens: a sealed number, found again by its keyed hash."""

from datetime import datetime, timedelta

from sqlmodel import Session, col, func, select

from hotline import cases, reading
from hotline.errors import NotFound
from hotline.keys import Keys
from hotline.numbers import Numbering, for_the_eye
from hotline.permissions import Permission, need
from hotline.settings import Settings
from models import Agent, Caller, Contact, EventKind
from models.types import now

REMEMBER = timedelta(days=365)


def find(session: Session, keys: Keys, heard: str | None, numbering: Numbering) -> Caller | None:
    """The caller with this number, or None when it is new, withheld or not certain."""
    number = numbering.certain(heard)
    if number is None:
        return None
    return session.exec(select(Caller).where(col(Caller.number_index) == keys.find_by(number))).first()


def find_or_add(session: Session, keys: Keys, heard: str | None, numbering: Numbering, at: datetime) -> Caller | None:
    """The caller with this number, added when new; None when it is withheld or not certain."""
    number = numbering.certain(heard)
    if number is None:
        return None
    index = keys.find_by(number)
    caller = session.exec(select(Caller).where(col(Caller.number_index) == index)).first()
    if caller is None:
        caller = Caller(number_index=index, number_sealed=keys.seal(number.encode()), first_seen_at=at, last_seen_at=at)
    caller.last_seen_at = max(caller.last_seen_at, at)
    caller.certain = True
    session.add(caller)
    session.flush()
    return caller


def last_language(session: Session, keys: Keys, heard: str | None, numbering: Numbering, at: datetime) -> str | None:
    """The language a repeat caller chose last, within a year; None otherwise."""
    caller = find(session, keys, heard, numbering)
    if caller is None or at - caller.last_seen_at > REMEMBER:
        return None
    return caller.last_language


def times_called(session: Session, caller_id: int | None, before: datetime) -> int:
    """How often this telephone called before a moment."""
    if caller_id is None:
        return 0
    query = select(func.count()).where(col(Contact.caller_id) == caller_id, col(Contact.arrived_at) < before)
    return session.exec(query).one()


def show_number(session: Session, keys: Keys, case_id: int, by: Agent, settings: Settings) -> str:
    """The number behind a case, as people read it. Audited and told on the case's timeline each time.

    Raises `NotFound` when it is withheld or not certain, `NotAllowed` without the permission or without the identity key,
    `Held` when it is an unusual amount: hotline.reading.
    """
    need(by, Permission.SEE_NUMBER)
    case = cases.load(session, case_id)
    caller = session.get(Caller, case.caller_id) if case.caller_id is not None else None
    if caller is None:
        raise NotFound("The number is withheld or not certain.")
    number = keys.open(caller.number_sealed).decode()
    reading.note_number(session, None, case, by, settings)
    cases.tell(session, case, EventKind.NUMBER_SHOWN, now(), by)
    return for_the_eye(number)


def show_number_of_call(session: Session, keys: Keys, contact: Contact, by: Agent, settings: Settings) -> str:
    """The number behind a call that may have no case yet, as people read it. Audited each time; raises as `show_number`."""
    need(by, Permission.SEE_NUMBER)
    caller = session.get(Caller, contact.caller_id) if contact.caller_id is not None else None
    if caller is None:
        raise NotFound("The number is withheld or not certain.")
    number = keys.open(caller.number_sealed).decode()
    case = cases.load(session, contact.case_id) if contact.case_id is not None else None
    reading.note_number(session, contact, case, by, settings)
    if case is not None:
        cases.tell(session, case, EventKind.NUMBER_SHOWN, now(), by)
    return for_the_eye(number)
