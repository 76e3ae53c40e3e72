"""Conversations in progress, and the case that is there from the answer on."""

import threading
from datetime import datetime, timedelta

import pytest
from sqlmodel import Session, select

from hotline.calls import conversations, wrap_ups
from hotline.calls import facts as calls
from hotline.calls.facts import Fact, Seen
from hotline.cases import work
from hotline.errors import NotFound, Refused
from hotline.keys import Keys
from hotline.referrals import directory
from models import (
    Agent,
    Case,
    CaseEvent,
    CaseStatus,
    Contact,
    Database,
    EntryKind,
    EventKind,
    Outcome,
    Party,
    PartyKind,
    Place,
    TalkRecording,
)
from models.db.types import now
from tests.support.cast import Cast
from tests.support.thailand import THAI, saw

T: datetime
LIMITS = {"join_within_s": 900, "brief_s": 10}


@pytest.fixture(autouse=True)
def _its_own_moment() -> None:
    """One that was taken at import would be as old as the run."""
    global T  # noqa: PLW0603
    T = now() - timedelta(minutes=10)


def answered(
    s: Session, keys: Keys, call: str, agent_id: int, number: str | None = "0812345678", ago_s: int = 0
) -> Contact:
    at = T - timedelta(seconds=ago_s)
    saw(s, keys, call, Fact.ARRIVED, at, Seen(linkedid=f"l-{call}", number=number, language="my"))
    saw(s, keys, call, Fact.QUEUED, at, Seen(queue="my"))
    contact = saw(s, keys, call, Fact.ANSWERED, at, Seen(handler_id=agent_id))
    conversations.begin(s, call, agent_id, at)
    calls.answered(s, contact, agent_id, at, join_within_s=900)
    return contact


def told(s: Session, kind: EventKind) -> list[CaseEvent]:
    return [e for e in s.exec(select(CaseEvent)) if e.kind is kind]


def test_an_answered_call_has_its_case_at_once_and_the_agent_has_it(db: Database, keys: Keys, staff: Cast) -> None:
    alice = staff.alice.id
    with db.write() as s:
        contact = answered(s, keys, "a", alice)
        case = s.exec(select(Case)).one()
        assert (contact.case_id, case.owner_id, case.status) == (case.id, alice, CaseStatus.NEW)
        calls.answered(s, contact, alice, T, join_within_s=900)
        calls.close(s, contact, T + timedelta(minutes=3), **LIMITS)
        calls.close(s, contact, T + timedelta(minutes=3), **LIMITS)
        assert contact.outcome is Outcome.ANSWERED
        assert len(s.exec(select(Case)).all()) == 1
        assert len(told(s, EventKind.ANSWERED)) == 1


def test_an_answer_that_is_seen_after_the_end_files_no_second_case(db: Database, keys: Keys, staff: Cast) -> None:
    with db.write() as s:
        saw(s, keys, "a", Fact.ARRIVED, T, Seen(linkedid="l", language="my"))
        contact = calls.close(s, calls.find(s, "a"), T, **LIMITS)  # type: ignore[arg-type]
        saw(s, keys, "a", Fact.ANSWERED, T, Seen(handler_id=staff.alice.id))
        calls.answered(s, contact, staff.alice.id, T, join_within_s=900)
        assert len(s.exec(select(Case)).all()) == 1


def test_after_a_dropped_call_the_same_number_joins_the_case_nobody_wrote_on(
    db: Database, keys: Keys, staff: Cast
) -> None:
    alice = staff.alice.id
    with db.write() as s:
        first = answered(s, keys, "a", alice, ago_s=60)
        saw(s, keys, "a", Fact.DROPPED, T)
        calls.close(s, first, T, **LIMITS)
        assert answered(s, keys, "b", alice).case_id == first.case_id


def test_a_call_that_simply_ended_is_not_joined_by_the_next(db: Database, keys: Keys, staff: Cast) -> None:
    alice = staff.alice.id
    with db.write() as s:
        first = answered(s, keys, "a", alice, ago_s=60)
        calls.close(s, first, T, **LIMITS)
        assert answered(s, keys, "b", alice).case_id != first.case_id


