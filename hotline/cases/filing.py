"""From a call to a case: each call is filed as one case, or joins the one it belongs to. No person acts here."""

from datetime import datetime, timedelta

from sqlmodel import Session, col, select

from hotline import scope
from hotline.cases.timeline import tell
from models import (
    Agent,
    CallbackSafety,
    Case,
    CaseEvent,
    CaseStatus,
    Contact,
    EventKind,
    Outcome,
    Recording,
    Safety,
)
from models.db.types import now

ABANDONED = {Outcome.ABANDONED_IN_MENU, Outcome.ABANDONED_IN_QUEUE, Outcome.FAILED}
BRIEF = "brief_abandon"
BRIEF_OUTCOMES = {Outcome.ABANDONED_IN_MENU, Outcome.ABANDONED_IN_QUEUE}


def file_call(
    session: Session, contact: Contact, *, join_within_s: int, brief_s: int, answers: Case | None = None
) -> Case:
    """File a new case for a call that was answered or is over, or join the one it belongs to.

    It joins by itself only the case whose call-back it `answers`, or when the same number called in the same language
    within `join_within_s` seconds after an abandoned or dropped call whose case nobody has touched. People share phones:
    any other join is a person's act.
    A call abandoned within `brief_s` seconds with no key pressed is closed at once; everything else waits for a person.
    """
    ended_at = contact.ended_at or contact.answered_at or now()
    case = answers or _to_join(session, contact, timedelta(seconds=join_within_s))
    if case is not None:
        contact.case_id = case.id
        tell(session, case, EventKind.JOINED, ended_at, outcome=contact.outcome, contact=contact.id)
    else:
        case = Case(language=contact.language, caller_id=contact.caller_id, opened_at=contact.arrived_at)
        session.add(case)
        session.flush()
        case.reference = f"C-{case.opened_at:%y%m}-{case.id:04d}"
        session.add(Safety(case_id=case.id))
        contact.case_id = case.id
        tell(session, case, EventKind.FILED, ended_at, outcome=contact.outcome, contact=contact.id)
    _keep_safety(session, case, contact)
    session.add(contact)
    session.flush()
    if contact.ended_at is not None:
        settle_brief(session, contact, brief_s=brief_s)
    recording = session.exec(select(Recording).where(col(Recording.contact_id) == contact.id)).first()
    if recording is not None:
        recorded(session, contact, recording)
    return case


def _to_join(session: Session, contact: Contact, within: timedelta) -> Case | None:
    if contact.caller_id is None or contact.language is None:
        return None
    before = session.exec(
        select(Contact)
        .where(
            col(Contact.caller_id) == contact.caller_id,
            col(Contact.language) == contact.language,
            col(Contact.ended_at).is_not(None),
            col(Contact.ended_at) >= contact.arrived_at - within,
            col(Contact.arrived_at) <= contact.arrived_at,
            col(Contact.case_id).is_not(None),
            col(Contact.id) != contact.id,
        )
        .order_by(col(Contact.arrived_at).desc())
    ).first()
    if before is None or (before.outcome not in ABANDONED and before.dropped_at is None):
        return None
    case = scope.find(session, scope.SYSTEM, before.case_id)
    return case if case is not None and case.touched_at is None and case.status is CaseStatus.NEW else None


def take_with_call(session: Session, contact: Contact, by: Agent, at: datetime) -> None:
    """Give an agent the case of the call they have, when nobody has it or its owner only answered this call before.

    The answer is told once for each agent.
    """
    case = scope.find(session, scope.SYSTEM, contact.case_id)
    if case is None:
        return
    told = session.exec(
        select(CaseEvent.detail).where(
            col(CaseEvent.case_id) == case.id, col(CaseEvent.kind) == EventKind.ANSWERED, col(CaseEvent.by_id) == by.id
        )
    ).all()
    if not any(detail.get("contact") == contact.id for detail in told):
        tell(session, case, EventKind.ANSWERED, at, by, contact=contact.id)
    if case.owner_id is None:
        case.owner_id, case.claimed_at = by.id, at
    elif case.owner_id != by.id and _came_with(session, case, contact):
        case.owner_id, case.claimed_at = by.id, at
        tell(session, case, EventKind.TRANSFERRED, at, to=by.id, contact=contact.id)
    if case.closing_reason == BRIEF:
        case.status, case.closed_at, case.closing_reason = CaseStatus.NEW, None, None
    # The answer alone is no act on the case: should the line drop before anything was written, the next call joins it.
    case.version += 1
    session.add(case)
    session.flush()


