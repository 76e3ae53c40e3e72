"""The writer: in order, all of it, however long the database is away."""

import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from sqlmodel import Session, select

from hotline import nudges
from hotline.callers import callers
from hotline.calls import conversations
from hotline.calls.facts import Fact, Seen
from hotline.staff import states as agents
from models import (
    AgentState,
    AgentStatus,
    Case,
    CaseEvent,
    Contact,
    Conversation,
    Database,
    Outcome,
    Party,
    PartyKind,
    Place,
)
from telephony.switchboard.changes.calls import (
    Answered,
    Arrived,
    CallbackDialled,
    CallRef,
    ChangeContext,
    Dropped,
    Ended,
    LeftCall,
    PartyGone,
    PartyMoved,
    PhoneSeen,
    Queued,
    Resumed,
    WrapUpsDue,
)
from telephony.switchboard.changes.rings import Missed, RingStarted, StoppedRinging
from telephony.switchboard.writer import ChangeWriter
from tests.support.cast import Cast
from tests.support.databases import locked
from tests.support.thailand import THAI, saw
from tests.support.wait import PATIENCE_S, until
from tests.unit.telephony.conftest import Told

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def call(n: int = 1, named: bool = True) -> CallRef:
    return CallRef(f"1.{n}", f"call-{n}" if named else None, NOON, "1800123456")


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def written(ledger: ChangeWriter) -> None:
    until(lambda: ledger.pending == 0)


def contacts(db: Database) -> list[Contact]:
    with db.read() as session:
        found = list(session.exec(select(Contact).order_by(Contact.id)))  # type: ignore[arg-type]
        session.expunge_all()
        return found


def state(db: Database, agent_id: int | None) -> AgentState:
    with db.read() as session:
        found = session.get(AgentState, agent_id)
        session.expunge_all()
    assert found is not None
    return found


def set_ready(db: Database, agent_id: int | None) -> None:
    with db.write() as session:
        row = session.get(AgentState, agent_id)
        assert row is not None
        row.status = AgentStatus.READY
        session.add(row)


@dataclass(frozen=True)
class Poison:
    """A change with a mistake in it."""

    tried: list[int]

    def apply(self, session: Session, desk: ChangeContext) -> list[str]:
        self.tried.append(1)
        raise KeyError("a mistake")


def test_an_answered_call_becomes_one_row_one_case_and_a_free_agent(
    db: Database, ledger: ChangeWriter, staff: Cast, told: Told
) -> None:
    alice = staff.alice.id
    ledger.put(
        Arrived(call(), after(0)),
        Queued(call(), after(5), "my"),
        Answered(call(), after(9), alice),
    )
    written(ledger)
    assert state(db, alice).status is AgentStatus.ON_CALL
    assert state(db, alice).call == "call-1"
    ledger.put(LeftCall(alice, "call-1", after(60)), Ended(call(), after(61)))
    written(ledger)
    (row,) = contacts(db)
    assert (row.outcome, row.handler_id, row.queue, row.language) == (Outcome.ANSWERED, alice, "my", "my")
    assert (row.wait_s, row.talk_s, row.line) == (4, 52, "1800123456")
    assert row.case_id is not None
    assert (state(db, alice).status, state(db, alice).call) == (AgentStatus.WRAP_UP, "call-1")
    assert {
        nudges.QUEUE_CHANGED,
        nudges.AGENTS_CHANGED,
        nudges.SPOOL_CHANGED,
        nudges.call_changed(row.id),
        nudges.case_changed(row.case_id),
    } <= set(told)


def test_everything_twice_changes_nothing(db: Database, ledger: ChangeWriter, staff: Cast) -> None:
    alice = staff.alice.id
    story = [
        Arrived(call(), after(0)),
        Queued(call(), after(5), "my"),
        Answered(call(), after(9), alice),
        LeftCall(alice, "call-1", after(60)),
        Ended(call(), after(61)),
    ]
    ledger.put(*story)
    written(ledger)
    (before,) = contacts(db)
    ledger.put(*story, *story[:2], story[-1])
    written(ledger)
    (row,) = contacts(db)
    assert row.model_dump() == before.model_dump()
    assert state(db, alice).status is AgentStatus.WRAP_UP


