"""At which moment exactly a worker may be called, and from which on no more: whatever is on the edge refuses."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from hotline.safety.gate import CallFacts, Reason, kind_of, next_opening, opens_at, why_not
from hotline.safety.hours import Window, read
from models import CallbackKind, CallbackSafety, Contact, Outcome, Safety

BANGKOK = ZoneInfo("Asia/Bangkok")
# A Monday, three in the afternoon on the line's clock.
AT = datetime(2026, 11, 23, 15, tzinfo=BANGKOK).astimezone(UTC)
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)


def facts(window: str | None = "08:00-20:00", reviewed: timedelta = DAY, **values: Any) -> CallFacts:
    """All that allows a call at AT; reviewed so long before."""
    safety = Safety(case_id=1, callback=CallbackSafety.SAFE, window=window, reviewed_at=AT - reviewed)
    return CallFacts(**{"due_at": AT, "safety": safety} | values)


def code(these: CallFacts) -> Reason | None:
    refusal = why_not(these, AT, BANGKOK)
    return None if refusal is None else refusal.code


@pytest.mark.parametrize(("window", "days"), [("08:00-20:00", 90), (None, 7)])
def test_a_review_is_too_old_from_its_last_moment_on_and_the_refusal_says_of_how_many_days(
    window: str | None, days: int
) -> None:
    assert code(facts(window, days * DAY - SECOND)) is None
    refusal = why_not(facts(window, days * DAY), AT, BANGKOK)
    assert refusal is not None
    assert refusal.code is Reason.REVIEW_TOO_OLD
    assert f"more than {days} days" in refusal.sentence


@pytest.mark.parametrize(("ahead", "reason"), [(60 * SECOND, None), (61 * SECOND, Reason.CLOCK_WRONG)])
def test_what_was_written_down_may_lie_a_minute_ahead(ahead: timedelta, reason: Reason | None) -> None:
    """The clocks of two machines differ a little."""
    assert code(facts(reviewed=-ahead)) is reason
    assert code(facts(latest=AT + ahead)) is reason
    assert code(facts(latest=AT - DAY, reviewed=-ahead)) is reason


@pytest.mark.parametrize(("due", "reason"), [(timedelta(), None), (SECOND, Reason.TOO_SOON)])
def test_a_call_back_is_due_from_its_moment_on(due: timedelta, reason: Reason | None) -> None:
    assert code(facts(due_at=AT + due)) is reason


@pytest.mark.parametrize(("until", "opens"), [(4 * HOUR - SECOND, False), (4 * HOUR, False), (4 * HOUR + SECOND, True)])
def test_hours_open_only_while_the_review_is_still_believed(until: timedelta, opens: bool) -> None:
    """Here at seven in the evening, four hours from now: not in the moment in which it becomes too old."""
    found = opens_at(facts("19:00-21:00", 90 * DAY - until), AT, BANGKOK)
    assert found == (AT + 4 * HOUR if opens else None)


@pytest.mark.parametrize(("asked", "kind"), [(-SECOND, None), (timedelta(), None), (SECOND, CallbackKind.REQUESTED)])
def test_who_asked_for_a_call_back_and_was_answered_then_was_heard(asked: timedelta, kind: CallbackKind | None) -> None:
    """In the same moment too; who asked after it wants another call."""
    contact = Contact(
        call="a", arrived_at=AT, ended_at=AT, outcome=Outcome.ANSWERED, answered_at=AT, callback_at=AT + asked
    )
    assert kind_of(contact) is kind


@pytest.mark.parametrize("day", ["mon", "tue", "wed", "thu", "fri", "sat", "sun"])
def test_hours_of_one_day_open_within_a_week_though_todays_are_just_over(day: str) -> None:
    window = read(f"{day} 14:00-15:00")
    assert isinstance(window, Window)
    opens = next_opening(window, AT, BANGKOK)
    assert opens is not None
    assert timedelta() < opens - AT <= 7 * DAY
    assert f"{opens.astimezone(BANGKOK):%a %H:%M}".lower() == f"{day} 14:00"
