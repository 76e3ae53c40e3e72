"""Who is expected, who can be rung, and where a call goes."""

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import pytest

from hotline.errors import Invalid
from hotline.queue import members as queues
from hotline.queue import routing
from hotline.queue.routing import Way
from hotline.roster import shifts
from hotline.settings import Settings
from hotline.staff import states as agents
from models import AgentState, AgentStatus, Database
from tests.support.cast import Cast

BANGKOK = ZoneInfo("Asia/Bangkok")
LINE = Settings(timezone="Asia/Bangkok")

NOON = datetime(2026, 11, 22, 5, tzinfo=UTC)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BANGKOK)


def test_a_shift_across_midnight_counts_on_both_days(db: Database, staff: Cast) -> None:
    with db.write() as s:
        shifts.add_shift(s, staff.alice.id, weekday=6, starts=time(22), ends=time(6))
        assert shifts.expected(s, at("2026-11-22 23:30"), BANGKOK)["my"] == [staff.alice.id]
        assert shifts.expected(s, at("2026-11-23 05:59"), BANGKOK)["my"] == [staff.alice.id]
        assert shifts.expected(s, at("2026-11-23 06:00"), BANGKOK) == {}
        assert shifts.expected(s, at("2026-11-22 21:59"), BANGKOK) == {}


def test_a_shift_is_in_the_lines_time_zone(db: Database, staff: Cast) -> None:
    with db.write() as s:
        shifts.add_shift(s, staff.alice.id, weekday=0, starts=time(8), ends=time(16))
        assert shifts.expected(s, datetime(2026, 11, 23, 1, 0, tzinfo=UTC), BANGKOK)
        assert not shifts.expected(s, datetime(2026, 11, 23, 10, 0, tzinfo=UTC), BANGKOK)


def test_a_whole_day_is_midnight_to_midnight(db: Database, staff: Cast) -> None:
    with db.write() as s:
        shifts.add_shift(s, staff.alice.id, on_date=date(2026, 11, 22), starts=time(0), ends=time(0))
        counts = shifts.cover(s, date(2026, 11, 22), BANGKOK, ["my", "vi"])
        assert counts["my"] == [1] * 48
        assert counts["vi"] == [0] * 48


def test_a_day_on_which_the_clock_changes_is_covered_whole(db: Database, staff: Cast) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    with db.write() as s:
        shifts.add_shift(s, staff.alice.id, on_date=date(2026, 10, 25), starts=time(0), ends=time(0))
        assert shifts.cover(s, date(2026, 10, 25), berlin, ["my"])["my"] == [1] * 50


def test_a_half_hour_is_covered_when_she_is_there_for_a_part_of_it_and_once_however_many_shifts(
    db: Database, staff: Cast
) -> None:
    with db.write() as s:
        for starts, ends in ((time(8, 15), time(9, 45)), (time(9), time(10)), (time(23, 30), time(1))):
            shifts.add_shift(s, staff.alice.id, on_date=date(2026, 11, 22), starts=starts, ends=ends)
        for day, slots in ((22, {16, 17, 18, 19, 47}), (23, {0, 1}), (24, set())):
            counts = shifts.cover(s, date(2026, 11, day), BANGKOK, ["my"])["my"]
            assert counts == [int(slot in slots) for slot in range(48)]


def test_a_weekly_shift_of_another_day_is_not_expected(db: Database, staff: Cast) -> None:
    with db.write() as s:
        shifts.add_shift(s, staff.alice.id, weekday=6, starts=time(22), ends=time(6))
        assert [sum(shifts.cover(s, date(2026, 11, day), BANGKOK, ["my"])["my"]) for day in range(21, 25)] == [
            0,
            4,
            12,
            0,
        ]


def test_basic_speakers_and_people_who_left_are_no_cover(db: Database, staff: Cast) -> None:
    with db.write() as s:
        for who in (staff.bob, staff.charlie):
            shifts.add_shift(s, who.id, on_date=date(2026, 11, 22), starts=time(0), ends=time(0))
        counts = shifts.cover(s, date(2026, 11, 22), BANGKOK, ["km", "my"])
        assert counts == {"km": [0] * 48, "my": [0] * 48}


def test_the_same_shift_twice_is_refused(db: Database, staff: Cast) -> None:
    with db.write() as s:
        shifts.add_shift(s, staff.alice.id, weekday=0, starts=time(8), ends=time(16))
        with pytest.raises(Invalid):
            shifts.add_shift(s, staff.alice.id, weekday=0, starts=time(8), ends=time(12))


