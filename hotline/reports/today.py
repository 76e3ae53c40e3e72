"""How the day goes: contacts, answered in time, left waiting."""

from dataclasses import dataclass
from datetime import datetime
from statistics import median

from sqlmodel import Session, col, func, select

from models import (
    Contact,
    Outcome,
)

ANSWER_TARGET_S = 15


@dataclass(frozen=True)
class Today:
    """The day so far. `in_time` is the share of queued callers answered within 15 s; None when nobody has queued."""

    contacts: int
    in_time: float | None
    left_waiting: int
    typical_wait_s: float | None


def today(session: Session, start: datetime, end: datetime) -> Today:
    """Figures of the calls that arrived from `start` to `end`."""
    arrived = (col(Contact.arrived_at) >= start, col(Contact.arrived_at) < end)
    until = func.coalesce(Contact.answered_at, Contact.message_at, Contact.callback_at, Contact.ended_at)
    over = col(Contact.queued_at).is_not(None) & until.is_not(None)
    contacts, left, queued = session.exec(
        select(
            func.count(),
            func.count().filter(col(Contact.outcome) == Outcome.ABANDONED_IN_QUEUE),
            func.count().filter(over),
        ).where(*arrived)
    ).one()
    answered = session.exec(
        select(Contact.queued_at, Contact.answered_at).where(
            *arrived, col(Contact.queued_at).is_not(None), col(Contact.answered_at).is_not(None)
        )
    )
    waits = [max(0, round((at - since).total_seconds())) for since, at in answered if since and at]
    return Today(
        contacts=contacts,
        in_time=sum(w <= ANSWER_TARGET_S for w in waits) / queued if queued else None,
        left_waiting=left,
        typical_wait_s=median(waits) if waits else None,
    )
