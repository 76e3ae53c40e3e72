"""Limits on what one person is shown of cases of others, of numbers and of audio: audited, and slowed down when unusual.

The audit itself is what is counted, so nothing is shown that is not in the chain. A further look at the same case within
the hour writes nothing and is never slowed down, nor is anything about the caller whom one is on the line with.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import Session, col, func, or_, select

from hotline.alerts import alerts
from hotline.audit import note_act
from hotline.errors import Refused
from hotline.permissions import Permission, may
from hotline.safety.rights import on_the_line
from hotline.settings import Settings
from models import Agent, AgentState, Alert, AlertKind, AuditEntry, Callback, Case, Contact
from models.db.types import now

ONE_SITTING = timedelta(hours=1)
READ, CLAIMED, NUMBER, AUDIO = "case_read", "case_claimed", "number_shown", "audio_heard"
ACTS = {AlertKind.CASES: (READ, CLAIMED), AlertKind.NUMBERS: (NUMBER,), AlertKind.AUDIO: (AUDIO,)}


class Held(Refused):
    """This is an unusual amount: the next may be looked at in `wait_s` seconds. `told`: supervisors are to hear of it."""

    def __init__(self, kind: AlertKind, agent_id: int, amount: int, allowed: int, wait_s: int) -> None:
        super().__init__(
            f"You have looked at far more than usual within the hour. Go on in {wait_s} seconds; supervisors see this."
        )
        self.kind, self.agent_id, self.amount, self.allowed, self.wait_s = kind, agent_id, amount, allowed, wait_s


@dataclass(frozen=True)
class Amount:
    """How many different things a person was shown within the hour, and when the newest of them was."""

    count: int
    newest: datetime | None


def allowed(kind: AlertKind, by: Agent, settings: Settings) -> int:
    """How much within an hour is usual for this person."""
    most = {
        AlertKind.CASES: settings.cases_an_hour,
        AlertKind.NUMBERS: settings.numbers_an_hour,
        AlertKind.AUDIO: settings.audio_an_hour,
    }[kind]
    return most * (settings.supervisor_times if may(by, Permission.HAND_OVER_ANY) else 1)


def amount(session: Session, kind: AlertKind, by: Agent, but: str = "") -> Amount:
    """Return what was shown to this person within the hour, each thing once; `but` this subject."""
    moment = now()
    count, newest = session.exec(
        select(func.count(func.distinct(AuditEntry.subject)), func.max(AuditEntry.at)).where(
            col(AuditEntry.by_id) == by.id,
            # What stands in the future was written by a clock that ran ahead: it counts for nothing.
            col(AuditEntry.at) > moment - ONE_SITTING,
            col(AuditEntry.at) <= moment,
            col(AuditEntry.act).in_(ACTS[kind]),
            col(AuditEntry.subject) != but,
        )
    ).one()
    return Amount(count, newest)


def check(
    session: Session, kind: AlertKind, subject: str, by: Agent, settings: Settings, *, free: bool
) -> Alert | None:
    """After the audit line of what is about to be shown: whether it is too much too soon. Raises `Held`.

    `free` is never held up, but counts: the alert is raised for it all the same, and returned when it is new.
    """
    before, most = amount(session, kind, by, but=subject), allowed(kind, by, settings)
    if before.count < most:
        return None
    wait_s = 0
    if before.newest is not None:
        wait_s = settings.unusual_pause_s - int((now() - before.newest).total_seconds())
    if wait_s > 0 and not free:
        raise Held(kind, by.id, before.count + 1, most, min(wait_s, settings.unusual_pause_s))
    return alerts.of_amount(session, kind, by.id, before.count + 1, most)


def seen_lately(session: Session, case_id: int, by: Agent) -> bool:
    """Whether this person's look at this case, or claim of it, was audited within the hour."""
    moment = now()
    entry = select(AuditEntry.id).where(
        col(AuditEntry.subject) == f"case:{case_id}",
        col(AuditEntry.act).in_((READ, CLAIMED)),
        col(AuditEntry.by_id) == by.id,
        col(AuditEntry.at) > moment - ONE_SITTING,
        col(AuditEntry.at) <= moment,
    )
    return session.exec(entry.limit(1)).first() is not None


