"""Shifts: who is expected when, and where. The roster says where the gaps are; only an at-home shift makes a phone ring."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlmodel import Session, col, select

from hotline.errors import Invalid, NotFound
from models import Agent, AgentLanguage, Proficiency, Shift

SLOT = timedelta(minutes=30)


@dataclass(frozen=True)
class Span:
    """A shift as it falls on a day: aware moments, end exclusive."""

    agent_id: int
    starts: datetime
    ends: datetime
    at_home: bool


def spans(session: Session, start: datetime, end: datetime, zone: ZoneInfo) -> list[Span]:
    """All shifts that touch the time from `start` to `end`, in the zone's wall-clock time, across midnight."""
    first = start.astimezone(zone).date() - timedelta(days=1)
    days = [first + timedelta(days=n) for n in range((end.astimezone(zone).date() - first).days + 1)]
    query = select(Shift).join(Agent, col(Agent.id) == col(Shift.agent_id)).where(col(Agent.active))
    weekly = col(Shift.on_date).is_(None) & col(Shift.weekday).in_({day.weekday() for day in days})
    shifts = session.exec(query.where(weekly | col(Shift.on_date).in_(days))).all()
    found = []
    for day in days:
        for shift in shifts:
            if shift.on_date == day or (shift.on_date is None and shift.weekday == day.weekday()):
                span = _span(shift, day, zone)
                if span.starts < end and span.ends > start:
                    found.append(span)
    return sorted(found, key=lambda s: (s.starts, s.agent_id))


def _span(shift: Shift, day: date, zone: ZoneInfo) -> Span:
    until = day + timedelta(days=1) if shift.ends <= shift.starts else day
    return Span(
        shift.agent_id,
        datetime.combine(day, shift.starts, zone).astimezone(UTC),
        datetime.combine(until, shift.ends, zone).astimezone(UTC),
        shift.at_home,
    )


def expected(session: Session, at: datetime, zone: ZoneInfo) -> dict[str, list[int]]:
    """Ids of the agents expected at a moment, by language."""
    there = {s.agent_id for s in spans(session, at, at + timedelta(microseconds=1), zone)}
    by_language: dict[str, list[int]] = defaultdict(list)
    for speaks in session.exec(select(AgentLanguage).order_by(col(AgentLanguage.agent_id))):
        if speaks.agent_id in there:
            by_language[speaks.language].append(speaks.agent_id)
    return dict(by_language)


def cover(session: Session, day: date, zone: ZoneInfo, languages: list[str]) -> dict[str, list[int]]:
    """How many speakers are expected in each half hour of a local day, by language: 48 counts on most days.

    Basic speakers are backup and do not count as cover.
    """
    start = datetime.combine(day, time(), zone).astimezone(UTC)
    end = datetime.combine(day + timedelta(days=1), time(), zone).astimezone(UTC)
    there: list[set[int]] = [set() for _ in range(int((end - start) / SLOT))]
    for span in spans(session, start, end, zone):
        first, after = (span.starts - start) // SLOT, -((start - span.ends) // SLOT)
        for slot in there[max(0, first) : after]:
            slot.add(span.agent_id)
    speak = defaultdict(set)
    query = select(AgentLanguage.language, AgentLanguage.agent_id).where(
        col(AgentLanguage.proficiency) != Proficiency.BASIC
    )
    for language, agent_id in session.exec(query):
        speak[language].add(agent_id)
    return {language: [len(slot & speak[language]) for slot in there] for language in languages}


def add_shift(
    session: Session,
    agent_id: int,
    *,
    starts: time,
    ends: time,
    weekday: int | None = None,
    on_date: date | None = None,
    at_home: bool = False,
) -> Shift:
    """Expect an agent each week on a weekday (0 is Monday), or once on a date. Raises `Invalid`."""
    if (weekday is None) == (on_date is None):
        raise Invalid(weekday="Choose a weekday or a date.")
    if weekday is not None and not 0 <= weekday <= 6:
        raise Invalid(weekday="A weekday is Monday to Sunday.")
    same = session.exec(
        select(Shift).where(
            col(Shift.agent_id) == agent_id,
            col(Shift.weekday) == weekday if weekday is not None else col(Shift.on_date) == on_date,
            col(Shift.starts) == starts,
        )
    ).first()
    if same is not None:
        raise Invalid(starts="There is already a shift that starts then.")
    shift = Shift(agent_id=agent_id, weekday=weekday, on_date=on_date, starts=starts, ends=ends, at_home=at_home)
    session.add(shift)
    session.flush()
    return shift


def remove_shift(session: Session, shift_id: int) -> None:
    """No longer expect somebody then. Raises `NotFound`."""
    shift = session.get(Shift, shift_id)
    if shift is None:
        raise NotFound("This shift is gone already.")
    session.delete(shift)
    session.flush()


def all_shifts(session: Session) -> list[Shift]:
    """The shifts of active staff, by person, day and hour."""
    query = select(Shift).join(Agent, col(Agent.id) == col(Shift.agent_id)).where(col(Agent.active))
    return sorted(
        session.exec(query),
        key=lambda s: (s.agent_id, s.on_date or date.min, -1 if s.weekday is None else s.weekday, s.starts),
    )
