"""Agents who are rung at home."""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlmodel import Session, select

from hotline.errors import Invalid, NotFound
from hotline.keys import Keys
from hotline.queue import members as queues
from hotline.queue import routing
from hotline.queue.routing import Way
from hotline.roster import shifts
from hotline.settings import Settings
from hotline.staff import mobiles
from hotline.staff import states as agents
from hotline.staff.states import DECLINED, MISSED, PAGE_BACK, PAGE_LOST
from models import Agent, AgentStatus, AuditEntry, Database
from tests.support.cast import Cast
from tests.support.thailand import THAI

BANGKOK = ZoneInfo("Asia/Bangkok")
LINE = Settings(timezone="Asia/Bangkok", trunk_host="sip.test")
AT = datetime(2026, 11, 23, 23, 30, tzinfo=BANGKOK)  # a Monday


def at_home(s: Session, keys: Keys, agent: Agent) -> int:
    mobiles.set_mobile(s, keys, agent.id, "081 234 5678", by_id=None, numbering=THAI)
    shifts.add_shift(s, agent.id, weekday=0, starts=time(22), ends=time(6), at_home=True)
    return agent.id


def test_a_mobile_is_kept_sealed_and_forgotten_again(db: Database, staff: Cast, keys: Keys) -> None:
    with db.write() as s:
        agent = mobiles.set_mobile(s, keys, staff.alice.id, "081 234 5678", by_id=staff.sofia.id, numbering=THAI)
        assert agent.mobile_sealed is not None
        assert b"812345678" not in agent.mobile_sealed
        assert mobiles.show(keys, agent) == "+66 81 234 5678"
        assert mobiles.numbers(s, keys, [staff.alice.id, staff.bob.id], THAI) == {staff.alice.id: "+66812345678"}
        assert mobiles.with_mobile(s) == [staff.alice.id]
        for nothing in (None, " "):
            mobiles.set_mobile(s, keys, staff.alice.id, nothing, by_id=staff.sofia.id, numbering=THAI)
        assert mobiles.show(keys, agent) is None
        acts = [e.act for e in s.exec(select(AuditEntry)) if e.act.startswith("mobile")]
        assert acts == ["mobile_set", "mobile_removed"]


@pytest.mark.parametrize("number", ["12", "anonymous", "1669", "abc"])
def test_what_is_no_mobile_is_refused(db: Database, staff: Cast, keys: Keys, number: str) -> None:
    with db.write() as s:
        with pytest.raises(Invalid):
            mobiles.set_mobile(s, keys, staff.alice.id, number, by_id=None, numbering=THAI)
        with pytest.raises(NotFound):
            mobiles.set_mobile(s, keys, 99_999, number, by_id=None, numbering=THAI)


def test_who_is_at_home_on_a_shift_is_rung_without_signing_in(db: Database, staff: Cast, keys: Keys) -> None:
    with db.write() as s:
        alice = at_home(s, keys, staff.alice)
        assert mobiles.on_duty(s, AT, LINE) == [alice]
        assert mobiles.on_duty(s, AT.replace(day=24, hour=5), LINE) == [alice], "the night belongs to Monday"
        assert mobiles.on_duty(s, AT.replace(hour=21), LINE) == []
        assert mobiles.on_duty(s, AT.replace(day=24, hour=6, minute=0), LINE) == []
        assert routing.route(s, "my", AT, LINE).way is Way.QUEUE
        assert any(m.interface == f"Local/m{alice}@confirm/n" for m in queues.desired_members(s, AT, LINE))


def test_a_shift_at_the_desk_no_mobile_and_who_has_left_are_not_rung(db: Database, staff: Cast, keys: Keys) -> None:
    with db.write() as s:
        shifts.add_shift(s, staff.bob.id, weekday=0, starts=time(22), ends=time(6), at_home=True)
        at_home(s, keys, s.get_one(Agent, staff.charlie.id))
        mobiles.set_mobile(s, keys, staff.sofia.id, "0812345679", by_id=None, numbering=THAI)
        shifts.add_shift(s, staff.sofia.id, weekday=0, starts=time(22), ends=time(6))
        assert mobiles.on_duty(s, AT, LINE) == []