def test_five_hundred_changes_while_the_database_is_locked_are_all_written_in_order(
    db: Database, ledger: ChangeWriter
) -> None:
    db_waits = Database(db.url, busy_s=0.2)
    ledger._db = db_waits
    with locked(db):
        for n in range(100):
            ledger.put(
                Arrived(call(n), after(n)),
                Queued(call(n), after(n + 1), "my"),
                Queued(call(n), after(n + 2), "th"),
                Ended(call(n), after(n + 30)),
                Ended(call(n), after(n + 99)),
            )
        until(lambda: ledger.stuck)
        assert contacts(db) == []
        assert ledger.alive
        assert ledger.pending == 500
    written(ledger)
    rows = contacts(db)
    assert [row.call for row in rows] == [f"call-{n}" for n in range(100)]
    assert {(row.queue, row.outcome) for row in rows} == {("my", Outcome.ABANDONED_IN_QUEUE)}, "first said is kept"
    assert [row.duration_s for row in rows] == [n + 30 for n in range(100)]
    assert len({row.case_id for row in rows}) == 100
    assert not ledger.stuck
    db_waits.dispose()


def test_a_change_that_cannot_be_written_is_left_out_and_the_others_are_not(db: Database, ledger: ChangeWriter) -> None:
    tried: list[int] = []
    with locked(db):
        ledger.put(Arrived(call(1), after(0)), Poison(tried), PhoneSeen(999_999, True), Arrived(call(2), after(0)))
    written(ledger)
    assert [row.call for row in contacts(db)] == ["call-1", "call-2"]
    assert len(tried) >= 3, "it had its chances"


def test_a_stop_writes_what_is_left(db: Database, desk: ChangeContext, told: Told) -> None:
    ledger = ChangeWriter(db, desk, told.tell)
    ledger.put(*(Arrived(call(n), after(n)) for n in range(250)))
    ledger.start()
    ledger.stop(within_s=PATIENCE_S)
    assert len(contacts(db)) == 250
    assert not ledger.alive


def test_a_stop_does_not_wait_for_ever_for_a_locked_database(db: Database, desk: ChangeContext, told: Told) -> None:
    ledger = ChangeWriter(Database(db.url, busy_s=0.2), desk, told.tell)
    with locked(db):
        ledger.start()
        ledger.put(Arrived(call(), after(0)))
        until(lambda: ledger.stuck)
        ledger.stop(within_s=0.3)
        assert not ledger.alive


def test_put_waits_when_the_ledger_is_full(db: Database, desk: ChangeContext, told: Told) -> None:
    ledger = ChangeWriter(db, desk, told.tell, limit=2)
    putting = threading.Thread(target=lambda: ledger.put(*(Arrived(call(n), after(n)) for n in range(5))))
    putting.start()
    until(lambda: ledger.pending == 2)
    assert putting.is_alive()
    ledger.start()
    putting.join(PATIENCE_S)
    ledger.stop()
    assert len(contacts(db)) == 5


def test_a_call_that_was_closed_without_its_name_gets_the_name_and_stays_one_case(
    db: Database, ledger: ChangeWriter
) -> None:
    ledger.put(Ended(call(named=False), after(8)))
    written(ledger)
    (row,) = contacts(db)
    assert row.call == "linkedid:1.1"
    ledger.put(Arrived(call(), after(0)), Ended(call(), after(8)))
    written(ledger)
    (named,) = contacts(db)
    assert (named.call, named.case_id, named.id) == ("call-1", row.case_id, row.id)


def test_a_late_fact_without_a_name_goes_to_the_row_with_the_name(db: Database, ledger: ChangeWriter) -> None:
    ledger.put(Arrived(call(), after(0)), Ended(call(named=False), after(8)))
    written(ledger)
    (row,) = contacts(db)
    assert (row.call, row.duration_s) == ("call-1", 8)


def test_an_answer_that_was_learned_late_mends_the_outcome_and_holds_nobody(
    db: Database, ledger: ChangeWriter, staff: Cast
) -> None:
    alice = staff.alice.id
    ledger.put(Arrived(call(), after(0)), Ended(call(), after(8)))
    written(ledger)
    assert contacts(db)[0].outcome is Outcome.ABANDONED_IN_MENU
    ledger.put(Answered(call(), after(5), alice))
    written(ledger)
    (row,) = contacts(db)
    assert (row.outcome, row.handler_id) == (Outcome.ANSWERED, alice)
    assert state(db, alice).status is not AgentStatus.ON_CALL


def test_no_duration_is_negative_when_the_clock_is_set_back(db: Database, ledger: ChangeWriter, staff: Cast) -> None:
    alice = staff.alice.id
    ledger.put(
        Arrived(call(), after(0)),
        Queued(call(), after(-3600), "my"),
        Answered(call(), after(-3500), alice),
        Ended(call(), after(-3400)),
    )
    written(ledger)
    (row,) = contacts(db)
    assert (row.duration_s, row.wait_s, row.talk_s) == (0, 0, 0)
    assert row.queued_at == row.answered_at == row.ended_at == after(0)


