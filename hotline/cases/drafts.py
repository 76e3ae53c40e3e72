"""Notes that are being written: kept as they are typed, so that a lost page or power cut loses nothing."""

from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col

from hotline import scope
from hotline.cases import work
from hotline.errors import Invalid
from hotline.permissions import Permission, need
from models import Agent, Draft
from models.db.types import now


def save(session: Session, case_id: int, text: str, by: Agent) -> Draft | None:
    """Keep what is typed so far, in place of what was kept before; an empty text throws it away (None).

    Raises `Invalid` when it is longer than a note may be, `NotFound` without such a case.
    """
    need(by, Permission.WORK_CASES)
    scope.case(session, by, case_id)
    text = text.replace("\r\n", "\n").replace("\x00", "")
    if len(text) > work.NOTE_MAX:
        raise Invalid(text=f"A note holds {work.NOTE_MAX:,} characters; this has {len(text):,}.")
    if not text.strip():
        throw_away(session, case_id, by)
        return None
    draft = session.get(Draft, (by.id, case_id)) or _insert(session, case_id, text, by)
    draft.text, draft.at = text, now()
    session.add(draft)
    session.flush()
    return draft


def read(session: Session, case_id: int, by: Agent) -> Draft | None:
    """Return what this agent was writing on a case; None when nothing."""
    return session.get(Draft, (by.id, case_id))


def throw_away(session: Session, case_id: int, by: Agent) -> None:
    """Forget what was typed. Without a draft nothing happens."""
    session.execute(delete(Draft).where(col(Draft.agent_id) == by.id, col(Draft.case_id) == case_id))
    session.flush()


def _insert(session: Session, case_id: int, text: str, by: Agent) -> Draft:
    """Insert the row, or take the one that another page of theirs inserted at the same moment."""
    try:
        with session.begin_nested():
            draft = Draft(agent_id=by.id, case_id=case_id, text=text)
            session.add(draft)
            session.flush()
        return draft
    except IntegrityError:
        return session.get_one(Draft, (by.id, case_id))
