"""The answers about safety: whether and when the worker may be called, and whether they are in danger."""

from collections.abc import Mapping

from sqlmodel import Session

from hotline import scope
from hotline.audit import note_act
from hotline.cases.timeline import tell
from hotline.cases.work import touch
from hotline.intake import dangers
from hotline.permissions import Permission, need
from hotline.safety.rights import need_to_review
from models import (
    Agent,
    CallbackSafety,
    Case,
    EventKind,
    Safety,
)
from models.db.types import now


def set_safety(session: Session, case_id: int, by: Agent, **values: object) -> Safety:
    """Keep what was asked about safety; every change is reviewed now and audited by field, not by value.

    Raises `Refused` when a colleague has the case: see `hotline.safety.rights`.
    """
    need(by, Permission.WORK_CASES)
    case = scope.case(session, by, case_id)
    need_to_review(session, case, by)
    return _review(session, case, by, values)


def not_safe_to_call(session: Session, case_id: int, by: Agent) -> Safety:
    """Keep that somebody else answered our call: from now on calling is unsafe, whoever has the case or may see it."""
    need(by, Permission.CALL_BACK)
    return _review(session, scope.case(session, scope.SYSTEM, case_id), by, {"callback": CallbackSafety.UNSAFE})


def _review(session: Session, case: Case, by: Agent, values: Mapping[str, object]) -> Safety:
    case_id = case.id
    safety = session.get(Safety, case_id) or Safety(case_id=case_id)
    changed = [name for name, value in values.items() if getattr(safety, name) != value]
    for name in changed:
        setattr(safety, name, values[name])
    safety.reviewed_at = now()
    session.add(safety)
    touch(session, case, now())
    if "in_danger" in changed:
        dangers.follow(session, case, by, in_danger=safety.in_danger)
    tell(session, case, EventKind.SAFETY, now(), by, fields=changed)
    note_act(session, "safety_changed", f"case:{case_id}", by_id=by.id, fields=changed)
    return safety
