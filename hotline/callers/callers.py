"""Callers as tokens: a sealed number, found again by its keyed hash."""

from datetime import datetime, timedelta

from sqlmodel import Session, col, func, select

from hotline.keys import Keys
from hotline.numbers import Numbering
from models import Caller, Contact

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
