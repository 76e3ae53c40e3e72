"""Agents who are rung at home."""

from datetime import datetime, time
from zoneinfo import ZoneInfo

import pytest
from sqlmodel import Session, select

from hotline import agents, mobiles, queues, roster, routing
from hotline.agents import DECLINED, MISSED, PAGE_BACK, PAGE_LOST
from hotline.errors import Invalid, NotFound
from hotline.keys import Keys
from hotline.routing import Way
from models import Agent, AgentStatus, AuditEntry, Database
from tests.cast import Cast

BANGKOK = ZoneInfo("Asia/Bangkok")
AT = datetime(2026, 11, 23, 23, 30, tzinfo=BANGKOK)  # a Monday


def at_home(s: Session, keys: Keys, agent: Agent) -> int:
    mobiles.set_mobile(s, keys, agent.id or 0, "081 234 5678", by_id=None)
    roster.add_shift(s, agent.id or 0, weekday=0, starts=time(22), ends=time(6), at_home=True)
    return agent.id or 0


def test_a_mobile_is_kept_sealed_and_forgotten_again(db: Database, staff: Cast, keys: Keys) -> None:
    with db.write() as s:
        agent = mobiles.set_mobile(s, keys, staff.alice.id or 0, "081 234 5678", by_id=staff.sofia.id)
        assert agent.mobile_sealed is not None
        assert b"812345678" not in agent.mobile_sealed
        assert mobiles.show(keys, agent) == "+66 81 234 5678"
        assert mobiles.numbers(s, keys, [staff.alice.id or 0, staff.bob.id or 0]) == {staff.alice.id: "+66812345678"}
        assert mobiles.with_mobile(s) == [staff.alice.id]
        for nothing in (None, " "):
            mobiles.set_mobile(s, keys, staff.alice.id or 0, nothing, by_id=staff.sofia.id)
        assert mobiles.show(keys, agent) is None
        acts = [e.act for e in s.exec(select(AuditEntry)) if e.act.startswith("mobile")]
        assert acts == ["mobile_set", "mobile_removed"]


@pytest.mark.parametrize("number", ["12", "anonymous", "1669", "abc"])
def test_what_is_no_mobile_is_refused(db: Database, staff: Cast, keys: Keys, number: str) -> None:
    with db.write() as s:
        with pytest.raises(Invalid):
            mobiles.set_mobile(s, keys, staff.alice.id or 0, number, by_id=None)
        with pytest.raises(NotFound):
            mobiles.set_mobile(s, keys, 99_999, number, by_id=None)


def test_who_is_at_home_on_a_shift_is_rung_without_signing_in(db: Database, staff: Cast, keys: Keys) -> None:
    with db.write() as s:
        alice = at_home(s, keys, staff.alice)
        assert mobiles.on_duty(s, AT, BANGKOK) == [alice]
        assert mobiles.on_duty(s, AT.replace(day=24, hour=5), BANGKOK) == [alice], "the night belongs to Monday"
        assert mobiles.on_duty(s, AT.replace(hour=21), BANGKOK) == []
        assert mobiles.on_duty(s, AT.replace(day=24, hour=6, minute=0), BANGKOK) == []
        assert routing.route(s, "my", AT, BANGKOK).way is Way.QUEUE
        assert any(m.interface == f"Local/m{alice}@confirm/n" for m in queues.desired_members(s, AT, BANGKOK))


def test_a_shift_at_the_desk_no_mobile_and_who_has_left_are_not_rung(db: Database, staff: Cast, keys: Keys) -> None:
    with db.write() as s:
        roster.add_shift(s, staff.bob.id or 0, weekday=0, starts=time(22), ends=time(6), at_home=True)
        at_home(s, keys, s.get_one(Agent, staff.charlie.id))
        mobiles.set_mobile(s, keys, staff.sofia.id or 0, "0812345679", by_id=None)
        roster.add_shift(s, staff.sofia.id or 0, weekday=0, starts=time(22), ends=time(6))
        assert mobiles.on_duty(s, AT, BANGKOK) == []


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
        assert mobiles.on_duty(s, AT, BANGKOK) == ([alice] if rung else [])
