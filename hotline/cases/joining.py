"""Joining a call to another case by hand, and taking it back. Telephones are shared, so only a person knows who called."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlmodel import Session, col, select

from hotline import scope
from hotline.alerts import dangers
from hotline.audit import note_act
from hotline.cases import timeline
from hotline.cases.lifecycle import check_move
from hotline.errors import NotFound, Refused
from hotline.permissions import Permission, may, need
from models import Agent, Callback, Case, CaseEvent, CaseStatus, Contact, EventKind, Safety
from models.db.types import now

DUPLICATE = "duplicate"


@dataclass(frozen=True)
class Joined:
    """What joining changed: the cases the call moved from and to, and whether the first was closed or opened by it."""

    call_id: int
    from_id: int
    to_id: int
    emptied: bool


def join_call(session: Session, contact_id: int, to_case_id: int, by: Agent) -> Joined:
    """Move a call to the case it belongs to. A case that has no call left is closed as a duplicate. Told on both; audited.

    An agent needs both cases to be theirs or nobody's. Raises `Refused` with the reason, `NotFound`.
    """
    need(by, Permission.WORK_CASES)
    contact, source = _load(session, contact_id, by)
    target = scope.case(session, by, to_case_id)
    if source.id == target.id:
        raise Refused("This call belongs to the case already.")
    _hold(session, source, target, by)
    if target.status is CaseStatus.CLOSED:
        raise Refused("That case is closed. Reopen it first.")
    left = _others(session, source, contact)
    was = source.status
    if not left and was is not CaseStatus.CLOSED:
        check_move(was, CaseStatus.CLOSED, by.role, DUPLICATE)
    _put(session, contact, target)
    emptied = not left and was is not CaseStatus.CLOSED
    at = now()
    _tell(session, source, by, {"contact": contact_id, "to": target.id, "reference": target.reference, "was": was})
    came = {"contact": contact_id, "source": source.id, "reference": source.reference, "emptied": emptied}
    _tell(session, target, by, came)
    if emptied:
        source.status, source.closed_at, source.closing_reason = CaseStatus.CLOSED, at, DUPLICATE
        _take_danger_along(session, source, target, by)
        timeline.tell(
            session, source, EventKind.MOVED, at, by, **{"from": was, "to": CaseStatus.CLOSED, "reason": DUPLICATE}
        )
    _touch(session, source, target)
    note_act(session, "call_joined", f"case:{target.id}", by_id=by.id, contact=contact_id, source=source.id)
    return Joined(contact_id, source.id, target.id, emptied)


def undo_join(session: Session, contact_id: int, by: Agent) -> Joined:
    """Take the last join by hand back: the call returns to its own case, opened again when the join closed it.

    Raises `Refused` when this call was not joined by hand, or when the join was undone before.
    """
    need(by, Permission.WORK_CASES)
    contact, target = _load(session, contact_id, by)
    join = can_undo(session, contact)
    source = scope.find(session, by, join.detail["source"]) if join is not None else None
    if join is None or source is None:
        raise Refused("This call was not joined to the case by hand, so there is nothing to undo.")
    _hold(session, source, target, by)
    at = now()
    _put(session, contact, source)
    _tell(session, target, by, {"contact": contact_id, "to": source.id, "reference": source.reference, "undo": True})
    _tell(session, source, by, {"contact": contact_id, "reference": target.reference, "undo": True})
    opened = bool(join.detail.get("emptied")) and source.closing_reason == DUPLICATE
    if opened:
        was = CaseStatus(_status_before(session, source, contact_id))
        source.status, source.closed_at, source.closing_reason = was, None, None
        if _in_danger(session, source):
            dangers.raise_for(session, source, by)
        timeline.tell(
            session, source, EventKind.MOVED, at, by, **{"from": CaseStatus.CLOSED, "to": was, "reason": "undone"}
        )
    _touch(session, source, target)
    note_act(session, "call_join_undone", f"case:{source.id}", by_id=by.id, contact=contact_id, source=target.id)
    return Joined(contact_id, target.id, source.id, opened)


def _in_danger(session: Session, case: Case) -> bool:
    safety = session.get(Safety, case.id)
    return safety is not None and bool(safety.in_danger)


def _take_danger_along(session: Session, source: Case, target: Case, by: Agent) -> None:
    """Danger goes with the call: the case that is left is in danger from now on. Undoing the join leaves it so."""
    waited = dangers.end(session, source.id, by) is not None
    if not _in_danger(session, source):
        return
    safety = session.get(Safety, target.id) or Safety(case_id=target.id)
    safety.in_danger = True
    session.add(safety)
    target.level = dangers.LEVEL
    session.add(target)
    timeline.tell(session, target, EventKind.SAFETY, now(), by, fields=["in_danger"], source=source.id)
    if waited:
        dangers.raise_for(session, target, by)


def _tell(session: Session, case: Case, by: Agent, detail: Mapping[str, object]) -> None:
    timeline.tell(session, case, EventKind.MOVED_CALL, now(), by, **detail)


def can_undo(session: Session, contact: Contact) -> CaseEvent | None:
    """The line of the timeline that tells the join which could be undone now; None when there is none."""
    told = [e for e in _moves(session, contact.case_id) if e.detail.get("contact") == contact.id]
    return told[-1] if told and "source" in told[-1].detail else None


def _moves(session: Session, case_id: int | None) -> list[CaseEvent]:
    query = select(CaseEvent).where(col(CaseEvent.case_id) == case_id, col(CaseEvent.kind) == EventKind.MOVED_CALL)
    return list(session.exec(query.order_by(col(CaseEvent.id))))


def _status_before(session: Session, source: Case, contact_id: int) -> str:
    told = [
        e.detail["was"]
        for e in _moves(session, source.id)
        if e.detail.get("contact") == contact_id and "was" in e.detail
    ]
    return str(told[-1]) if told else CaseStatus.NEW


def _load(session: Session, contact_id: int, by: Agent) -> tuple[Contact, Case]:
    contact = session.get(Contact, contact_id)
    if contact is None:
        raise NotFound("There is no such call.")
    session.flush()
    session.refresh(contact, with_for_update={"key_share": True})
    if contact.case_id is None:
        raise Refused("This call has no case yet. Wait until it is answered or over.")
    return contact, scope.case(session, by, contact.case_id)


def _hold(session: Session, one: Case, other: Case, by: Agent) -> None:
    """Both cases, read again and kept from others until we commit; in one order, so that two people cannot block."""
    for case in sorted((one, other), key=lambda c: c.id):
        session.refresh(case, with_for_update={"key_share": True})
    for case in (one, other):
        if case.owner_id not in {None, by.id} and not may(by, Permission.HAND_OVER_ANY):
            raise Refused(f"A colleague has case {case.reference}. Ask them, or a supervisor, to join the call.")


def _others(session: Session, case: Case, contact: Contact) -> bool:
    query = select(Contact.id).where(col(Contact.case_id) == case.id, col(Contact.id) != contact.id)
    return session.exec(query).first() is not None


def _put(session: Session, contact: Contact, target: Case) -> None:
    """The call, and the open call-back that it left, when what is known about safety was said of the same telephone."""
    contact.case_id = target.id
    session.add(contact)
    owed = select(Callback).where(col(Callback.open_for) == contact.caller_id, col(Callback.contact_id) == contact.id)
    for item in session.exec(owed).all():
        if item.caller_id == target.caller_id:
            item.case_id = target.id
            session.add(item)
    session.flush()


def _touch(session: Session, *both: Case) -> None:
    for case in both:
        case.touched_at, case.version = case.touched_at or now(), case.version + 1
        session.add(case)
    session.flush()
