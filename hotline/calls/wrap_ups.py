"""After a call: whose it is to say what it was, and what nobody has said yet."""

from datetime import datetime, timedelta

from sqlmodel import Session, and_, col, or_, select

from hotline import scope
from hotline.calls import facts as calls
from hotline.cases import work
from hotline.errors import NotFound, Refused
from models import Agent, Case, CaseEvent, Contact, Conversation, Disposition, EventKind

REMEMBER = timedelta(days=7)
MOST = 50


def teller(session: Session, contact: Contact) -> int | None:
    """Return who is to say what a call was: the last agent who had it. None for a call that nobody answered."""
    talk = session.get(Conversation, contact.call)
    if talk is not None:
        return talk.agent_id
    if contact.answered_at is None or contact.case_id is None:
        return contact.handler_id
    # What was told before the call was joined to this case stands where it was then.
    moves = select(CaseEvent.detail).where(
        col(CaseEvent.case_id) == contact.case_id, col(CaseEvent.kind) == EventKind.MOVED_CALL
    )
    were = {
        moved["source"] for moved in session.exec(moves) if moved.get("contact") == contact.id and "source" in moved
    }
    told = session.exec(
        select(CaseEvent)
        .where(
            col(CaseEvent.case_id).in_({contact.case_id, *were}),
            col(CaseEvent.kind).in_([EventKind.ANSWERED, EventKind.TRANSFERRED]),
            col(CaseEvent.at) >= contact.answered_at,
            col(CaseEvent.at) <= (contact.ended_at or datetime.max.replace(tzinfo=contact.answered_at.tzinfo)),
        )
        .order_by(col(CaseEvent.at).desc(), col(CaseEvent.id).desc())
    ).all()
    for event in told:
        if event.detail.get("contact") == contact.id:
            return int(event.detail["to"]) if event.kind is EventKind.TRANSFERRED else event.by_id
    return contact.handler_id


def has_to_tell(session: Session, contact: Contact | None, agent_id: int) -> bool:
    """Whether this agent still has to say what a call was: it is over, they had it last, and nobody has said it."""
    return (
        contact is not None
        and contact.ended_at is not None
        and contact.disposition is None
        and teller(session, contact) == agent_id
    )


def undescribed(session: Session, by: Agent, at: datetime) -> list[tuple[Contact, Case | None]]:
    """Return the answered calls of the last days that this agent has not described yet, newest first.

    The case of each comes with it; None when there is none, or when this agent may not see it.
    """
    agent_id = by.id
    found = session.exec(
        select(Contact, Case)
        .join(Case, and_(col(Case.id) == col(Contact.case_id), scope.visible_cases(by)), isouter=True)
        .where(
            col(Contact.disposition).is_(None),
            col(Contact.answered_at).is_not(None),
            col(Contact.ended_at) >= at - REMEMBER,
            or_(col(Contact.handler_id) == agent_id, col(Case.owner_id) == agent_id),
        )
        .order_by(col(Contact.ended_at).desc())
        .limit(MOST)
    )
    return [(contact, case) for contact, case in found if teller(session, contact) == agent_id]


def describe(session: Session, call: str, disposition: Disposition, by: Agent) -> Contact:
    """Say what a call was, by its id. Raises `NotFound`, `Refused` for a call that goes on or that a colleague had."""
    contact = calls.find(session, call)
    if contact is None:
        raise NotFound("There is no such call.")
    if contact.ended_at is None or contact.case_id is None:
        raise Refused("This call goes on. Whoever has it when it ends says what it was.")
    if teller(session, contact) != by.id:
        raise Refused("A colleague had this call last, and says what it was.")
    work.dispose(session, contact.case_id, contact.id, disposition, by)
    return contact