@pytest.mark.parametrize(
    ("status", "reachable", "way"),
    [
        (AgentStatus.READY, True, Way.QUEUE),
        (AgentStatus.RINGING, True, Way.QUEUE),
        (AgentStatus.ON_CALL, True, Way.QUEUE),
        (AgentStatus.WRAP_UP, True, Way.QUEUE),
        (AgentStatus.READY, False, Way.MESSAGE),
        (AgentStatus.NOT_READY, True, Way.MESSAGE),
        (AgentStatus.BREAK, True, Way.MESSAGE),
        (AgentStatus.OFFLINE, False, Way.MESSAGE),
    ],
)
def test_a_call_waits_only_when_somebody_can_be_rung(
    db: Database, staff: Cast, status: AgentStatus, reachable: bool, way: Way
) -> None:
    with db.write() as s:
        agents.set_status(s, staff.alice.id, status)
        agents.set_reachable(s, staff.alice.id, reachable)
        assert routing.route(s, "my", NOON, LINE).way is way
        assert routing.route(s, "lo", NOON, LINE).way is Way.MESSAGE


def test_callers_wait_for_a_page_that_is_loaded_again(db: Database, staff: Cast) -> None:
    with db.write() as s:
        agents.choose_status(s, staff.alice, ready=True)
        agents.page_took(s, staff.alice.id, "page-1")
        assert routing.route(s, "my", NOON, LINE).way is Way.QUEUE
        agents.page_left(s, staff.alice.id, "page-1")
        assert routing.route(s, "my", NOON, LINE).way is Way.MESSAGE


def test_with_backups_only_they_are_rung_at_once(db: Database, staff: Cast) -> None:
    with db.write() as s:
        agents.set_status(s, staff.bob.id, AgentStatus.READY)
        agents.set_reachable(s, staff.bob.id, True)
        assert routing.route(s, "km", NOON, LINE).backups_at_once is True
        assert routing.route(s, "th", NOON, LINE).backups_at_once is False


def test_not_ready_is_paused_and_never_removed(db: Database, staff: Cast) -> None:
    with db.write() as s:
        agents.set_status(s, staff.alice.id, AgentStatus.READY)
        found = {(m.queue, m.interface): (m.penalty, m.paused) for m in queues.desired_members(s, NOON, LINE)}
        alice, bob = f"PJSIP/agent{staff.alice.id}", f"PJSIP/agent{staff.bob.id}"
        assert found["my", alice] == (0, False)
        assert found["th", bob] == (0, True)
        assert found["km", bob] == (10, True)
        assert not any(i == f"PJSIP/agent{staff.charlie.id}" for _, i in found)


@pytest.mark.parametrize("at_home", [False, True])
@pytest.mark.parametrize("reachable", [False, True])
@pytest.mark.parametrize("status", list(AgentStatus))
def test_a_speaker_is_in_the_queue_by_their_phone_and_at_home_by_their_mobile(
    db: Database,
    staff: Cast,
    monkeypatch: pytest.MonkeyPatch,
    status: AgentStatus,
    reachable: bool,
    at_home: bool,
) -> None:
    """Ready, ringing and busy ones are not paused, and busy ones are past every caller's limit. The mobile is paused while
    the phone is nearer, which it is when it can be rung and they are there."""
    bob = staff.bob.id
    monkeypatch.setattr(queues, "on_duty", lambda *_: [bob] if at_home else [])
    with db.write() as s:
        s.merge(AgentState(agent_id=bob, status=status, reachable=reachable))
        s.flush()
        members = {one for one in queues.desired_members(s, NOON, LINE) if str(bob) in one.interface}
    busy = status in {AgentStatus.ON_CALL, AgentStatus.WRAP_UP}
    there = busy or status in {AgentStatus.READY, AgentStatus.RINGING}
    expected = set()
    for queue, first in (("th", 0), ("km", 10)):
        penalty = 1000 if busy else first
        expected.add(queues.Member(queue, f"PJSIP/agent{bob}", penalty, not there))
        if at_home:
            expected.add(queues.Member(queue, f"Local/m{bob}@confirm/n", penalty, reachable and there))
    assert members == expected


def test_where_nobody_can_be_rung_no_backups_are_either(db: Database, staff: Cast) -> None:
    with db.write() as s:
        found = routing.route(s, "my", NOON, LINE)
        assert (found.way, found.backups_at_once) == (Way.MESSAGE, False)
