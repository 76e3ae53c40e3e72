"""Calls that never became one of the line's, counted by day: a wrong setting of the trunk shows on the first of them."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlmodel import Session, col, delete, func, select

from models import RefusedCalls, RefusedKind

KEEP = timedelta(days=30)
SHAPES_A_DAY = 30
OTHER = "…"
_OURS_WITHIN = 6  # digits of a prefix before a number that is like ours
_LIKE_OURS = 4

Counts = Mapping[tuple[RefusedKind, str], int]


def shape_of(dialled: str, ours: Iterable[str]) -> str:
    """Return what a dialled number looks like, without its digits: 00dddddddddd.

    Of one that holds the beginning of a line of ours, that much stays, so that the carrier's form can be told.
    """
    digits = dialled.lstrip("+")
    for line in ours:
        own = line.lstrip("+0")
        start = digits.find(own[: max(_LIKE_OURS, len(own) // 2)])
        if len(own) > _LIKE_OURS and 0 <= start <= _OURS_WITHIN:
            shown = start + max(_LIKE_OURS, len(own) // 2)
            return dialled[: len(dialled) - len(digits)] + digits[:shown] + "d" * (len(digits) - shown)
    zeros = "00" if digits.startswith("00") else "0" if digits.startswith("0") else ""
    return dialled[: len(dialled) - len(digits)] + zeros + "d" * (len(digits) - len(zeros))


def add(session: Session, counts: Counts, at: datetime, zone: ZoneInfo) -> None:
    """Add what was counted to its day. Past so many shapes a day the rest is one row, so that no flood fills the table."""
    day = f"{at.astimezone(zone):%Y-%m-%d}"
    for (kind, shape), count in counts.items():
        row = session.get(RefusedCalls, (day, kind, shape))
        if row is None and _shapes(session, day, kind) >= SHAPES_A_DAY:
            row = session.get(RefusedCalls, (day, kind, OTHER)) or RefusedCalls(day=day, kind=kind, shape=OTHER)
        row = row or RefusedCalls(day=day, kind=kind, shape=shape[:64])
        row.count, row.last_at = min(row.count + count, 2**31 - 1), at
        session.add(row)
        session.flush()
    oldest = f"{(at - KEEP).astimezone(zone):%Y-%m-%d}"
    session.execute(delete(RefusedCalls).where(col(RefusedCalls.day) < oldest))


def recent(session: Session, at: datetime, zone: ZoneInfo, days: int = 7) -> list[RefusedCalls]:
    """Return what was refused in these days, today among them: one row for each kind and shape, the latest first."""
    first = f"{(at - timedelta(days=days - 1)).astimezone(zone):%Y-%m-%d}"
    rows = session.exec(
        select(RefusedCalls).where(col(RefusedCalls.day) >= first).order_by(col(RefusedCalls.last_at).desc())
    )
    found: dict[tuple[RefusedKind, str], RefusedCalls] = {}
    for row in rows:
        before = found.get((row.kind, row.shape))
        count = row.count + (before.count if before else 0)
        newest = before or row
        found[row.kind, row.shape] = RefusedCalls(
            day=newest.day, kind=row.kind, shape=row.shape, count=count, last_at=newest.last_at
        )
    return list(found.values())


def _shapes(session: Session, day: str, kind: RefusedKind) -> int:
    query = select(func.count()).where(col(RefusedCalls.day) == day, col(RefusedCalls.kind) == kind)
    return session.exec(query).one()