def test_the_end_of_an_earlier_call_does_not_free_an_agent_from_the_next(
    db: Database, ledger: ChangeWriter, staff: Cast
) -> None:
    alice = staff.alice.id
    ledger.put(
        Answered(call(1), after(5), alice),
        LeftCall(alice, "call-1", after(9)),
        Answered(call(2), after(10), alice),
        LeftCall(alice, "call-1", after(11)),
    )
    written(ledger)
    assert state(db, alice).status is AgentStatus.ON_CALL
    assert state(db, alice).call == "call-2"


@pytest.mark.parametrize("before", [AgentStatus.OFFLINE, AgentStatus.ON_CALL])
def test_a_missed_ring_asks_only_who_was_ready(
    db: Database, ledger: ChangeWriter, staff: Cast, before: AgentStatus
) -> None:
    alice, bob = staff.alice.id, staff.bob.id
    set_ready(db, alice)
    if before is AgentStatus.ON_CALL:
        ledger.put(Answered(call(), after(0), bob))
    ledger.put(Missed(alice, after(1)), Missed(bob, after(1)))
    written(ledger)
    assert (state(db, alice).status, state(db, alice).reason) == (AgentStatus.NOT_READY, "missed_ring")
    assert state(db, bob).status is before


def test_a_leg_that_is_answered_means_nothing_before_the_call_was(
    db: Database, ledger: ChangeWriter, staff: Cast
) -> None:
    alice = staff.alice.id
    ledger.put(Arrived(call(), after(0)), Resumed(call(), after(1), alice))
    written(ledger)
    assert state(db, alice).status is AgentStatus.OFFLINE
    ledger.put(Answered(call(), after(2), alice), LeftCall(alice, "call-1", after(3)), Resumed(call(), after(4), alice))
    written(ledger)
    assert state(db, alice).status is AgentStatus.ON_CALL


def test_a_phone_that_changes_nothing_wakes_nobody(db: Database, ledger: ChangeWriter, staff: Cast, told: Told) -> None:
    alice = staff.alice.id
    ledger.put(PhoneSeen(alice, True))
    written(ledger)
    assert told == [nudges.AGENTS_CHANGED]
    ledger.put(PhoneSeen(alice, True))
    written(ledger)
    assert told == [nudges.AGENTS_CHANGED]
    assert state(db, alice).reachable


def test_the_queue_of_a_caller_who_pressed_nothing_is_not_the_language_she_is_offered_next_time(
    db: Database, ledger: ChangeWriter, desk: ChangeContext
) -> None:
    with db.write() as session:
        seen = Seen(linkedid="1.1", number="0812345678", language="my")
        saw(session, desk.keys, "before", Fact.LANGUAGE, NOON, seen)
        seen = Seen(linkedid="1.2", number="0812345678", language="en", chosen=False)
        saw(session, desk.keys, "call-2", Fact.LANGUAGE, after(60), seen)
    ledger.put(Queued(call(2), after(61), "en"))
    written(ledger)
    with db.read() as session:
        assert callers.last_language(session, desk.keys, "0812345678", THAI, after(3600)) == "my"


def set_up_talk(db: Database, ledger: ChangeWriter, alice: int) -> None:
    """Alice has call 1."""
    ledger.put(Arrived(call(), after(0)), Queued(call(), after(1), "my"), Answered(call(), after(5), alice))
    written(ledger)


def test_a_phone_that_rings_holds_her_until_it_stops_or_she_says_no(
    db: Database, ledger: ChangeWriter, staff: Cast
) -> None:
    alice, bob = staff.alice.id, staff.bob.id
    for agent_id in (alice, bob):
        set_ready(db, agent_id)
    ledger.put(RingStarted(alice, "call-1", after(0)), RingStarted(bob, "call-1", after(0)))
    written(ledger)
    assert (state(db, alice).status, state(db, alice).call) == (AgentStatus.RINGING, "call-1")
    ledger.put(StoppedRinging(alice, "another call", after(1)))
    written(ledger)
    assert state(db, alice).status is AgentStatus.RINGING
    with db.write() as session:
        agents.missed(session, bob, after(1), agents.DECLINED)
    ledger.put(
        Missed(bob, after(2)), StoppedRinging(bob, "call-1", after(2)), StoppedRinging(alice, "call-1", after(2))
    )
    written(ledger)
    assert state(db, alice).status is AgentStatus.READY
    assert (state(db, bob).status, state(db, bob).reason) == (AgentStatus.NOT_READY, agents.DECLINED)


