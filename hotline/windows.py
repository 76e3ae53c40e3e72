"""When a worker may be called back: hours of the day, on some days or on all. Kept as one short line of text."""

from dataclasses import dataclass
from datetime import time

from hotline.errors import Invalid

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


def read(text: str | None) -> Window | None:
    """The window that was written with `str`, such as `mon,tue 19:00-21:00`; None for anything else."""
    days, _, hours = (text or "").strip().lower().rpartition(" ")
    starts, _, ends = hours.partition("-")
    try:
        return Window(
            time.fromisoformat(starts),
            time.fromisoformat(ends),
            frozenset(DAYS.index(d.strip()) for d in days.split(",") if d.strip()),
        )
    except ValueError:
        return None


def from_form(starts: str, ends: str, days: list[str]) -> Window | None:
    """A window as typed: None when both hours are empty. Raises `Invalid`."""
    if not starts.strip() and not ends.strip():
        if days:
            raise Invalid(window="Give the hours too, from and until.")
        return None
    window = read(f"{','.join(days)} {starts.strip()}-{ends.strip()}")
    if window is None:
        raise Invalid(window="Give both hours, such as 19:00 and 21:00.")
    return window
