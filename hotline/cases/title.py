"""What stands at the head of a case: its title, or what the newest call says while nobody has written one."""

from dataclasses import dataclass

from sqlmodel import Session, col, select

from hotline import scope
from models import Agent, Case, Contact, Recording, RecordingState


@dataclass(frozen=True)
class CaseTitle:
    """A case and its newest call. `needs_listener`: a message of that call could not be made into text."""

    case: Case
    newest: Contact | None
    needs_listener: bool


def read(session: Session, case_id: int, who: Agent) -> CaseTitle:
    """Return the head of a case, for this member of staff. Raises `NotFound`."""
    case = scope.case(session, who, case_id)
    newest = session.exec(
        select(Contact).where(col(Contact.case_id) == case_id).order_by(col(Contact.arrived_at).desc()).limit(1)
    ).first()
    return CaseTitle(case, newest, needs_listener=newest is not None and _needs_listener(session, newest))


def _needs_listener(session: Session, contact: Contact) -> bool:
    unclear = (col(Recording.contact_id) == contact.id, col(Recording.state) == RecordingState.NEEDS_LISTENER)
    return session.exec(select(Recording.id).where(*unclear).limit(1)).first() is not None
