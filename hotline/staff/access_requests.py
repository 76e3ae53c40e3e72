"""More access takes a second person, or a day in which anybody could say no.

Adding a supervisor or administrator, raising somebody to it, letting one in again or resetting the password of one is only
asked for here. It is in force when somebody else who oversees the staff confirms it, or at `due_at`. The rest is done at
once. What is done on the machine itself (`freeline user add`, the demo) is not asked for: hotline.staff.people.
"""

import secrets
from datetime import datetime, timedelta

from sqlmodel import Session, col, select

from hotline.alerts import alerts
from hotline.audit import note_act
from hotline.errors import NotFound, Refused
from hotline.permissions import Permission, need
from hotline.settings import Settings
from hotline.staff import people
from models import (
    AccessEnd,
    AccessKind,
    AccessRequest,
    Agent,
    Alert,
    AlertKind,
    Proficiency,
    Role,
)
from models.db.types import now

PRIVILEGED = {Role.SUPERVISOR, Role.ADMINISTRATOR}
IN_FORCE = {AccessEnd.CONFIRMED, AccessEnd.WAITED}
# For so long after its decision a password can be fetched, by who asked for it.
FETCH_WITHIN = timedelta(days=3)
RECENT = 20


def add(
    session: Session,
    login: str,
    name: str,
    role: Role,
    languages: dict[str, Proficiency],
    by: Agent,
    settings: Settings,
) -> tuple[Agent, AccessRequest | None]:
    """Add somebody. A supervisor or administrator cannot sign in before the request is in force. Raises `Invalid`."""
    need(by, Permission.MANAGE_PEOPLE)
    agent = people.add_agent(
        session,
        login,
        name,
        role,
        secrets.token_urlsafe(24),  # never told: the first password comes from `people.reset_password`
        languages,
        by_id=by.id,
        must_change_password=True,
    )
    if role not in PRIVILEGED:
        return agent, None
    agent.active = False
    session.add(agent)
    return agent, _ask(session, AccessKind.ADD, agent, role, by, settings)


def change(
    session: Session,
    agent_id: int,
    name: str,
    role: Role,
    languages: dict[str, Proficiency],
    by: Agent,
    settings: Settings,
) -> AccessRequest | None:
    """Change a person's name and languages, and the role at once when it gives no more. The request, when it does."""
    need(by, Permission.MANAGE_PEOPLE)
    agent = people.load(session, agent_id)
    raised = role in PRIVILEGED and role is not agent.role
    if raised and role is not Role.ADMINISTRATOR:
        people.keep_an_administrator(session, agent)
    people.change_agent(session, agent_id, name, agent.role if raised else role, languages, by_id=by.id)
    return _ask(session, AccessKind.RAISE, agent, role, by, settings) if raised else None


def reset_password(session: Session, agent_id: int, by: Agent, settings: Settings) -> str | AccessRequest:
    """A new password, told once; for a supervisor or administrator, the request for one."""
    need(by, Permission.MANAGE_PEOPLE)
    agent = people.load(session, agent_id)
    if agent.role in PRIVILEGED:
        return _ask(session, AccessKind.PASSWORD, agent, agent.role, by, settings)
    return people.reset_password(session, agent_id, by_id=by.id)


def let_in(session: Session, agent_id: int, by: Agent, settings: Settings) -> AccessRequest | None:
    """Let somebody in again whose access was ended; for a supervisor or administrator, the request for it."""
    need(by, Permission.MANAGE_PEOPLE)
    agent = people.load(session, agent_id)
    if agent.role in PRIVILEGED and not agent.active:
        return _ask(session, AccessKind.LET_IN, agent, agent.role, by, settings)
    people.activate(session, agent_id, by_id=by.id)
    return None


def _ask(session: Session, kind: AccessKind, agent: Agent, role: Role, by: Agent, settings: Settings) -> AccessRequest:
    if open_of(session, agent.id) is not None:
        raise Refused("A request for this person waits already. Confirm, refuse or withdraw it first.")
    moment = now()
    row = AccessRequest(
        open_for=agent.id,
        kind=kind,
        agent_id=agent.id,
        role=role,
        asked_by_id=by.id,
        asked_at=moment,
        due_at=moment + timedelta(hours=settings.second_person_h),
    )
    session.add(row)
    session.flush()
    session.add(Alert(kind=AlertKind.ACCESS, agent_id=by.id, request_id=row.id, at=moment, last_at=moment))
    session.flush()
    _note(session, row, "access_asked", by.id)
    return row


def open_of(session: Session, agent_id: int) -> AccessRequest | None:
    """The request that waits for this person; None when there is none."""
    return session.exec(select(AccessRequest).where(col(AccessRequest.open_for) == agent_id)).first()


def waiting(session: Session) -> list[AccessRequest]:
    """The requests that wait, the oldest first."""
    query = select(AccessRequest).where(col(AccessRequest.ended_at).is_(None)).order_by(col(AccessRequest.id))
    return list(session.exec(query))


def decided(session: Session, most: int = RECENT) -> list[AccessRequest]:
    """The newest requests that were decided."""
    query = select(AccessRequest).where(col(AccessRequest.ended_at).is_not(None))
    return list(session.exec(query.order_by(col(AccessRequest.ended_at).desc()).limit(most)))


