"""Where nobody is expected: the holes of a day's cover, as spans with a name."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from hotline.roster.shifts import SLOT


@dataclass(frozen=True)
class Gap:
    """A span of a day in which nobody who speaks these languages is expected; aware moments, end exclusive."""

    languages: tuple[str, ...]
    starts: datetime
    ends: datetime


def gaps(cover: dict[str, list[int]], day: date, zone: ZoneInfo, after: datetime) -> list[Gap]:
    """The gaps of a day that are not over yet, soonest first; languages with the same gap stand together.

    `cover` is hotline.roster.shifts.cover of that day.
    """
    midnight = datetime.combine(day, time(), zone).astimezone(UTC)
    holes: dict[tuple[int, int], list[str]] = {}
    for language, counts in cover.items():
        start: int | None = None
        for slot, count in enumerate([*counts, 1]):
            if count == 0 and start is None:
                start = slot
            elif count and start is not None:
                holes.setdefault((start, slot), []).append(language)
                start = None
    found = [
        Gap(tuple(codes), midnight + SLOT * start, midnight + SLOT * stop)
        for (start, stop), codes in sorted(holes.items())
    ]
    return [gap for gap in found if gap.ends > after]
