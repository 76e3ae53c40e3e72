"""Whether a conversation that was recorded may be kept, and destroying what may not be."""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import ColumnElement
from sqlmodel import Session, col, delete, or_, select

from hotline import scope
from hotline.audit import note_act
from hotline.cases import timeline
from hotline.log import log
from models import (
    CaseEvent,
    Consent,
    ConsentPurpose,
    Contact,
    Database,
    EventKind,
    Recording,
    RecordingKind,
    TalkRecording,
    Transcript,
)
from models.db.types import now
from recordings.vault.vault import Vault

NEVER_GIVEN = "no_consent"
TAKEN_BACK = "taken_back"


def why_not(session: Session, contact: Contact, began_at: datetime) -> str | None:
    """Why what was recorded of this call since `began_at` may not be kept; None when it may.

    What was agreed to again, after it was taken back, holds for later recordings and not for this one.
    """
    of_recording = select(Consent).where(col(Consent.purpose) == ConsentPurpose.RECORDING, _about(contact))
    said = session.exec(of_recording.order_by(col(Consent.id))).all()
    if any(not row.given and (row.at >= began_at or row is said[-1]) for row in said):
        return TAKEN_BACK
    if any(row.given for row in said) or contact.recording is not TalkRecording.OFF:
        return None
    return NEVER_GIVEN


def _about(contact: Contact) -> ColumnElement[bool]:
    """Said in this call, or in its case. The call may have been joined to another case since."""
    return or_(col(Consent.case_id) == contact.case_id, col(Consent.contact_id) == contact.id)


def tell_destroyed(session: Session, contact: Contact, why: str, name: str) -> None:
    """Tell the case, and audit, that a conversation was destroyed unheard. `name` says which. Idempotent."""
    case = scope.find(session, scope.SYSTEM, contact.case_id)
    if case is not None:
        query = select(CaseEvent.detail).where(
            col(CaseEvent.case_id) == case.id, col(CaseEvent.kind) == EventKind.RECORDED
        )
        if any(detail.get("destroyed") and detail.get("name") == name for detail in session.exec(query)):
            return
        timeline.tell(session, case, EventKind.RECORDED, now(), destroyed=why, name=name, contact=contact.id)
    note_act(session, "conversation_destroyed", f"contact:{contact.id}", by_id=None, why=why, name=name)


def destroy_taken_back(db: Database, vault: Vault) -> Iterator[int | None]:
    """Destroy conversations in the vault whose consent was taken back after they began, with their words.

    Gives the case of each as it is destroyed, None for one without; the database is to `forget` the words then. One
    whose file cannot be removed is logged and keeps its row, so that the next look tries it again. A transcriber that
    has one in hand finds its row gone and throws its draft away.
    """
    query = (
        select(Recording.id, Recording.vault_key, Recording.contact_id)
        .join(Contact, col(Contact.id) == col(Recording.contact_id))
        .join(Consent, or_(col(Consent.case_id) == col(Contact.case_id), col(Consent.contact_id) == col(Contact.id)))
        .where(
            col(Recording.kind) == RecordingKind.CONVERSATION,
            col(Consent.purpose) == ConsentPurpose.RECORDING,
            col(Consent.given).is_(False),
            col(Consent.at) >= col(Recording.recorded_at),
        )
        .distinct()
    )
    with db.read() as session:
        due = list(session.exec(query))
    for recording_id, vault_key, contact_id in due:
        # The file first: a death in between is met again, and nothing says that a voice is gone that is not.
        if not vault.removed(vault_key, recording_id):
            continue  # the others are not to wait for it
        with db.write() as session:
            contact = session.get(Contact, contact_id)
            case_id = contact.case_id if contact is not None else None
            session.execute(delete(Transcript).where(col(Transcript.recording_id) == recording_id))
            session.execute(delete(Recording).where(col(Recording.id) == recording_id))
            if contact is not None:
                tell_destroyed(session, contact, TAKEN_BACK, f"recording {recording_id}")
        log().warning("a conversation was destroyed: consent was taken back", recording=recording_id)
        yield case_id