def test_the_case_is_filed_at_the_answer_and_an_answer_that_is_told_again_changes_nothing(
    db: Database, ledger: ChangeWriter, staff: Cast
) -> None:
    alice = staff.alice.id
    set_up_talk(db, ledger, alice)

    def filed() -> dict[str, object]:
        with db.read() as session:
            case = session.exec(select(Case)).one()
            told = session.exec(select(CaseEvent)).all()
            return {**case.model_dump(), "told": len(told), "talks": len(session.exec(select(Conversation)).all())}

    before = filed()
    assert before["owner_id"] == alice
    ledger.put(Answered(call(), after(6), alice), Resumed(call(), after(7), alice))
    written(ledger)
    assert filed() == before


def test_a_party_who_answers_before_the_console_has_written_her_down_is_kept(
    db: Database, ledger: ChangeWriter, staff: Cast
) -> None:
    alice, bob = staff.alice.id, staff.bob.id
    set_up_talk(db, ledger, alice)
    ledger.put(PartyMoved(call(), "c0ffee", Place.ROOM, after(9), bob))
    written(ledger)
    with db.write() as session:
        party = conversations.add_party(
            session, "call-1", "c0ffee", PartyKind.AGENT, after(9), agent_id=bob, by=staff.alice
        )
        assert party.place is Place.ROOM
    assert state(db, bob).status is AgentStatus.ON_CALL
    ledger.put(PartyGone(call(), "c0ffee", after(20)), LeftCall(bob, "call-1", after(20), wrap_up=False))
    written(ledger)
    assert state(db, bob).status is AgentStatus.OFFLINE
    with db.read() as session:
        assert session.exec(select(Party)).all() == []


def test_the_end_of_a_call_ends_its_conversation_and_keeps_that_it_was_dropped(
    db: Database, ledger: ChangeWriter, staff: Cast
) -> None:
    set_up_talk(db, ledger, staff.alice.id)
    ledger.put(Dropped(call(), after(30)), Ended(call(), after(30)))
    written(ledger)
    (row,) = contacts(db)
    assert (row.dropped_at, row.outcome) == (after(30), Outcome.ANSWERED)
    with db.read() as session:
        assert session.exec(select(Conversation)).all() == []


def test_a_caller_who_was_answered_waits_again_in_the_queue_she_was_sent_to(
    db: Database, ledger: ChangeWriter, staff: Cast
) -> None:
    set_up_talk(db, ledger, staff.alice.id)
    ledger.put(Queued(call(), after(60), "th"))
    written(ledger)
    (row,) = contacts(db)
    assert (row.waits_again_at, row.queue, row.queued_at, row.language) == (after(60), "th", after(1), "my")
    with db.read() as session:
        assert session.exec(select(Conversation)).all() == []
    ledger.put(Answered(call(), after(70), staff.bob.id))
    written(ledger)
    (row,) = contacts(db)
    assert (row.waits_again_at, row.answered_at, row.handler_id) == (None, after(5), staff.alice.id)


def test_a_call_of_ours_that_the_console_did_not_write_leaves_no_trace(
    db: Database, ledger: ChangeWriter, staff: Cast
) -> None:
    alice = staff.alice.id
    ours = CallRef("8.1", "ours", ours=True)
    ledger.put(
        CallbackDialled(ours, after(0), alice),
        Answered(ours, after(5), alice),
        Queued(ours, after(6), "my"),
        Dropped(ours, after(7)),
        Ended(ours, after(7)),
    )
    written(ledger)
    assert contacts(db) == []
    with db.read() as session:
        assert session.exec(select(Case.id)).all() == []


def test_wrap_ups_end_when_their_time_is_over(db: Database, ledger: ChangeWriter, staff: Cast, told: Told) -> None:
    alice = staff.alice.id
    set_ready(db, alice)
    set_up_talk(db, ledger, alice)
    ledger.put(LeftCall(alice, "call-1", after(60)), WrapUpsDue(after(61)))
    written(ledger)
    assert state(db, alice).status is AgentStatus.WRAP_UP
    told.clear()
    ledger.put(WrapUpsDue(after(60 + 120)))
    written(ledger)
    assert state(db, alice).status is not AgentStatus.WRAP_UP
    assert nudges.AGENTS_CHANGED in told
