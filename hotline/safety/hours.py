"""When a worker may be called back: hours of the day, on some days or on all. Kept as one short line of text."""

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from hotline.errors import Invalid

_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True)
class Window:
    """Hours in the line's own time zone; `ends` at or before `starts` crosses midnight. No `days` means every day."""

    starts: time
    ends: time
    days: frozenset[int] = frozenset()

    def __str__(self) -> str:
        hours = f"{self.starts:%H:%M}-{self.ends:%H:%M}"
        if not self.days or len(self.days) == len(DAYS):
            return hours
        return ",".join(DAYS[d] for d in sorted(self.days)) + " " + hours

    def holds(self, at: datetime) -> bool:
        """Whether a moment, given in the line's own time zone, lies in the window. A night counts to its evening."""
        clock, day = at.time(), at.weekday()
        if self.starts < self.ends:
            return self._on(day) and self.starts <= clock < self.ends
        return (self._on(day) and clock >= self.starts) or (self._on((day - 1) % len(DAYS)) and clock < self.ends)

    def _on(self, day: int) -> bool:
        return not self.days or day in self.days


# What `safe` means when no window was given, and for how long it is believed; any review ages.
WITHOUT_WINDOW = Window(time(8), time(20))
WITHOUT_WINDOW_FOR = timedelta(days=7)
REVIEW_FOR = timedelta(days=90)


def meant(text: str | None) -> Window | None:
    """The window that a safe call-back has: the one that was given, else `WITHOUT_WINDOW`; None when it is unreadable."""
    return read(text) if text else WITHOUT_WINDOW


def safe_until(text: str | None, reviewed_at: datetime | None) -> datetime | None:
    """Until when a call-back that was called safe is believed to be; None when nobody ever said so."""
    return reviewed_at + (REVIEW_FOR if text else WITHOUT_WINDOW_FOR) if reviewed_at else None


def read(text: str | None) -> Window | None:
    """The window that was written with `str`, such as `mon,tue 19:00-21:00`; None for anything else."""
    days, _, hours = (text or "").strip().lower().rpartition(" ")
    first, _, last = hours.partition("-")
    starts, ends = time_of_day(first), time_of_day(last)
    named = [d.strip() for d in days.split(",") if d.strip()]
    if starts is None or ends is None or not set(named) <= set(DAYS):
        return None
    return Window(starts, ends, frozenset(DAYS.index(d) for d in named))


def time_of_day(text: str) -> time | None:
    """The time that `HH:MM` says, without a zone; None for anything else."""
    if not _CLOCK.fullmatch(text):
        return None
    return time.fromisoformat(text)


def from_form(starts: str, ends: str, days: list[str]) -> Window | None:
    """A window as typed: None when both hours are empty. Raises `Invalid`."""
    if not starts.strip() and not ends.strip():
        if days:
            raise Invalid(window="Give the hours too, from and until.")
        return None
    window = read(f"{','.join(days)} {starts.strip().zfill(5)}-{ends.strip().zfill(5)}")
    if window is None:
        raise Invalid(window="Give both hours, such as 19:00 and 21:00.")
    return window
