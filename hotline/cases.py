"""Cases: filed or joined by a call, then worked by people. Every rule that refuses says why."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import delete, update
from sqlmodel import Session, col, select

from hotline.audit import note_act
from hotline.errors import Invalid, NotFound, Refused
from hotline.lifecycle import check_move
from hotline.permissions import Permission, may, need
from hotline.safety_rights import need_to_review
from models import (
    Agent,
    CallbackSafety,
    Case,
    CaseEvent,
    CaseStatus,
    Contact,
    Disposition,
    Draft,
    EventKind,
    Note,
    Outcome,
    Recording,
    Safety,
)
from models.types import now

# Set by a person only, and they close: docs/privacy.md says why no machine sets them.
CLOSING = {Disposition.TEST, Disposition.SILENT, Disposition.WRONG_NUMBER, Disposition.ABUSIVE}
ABANDONED = {Outcome.ABANDONED_IN_MENU, Outcome.ABANDONED_IN_QUEUE, Outcome.FAILED}
BRIEF = "brief_abandon"
BRIEF_OUTCOMES = {Outcome.ABANDONED_IN_MENU, Outcome.ABANDONED_IN_QUEUE}
NOTE_MAX = 20_000


def tell(
    session: Session, case: Case, kind: EventKind, at: datetime, by: Agent | None = None, **detail: object
) -> None:
    """Add a line to a case's timeline."""
    session.add(CaseEvent(case_id=case.id or 0, at=at, kind=kind, by_id=by.id if by else None, detail=detail))
    session.flush()


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
        session.add(Safety(case_id=case.id or 0))
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
    case = session.get(Case, before.case_id)
    return case if case is not None and case.touched_at is None and case.status is CaseStatus.NEW else None


def take_with_call(session: Session, contact: Contact, by: Agent, at: datetime) -> None:
    """The case of a call that an agent has: hers when nobody has it, or when who has it only answered this call before her.

    The answer is told once for each agent.
    """
    case = session.get(Case, contact.case_id)
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
    # The answer alone is no act on the case: should the line drop before she wrote anything, the next call joins it.
    case.version += 1
    session.add(case)
    session.flush()


def _came_with(session: Session, case: Case, contact: Contact) -> bool:
    """Whether its owner has the case because she had this call, and by nothing else: she has it since that very moment."""
    query = select(CaseEvent).where(col(CaseEvent.case_id) == case.id, col(CaseEvent.at) == case.claimed_at)
    by_call = {EventKind.ANSWERED, EventKind.TRANSFERRED}
    return any(e.kind in by_call and e.detail.get("contact") == contact.id for e in session.exec(query))


def fill_in(session: Session, contact: Contact) -> None:
    """Give a case what became known of its call only after it was filed: a note can come out of the spool late."""
    case = session.get(Case, contact.case_id)
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
    case = session.get(Case, contact.case_id)
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
    case = session.get(Case, contact.case_id)
    if case is None:
        return
    if case.language is None:
        case.language = contact.language
    if case.closing_reason == BRIEF:
        case.status, case.closed_at, case.closing_reason = CaseStatus.NEW, None, None
    session.add(case)
    seconds = round(recording.duration_s)
    tell(session, case, EventKind.RECORDED, recording.recorded_at, seconds=seconds, what=recording.kind)


def load(session: Session, case_id: int) -> Case:
    """The case. Raises `NotFound`."""
    case = session.get(Case, case_id)
    if case is None:
        raise NotFound("There is no such case.")
    return case


def claim(session: Session, case_id: int, by: Agent) -> Case:
    """Take an unclaimed case. When two click, one wins; the other gets `Refused`."""
    need(by, Permission.WORK_CASES)
    moment = now()
    taken = session.execute(
        update(Case)
        .where(col(Case.id) == case_id, col(Case.owner_id).is_(None), col(Case.status) != CaseStatus.CLOSED)
        .values(owner_id=by.id, claimed_at=moment, version=col(Case.version) + 1)
        .execution_options(synchronize_session=False)
    )
    case = load(session, case_id)
    session.refresh(case)
    if taken.rowcount == 0:  # type: ignore[attr-defined]
        if case.status is CaseStatus.CLOSED:
            raise Refused("This case is closed. Reopen it first.")
        if case.owner_id != by.id:
            raise Refused("Somebody else claimed this case a moment ago.")
        return case
    _touch(session, case, moment)
    tell(session, case, EventKind.CLAIMED, moment, by)
    return case


def release(session: Session, case_id: int, by: Agent) -> Case:
    """Put a case back to the unclaimed ones. Its owner or a supervisor may."""
    case = _own(session, case_id, by, Permission.HAND_OVER_ANY)
    case.owner_id, case.claimed_at = None, None
    _touch(session, case, now())
    tell(session, case, EventKind.RELEASED, now(), by)
    return case


def hand_over(session: Session, case_id: int, to_id: int, by: Agent) -> Case:
    """Give a case to a colleague who works cases. Its owner or a supervisor may."""
    case = _own(session, case_id, by, Permission.HAND_OVER_ANY)
    to = session.get(Agent, to_id)
    if to is None or not may(to, Permission.WORK_CASES):
        raise Invalid(to="Choose a colleague who works cases.")
    case.owner_id, case.claimed_at = to.id, now()
    _touch(session, case, now())
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
    _touch(session, case, moment)
    detail = {"from": before, "to": to} | ({"reason": reason.strip()} if reason.strip() else {})
    tell(session, case, EventKind.MOVED, moment, by, **detail)
    return case


