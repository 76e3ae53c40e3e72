"""Whether a call or a message may go out now: every reason, each alone and in its order, and what no clock may change."""

from dataclasses import fields, replace
from datetime import UTC, datetime, time, timedelta
from itertools import combinations
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotline.safety.gate import (
    CallFacts,
    MessageFacts,
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
    message: str | None = "neutral",
) -> Safety:
    """Reviewed so long before AT; None: never."""
    reviewed_at = None if reviewed is None else AT - reviewed
    return Safety(
        case_id=1, callback=callback, window=window, reviewed_at=reviewed_at, if_drops=if_drops, message=message
    )


GOOD = CallFacts(due_at=AT - HOUR, safety=safety())
WRITTEN = MessageFacts(wrote_to_us=True, safety=safety())
BOTH = pytest.mark.parametrize("good", [GOOD, WRITTEN], ids=["call", "message"])


def code(facts: CallFacts | MessageFacts, at: datetime = AT, *, supervisor: bool = False) -> Reason | None:
    refusal = why_not(facts, at, BANGKOK, supervisor=supervisor)
    return refusal.code if refusal else None


TABLE = [
    # what the worker said
    ("safe, in their hours, reviewed", safety(), None),
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
    # the worker's hours
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


@BOTH
@pytest.mark.parametrize(("what", "known", "reason"), TABLE, ids=[row[0] for row in TABLE])
def test_what_the_worker_said_decides_on_every_way(
    what: str, known: Safety | None, reason: Reason | None, good: CallFacts | MessageFacts
) -> None:
    assert code(replace(good, safety=known)) is reason


# Each fact alone forbids, the weightiest first.
COMMON: list[tuple[Reason, dict[str, object]]] = [
    (Reason.WITHHELD, {"withheld": True}),
    (Reason.NEVER, {"safety": safety(NEVER)}),
    (Reason.UNSAFE, {"safety": safety(UNSAFE)}),
    (Reason.OTHER_CASE_UNSAFE, {"other_unsafe": "C-2611-0003"}),
    (Reason.OTHER_TELEPHONE, {"other_telephone": True}),
    (Reason.UNKNOWN, {"safety": safety(UNKNOWN)}),
    (Reason.CASE_CLOSED, {"case_closed": True}),
    (Reason.NOT_REVIEWED, {"safety": safety(reviewed=None)}),
    (Reason.CLOCK_WRONG, {"latest": AT + HOUR}),
    (Reason.REVIEW_TOO_OLD, {"safety": safety(reviewed=90 * DAY)}),
    (Reason.WINDOW_UNREADABLE, {"safety": safety(window="in the evening")}),
]
LATER: list[tuple[Reason, dict[str, object]]] = [
    (Reason.OUTSIDE_WINDOW, {"safety": safety(window="19:00-21:00")}),
]
FORBID: list[tuple[Reason, dict[str, object]]] = [
    (Reason.ENDED, {"ended": True}),
    *COMMON,
    (Reason.DROP_NOT_AGREED, {"dropped": True}),
    (Reason.CALLER_ON_LINE, {"on_line": True}),
    (Reason.NOT_SAID, {"unsaid_by": "Bob"}),
    (Reason.TRIES_USED_UP, {"tries_used_up": True}),
    (Reason.LOCKED_BY_OTHER, {"locked_by": "Bob", "locked_until": AT + timedelta(minutes=5)}),
    (Reason.TOO_SOON, {"due_at": AT + HOUR}),
    *LATER,
]
FORBID_MESSAGES: list[tuple[Reason, dict[str, object]]] = [
    *COMMON,
    (Reason.NOT_AN_ANSWER, {"wrote_to_us": False}),
    (Reason.MESSAGE_NOT_AGREED, {"safety": safety(message=None)}),
    *LATER,
]
EACH = [(GOOD, *row) for row in FORBID] + [(WRITTEN, *row) for row in FORBID_MESSAGES]
PAIRS = [(GOOD, *pair) for pair in combinations(FORBID, 2)]
PAIRS += [(WRITTEN, *pair) for pair in combinations(FORBID_MESSAGES, 2)]
TIME_HELPS = {Reason.LOCKED_BY_OTHER, Reason.TOO_SOON, Reason.OUTSIDE_WINDOW}


@pytest.mark.parametrize(("good", "reason", "fact"), EACH, ids=[f"{good.what}-{reason}" for good, reason, _ in EACH])
def test_each_fact_alone_forbids(good: CallFacts | MessageFacts, reason: Reason, fact: dict[str, object]) -> None:
    refusal = why_not(replace(good, **fact), AT, BANGKOK)  # type: ignore[arg-type]
    assert refusal is not None
    assert refusal.code is reason
    assert refusal.sentence.endswith(".")
    assert (refusal.opens_at is not None) is (reason in TIME_HELPS)


@pytest.mark.parametrize(
    ("good", "one", "other"), PAIRS, ids=[f"{good.what}-{one[0]}+{other[0]}" for good, one, other in PAIRS]
)
def test_of_two_reasons_the_weightier_is_told(
    good: CallFacts | MessageFacts, one: tuple[Reason, dict[str, object]], other: tuple[Reason, dict[str, object]]
) -> None:
    """Two that are facts of one row of safety cannot both be: the first is there then."""
    both = replace(good, **{**other[1], **one[1]})  # type: ignore[arg-type]
    assert code(both) is one[0]


def test_every_reason_of_the_rules_is_in_the_tables() -> None:
    """Two are not: whose number it is and whether it is allowed is seen only when it is opened, by who dials."""
    tried = {reason for _, reason, _ in EACH}
    assert set(Reason) - tried == {Reason.NUMBER_DOUBTFUL, Reason.NUMBER_BARRED}
    order = list(Reason)
    for rows in (FORBID, FORBID_MESSAGES):
        assert [reason for reason, _ in rows] == sorted((reason for reason, _ in rows), key=order.index)


@pytest.mark.parametrize("callback", [UNKNOWN, UNSAFE, NEVER])
@pytest.mark.parametrize(("good", "reason", "fact"), EACH, ids=[f"{good.what}-{reason}" for good, reason, _ in EACH])
def test_whatever_else_is_so_only_safe_goes_out(
    good: CallFacts | MessageFacts, reason: Reason, fact: dict[str, object], callback: CallbackSafety
) -> None:
    known = fact | {"safety": safety(callback)}
    assert code(replace(good, **known), supervisor=True) is not None  # type: ignore[arg-type]


@pytest.mark.parametrize("message", [None, "none", "anything else"])
def test_a_message_goes_out_only_when_neutral_ones_were_agreed_to(message: str | None) -> None:
    """A call asks for no such word."""
    known = safety(message=message)
    assert code(replace(WRITTEN, safety=known)) is Reason.MESSAGE_NOT_AGREED
    assert code(replace(GOOD, safety=known)) is None


def test_a_message_answers_and_never_comes_first() -> None:
    """Not even by default, nor because the worker may be called."""
    assert code(MessageFacts(safety=safety())) is Reason.NOT_AN_ANSWER
    assert opens_at(MessageFacts(safety=safety()), AT, BANGKOK) is None


def test_a_message_that_waits_is_told_when_the_hours_begin() -> None:
    refusal = why_not(replace(WRITTEN, safety=safety(window="19:00-21:00")), AT, BANGKOK)
    assert refusal is not None
    assert "today at 19:00" in refusal.sentence
    assert refusal.opens_at == datetime(2026, 11, 23, 19, tzinfo=BANGKOK)


def test_what_people_do_about_a_call_is_no_matter_of_messages() -> None:
    """Nor can it be said of one: the facts of a call are no facts of a message."""
    of_calls = {"due_at", "ended", "dropped", "on_line", "unsaid_by", "tries_used_up", "locked_by", "locked_until"}
    assert {one.name for one in fields(CallFacts)} - {one.name for one in fields(MessageFacts)} == of_calls
    assert {one.name for one in fields(MessageFacts)} - {one.name for one in fields(CallFacts)} == {"wrote_to_us"}


def test_after_a_dropped_line_only_if_the_worker_said_that_we_call_back() -> None:
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


@BOTH
def test_a_moment_without_a_zone_is_no_moment(good: CallFacts | MessageFacts) -> None:
    with pytest.raises(ValueError):
        why_not(good, AT.replace(tzinfo=None), BANGKOK)


@given(jump=st.integers(min_value=-10 * 365 * 86400, max_value=-61))
def test_after_a_clock_was_set_back_nothing_goes_out(jump: int) -> None:
    """Reviewed and due a moment ago by the clock as it was."""
    for good in (GOOD, WRITTEN):
        facts = replace(good, safety=safety(window="00:00-00:00", reviewed=timedelta()), latest=AT)
        assert code(facts, AT + timedelta(seconds=jump)) is Reason.CLOCK_WRONG


@given(jump=st.integers(min_value=0, max_value=10 * 365 * 86400))
def test_a_clock_that_jumps_ahead_lets_nothing_live_longer(jump: int) -> None:
    for good in (GOOD, WRITTEN):
        facts = replace(good, safety=safety(window="00:00-00:00", reviewed=timedelta()), latest=AT)
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
        message=st.sampled_from([None, "none", "neutral"]),
    ),
    at=moments,
    due_at=moments,
    dropped=st.booleans(),
    wrote_to_us=st.booleans(),
    supervisor=st.booleans(),
)
def test_whatever_is_known_all_goes_out_only_inside_what_the_worker_said(
    known: Safety, at: datetime, due_at: datetime, dropped: bool, wrote_to_us: bool, supervisor: bool
) -> None:
    """Said again in other words than the rules' own."""
    call = CallFacts(due_at=due_at, safety=known, dropped=dropped)
    message = MessageFacts(safety=known, wrote_to_us=wrote_to_us)
    may_call = why_not(call, at, BANGKOK, supervisor=supervisor) is None
    may_write = why_not(message, at, BANGKOK, supervisor=supervisor) is None
    if may_call or may_write:
        assert known.callback is SAFE
        assert known.reviewed_at is not None
        assert -timedelta(minutes=1) <= at - known.reviewed_at < (90 * DAY if known.window else 7 * DAY)
        if not known.window:
            assert 8 <= at.astimezone(BANGKOK).hour < 20
    if may_call:
        assert due_at <= at
        assert not dropped or known.if_drops == "we_call_back"
    if may_write:
        assert wrote_to_us
        assert known.message == "neutral"
    for facts in (call, message):
        opens = opens_at(facts, at, BANGKOK)
        assert opens is None or why_not(facts, opens, BANGKOK) is None


def test_nobody_there_is_tried_again_in_two_hours_inside_the_workers_hours() -> None:
    assert again_at(safety(), AT, BANGKOK, 7200) == AT + 2 * HOUR
    assert again_at(safety(window="14:00-16:00"), AT, BANGKOK, 7200) == AT + 23 * HOUR
    assert again_at(safety(window="no hours"), AT, BANGKOK, 7200) == AT + 2 * HOUR
    assert again_at(None, AT, BANGKOK, 7200) == AT + 2 * HOUR


@pytest.mark.parametrize("callback", CallbackSafety)
@pytest.mark.parametrize("message", [None, "none", "neutral"])
def test_a_message_is_left_only_if_calling_is_safe_and_the_worker_agreed(
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
def test_what_the_line_saw_says_why_the_worker_is_called_back(contact: Contact, kind: CallbackKind | None) -> None:
    assert kind_of(contact) is kind


def test_the_more_pressing_reason_is_kept() -> None:
    assert more_pressing(CallbackKind.ABANDONED, CallbackKind.DROPPED) is CallbackKind.DROPPED
    assert more_pressing(CallbackKind.REQUESTED, CallbackKind.MISSED) is CallbackKind.REQUESTED
