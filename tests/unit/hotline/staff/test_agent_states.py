"""What an agent is doing: by her own choice, by a call, and by what her page lets us hear."""

from datetime import datetime, timedelta

import pytest
from sqlmodel import col, select

from hotline.errors import Invalid, Refused
from hotline.queue import members as queues
from hotline.settings import Settings
from hotline.staff import states as agents
from models import AgentStateChange, AgentStatus, Database
from models.db.types import now
from tests.support.cast import Cast

T: datetime
LINE = Settings(timezone="Asia/Bangkok")


@pytest.fixture(autouse=True)
def _its_own_moment() -> None:
    """One that was taken at import would be as old as the run."""
    global T  # noqa: PLW0603
    T = now()


def minutes(n: float) -> timedelta:
    return timedelta(minutes=n)


def test_a_call_goes_from_ready_through_ringing_and_wrap_up_back_to_ready(db: Database, staff: Cast) -> None:
    alice = staff.alice.id
    with db.write() as s:
        agents.choose_status(s, staff.alice, ready=True)
        assert agents.rings(s, alice, "a", T)
        assert agents.state_of(s, alice).call == "a"
        agents.on_call(s, alice, "a", T)
        state = agents.off_call(s, alice, T + minutes(5), wrap_up_s=120)
        assert (state.status, state.call, state.until) == (AgentStatus.WRAP_UP, "a", T + minutes(7))
        state = agents.finish_wrap_up(s, alice)
        assert (state.status, state.call, state.until) == (AgentStatus.READY, None, None)
        told = [c.status for c in s.exec(select(AgentStateChange).order_by(col(AgentStateChange.id)))]
    assert told == ["ready", "ringing", "on_call", "wrap_up", "ready"]


def test_a_wrap_up_ends_by_itself_and_not_before_its_time(db: Database, staff: Cast) -> None:
    alice = staff.alice.id
    with db.write() as s:
        agents.choose_status(s, staff.alice, ready=True)
        agents.on_call(s, alice, "a", T)
        agents.off_call(s, alice, T, wrap_up_s=120)
        assert agents.end_due_wrap_ups(s, T + minutes(1)) == []
        agents.more_time(s, alice, 60, T + minutes(1))
        assert agents.end_due_wrap_ups(s, T + timedelta(seconds=121)) == []
        assert agents.end_due_wrap_ups(s, T + minutes(4)) == [alice]
        assert agents.state_of(s, alice).status is AgentStatus.READY


def test_a_clock_that_was_set_back_does_not_hold_an_agent_in_wrap_up(db: Database, staff: Cast) -> None:
    alice = staff.alice.id
    with db.write() as s:
        agents.choose_status(s, staff.alice, ready=True)
        agents.on_call(s, alice, "a", T)
        agents.off_call(s, alice, T, wrap_up_s=120)
        assert agents.end_due_wrap_ups(s, T - minutes(60)) == [alice]


def test_who_was_on_a_break_when_she_was_asked_into_a_call_is_on_it_again(db: Database, staff: Cast) -> None:
    alice = staff.alice.id
    with db.write() as s:
        agents.take_break(s, staff.alice, "meal", T)
        assert not agents.rings(s, alice, "a", T), "only one who is ready is rung"
        agents.on_call(s, alice, "a", T)
        state = agents.off_call(s, alice, T + minutes(1))
        assert (state.status, state.reason) == (AgentStatus.BREAK, "meal")
        assert state.until == T + agents.BREAKS["meal"]


def test_who_never_signed_in_and_took_a_call_on_her_mobile_is_off_duty_after_it(db: Database, staff: Cast) -> None:
    with db.write() as s:
        agents.on_call(s, staff.alice.id, "a", T)
        assert agents.off_call(s, staff.alice.id, T).status is AgentStatus.OFFLINE


def test_a_break_needs_a_known_reason(db: Database, staff: Cast) -> None:
    with db.write() as s, pytest.raises(Invalid):
        agents.take_break(s, staff.alice, "holiday")


