"""Alerts about staff: who was shown an unusual amount, or asks for more access. They stand until somebody takes note."""

from datetime import datetime, timedelta

from sqlmodel import Session, col, select

from hotline.audit import note_act
from hotline.errors import NotFound, Refused
from hotline.permissions import ALLOWED, Permission, need
from models import AccessRequest, Agent, Alert, AlertKind
from models.db.locks import AUDITING, alone
from models.db.types import now

# Once somebody took note, the same person is told of again only when this has passed, or as much again was shown.
QUIET = timedelta(hours=1)
RECENT = 10
ABOUT_STAFF = (col(Alert.kind) != AlertKind.DANGER,)  # those about workers are in dangers.py


def of_amount(session: Session, kind: AlertKind, agent_id: int, amount: int, allowed: int) -> Alert | None:
    """Tell supervisors that somebody was shown an unusual amount within the hour. An open alert grows; else a new one.

    None when nothing is to be told: somebody took note a while ago, and not much was shown since.
    """
    alone(session, AUDITING)  # two requests of one moment make one alert
    moment = now()
    query = select(Alert).where(col(Alert.kind) == kind, col(Alert.agent_id) == agent_id)
    last = session.exec(query.order_by(col(Alert.id).desc()).limit(1)).first()
    if last is not None and last.taken_at is None:
        last.amount, last.last_at = max(amount, last.amount or 0), moment
        session.add(last)
        session.flush()
        return last
    if last is not None and last.taken_at is not None:
        quiet = timedelta() <= moment - last.taken_at < QUIET
        if quiet and amount < (last.amount or 0) + allowed:
            return None
    alert = Alert(kind=kind, agent_id=agent_id, amount=amount, allowed=allowed, at=moment, last_at=moment)
    session.add(alert)
    session.flush()
    note_act(session, "alert_raised", f"agent:{agent_id}", by_id=None, kind=kind, amount=amount, allowed=allowed)
    return alert


def is_told(session: Session, kind: AlertKind, agent_id: int, amount: int) -> bool:
    """Whether an open alert says this much already; for looking without a write."""
    query = select(Alert.id).where(
        col(Alert.kind) == kind,
        col(Alert.agent_id) == agent_id,
        col(Alert.taken_at).is_(None),
        col(Alert.amount) >= amount,
    )
    return session.exec(query.limit(1)).first() is not None


def open_alerts(session: Session) -> list[Alert]:
    """Return the alerts about staff that nobody has taken note of, oldest first."""
    query = select(Alert).where(col(Alert.taken_at).is_(None), *ABOUT_STAFF).order_by(col(Alert.id))
    return list(session.exec(query))


def recent(session: Session, most: int = RECENT) -> list[Alert]:
    """Return the newest alerts about staff that somebody took note of."""
    query = select(Alert).where(col(Alert.taken_at).is_not(None), *ABOUT_STAFF)
    return list(session.exec(query.order_by(col(Alert.taken_at).desc()).limit(most)))


def concerns(session: Session, alert: Alert, by: Agent) -> bool:
    """Whether an alert is about this person, or about their own access: they are not the one to take note of it."""
    request = session.get(AccessRequest, alert.request_id) if alert.request_id is not None else None
    return by.id == alert.agent_id or (request is not None and request.agent_id == by.id)


def take_note(session: Session, alert_id: int, by: Agent) -> Alert:
    """Take note of an alert: it leaves every page. Audited. Said twice it counts once.

    Raises `Refused` for whom it is about, unless nobody else could.
    """
    need(by, Permission.OVERSEE)
    alert = session.get(Alert, alert_id)
    if alert is None or alert.kind is AlertKind.DANGER:
        raise NotFound("There is no such alert.")
    session.refresh(alert, with_for_update=True)
    if alert.taken_at is not None:
        return alert
    if concerns(session, alert, by) and others_oversee(session, by):
        raise Refused("This alert is about you. Another supervisor or administrator takes note of it.")
    alert.taken_at, alert.taken_by_id = now(), by.id
    session.add(alert)
    session.flush()
    note_act(session, "alert_noted", f"agent:{alert.agent_id}", by_id=by.id, kind=alert.kind, alert=alert.id)
    return alert


def others_oversee(session: Session, *but: Agent) -> bool:
    """Whether somebody but these could be the second person, or take note."""
    roles = [role for role, allowed in ALLOWED.items() if Permission.OVERSEE in allowed]
    query = select(Agent.id).where(
        col(Agent.active), col(Agent.role).in_(roles), col(Agent.id).not_in([a.id for a in but])
    )
    return session.exec(query.limit(1)).first() is not None


def settled(session: Session, request_id: int, at: datetime, by_id: int | None) -> None:
    """The alert of an access request that a person decided needs nobody's note any more."""
    query = select(Alert).where(col(Alert.request_id) == request_id, col(Alert.taken_at).is_(None))
    for alert in session.exec(query).all():
        alert.taken_at, alert.taken_by_id = at, by_id
        session.add(alert)
    session.flush()