def must_be_noted(session: Session, case: Case, by: Agent) -> bool:
    """Whether looking at this case now needs an audit line. Cheap, and writes nothing."""
    return case.owner_id != by.id and not seen_lately(session, case.id, by)


def note_reading(session: Session, case: Case, by: Agent, settings: Settings, *, free: bool = False) -> Alert | None:
    """Audit that a person looks at a case that is not theirs, once an hour. Raises `Held` when it is too much too soon.

    `free`: it is shown after an act on it, which is done and cannot be held up.
    """
    if not must_be_noted(session, case, by):
        return None
    return _note(session, READ, case, by, settings, free=free)


def note_claim(session: Session, case: Case, by: Agent, settings: Settings) -> Alert | None:
    """Audit that a person takes a case, which shows it to them as well. Raises `Held` as `note_reading`."""
    if case.owner_id == by.id or seen_lately(session, case.id, by):
        return None
    return _note(session, CLAIMED, case, by, settings)


def note_number(
    session: Session, contact: Contact | None, case: Case | None, by: Agent, settings: Settings
) -> Alert | None:
    """Audit that a caller's number is shown, each time. Raises `Held`: then neither the line nor the number stays."""
    subject = f"case:{case.id}" if contact is None and case is not None else f"contact:{contact.id if contact else 0}"
    note_act(session, NUMBER, subject, by_id=by.id)
    free = is_worked(session, case, by) or (contact is not None and is_my_call(session, contact, by))
    return check(session, AlertKind.NUMBERS, subject, by, settings, free=free)


def check_audio(session: Session, recording_id: int, case: Case | None, by: Agent, settings: Settings) -> Alert | None:
    """After a hearing was audited: whether it is too much too soon. Raises `Held`."""
    free = is_worked(session, case, by)
    return check(session, AlertKind.AUDIO, f"recording:{recording_id}", by, settings, free=free)


def _note(session: Session, act: str, case: Case, by: Agent, settings: Settings, *, free: bool = False) -> Alert | None:
    note_act(session, act, f"case:{case.id}", by_id=by.id)
    free = free or is_worked(session, case, by)
    return check(session, AlertKind.CASES, f"case:{case.id}", by, settings, free=free)


def acts_of(session: Session, agent_id: int, limit: int, before_id: int | None = None) -> list[AuditEntry]:
    """Return what one person did and looked at, newest first; older than `before_id` when given."""
    query = select(AuditEntry).where(col(AuditEntry.by_id) == agent_id).order_by(col(AuditEntry.id).desc()).limit(limit)
    if before_id is not None:
        query = query.where(col(AuditEntry.id) < before_id)
    return list(session.exec(query))


def is_worked(session: Session, case: Case | None, by: Agent) -> bool:
    """Whether this person has the case, is on the line with its caller, or may call back now: never held up."""
    if case is None:
        return False
    return case.owner_id == by.id or on_the_line(session, case, by) or _is_called_back(session, case.id, by)


def is_my_call(session: Session, contact: Contact, by: Agent) -> bool:
    """Whether this call rings this person, is theirs now, or is wrapped up by them."""
    state = session.get(AgentState, by.id)
    return state is not None and state.call == contact.call


def _is_called_back(session: Session, case_id: int, by: Agent) -> bool:
    """Whether the call-back of a case is due, and no colleague works on it."""
    moment = now()
    query = select(Callback.id).where(
        col(Callback.case_id) == case_id,
        col(Callback.ended_at).is_(None),
        col(Callback.due_at) <= moment,
        or_(
            col(Callback.owner_id).is_(None),
            col(Callback.owner_id) == by.id,
            col(Callback.locked_until).is_(None),
            col(Callback.locked_until) <= moment,
        ),
    )
    return session.exec(query.limit(1)).first() is not None