@pytest.mark.parametrize("status", [AgentStatus.RINGING, AgentStatus.ON_CALL, AgentStatus.WRAP_UP])
def test_her_own_buttons_are_refused_while_a_call_has_her(db: Database, staff: Cast, status: AgentStatus) -> None:
    with db.write() as s:
        agents.set_status(s, staff.alice.id, status, call="a", until=T + minutes(2))
        with pytest.raises(Refused):
            agents.choose_status(s, staff.alice, ready=False)
        with pytest.raises(Refused):
            agents.take_break(s, staff.alice, "short")
        with pytest.raises(Refused):
            agents.go_off_duty(s, staff.alice)
        assert agents.state_of(s, staff.alice.id).status is status


def test_a_missed_ring_says_why_and_changes_nobody_who_was_not_rung(db: Database, staff: Cast) -> None:
    alice = staff.alice.id
    with db.write() as s:
        assert not agents.missed(s, alice, T), "she is off duty"
        agents.choose_status(s, staff.alice, ready=True)
        agents.rings(s, alice, "a", T)
        assert agents.missed(s, alice, T, agents.DECLINED)
        state = agents.state_of(s, alice)
        assert (state.status, state.reason, state.call) == (AgentStatus.NOT_READY, "declined", None)


def test_a_ring_that_ends_elsewhere_makes_her_ready_again_and_no_other_ring(db: Database, staff: Cast) -> None:
    alice = staff.alice.id
    with db.write() as s:
        agents.choose_status(s, staff.alice, ready=True)
        agents.rings(s, alice, "b", T)
        assert not agents.stopped_ringing(s, alice, "a", T)
        assert agents.stopped_ringing(s, alice, "b", T)
        assert agents.state_of(s, alice).status is AgentStatus.READY


def test_a_silent_page_makes_her_not_ready_and_tells_her_when_it_is_back(db: Database, staff: Cast) -> None:
    alice = staff.alice.id
    with db.write() as s:
        agents.choose_status(s, staff.alice, ready=True)
        assert not agents.page_lost(s, alice, T), "no page of hers has the phone"
        agents.page_took(s, alice, "page-1")
        assert agents.page_lost(s, alice, T)
        assert agents.state_of(s, alice).reason == agents.PAGE_LOST
        assert agents.page_back(s, alice)
        state = agents.state_of(s, alice)
        assert (state.status, state.reason) == (AgentStatus.NOT_READY, agents.PAGE_BACK)


def test_a_silent_page_does_not_end_a_conversation(db: Database, staff: Cast) -> None:
    alice = staff.alice.id
    with db.write() as s:
        agents.page_took(s, alice, "page-1")
        agents.on_call(s, alice, "a", T)
        assert not agents.page_lost(s, alice, T)
        assert agents.state_of(s, alice).status is AgentStatus.ON_CALL


def test_a_page_gives_back_only_its_own_phone(db: Database, staff: Cast) -> None:
    alice = staff.alice.id
    with db.write() as s:
        agents.page_took(s, alice, "page-1")
        agents.page_took(s, alice, "page-2")
        assert not agents.page_left(s, alice, "page-1")
        assert agents.state_of(s, alice).page == "page-2"
        assert agents.page_left(s, alice, "page-2")
        assert agents.state_of(s, alice).page is None


@pytest.mark.parametrize("status", [AgentStatus.ON_CALL, AgentStatus.WRAP_UP])
def test_busy_is_waited_for_and_not_rung(db: Database, staff: Cast, status: AgentStatus) -> None:
    alice = staff.alice.id
    with db.write() as s:
        agents.set_status(s, alice, status, call="a")
        mine = [m for m in queues.desired_members(s, T, LINE) if m.interface == f"PJSIP/agent{alice}"]
    assert {(m.penalty, m.paused) for m in mine} == {(queues.PENALTY_BUSY, False)}


def test_a_button_does_not_undo_what_the_switchboard_wrote_a_moment_before(db: Database, staff: Cast) -> None:
    """On SQLite one writer waits for the other; on PostgreSQL the row is read again."""
    alice = staff.alice.id
    with db.write() as s:
        agents.set_status(s, alice, AgentStatus.READY)
    with db.read() as button:
        seen = agents.state_of(button, alice)
        button.commit()
        with db.write() as board:
            agents.on_call(board, alice, "c", T)
        with pytest.raises(Refused):
            agents.choose_status(button, staff.alice, ready=False)
        assert seen.status is AgentStatus.ON_CALL