def _came_with(session: Session, case: Case, contact: Contact) -> bool:
    """Whether its owner has the case because they had this call, and by nothing else: since that very moment."""
    query = select(CaseEvent).where(col(CaseEvent.case_id) == case.id, col(CaseEvent.at) == case.claimed_at)
    by_call = {EventKind.ANSWERED, EventKind.TRANSFERRED}
    return any(e.kind in by_call and e.detail.get("contact") == contact.id for e in session.exec(query))


def fill_in(session: Session, contact: Contact) -> None:
    """Give a case what became known of its call only after it was filed: a note can come out of the spool late."""
    case = scope.find(session, scope.SYSTEM, contact.case_id)
    if case is None:
        return
    case.language = case.language or contact.language
    if case.closing_reason == BRIEF and (contact.key_at is not None or contact.outcome not in BRIEF_OUTCOMES):
        case.status, case.closed_at, case.closing_reason = CaseStatus.NEW, None, None
    calls = session.exec(select(Contact.id).where(col(Contact.case_id) == case.id)).all()
    if calls == [contact.id]:
        # A case that others were joined to is not of this telephone alone.
        case.caller_id = case.caller_id or contact.caller_id
    session.add(case)
    _keep_safety(session, case, contact)
    session.flush()


def _keep_safety(session: Session, case: Case, contact: Contact) -> None:
    """Keep what the caller said by a key about calling back. It can come late, out of the spool, after a person's word.

    Never over `unsafe` or `never`. A `safe` counts only while nobody has reviewed the case since the key; an `unsafe`
    counts in place of `unknown` always, and in place of a `safe` that is older.
    """
    said, safety = contact.callback_said, session.get(Safety, case.id)
    if said is CallbackSafety.UNKNOWN or safety is None or safety.callback is said:
        return
    pressed_at = max((at for at in (contact.callback_at, contact.message_at) if at), default=contact.ended_at)
    reviewed = safety.reviewed_at is not None and (pressed_at is None or safety.reviewed_at >= pressed_at)
    unknown = safety.callback is CallbackSafety.UNKNOWN
    if said is CallbackSafety.SAFE:
        counts = unknown and not reviewed
    else:
        counts = unknown or (safety.callback is CallbackSafety.SAFE and not reviewed)
    if counts:
        safety.callback = said
        moments = [at for at in (contact.ended_at, safety.reviewed_at) if at is not None]
        safety.reviewed_at = max(moments, default=None)
        session.add(safety)


def settle_brief(session: Session, contact: Contact, *, brief_s: int) -> None:
    """Close the case of a brief abandon, or open it again when a late fact shows that it was none."""
    case = scope.find(session, scope.SYSTEM, contact.case_id)
    if case is None or case.touched_at is not None:
        return
    only_call = session.exec(select(Contact.id).where(col(Contact.case_id) == case.id)).all() == [contact.id]
    brief = (
        contact.outcome in BRIEF_OUTCOMES
        and contact.key_at is None
        and (contact.duration_s or 0) <= brief_s
        and only_call
    )
    if brief and case.status is CaseStatus.NEW:
        case.status, case.closed_at, case.closing_reason = CaseStatus.CLOSED, contact.ended_at, BRIEF
    elif not brief and case.closing_reason == BRIEF:
        case.status, case.closed_at, case.closing_reason = CaseStatus.NEW, None, None
    session.add(case)


def recorded(session: Session, contact: Contact, recording: Recording) -> None:
    """Tell a case that a recording came in, once."""
    case = scope.find(session, scope.SYSTEM, contact.case_id)
    if case is None:
        return
    if case.language is None:
        case.language = contact.language
    if case.closing_reason == BRIEF:
        case.status, case.closed_at, case.closing_reason = CaseStatus.NEW, None, None
    session.add(case)
    seconds = round(recording.duration_s)
    tell(session, case, EventKind.RECORDED, recording.recorded_at, seconds=seconds, what=recording.kind)