@pytest.mark.parametrize(
    ("status", "reason", "rung"),
    [
        (AgentStatus.OFFLINE, None, True),
        (AgentStatus.READY, None, True),
        (AgentStatus.ON_CALL, None, True),
        (AgentStatus.NOT_READY, None, False),
        (AgentStatus.NOT_READY, DECLINED, False),
        (AgentStatus.NOT_READY, MISSED, True),
        (AgentStatus.NOT_READY, PAGE_LOST, True),
        (AgentStatus.NOT_READY, PAGE_BACK, True),
        (AgentStatus.BREAK, "meal", False),
    ],
)
def test_only_her_own_choice_stills_the_mobile(
    db: Database, staff: Cast, keys: Keys, status: AgentStatus, reason: str | None, rung: bool
) -> None:
    with db.write() as s:
        alice = at_home(s, keys, staff.alice)
        agents.set_status(s, alice, status, reason, call="x")
        assert mobiles.on_duty(s, AT, LINE) == ([alice] if rung else [])


def test_without_a_trunk_nobody_is_rung_at_home(db: Database, staff: Cast, keys: Keys) -> None:
    with db.write() as s:
        at_home(s, keys, staff.alice)
        assert mobiles.on_duty(s, AT, LINE) != [], "the premise"
        bare = LINE.model_copy(update={"trunk_host": ""})
        assert mobiles.on_duty(s, AT, bare) == []
        assert routing.route(s, "my", AT, bare).way is Way.MESSAGE


@pytest.mark.parametrize("status", [AgentStatus.OFFLINE, AgentStatus.READY, AgentStatus.RINGING])
def test_a_mobile_that_nobody_took_twice_in_a_row_is_left_alone(
    db: Database, staff: Cast, keys: Keys, status: AgentStatus
) -> None:
    """Who has nobody else to wait for goes to the message at once; ten minutes later it is rung again."""
    with db.write() as s:
        alice = at_home(s, keys, staff.alice)
        agents.set_status(s, alice, status, at=AT, call="x")
        assert agents.mobile_missed(s, alice, AT, 600)
        assert mobiles.on_duty(s, AT, LINE) == [alice], "once may happen to anybody"
        assert agents.mobile_missed(s, alice, AT, 600)
        assert mobiles.on_duty(s, AT, LINE) == []
        assert mobiles.resting(s, AT) == {alice: AT + timedelta(minutes=10)}
        assert routing.route(s, "my", AT, LINE).way is Way.MESSAGE
        assert not any("Local/" in m.interface for m in queues.desired_members(s, AT, LINE))
        assert not agents.mobile_missed(s, alice, AT + timedelta(seconds=5), 600), "a ring that was under way"
        later = AT + timedelta(minutes=10)
        assert mobiles.on_duty(s, later, LINE) == [alice]
        assert agents.mobile_missed(s, alice, later, 600)
        assert mobiles.on_duty(s, later, LINE) == []


def test_a_call_that_was_taken_on_the_mobile_or_her_own_word_begins_to_count_anew(
    db: Database, staff: Cast, keys: Keys
) -> None:
    with db.write() as s:
        alice = at_home(s, keys, staff.alice)
        agents.mobile_missed(s, alice, AT, 600)
        agents.on_call(s, alice, "x", AT)
        agents.off_call(s, alice, AT)
        agents.mobile_missed(s, alice, AT, 600)
        assert mobiles.on_duty(s, AT, LINE) == [alice]
        agents.mobile_missed(s, alice, AT, 600)
        assert mobiles.on_duty(s, AT, LINE) == []
        agents.choose_status(s, s.get_one(Agent, alice), True)
        assert mobiles.on_duty(s, AT, LINE) == [alice]


def test_a_missed_mobile_never_overwrites_her_own_word(db: Database, staff: Cast, keys: Keys) -> None:
    with db.write() as s:
        alice = at_home(s, keys, staff.alice)
        for status, reason in (
            (AgentStatus.NOT_READY, None),
            (AgentStatus.NOT_READY, DECLINED),
            (AgentStatus.BREAK, "meal"),
        ):
            agents.set_status(s, alice, status, reason)
            assert not agents.mobile_missed(s, alice, AT, 600)
            assert agents.state_of(s, alice).reason == reason
