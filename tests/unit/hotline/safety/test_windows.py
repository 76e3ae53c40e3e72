"""When a call-back is safe."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

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
