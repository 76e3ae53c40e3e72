"""When a call-back is safe."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from hotline.errors import Invalid
from hotline.safety import hours as windows
from models.db.types import now

MONDAY = datetime(2026, 11, 23, tzinfo=ZoneInfo("Asia/Bangkok"))


@pytest.mark.parametrize(
    ("window", "at", "inside"),
    [
        ("08:00-20:00", timedelta(hours=8), True),
        ("08:00-20:00", timedelta(hours=20), False),
        ("08:00-20:00", timedelta(hours=3), False),
        ("mon 22:00-02:00", timedelta(hours=23), True),
        ("mon 22:00-02:00", timedelta(days=1, hours=1), True),
        ("mon 22:00-02:00", timedelta(hours=1), False),
        ("sun 22:00-02:00", timedelta(hours=1), True),
        ("tue,wed 19:00-21:00", timedelta(hours=20), False),
        ("00:00-00:00", timedelta(hours=3), True),
    ],
)
def test_a_window_knows_the_hours_it_holds(window: str, at: timedelta, inside: bool) -> None:
    """A night belongs to the day on which it began."""
    read = windows.read(window)
    assert read is not None
    assert read.holds(MONDAY + at) is inside


def test_safe_without_a_window_means_the_day_for_a_week() -> None:
    """With a window it is believed as long as a review is."""
    reviewed = now()
    assert str(windows.meant(None)) == "08:00-20:00"
    assert windows.safe_until(None, reviewed) == reviewed + timedelta(days=7)
    assert windows.safe_until("19:00-21:00", reviewed) == reviewed + timedelta(days=90)
    assert windows.safe_until(None, None) is None


def test_a_window_that_cannot_be_read_opens_no_hour() -> None:
    """It is not taken for the whole day."""
    assert windows.meant("in the evening") is None


@pytest.mark.parametrize(
    ("starts", "ends", "days", "window"),
    [
        ("", " ", [], None),
        (" 19:00 ", "21:00", [], "19:00-21:00"),
        ("19:00", "21:00", ["tue", "mon"], "mon,tue 19:00-21:00"),
        ("19:00", "21:00", list(windows.DAYS), "19:00-21:00"),
        ("22:00", "02:00", ["sun"], "sun 22:00-02:00"),
    ],
)
def test_hours_are_kept_as_they_were_typed(starts: str, ends: str, days: list[str], window: str | None) -> None:
    """No hours at all are no window; all days are no day in particular."""
    found = windows.from_form(starts, ends, days)
    assert (None if found is None else str(found)) == window


@pytest.mark.parametrize(
    ("starts", "ends", "days"),
    [
        ("19:00", "", []),
        ("", "21:00", []),
        ("", "", ["mon"]),
        ("7", "9", []),
        ("19:00", "24:00", []),
        ("19:00", "21:00", ["someday"]),
    ],
)
def test_half_a_window_and_what_is_no_hour_or_day_are_refused(starts: str, ends: str, days: list[str]) -> None:
    with pytest.raises(Invalid):
        windows.from_form(starts, ends, days)


@pytest.mark.parametrize(
    ("window", "first", "last"),
    [
        ("08:00-20:00", timedelta(hours=8), timedelta(hours=20)),
        ("mon 22:00-02:00", timedelta(hours=22), timedelta(hours=26)),
        ("mon 10:00-10:00", timedelta(hours=10), timedelta(hours=34)),
    ],
)
def test_a_window_holds_its_first_moment_and_not_its_last(window: str, first: timedelta, last: timedelta) -> None:
    read, moment = windows.read(window), timedelta(microseconds=1)
    assert read is not None
    inside = [read.holds(MONDAY + at) for at in (first - moment, first, last - moment, last)]
    assert inside == [False, True, True, False]