def add_note(session: Session, case_id: int, text: str, by: Agent) -> Note:
    """Write a note on a case; the draft of it goes. Raises `Invalid` for an empty or too long one."""
    need(by, Permission.WORK_CASES)
    case = load(session, case_id)
    text = text.replace("\r\n", "\n").replace("\x00", "").strip()
    if not text:
        raise Invalid(text="Write something first.")
    if len(text) > NOTE_MAX:
        raise Invalid(text=f"A note holds {NOTE_MAX:,} characters; this has {len(text):,}.")
    note = Note(case_id=case_id, by_id=by.id or 0, at=now(), text=text)
    session.add(note)
    session.execute(delete(Draft).where(col(Draft.agent_id) == by.id, col(Draft.case_id) == case_id))
    _touch(session, case, note.at)
    session.flush()
    return note


def summarise(session: Session, case_id: int, summary: str, by: Agent) -> Case:
    """Say in a line what a case is about, in our words."""
    need(by, Permission.WORK_CASES)
    case = load(session, case_id)
    summary = " ".join(summary.replace("\x00", "").split())
    if len(summary) > 200:
        raise Invalid(summary="Keep it under 200 characters; the rest belongs in a note.")
    case.summary = summary
    _touch(session, case, now())
    tell(session, case, EventKind.SUMMARY, now(), by)
    return case


def describe_worker(
    session: Session, case_id: int, by: Agent, *, alias: str, workers_affected: int | None, workers_estimated: bool
) -> Case:
    """What we call the worker, and how many a case concerns. Nothing about identity is ever needed."""
    need(by, Permission.WORK_CASES)
    case = load(session, case_id)
    alias = " ".join(alias.replace("\x00", "").split())
    if len(alias) > 120:
        raise Invalid(alias="Keep it under 120 characters.")
    if workers_affected is not None and not 0 < workers_affected < 10_000_000:
        raise Invalid(workers_affected="Give a number of people, or leave it empty.")
    case.alias, case.workers_affected, case.workers_estimated = alias or None, workers_affected, workers_estimated
    _touch(session, case, now())
    tell(session, case, EventKind.SUMMARY, now(), by, about="worker")
    return case


def dispose(session: Session, case_id: int, contact_id: int, disposition: Disposition, by: Agent) -> Case:
    """Say what a contact was. Test, silent, wrong number and abusive close the case when it has no other contact."""
    need(by, Permission.WORK_CASES)
    case = load(session, case_id)
    contact = session.get(Contact, contact_id)
    if contact is None or contact.case_id != case_id:
        raise NotFound("This call does not belong to the case.")
    contact.disposition = disposition
    session.add(contact)
    _touch(session, case, now())
    tell(session, case, EventKind.DISPOSITION, now(), by, disposition=disposition, contact=contact_id)
    kept = session.exec(select(Contact).where(col(Contact.case_id) == case_id)).all()
    if all(c.disposition in CLOSING for c in kept) and case.status is not CaseStatus.CLOSED:
        case.status, case.closed_at, case.closing_reason = CaseStatus.CLOSED, now(), disposition
        tell(session, case, EventKind.MOVED, now(), by, to=CaseStatus.CLOSED, reason=disposition)
    return case


def set_safety(session: Session, case_id: int, by: Agent, **values: object) -> Safety:
    """Keep what was asked about safety; every change is reviewed now and audited by field, not by value.

    Raises `Refused` when a colleague has the case: see `hotline.safety_rights`.
    """
    need(by, Permission.WORK_CASES)
    case = load(session, case_id)
    need_to_review(session, case, by)
    return _review(session, case, by, values)


def not_safe_to_call(session: Session, case_id: int, by: Agent) -> Safety:
    """Keep that somebody else answered our call: from now on calling is unsafe, whoever has the case."""
    need(by, Permission.CALL_BACK)
    return _review(session, load(session, case_id), by, {"callback": CallbackSafety.UNSAFE})


def _review(session: Session, case: Case, by: Agent, values: Mapping[str, object]) -> Safety:
    case_id = case.id or 0
    safety = session.get(Safety, case_id) or Safety(case_id=case_id)
    changed = [name for name, value in values.items() if getattr(safety, name) != value]
    for name in changed:
        setattr(safety, name, values[name])
    safety.reviewed_at = now()
    session.add(safety)
    _touch(session, case, now())
    tell(session, case, EventKind.SAFETY, now(), by, fields=changed)
    note_act(session, "safety_changed", f"case:{case_id}", by_id=by.id, fields=changed)
    return safety


def _own(session: Session, case_id: int, by: Agent, otherwise: Permission) -> Case:
    need(by, Permission.WORK_CASES)
    case = load(session, case_id)
    if case.owner_id != by.id and not may(by, otherwise):
        raise Refused("Claim the case first; only its owner or a supervisor may do this.")
    return case


def _touch(session: Session, case: Case, at: datetime) -> None:
    """Mark that a person acted, which ends joining by itself."""
    case.touched_at = case.touched_at or at
    case.version += 1
    session.add(case)
    session.flush()
