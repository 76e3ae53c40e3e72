"""Whether a worker may be called now: every reason, each alone and in its order, and what no clock may change."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from itertools import combinations
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotline.safety.gate import (
    Facts,
    Reason,
    again_at,
    kind_of,
    may_leave_message,
    more_pressing,
    next_opening,
    opens_at,
    why_not,
)
from hotline.safety.hours import Window
from models import CallbackKind, CallbackSafety, Contact, Outcome, Safety

BANGKOK, BERLIN = ZoneInfo("Asia/Bangkok"), ZoneInfo("Europe/Berlin")
# A Monday, three in the afternoon on the line's clock.
AT = datetime(2026, 11, 23, 15, tzinfo=BANGKOK).astimezone(UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SAFE, UNKNOWN = CallbackSafety.SAFE, CallbackSafety.UNKNOWN
UNSAFE, NEVER = CallbackSafety.UNSAFE, CallbackSafety.NEVER


def safety(
    callback: CallbackSafety = SAFE,
    window: str | None = "08:00-20:00",
    reviewed: timedelta | None = DAY,
    if_drops: str | None = None,
) -> Safety:
    """Reviewed so long before AT; None: never."""
    reviewed_at = None if reviewed is None else AT - reviewed
    return Safety(case_id=1, callback=callback, window=window, reviewed_at=reviewed_at, if_drops=if_drops)


GOOD = Facts(due_at=AT - HOUR, safety=safety())


def code(facts: Facts, at: datetime = AT, *, supervisor: bool = False) -> Reason | None:
    refusal = why_not(facts, at, BANGKOK, supervisor=supervisor)
    return refusal.code if refusal else None


TABLE = [
    # what she said
    ("safe, in her hours, reviewed", safety(), None),
    ("unknown", safety(UNKNOWN), Reason.UNKNOWN),
    ("unsafe", safety(UNSAFE), Reason.UNSAFE),
    ("never", safety(NEVER), Reason.NEVER),
    ("unknown and never reviewed", safety(UNKNOWN, None, None), Reason.UNKNOWN),
    ("nothing known at all", None, Reason.UNKNOWN),
    # how old it is
    ("safe, never reviewed", safety(reviewed=None), Reason.NOT_REVIEWED),
    ("safe without hours, never reviewed", safety(window=None, reviewed=None), Reason.NOT_REVIEWED),
    ("reviewed a moment before 90 days", safety(reviewed=90 * DAY - timedelta(seconds=1)), None),
    ("reviewed 90 days ago", safety(reviewed=90 * DAY), Reason.REVIEW_TOO_OLD),
    ("reviewed years ago", safety(reviewed=900 * DAY), Reason.REVIEW_TOO_OLD),
    ("no hours, reviewed a moment before 7 days", safety(window=None, reviewed=7 * DAY - timedelta(seconds=1)), None),
    ("no hours, reviewed 7 days ago", safety(window=None, reviewed=7 * DAY), Reason.REVIEW_TOO_OLD),
    # the clock
    ("reviewed a moment in the future: two machines differ", safety(reviewed=-timedelta(seconds=30)), None),
    ("reviewed two minutes in the future", safety(reviewed=-timedelta(minutes=2)), Reason.CLOCK_WRONG),
    ("reviewed next year", safety(reviewed=-365 * DAY), Reason.CLOCK_WRONG),
    ("no hours, reviewed next year", safety(window=None, reviewed=-365 * DAY), Reason.CLOCK_WRONG),
    # her hours
    ("no hours: the day", safety(window=None), None),
    ("hours that begin now", safety(window="15:00-16:00"), None),
    ("hours that end now", safety(window="14:00-15:00"), Reason.OUTSIDE_WINDOW),
    ("hours in the evening", safety(window="19:00-21:00"), Reason.OUTSIDE_WINDOW),
    ("a night", safety(window="22:00-02:00"), Reason.OUTSIDE_WINDOW),
    ("another day", safety(window="tue 14:00-16:00"), Reason.OUTSIDE_WINDOW),
    ("this day", safety(window="mon,tue 14:00-16:00"), None),
    ("hours nobody can read", safety(window="in the evening"), Reason.WINDOW_UNREADABLE),
    ("half a window", safety(window="19:00"), Reason.WINDOW_UNREADABLE),
]


@pytest.mark.parametrize(("what", "known", "reason"), TABLE, ids=[row[0] for row in TABLE])
def test_what_she_said_decides(what: str, known: Safety | None, reason: Reason | None) -> None:
    assert code(replace(GOOD, safety=known)) is reason


# Each fact alone forbids, the weightiest first; `None` says that waiting does not help.
FORBID: list[tuple[Reason, dict[str, object]]] = [
    (Reason.ENDED, {"ended": True}),
    (Reason.WITHHELD, {"withheld": True}),
    (Reason.NEVER, {"safety": safety(NEVER)}),
    (Reason.OTHER_CASE_UNSAFE, {"other_unsafe": "C-2611-0003"}),
    (Reason.OTHER_TELEPHONE, {"other_telephone": True}),
    (Reason.CASE_CLOSED, {"case_closed": True}),
    (Reason.CLOCK_WRONG, {"latest": AT + HOUR}),
    (Reason.DROP_NOT_AGREED, {"dropped": True}),
    (Reason.CALLER_ON_LINE, {"on_line": True}),
    (Reason.NOT_SAID, {"unsaid_by": "Bob"}),
    (Reason.TRIES_USED_UP, {"tries_used_up": True}),
    (Reason.LOCKED_BY_OTHER, {"locked_by": "Bob", "locked_until": AT + timedelta(minutes=5)}),
    (Reason.TOO_SOON, {"due_at": AT + HOUR}),
]


@pytest.mark.parametrize(("reason", "fact"), FORBID, ids=[reason for reason, _ in FORBID])
def test_each_fact_alone_forbids(reason: Reason, fact: dict[str, object]) -> None:
    refusal = why_not(replace(GOOD, **fact), AT, BANGKOK)  # type: ignore[arg-type]
    assert refusal is not None
    assert refusal.code is reason
    assert refusal.sentence.endswith(".")
    assert (refusal.opens_at is not None) is (reason in {Reason.LOCKED_BY_OTHER, Reason.TOO_SOON})


@pytest.mark.parametrize("pair", list(combinations(FORBID, 2)), ids=lambda pair: f"{pair[0][0]}+{pair[1][0]}")
def test_of_two_reasons_the_weightier_is_told(pair: tuple[tuple[Reason, dict[str, object]], ...]) -> None:
    (weightier, one), (_, other) = pair
    both = replace(GOOD, **{**other, **one})  # type: ignore[arg-type]
    assert code(both) is weightier


@pytest.mark.parametrize("callback", [UNKNOWN, UNSAFE, NEVER])
@pytest.mark.parametrize("reason", [reason for reason, _ in FORBID])
def test_whatever_else_is_so_only_safe_is_dialled(callback: CallbackSafety, reason: Reason) -> None:
    fact = dict(FORBID)[reason] | {"safety": safety(callback)}
    assert code(replace(GOOD, **fact), supervisor=True) is not None  # type: ignore[arg-type]


def test_after_a_dropped_line_only_if_she_said_that_we_call_back() -> None:
    for said, reason in ((None, Reason.DROP_NOT_AGREED), ("wait", Reason.DROP_NOT_AGREED), ("we_call_back", None)):
        assert code(replace(GOOD, dropped=True, safety=safety(if_drops=said))) is reason


def test_used_up_tries_stop_an_agent_and_not_a_supervisor() -> None:
    used = replace(GOOD, tries_used_up=True)
    assert code(used) is Reason.TRIES_USED_UP
    assert code(used, supervisor=True) is None
    assert code(replace(used, safety=safety(UNKNOWN)), supervisor=True) is Reason.UNKNOWN
    assert code(replace(used, due_at=AT + HOUR), supervisor=True) is Reason.TOO_SOON


@pytest.mark.parametrize(
    ("window", "due", "words", "opens"),
    [
        ("19:00-21:00", -HOUR, "today at 19:00", datetime(2026, 11, 23, 19, tzinfo=BANGKOK)),
        ("10:00-12:00", -HOUR, "tomorrow at 10:00", datetime(2026, 11, 24, 10, tzinfo=BANGKOK)),
        ("thu 10:00-12:00", -HOUR, "on Thu 26 Nov at 10:00", datetime(2026, 11, 26, 10, tzinfo=BANGKOK)),
        ("08:00-20:00", HOUR, "today at 16:00", datetime(2026, 11, 23, 16, tzinfo=BANGKOK)),
        ("08:00-16:00", 2 * HOUR, "tomorrow at 08:00", datetime(2026, 11, 24, 8, tzinfo=BANGKOK)),
    ],
)
def test_a_refusal_says_when_it_opens_on_the_lines_clock(
    window: str, due: timedelta, words: str, opens: datetime
) -> None:
    refusal = why_not(replace(GOOD, due_at=AT + due, safety=safety(window=window)), AT, BANGKOK)
    assert refusal is not None
    assert words in refusal.sentence
    assert refusal.opens_at == opens


def test_hours_that_come_only_after_the_review_is_too_old_never_open() -> None:
    known = safety(window="mon 09:00-10:00", reviewed=90 * DAY - HOUR)
    refusal = why_not(replace(GOOD, safety=known), AT, BANGKOK)
    assert refusal is not None
    assert (refusal.code, refusal.opens_at) == (Reason.OUTSIDE_WINDOW, None)
    refusal = why_not(replace(GOOD, safety=known, due_at=AT + HOUR), AT, BANGKOK)
    assert refusal is not None
    assert (refusal.code, refusal.opens_at) == (Reason.TOO_SOON, None)


def test_a_moment_without_a_zone_is_no_moment() -> None:
    with pytest.raises(ValueError):
        why_not(GOOD, AT.replace(tzinfo=None), BANGKOK)


@given(jump=st.integers(min_value=-10 * 365 * 86400, max_value=-61))
def test_a_clock_that_was_set_back_dials_nothing(jump: int) -> None:
    """Reviewed and due a moment ago by the clock as it was."""
    facts = Facts(due_at=AT - HOUR, safety=safety(window="00:00-00:00", reviewed=timedelta()), latest=AT)
    assert code(facts, AT + timedelta(seconds=jump)) is Reason.CLOCK_WRONG


@given(jump=st.integers(min_value=0, max_value=10 * 365 * 86400))
def test_a_clock_that_jumps_ahead_lets_nothing_live_longer(jump: int) -> None:
    facts = Facts(due_at=AT - HOUR, safety=safety(window="00:00-00:00", reviewed=timedelta()), latest=AT)
    allowed = code(facts, AT + timedelta(seconds=jump)) is None
    assert allowed is (jump < 90 * 86400)


clocks = st.times().map(lambda t: t.replace(second=0, microsecond=0))
some_windows = st.builds(Window, clocks, clocks, st.frozensets(st.integers(0, 6), max_size=7))
FIRST, LAST = datetime(2026, 1, 1), datetime(2027, 12, 31)  # noqa: DTZ001  (hypothesis adds the zone)
moments = st.datetimes(FIRST, LAST, timezones=st.just(UTC))


@given(window=some_windows, at=moments)
def test_the_next_opening_is_the_first_moment_inside(window: Window, at: datetime) -> None:
    opens = next_opening(window, at, BANGKOK)
    assert opens is not None
    assert opens >= at
    assert window.holds(opens.astimezone(BANGKOK))
    if opens > at:
        assert not window.holds((opens - timedelta(microseconds=1)).astimezone(BANGKOK))
        assert opens - at <= timedelta(days=8)
        assert not any(window.holds((at + (opens - at) * part / 50).astimezone(BANGKOK)) for part in range(50))


@given(window=some_windows, at=moments)
def test_where_clocks_change_an_opening_is_still_inside(window: Window, at: datetime) -> None:
    opens = next_opening(window, at, BERLIN)
    assert opens is None or (opens >= at and window.holds(opens.astimezone(BERLIN)))


def test_an_hour_that_a_clock_change_skips_opens_on_another_day() -> None:
    before = datetime(2026, 3, 28, 12, tzinfo=BERLIN)
    opens = next_opening(Window(time(2, 10), time(2, 50)), before.astimezone(UTC), BERLIN)
    assert opens == datetime(2026, 3, 30, 2, 10, tzinfo=BERLIN)


@given(
    known=st.builds(
        Safety,
        case_id=st.just(1),
        callback=st.sampled_from(CallbackSafety),
        window=st.one_of(st.none(), some_windows.map(str), st.text(max_size=12)),
        reviewed_at=st.one_of(st.none(), moments),
        if_drops=st.sampled_from([None, "wait", "we_call_back"]),
    ),
    at=moments,
    due_at=moments,
    dropped=st.booleans(),
    supervisor=st.booleans(),
)
def test_whatever_is_known_she_is_called_only_inside_what_she_said(
    known: Safety, at: datetime, due_at: datetime, dropped: bool, supervisor: bool
) -> None:
    """Said again in other words than the rules' own."""
    facts = Facts(due_at=due_at, safety=known, dropped=dropped)
    if why_not(facts, at, BANGKOK, supervisor=supervisor) is None:
        assert known.callback is SAFE
        assert known.reviewed_at is not None
        assert -timedelta(minutes=1) <= at - known.reviewed_at < (90 * DAY if known.window else 7 * DAY)
        assert due_at <= at
        assert not dropped or known.if_drops == "we_call_back"
        if not known.window:
            assert 8 <= at.astimezone(BANGKOK).hour < 20
    opens = opens_at(facts, at, BANGKOK)
    if opens is not None:
        assert why_not(facts, opens, BANGKOK) is None


