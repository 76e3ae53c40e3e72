"""Telephones that flood or abuse the line: for a week their calls go to the message only.

A limit that nobody renews ends by itself: a person in danger may hold that telephone by then.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import Session, and_, col, select

from hotline import scope
from hotline.audit import note_act
from hotline.cases import timeline
from hotline.errors import Invalid, NotFound, Refused
from hotline.permissions import Permission, need
from hotline.settings import Settings
from models import Agent, CallerLimit, Case, EventKind

REASON_MAX = 200


@dataclass(frozen=True)
class LimitRow:
    """A limit in the list. `applies` says whether calls go to the message now; if not, somebody is to look at it."""

    limit_id: int
    case_id: int | None
    reference: str | None
    reason: str
    by: str
    since: datetime
    review_at: datetime
    applies: bool


def limit(session: Session, case_id: int, reason: str, by: Agent, at: datetime, settings: Settings) -> CallerLimit:
    """Send the telephone of a case to the message only, for `settings.limit_days`. Audited, and told on the case.

    Raises `Invalid` without a reason, `Refused` when the number is withheld or the telephone is limited already.
    """
    need(by, Permission.LIMIT_CALLERS)
    case = scope.case(session, by, case_id)
    reason = " ".join(reason.replace("\x00", "").split())
    if not reason:
        raise Invalid(reason="Say why. Whoever reviews this in a week needs to know.")
    if len(reason) > REASON_MAX:
        raise Invalid(reason=f"Keep it under {REASON_MAX} characters.")
    if case.caller_id is None:
        raise Refused("The number is withheld or not certain, so the telephone cannot be limited.")
    if is_limited(session, case.caller_id, at):
        raise Refused("This telephone is limited already.")
    _end_all(session, case.caller_id, by, at)
    row = CallerLimit(
        caller_id=case.caller_id,
        case_id=case_id,
        reason=reason,
        by_id=by.id,
        since=at,
        review_at=at + timedelta(days=settings.limit_days),
    )
    session.add(row)
    session.flush()
    _note(session, row, "limited", by, at)
    return row


def renew(session: Session, limit_id: int, by: Agent, at: datetime, settings: Settings) -> CallerLimit:
    """Somebody looked, and the limit goes on for `settings.limit_days` from now. Audited, and told on the case."""
    need(by, Permission.LIMIT_CALLERS)
    row = _load(session, limit_id)
    if row.lifted_at is not None:
        raise Refused("This limit was lifted. Set a new one from the case.")
    row.review_at = at + timedelta(days=settings.limit_days)
    session.add(row)
    session.flush()
    _note(session, row, "renewed", by, at)
    return row


def lift(session: Session, limit_id: int, by: Agent, at: datetime) -> CallerLimit:
    """The telephone is answered again like any other. Lifting twice changes nothing."""
    need(by, Permission.LIMIT_CALLERS)
    row = _load(session, limit_id)
    if row.lifted_at is None:
        _end_all(session, row.caller_id, by, at)
        _note(session, row, "lifted", by, at)
    return row


def is_limited(session: Session, caller_id: int | None, at: datetime) -> bool:
    """Whether calls of this telephone go to the message only. Never past the day on which somebody was to look."""
    if caller_id is None:
        return False
    query = select(CallerLimit.id).where(
        col(CallerLimit.caller_id) == caller_id,
        col(CallerLimit.lifted_at).is_(None),
        col(CallerLimit.since) <= at,
        col(CallerLimit.review_at) > at,
    )
    return session.exec(query).first() is not None


def of_case(session: Session, case_id: int, by: Agent, at: datetime) -> CallerLimit | None:
    """Return the limit that holds for the telephone of a case now; None when there is none."""
    case = scope.case(session, by, case_id)
    query = select(CallerLimit).where(
        col(CallerLimit.caller_id) == case.caller_id,
        col(CallerLimit.lifted_at).is_(None),
        col(CallerLimit.since) <= at,
        col(CallerLimit.review_at) > at,
    )
    return None if case.caller_id is None else session.exec(query).first()


def all_limits(session: Session, by: Agent, at: datetime) -> list[LimitRow]:
    """Return the limits that were not lifted: those to look at first, then by the day of their review.

    One whose case `by` may not see is listed without it.
    """
    found = session.exec(
        select(CallerLimit, col(Case.id), col(Case.reference), Agent.name)
        .join(Agent, col(Agent.id) == col(CallerLimit.by_id))
        .join(Case, and_(col(Case.id) == col(CallerLimit.case_id), scope.visible_cases(by)), isouter=True)
        .where(col(CallerLimit.lifted_at).is_(None))
        .order_by(col(CallerLimit.review_at), col(CallerLimit.id))
    )
    return [
        LimitRow(
            limit_id=row.id,
            case_id=case_id,
            reference=reference,
            reason=row.reason,
            by=name,
            since=row.since,
            review_at=row.review_at,
            applies=row.since <= at < row.review_at,
        )
        for row, case_id, reference, name in found
    ]


def due_for_review(session: Session, by: Agent, at: datetime) -> list[LimitRow]:
    """Return the limits that no longer apply, because nobody has looked since: renew or lift them."""
    return [row for row in all_limits(session, by, at) if row.review_at <= at]


def _load(session: Session, limit_id: int) -> CallerLimit:
    row = session.get(CallerLimit, limit_id)
    if row is None:
        raise NotFound("There is no such limit.")
    return row


def _end_all(session: Session, caller_id: int, by: Agent, at: datetime) -> None:
    """End every limit of a telephone: two supervisors may have set one at the same moment."""
    query = select(CallerLimit).where(col(CallerLimit.caller_id) == caller_id, col(CallerLimit.lifted_at).is_(None))
    for row in session.exec(query).all():
        row.lifted_at, row.lifted_by_id = at, by.id
        session.add(row)
    session.flush()


def _note(session: Session, row: CallerLimit, what: str, by: Agent, at: datetime) -> None:
    note_act(session, f"caller_{what}", f"limit:{row.id}", by_id=by.id, case=row.case_id)
    case = scope.find(session, scope.SYSTEM, row.case_id)
    if case is not None:
        timeline.tell(session, case, EventKind.LIMITED, at, by, what=what, until=row.review_at.isoformat())
