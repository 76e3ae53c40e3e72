"""The person behind a case: the caller's number, shown to a person who may see it, audited each time."""

from sqlmodel import Session

from hotline import scope
from hotline.cases import reading, timeline
from hotline.errors import NotFound
from hotline.keys import Keys
from hotline.numbers import for_the_eye
from hotline.permissions import Permission, need
from hotline.settings import Settings
from models import Agent, Caller, Contact, EventKind
from models.db.types import now


def show_number(session: Session, keys: Keys, case_id: int, by: Agent, settings: Settings) -> str:
    """The number behind a case, as people read it. Audited and told on the case's timeline each time.

    Raises `NotFound` when it is withheld or not certain, `NotAllowed` without the permission or without the identity key,
    `Held` when it is an unusual amount: hotline.cases.reading.
    """
    need(by, Permission.SEE_NUMBER)
    case = scope.case(session, by, case_id)
    caller = session.get(Caller, case.caller_id) if case.caller_id is not None else None
    if caller is None:
        raise NotFound("The number is withheld or not certain.")
    number = keys.open(caller.number_sealed).decode()
    reading.note_number(session, None, case, by, settings)
    timeline.tell(session, case, EventKind.NUMBER_SHOWN, now(), by)
    return for_the_eye(number)


def show_number_of_call(session: Session, keys: Keys, contact: Contact, by: Agent, settings: Settings) -> str:
    """The number behind a call that may have no case yet, as people read it. Audited each time; raises as `show_number`."""
    need(by, Permission.SEE_NUMBER)
    caller = session.get(Caller, contact.caller_id) if contact.caller_id is not None else None
    if caller is None:
        raise NotFound("The number is withheld or not certain.")
    number = keys.open(caller.number_sealed).decode()
    case = scope.case(session, by, contact.case_id) if contact.case_id is not None else None
    reading.note_number(session, contact, case, by, settings)
    if case is not None:
        timeline.tell(session, case, EventKind.NUMBER_SHOWN, now(), by)
    return for_the_eye(number)