def test_nobody_there_is_tried_again_in_two_hours_inside_her_hours() -> None:
    assert again_at(safety(), AT, BANGKOK, 7200) == AT + 2 * HOUR
    assert again_at(safety(window="14:00-16:00"), AT, BANGKOK, 7200) == AT + 23 * HOUR
    assert again_at(safety(window="no hours"), AT, BANGKOK, 7200) == AT + 2 * HOUR
    assert again_at(None, AT, BANGKOK, 7200) == AT + 2 * HOUR


@pytest.mark.parametrize("callback", CallbackSafety)
@pytest.mark.parametrize("message", [None, "none", "neutral"])
def test_a_message_is_left_only_if_calling_is_safe_and_she_agreed(
    callback: CallbackSafety, message: str | None
) -> None:
    known = Safety(case_id=1, callback=callback, message=message)
    assert may_leave_message(known) is (callback is SAFE and message == "neutral")
    assert may_leave_message(None) is False


def ended(outcome: Outcome, **facts: datetime) -> Contact:
    return Contact(call="a", arrived_at=AT, ended_at=AT, outcome=outcome, **facts)


@pytest.mark.parametrize(
    ("contact", "kind"),
    [
        (ended(Outcome.CALLBACK_REQUESTED, callback_at=AT), CallbackKind.REQUESTED),
        (ended(Outcome.VOICEMAIL, callback_at=AT), CallbackKind.REQUESTED),
        (ended(Outcome.VOICEMAIL), CallbackKind.MISSED),
        (ended(Outcome.FAILED, failed_at=AT), CallbackKind.MISSED),
        (ended(Outcome.ABANDONED_IN_QUEUE), CallbackKind.ABANDONED),
        (ended(Outcome.ABANDONED_IN_MENU), CallbackKind.ABANDONED),
        (ended(Outcome.ANSWERED, answered_at=AT), None),
        (ended(Outcome.ANSWERED, answered_at=AT, callback_at=AT - HOUR), None),
        (ended(Outcome.ANSWERED, answered_at=AT, dropped_at=AT), CallbackKind.DROPPED),
        (ended(Outcome.ANSWERED, answered_at=AT, waits_again_at=AT), CallbackKind.MISSED),
        (ended(Outcome.ANSWERED, answered_at=AT - HOUR, callback_at=AT), CallbackKind.REQUESTED),
    ],
)
def test_what_the_line_saw_says_why_she_is_called_back(contact: Contact, kind: CallbackKind | None) -> None:
    assert kind_of(contact) is kind


def test_the_more_pressing_reason_is_kept() -> None:
    assert more_pressing(CallbackKind.ABANDONED, CallbackKind.DROPPED) is CallbackKind.DROPPED
    assert more_pressing(CallbackKind.REQUESTED, CallbackKind.MISSED) is CallbackKind.REQUESTED
