"""Acts of people on a case: claim, release, hand over, move, describe. Every rule that refuses says why."""

from datetime import datetime

from sqlalchemy import delete, update
from sqlmodel import Session, col, select

from hotline import scope
from hotline.alerts import dangers
from hotline.cases.lifecycle import check_move
from hotline.cases.timeline import tell
from hotline.errors import Invalid, NotFound, Refused
from hotline.permissions import Permission, may, need
from models import (
    Agent,
    Case,
    CaseStatus,
    Contact,
    Disposition,
    Draft,
    EventKind,
    Note,
    Safety,
)
from models.db.types import now

# Set by a person only, and they close: docs/privacy.md says why no machine sets them.
CLOSING = {Disposition.TEST, Disposition.SILENT, Disposition.WRONG_NUMBER, Disposition.ABUSIVE}
NOTE_MAX = 20_000


def claim(session: Session, case_id: int, by: Agent) -> Case:
    """Take an unclaimed case. When two click, one wins; the other gets `Refused`."""
    need(by, Permission.WORK_CASES)
    moment = now()
    taken = session.execute(
        scope.cases(by, update(Case))
        .where(col(Case.id) == case_id, col(Case.owner_id).is_(None), col(Case.status) != CaseStatus.CLOSED)
        .values(owner_id=by.id, claimed_at=moment, version=col(Case.version) + 1)
        .execution_options(synchronize_session=False)
    )
    case = scope.case(session, by, case_id)
    session.refresh(case)
    if taken.rowcount == 0:  # type: ignore[attr-defined]
        if case.status is CaseStatus.CLOSED:
            raise Refused("This case is closed. Reopen it first.")
        if case.owner_id != by.id:
            raise Refused("Somebody else claimed this case a moment ago.")
        return case
    touch(session, case, moment)
    tell(session, case, EventKind.CLAIMED, moment, by)
    return case


def release(session: Session, case_id: int, by: Agent) -> Case:
    """Put a case back to the unclaimed ones. Its owner or a supervisor may."""
    case = _own(session, case_id, by, Permission.HAND_OVER_ANY)
    case.owner_id, case.claimed_at = None, None
    touch(session, case, now())
    tell(session, case, EventKind.RELEASED, now(), by)
    return case


def hand_over(session: Session, case_id: int, to_id: int, by: Agent) -> Case:
    """Give a case to a colleague who works cases. Its owner or a supervisor may."""
    case = _own(session, case_id, by, Permission.HAND_OVER_ANY)
    to = session.get(Agent, to_id)
    if to is None or not may(to, Permission.WORK_CASES):
        raise Invalid(to="Choose a colleague who works cases.")
    case.owner_id, case.claimed_at = to.id, now()
    touch(session, case, now())
    tell(session, case, EventKind.HANDED_OVER, now(), by, to=to.id)
    return case


def move(session: Session, case_id: int, to: CaseStatus, by: Agent, reason: str = "") -> Case:
    """Move a case to another status, by hotline/data/case_moves.toml. Raises `Refused` with the reason."""
    case = _own(session, case_id, by, Permission.HAND_OVER_ANY)
    check_move(case.status, to, by.role, reason)
    before, moment = case.status, now()
    case.status = to
    case.closed_at = moment if to is CaseStatus.CLOSED else None
    case.closing_reason = (reason.strip()[:64] or None) if to is CaseStatus.CLOSED else None
    touch(session, case, moment)
    if to is CaseStatus.CLOSED:
        dangers.end(session, case.id, by, moment)
    elif before is CaseStatus.CLOSED and _in_danger(session, case_id):
        dangers.raise_for(session, case, by)
    detail = {"from": before, "to": to} | ({"reason": reason.strip()} if reason.strip() else {})
    tell(session, case, EventKind.MOVED, moment, by, **detail)
    return case


def _in_danger(session: Session, case_id: int) -> bool:
    safety = session.get(Safety, case_id)
    return safety is not None and bool(safety.in_danger)