def test_after_a_dropped_call_that_was_written_down_the_next_is_a_case_of_its_own(
    db: Database, keys: Keys, staff: Cast
) -> None:
    alice = staff.alice.id
    with db.write() as s:
        first = answered(s, keys, "a", alice, ago_s=60)
        work.add_note(s, first.case_id or 0, "She was afraid.", staff.alice)
        saw(s, keys, "a", Fact.DROPPED, T)
        calls.close(s, first, T, **LIMITS)
        assert answered(s, keys, "b", alice).case_id != first.case_id


def test_the_case_follows_the_call_to_another_agent(db: Database, keys: Keys, staff: Cast) -> None:
    alice, bob = staff.alice.id, staff.bob.id
    with db.write() as s:
        contact = answered(s, keys, "a", alice)
        conversations.add_party(s, "a", "leg1", PartyKind.AGENT, T, agent_id=bob, by=staff.alice)
        conversations.party_at(s, "leg1", Place.ROOM, T)
        assert conversations.of_agent(s, bob) is not None
        conversations.hand_to(s, "a", bob, T)
        conversations.hand_to(s, "a", bob, T)
        now_ = conversations.of_call(s, "a")
        assert now_ is not None
        assert (now_.talk.agent_id, now_.parties) == (bob, [])
        assert s.get_one(Case, contact.case_id).owner_id == bob
        assert contact.handler_id == alice, "who answered stays known"
        assert len(told(s, EventKind.TRANSFERRED)) == 1


def test_a_case_that_a_colleague_works_on_does_not_follow_the_call(db: Database, keys: Keys, staff: Cast) -> None:
    with db.write() as s:
        contact = answered(s, keys, "a", staff.alice.id)
        s.get_one(Case, contact.case_id).owner_id = staff.sofia.id
        conversations.hand_to(s, "a", staff.bob.id, T)
        assert s.get_one(Case, contact.case_id).owner_id == staff.sofia.id


def test_the_case_goes_to_whoever_the_queue_gives_the_call_after_a_line_broke(
    db: Database, keys: Keys, staff: Cast
) -> None:
    """And back, should the first have her again later; who had it last is who says what the call was."""
    alice, bob = staff.alice.id, staff.bob.id
    with db.write() as s:
        contact = answered(s, keys, "a", alice)
        case = s.exec(select(Case)).one()
        for n, agent_id in enumerate((bob, alice, bob)):
            assert case.owner_id != agent_id, "the premise"
            conversations.end(s, "a")
            calls.waits_again(s, contact, T, "my")
            again = T + timedelta(seconds=n + 1)
            conversations.begin(s, "a", agent_id, again)
            calls.answered(s, contact, agent_id, again, join_within_s=900)
            assert case.owner_id == agent_id
            assert wrap_ups.teller(s, contact) == agent_id
        calls.answered(s, contact, bob, T, join_within_s=900)
        assert len(told(s, EventKind.TRANSFERRED)) == 3


def test_a_case_that_was_claimed_stays_when_another_answers_its_call(db: Database, keys: Keys, staff: Cast) -> None:
    """A case of an earlier day, which the call answered or was joined to, is not given away by a broken line."""
    alice, bob = staff.alice.id, staff.bob.id
    with db.write() as s:
        contact = answered(s, keys, "a", alice)
        case = s.exec(select(Case)).one()
        work.release(s, case.id, s.get_one(Agent, alice))
        work.claim(s, case.id, s.get_one(Agent, alice))
        conversations.end(s, "a")
        conversations.begin(s, "a", bob, T)
        calls.answered(s, contact, bob, T, join_within_s=900)
        assert case.owner_id == alice


def test_two_processes_that_write_the_same_party_at_once_make_one_row(db: Database, keys: Keys, staff: Cast) -> None:
    """The console did it, and the switchboard sees it answered before that is kept."""
    with db.write() as s:
        answered(s, keys, "a", staff.alice.id)
    barrier, errors = threading.Barrier(4), []

    def write() -> None:
        barrier.wait()
        try:
            with db.write() as s:
                assert conversations.add_party(s, "a", "c0ffee", PartyKind.AGENT, T, agent_id=staff.bob.id).agent_id
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    with db.read() as s:
        assert len(s.exec(select(Party)).all()) == 1
        assert len(told(s, EventKind.CALLED_IN)) == 1