def why_not_confirm(row: AccessRequest, by: Agent) -> str:
    """Why this person cannot be the second one; empty when they can."""
    if row.asked_by_id == by.id:
        return "You asked for this yourself; somebody else confirms it."
    if row.agent_id == by.id:
        return "This is about your own access; somebody else confirms it."
    return ""


def confirm(session: Session, request_id: int, by: Agent) -> AccessRequest:
    """Be the second person: it is in force now. Raises `Refused` for who asked, and for whom it is for."""
    need(by, Permission.OVERSEE)
    row = _load(session, request_id)
    if why := why_not_confirm(row, by):
        raise Refused(why)
    return _put_in_force(session, row, AccessEnd.CONFIRMED, by)


def refuse(session: Session, request_id: int, by: Agent) -> AccessRequest:
    """Say no: nothing changes. From who asked, it is taken back. Whoever oversees the staff may, until it is in force."""
    need(by, Permission.OVERSEE)
    row = _load(session, request_id)
    return _end(session, row, AccessEnd.WITHDRAWN if row.asked_by_id == by.id else AccessEnd.REFUSED, by)


def settle_due(session: Session, at: datetime) -> list[AccessRequest]:
    """Put in force what nobody refused until `at`, which is a moment of a clock that can be believed."""
    due = select(AccessRequest).where(
        col(AccessRequest.ended_at).is_(None),
        col(AccessRequest.due_at) <= at,
        # Asked for in the future, says a clock that ran ahead: how long that waited, nobody knows.
        col(AccessRequest.asked_at) <= at,
    )
    rows = session.exec(due.with_for_update()).all()
    return [_put_in_force(session, row, AccessEnd.WAITED, None) for row in rows]


def any_due(session: Session, at: datetime) -> bool:
    """Whether `settle_due` has something to do; for looking without a write."""
    query = select(AccessRequest.id).where(col(AccessRequest.ended_at).is_(None), col(AccessRequest.due_at) <= at)
    return session.exec(query.limit(1)).first() is not None


def fetched_by(session: Session, agent_id: int, by: Agent) -> AccessRequest | None:
    """The request whose password for this person waits to be fetched by who asks; None when there is none."""
    query = select(AccessRequest).where(
        col(AccessRequest.agent_id) == agent_id,
        col(AccessRequest.asked_by_id) == by.id,
        col(AccessRequest.used_at).is_(None),
        col(AccessRequest.end).in_(IN_FORCE),
    )
    found = session.exec(query.order_by(col(AccessRequest.id).desc())).all()
    return next((row for row in found if to_fetch(row, by)), None)


def to_fetch(row: AccessRequest, by: Agent) -> bool:
    """Whether this person can fetch the password of this request now."""
    age = now() - row.ended_at if row.ended_at is not None else None
    return (
        row.kind in {AccessKind.ADD, AccessKind.PASSWORD}
        and row.end in IN_FORCE
        and row.used_at is None
        and row.asked_by_id == by.id
        and age is not None
        and timedelta() <= age <= FETCH_WITHIN
    )


def fetch_password(session: Session, request_id: int, agent_id: int, by: Agent) -> str:
    """The password that was asked for, told once, to who asked for it. Raises `Refused`."""
    need(by, Permission.MANAGE_PEOPLE)
    row = session.get(AccessRequest, request_id)
    if row is None or row.agent_id != agent_id:
        raise NotFound("There is no such request.")
    session.refresh(row, with_for_update=True)
    if not to_fetch(row, by):
        raise Refused("This password cannot be fetched: it waits, was fetched already, or somebody else asked for it.")
    row.used_at = now()
    session.add(row)
    session.flush()
    return people.reset_password(session, row.agent_id, by_id=by.id)


def _load(session: Session, request_id: int) -> AccessRequest:
    row = session.get(AccessRequest, request_id)
    if row is None:
        raise NotFound("There is no such request.")
    session.refresh(row, with_for_update=True)
    if row.ended_at is not None:
        raise Refused("This request was decided already.")
    return row


def _put_in_force(session: Session, row: AccessRequest, end: AccessEnd, by: Agent | None) -> AccessRequest:
    agent, by_id = people.load(session, row.agent_id), by.id if by is not None else None
    if row.kind is AccessKind.RAISE:
        if not agent.active or agent.role is row.role:
            return _end(session, row, AccessEnd.LAPSED, by)
        try:
            people.set_role(session, agent, row.role, by_id=by_id)
        except Refused:
            # The last administrator by now.
            return _end(session, row, AccessEnd.LAPSED, by)
    elif agent.role is not row.role:
        return _end(session, row, AccessEnd.LAPSED, by)
    elif row.kind in {AccessKind.ADD, AccessKind.LET_IN}:
        people.activate(session, row.agent_id, by_id=by_id)
    return _end(session, row, end, by)


def _end(session: Session, row: AccessRequest, end: AccessEnd, by: Agent | None) -> AccessRequest:
    row.ended_at, row.end, row.open_for = now(), end, None
    row.ended_by_id = by.id if by is not None else None
    session.add(row)
    session.flush()
    if by is not None and by.id != row.asked_by_id:
        # What only waited, or was taken back, is for somebody else to take note of still.
        alerts.settled(session, row.id, row.ended_at, by.id)
    _note(session, row, f"access_{end}", row.ended_by_id)
    return row


def _note(session: Session, row: AccessRequest, act: str, by_id: int | None) -> None:
    note_act(session, act, f"agent:{row.agent_id}", by_id=by_id, request=row.id, kind=row.kind, role=row.role)