def add_note(session: Session, case_id: int, text: str, by: Agent) -> Note:
    """Write a note on a case; the draft of it goes. Raises `Invalid` for an empty or too long one."""
    need(by, Permission.WORK_CASES)
    case = scope.case(session, by, case_id)
    text = text.replace("\r\n", "\n").replace("\x00", "").strip()
    if not text:
        raise Invalid(text="Write something first.")
    if len(text) > NOTE_MAX:
        raise Invalid(text=f"A note holds {NOTE_MAX:,} characters; this has {len(text):,}.")
    note = Note(case_id=case_id, by_id=by.id, at=now(), text=text)
    session.add(note)
    session.execute(delete(Draft).where(col(Draft.agent_id) == by.id, col(Draft.case_id) == case_id))
    touch(session, case, note.at)
    session.flush()
    return note


def summarise(session: Session, case_id: int, summary: str, by: Agent) -> Case:
    """Say in a line what a case is about, in our words."""
    need(by, Permission.WORK_CASES)
    case = scope.case(session, by, case_id)
    summary = " ".join(summary.replace("\x00", "").split())
    if len(summary) > 200:
        raise Invalid(summary="Keep it under 200 characters; the rest belongs in a note.")
    case.summary = summary
    touch(session, case, now())
    tell(session, case, EventKind.SUMMARY, now(), by)
    return case


def describe_worker(
    session: Session, case_id: int, by: Agent, *, alias: str, workers_affected: int | None, workers_estimated: bool
) -> Case:
    """Keep what we call the worker, and how many a case concerns. Nothing about identity is ever needed."""
    need(by, Permission.WORK_CASES)
    case = scope.case(session, by, case_id)
    alias = " ".join(alias.replace("\x00", "").split())
    if len(alias) > 120:
        raise Invalid(alias="Keep it under 120 characters.")
    if workers_affected is not None and not 0 < workers_affected < 10_000_000:
        raise Invalid(workers_affected="Give a number of people, or leave it empty.")
    case.alias, case.workers_affected, case.workers_estimated = alias or None, workers_affected, workers_estimated
    touch(session, case, now())
    tell(session, case, EventKind.SUMMARY, now(), by, about="worker")
    return case


def dispose(session: Session, case_id: int, contact_id: int, disposition: Disposition, by: Agent) -> Case:
    """Say what a contact was. Test, silent, wrong number and abusive close the case when it has no other contact."""
    need(by, Permission.WORK_CASES)
    case = scope.case(session, by, case_id)
    contact = session.get(Contact, contact_id)
    if contact is None or contact.case_id != case_id:
        raise NotFound("This call does not belong to the case.")
    contact.disposition = disposition
    session.add(contact)
    touch(session, case, now())
    tell(session, case, EventKind.DISPOSITION, now(), by, disposition=disposition, contact=contact_id)
    kept = session.exec(select(Contact).where(col(Contact.case_id) == case_id)).all()
    if all(c.disposition in CLOSING for c in kept) and case.status is not CaseStatus.CLOSED:
        case.status, case.closed_at, case.closing_reason = CaseStatus.CLOSED, now(), disposition
        dangers.end(session, case_id, by)
        tell(session, case, EventKind.MOVED, now(), by, to=CaseStatus.CLOSED, reason=disposition)
    return case


def _own(session: Session, case_id: int, by: Agent, otherwise: Permission) -> Case:
    need(by, Permission.WORK_CASES)
    case = scope.case(session, by, case_id)
    if case.owner_id != by.id and not may(by, otherwise):
        raise Refused("Claim the case first; only its owner or a supervisor may do this.")
    return case


def touch(session: Session, case: Case, at: datetime) -> None:
    """Mark that a person acted, which ends joining by itself."""
    case.touched_at = case.touched_at or at
    case.version += 1
    session.add(case)
    session.flush()