def test_an_outside_party_that_the_switchboard_saw_first_gets_her_entry_of_the_directory(
    db: Database, keys: Keys, staff: Cast
) -> None:
    with db.write() as s:
        entry = directory.add(
            s, keys, staff.sofia, name="Shelter", kind=EntryKind.SHELTER, number="+6620001111", numbering=THAI
        )
        answered(s, keys, "a", staff.alice.id)
        conversations.add_party(s, "a", "c0ffee", PartyKind.OUTSIDE, T)
        conversations.add_party(s, "a", "c0ffee", PartyKind.OUTSIDE, T, entry_id=entry.id, by=staff.alice)
        assert s.get_one(Party, "c0ffee").entry_id == entry.id
        conversations.add_party(s, "a", "c0ffee", PartyKind.OUTSIDE, T)
        assert s.get_one(Party, "c0ffee").entry_id == entry.id
        assert len(told(s, EventKind.CALLED_IN)) == 1


def test_an_emergency_ends_when_a_supervisor_takes_the_call(db: Database, keys: Keys, staff: Cast) -> None:
    with db.write() as s:
        answered(s, keys, "a", staff.alice.id)
        conversations.emergency(s, "a", staff.alice, T)
        conversations.add_party(s, "a", "c0ffee", PartyKind.SUPERVISOR, T)
        conversations.hand_to(s, "a", staff.bob.id, T)
        assert [t.contact.call for t in conversations.emergencies(s)] == ["a"], (
            "a colleague who takes it still needs one"
        )
        conversations.party_at(s, "c0ffee", Place.ROOM, T, staff.sofia.id)
        conversations.hand_to(s, "a", staff.sofia.id, T)
        assert conversations.emergencies(s) == []


def test_only_who_leads_may_act_on_a_conversation(db: Database, keys: Keys, staff: Cast) -> None:
    with db.write() as s:
        answered(s, keys, "a", staff.alice.id)
        assert conversations.led_by(s, "a", staff.alice).contact.call == "a"
        with pytest.raises(Refused):
            conversations.led_by(s, "a", staff.bob)
        assert conversations.end(s, "a")
        assert not conversations.end(s, "a")
        with pytest.raises(NotFound):
            conversations.led_by(s, "a", staff.alice)


def test_a_caller_whose_agent_broke_off_waits_again_and_first(db: Database, keys: Keys, staff: Cast) -> None:
    with db.write() as s:
        saw(s, keys, "early", Fact.ARRIVED, T - timedelta(minutes=5), Seen(linkedid="l-early", language="my"))
        saw(s, keys, "early", Fact.QUEUED, T - timedelta(minutes=5), Seen(queue="my"))
        contact = answered(s, keys, "a", staff.alice.id)
        assert [c.call for c in calls.waiting(s)] == ["early"]
        calls.waits_again(s, contact, T)
        assert [c.call for c in calls.waiting(s)] == ["a", "early"]
        calls.answered(s, contact, staff.bob.id, T, join_within_s=900)
        assert [c.call for c in calls.waiting(s)] == ["early"]


def test_who_waits_again_is_not_said_to_be_recorded(db: Database, keys: Keys, staff: Cast) -> None:
    """The recording ended with the conversation; that they agreed to one stays."""
    with db.write() as s:
        contact = answered(s, keys, "a", staff.alice.id)
        contact.recording = TalkRecording.RUNNING
        calls.waits_again(s, contact, T)
        assert contact.recording is TalkRecording.CONSENTED
        assert not calls.not_recorded(contact)


def test_an_emergency_is_told_and_shown_until_the_call_is_over(db: Database, keys: Keys, staff: Cast) -> None:
    with db.write() as s:
        answered(s, keys, "a", staff.alice.id)
        conversations.emergency(s, "a", staff.alice, T)
        assert [t.contact.call for t in conversations.emergencies(s)] == ["a"]
        assert len(told(s, EventKind.EMERGENCY)) == 1
        conversations.end(s, "a")
        assert conversations.emergencies(s) == []
