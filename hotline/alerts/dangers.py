"""Workers in danger now: each stands on every supervisor's page until one of them takes it."""

from datetime import datetime, timedelta

from sqlmodel import Session, col, select

from hotline import scope
from hotline.audit import note_act
from models import Agent, Alert, AlertKind, Case, CaseStatus
from models.db.types import now

# A supervisor within a quarter of an hour: the rule of level P0.
ACT_WITHIN = timedelta(minutes=15)
LEVEL = "P0"


def open_of(session: Session, case_id: int) -> Alert | None:
    """Return the danger of a case that no supervisor has taken yet, or None."""
    query = select(Alert).where(col(Alert.case_id) == case_id, col(Alert.taken_at).is_(None))
    return session.exec(query.limit(1)).first()


def since(session: Session, case_ids: list[int]) -> dict[int, datetime]:
    """Return since when each of these cases waits for a supervisor, of those that do."""
    query = select(Alert.case_id, Alert.at).where(col(Alert.case_id).in_(case_ids), col(Alert.taken_at).is_(None))
    return {case_id: at for case_id, at in session.exec(query) if case_id is not None}


def standing(session: Session, who: Agent) -> list[tuple[Alert, Case]]:
    """Return the dangers that nobody has taken, with their cases, oldest first; of cases that this person may see."""
    joined = scope.cases(who, select(Alert, Case).join(Case, col(Case.id) == col(Alert.case_id)))
    waiting = (col(Alert.taken_at).is_(None), col(Case.status) != CaseStatus.CLOSED)
    query = joined.where(*waiting).order_by(col(Alert.id))
    return [(alert, case) for alert, case in session.exec(query)]


def raise_for(session: Session, case: Case, by: Agent) -> Alert:
    """Tell supervisors that the worker of a case is in danger, which is level P0. Idempotent while nobody has taken it."""
    case.level = LEVEL
    session.add(case)
    known = open_of(session, case.id)
    if known is not None:
        return known
    alert = Alert(kind=AlertKind.DANGER, agent_id=by.id, case_id=case.id)
    session.add(alert)
    session.flush()
    note_act(session, "danger_raised", f"case:{case.id}", by_id=by.id)
    return alert


def end(session: Session, case_id: int, by: Agent | None, at: datetime | None = None) -> Alert | None:
    """Take the danger of a case off all pages; return it, or None when none stood there."""
    alert = open_of(session, case_id)
    if alert is None:
        return None
    alert.taken_at, alert.taken_by_id = at or now(), by.id if by is not None else None
    session.add(alert)
    session.flush()
    return alert
