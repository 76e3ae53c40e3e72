"""When a call-back is safe, as people say it."""

from datetime import datetime
from typing import Protocol
from zoneinfo import ZoneInfo

from hotline.safety import hours as windows
from web.i18n import gettext as _


class Reviewed(Protocol):
    """What was kept about the hours of a call-back; a case's safety and a row of a list both have it."""

    window: str | None
    reviewed_at: datetime | None


def days() -> list[tuple[str, str]]:
    """The days of the week, Monday first."""
    names = (_("Mon"), _("Tue"), _("Wed"), _("Thu"), _("Fri"), _("Sat"), _("Sun"))
    return list(zip(windows.DAYS, names, strict=True))


def window_words(text: str) -> str:
    """A call-back window as people say it; as it was kept when it cannot be read."""
    window = windows.read(text)
    if window is None:
        return text
    hours = _("at any hour") if window.starts == window.ends else f"{window.starts:%H:%M}–{window.ends:%H:%M}"
    return f"{', '.join(days()[d][1] for d in sorted(window.days))} {hours}" if window.days else hours


def is_safe(said: Reviewed, at: datetime) -> bool:
    """Whether a call-back that was called safe is still believed to be."""
    until = windows.safe_until(said.window, said.reviewed_at)
    return until is not None and until > at


def safe_hours(said: Reviewed, zone: ZoneInfo) -> str:
    """The hours of a safe call-back, in line time: 19:00–21:00. Those that nobody chose come with their end."""
    if said.window:
        return window_words(said.window)
    hours = window_words(str(windows.WITHOUT_WINDOW))
    until = windows.safe_until(said.window, said.reviewed_at)
    if until is None:
        return hours
    local = until.astimezone(zone)
    end = f"{days()[local.weekday()][1]} {local:%-d %b %H:%M}"
    return _("%(hours)s until %(end)s") % {"hours": hours, "end": end}


def is_time(said: Reviewed, at: datetime, zone: ZoneInfo) -> bool:
    """Whether a safe call-back may be made at this moment."""
    window = windows.meant(said.window)
    return is_safe(said, at) and window is not None and window.holds(at.astimezone(zone))
