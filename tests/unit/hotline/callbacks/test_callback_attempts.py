"""Calling a worker back: looked at again at the click, one call however many click, and what comes of it."""

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlmodel import Session, select

from hotline import audit
from hotline.callbacks import attempts as callback_attempts
from hotline.callbacks import items as callbacks
from hotline.callbacks.attempts import DialRefused
from hotline.calls import facts as calls
from hotline.calls.facts import Fact, Seen
from hotline.errors import NotAllowed, Refused
from hotline.intake import safety_form
from hotline.keys import Keys
from hotline.safety.gate import Reason
from hotline.settings import Settings
from hotline.staff import states as agents
from models import (
    AgentStatus,
    AttemptOutcome,
    AuditEntry,
    Callback,
    CallbackAttempt,
    CallbackEnd,
    CallbackKind,
    CallbackSafety,
    Case,
    CaseEvent,
    CaseStatus,
    Contact,
    Database,
    Direction,
    EventKind,
    Outcome,
    Safety,
)
from tests.support.cast import Cast
from tests.support.thailand import saw
from tests.support.wait import PATIENCE_S

BANGKOK = ZoneInfo("Asia/Bangkok")
AT = datetime(2026, 11, 23, 10, tzinfo=BANGKOK)  # a Monday
HOUR = timedelta(hours=1)
LIMITS = {"join_within_s": 900, "brief_s": 10}
NOBODY, MACHINE, DROPPED = AttemptOutcome.NOBODY, AttemptOutcome.MACHINE, AttemptOutcome.DROPPED
REACHED, SOMEBODY_ELSE = AttemptOutcome.REACHED, AttemptOutcome.SOMEBODY_ELSE


@dataclass
class Owed:
    """A call-back that may be made at AT, and how to make it."""

    s: Session
    keys: Keys
    settings: Settings
    cast: Cast
    item: Callback
    safety: Safety

    @property
    def id(self) -> int:
        return self.item.id

    def begin(self, who: str = "alice", at: datetime = AT) -> tuple[Contact, str]:
        return callback_attempts.begin_attempt(self.s, self.keys, self.id, getattr(self.cast, who), at, self.settings)

    def hang_up(self, contact: Contact, at: datetime, *, answered: bool = False) -> None:
        contact.answered_at = at if answered else None
        calls.close(self.s, contact, at, **LIMITS)

    def say(self, outcome: AttemptOutcome, at: datetime = AT, who: str = "alice") -> Callback:
        return callback_attempts.said(self.s, self.id, outcome, getattr(self.cast, who), at, self.settings)

    def try_once(self, outcome: AttemptOutcome, at: datetime = AT, who: str = "alice") -> Callback:
        contact, _ = self.begin(who, at)
        self.hang_up(contact, at + timedelta(minutes=1), answered=True)
        return self.say(outcome, at + timedelta(minutes=1), who)

    def refused(self, who: str = "alice", at: datetime = AT) -> Reason | None:
        refusal = callbacks.may_dial(self.s, self.item, getattr(self.cast, who), at, self.settings)
        return refusal.code if refusal else None

    def told(self) -> list[str]:
        lines = self.s.exec(select(CaseEvent).order_by(CaseEvent.id))  # type: ignore[arg-type]
        return [str(line.detail["what"]) for line in lines if line.kind is EventKind.CALLBACK]


def owed(s: Session, keys: Keys, settings: Settings, cast: Cast, name: str = "a", number: str = "0812345678") -> Owed:
    at = AT - HOUR
    saw(s, keys, name, Fact.ARRIVED, at, Seen(linkedid=name, number=number))
    contact = saw(s, keys, name, Fact.KEY, at, Seen(language="my"))
    saw(s, keys, name, Fact.QUEUED, at)
    calls.close(s, contact, at + timedelta(minutes=1), **LIMITS)
    callbacks.note_call(s, contact, at)
    item = s.exec(select(Callback).where(Callback.contact_id == contact.id)).one()
    safety = s.get_one(Safety, contact.case_id)
    safety.callback, safety.window, safety.reviewed_at = CallbackSafety.SAFE, "08:00-20:00", AT - timedelta(days=1)
    s.add(safety)
    s.flush()
    return Owed(s, keys, settings, cast, item, safety)


def test_a_click_makes_one_outgoing_call_of_the_case(db: Database, staff: Cast, keys: Keys, settings: Settings) -> None:
    with db.write() as s:
        o = owed(s, keys, settings, staff)
        contact, number = o.begin()
        assert number == "+66812345678"
        assert (contact.direction, contact.case_id, contact.caller_id, contact.language, contact.line) == (
            Direction.OUTBOUND,
            o.item.case_id,
            o.item.caller_id,
            "my",
            None,
        )
        assert (contact.handler_id, contact.arrived_at) == (staff.alice.id, AT)
        assert (o.item.attempts, o.item.owner_id, o.item.locked_until) == (1, staff.alice.id, AT + callbacks.LOCK)
        assert s.get_one(Case, o.item.case_id).touched_at == AT
        assert o.told() == ["noted", "dialled"]
        assert "called_back" in [entry.act for entry in s.exec(select(AuditEntry))]
        assert audit.first_broken(s) is None
        assert "812345678" not in str([e.detail for e in s.exec(select(AuditEntry))])
        assert "812345678" not in str([e.detail for e in s.exec(select(CaseEvent))])


def test_when_two_click_the_telephone_rings_once(db: Database, staff: Cast, keys: Keys, settings: Settings) -> None:
    with db.write() as s:
        item_id = owed(s, keys, settings, staff).id
    barrier, dialled, refused = threading.Barrier(4), [], []

    def click(who: str) -> None:
        barrier.wait()
        try:
            with db.write() as s:
                agent = getattr(staff, who)
                dialled.append(callback_attempts.begin_attempt(s, keys, item_id, agent, AT, settings))
        except DialRefused as error:
            refused.append(error.refusal.code)

    threads = [threading.Thread(target=click, args=(who,)) for who in ("alice", "alice", "bob", "sofia")]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(dialled) == 1
    assert set(refused) == {Reason.CALLER_ON_LINE}
    with db.read() as s:
        assert len(s.exec(select(CallbackAttempt)).all()) == 1


def another_case(s: Session, o: Owed) -> Case:
    other = Case(caller_id=o.item.caller_id, reference="C-0001", status=CaseStatus.CLOSED)
    s.add(other)
    s.flush()
    s.add(Safety(case_id=other.id))
    s.flush()
    return other


@pytest.mark.parametrize("where", [Reason.UNSAFE, Reason.OTHER_CASE_UNSAFE])
def test_what_is_said_unsafe_while_somebody_clicks_counts(
    db: Database, staff: Cast, keys: Keys, settings: Settings, where: Reason
) -> None:
    with db.write() as s:
        o = owed(s, keys, settings, staff)
        other = another_case(s, o)
        assert o.refused() is None
        item_id, case_id = o.id, o.item.case_id
        said_of = case_id if where is Reason.UNSAFE else other.id
    said, never = threading.Event(), threading.Event()

    def say_unsafe() -> None:
        with db.write() as s:
            safety_form.set_safety(s, said_of, staff.bob, callback=CallbackSafety.UNSAFE)
            said.set()
            never.wait(0.5)  # not committed yet while the other one clicks

    saying = threading.Thread(target=say_unsafe)
    saying.start()
    assert said.wait(PATIENCE_S)
    with pytest.raises(DialRefused) as caught, db.write() as s:
        callback_attempts.begin_attempt(s, keys, item_id, staff.alice, AT, settings)
    saying.join()
    assert caught.value.refusal.code is where
    with db.write() as s:
        callback_attempts.note_refusal(s, caught.value, staff.alice)
        [entry] = [e for e in s.exec(select(AuditEntry)) if e.act == "call_back_refused"]
        assert (entry.subject, entry.detail["reason"]) == (f"case:{case_id}", where)
        assert s.exec(select(CallbackAttempt)).all() == []


@pytest.mark.parametrize("callback", [CallbackSafety.UNSAFE, CallbackSafety.NEVER])
def test_another_case_of_the_same_telephone_forbids(
    db: Database, staff: Cast, keys: Keys, settings: Settings, callback: CallbackSafety
) -> None:
    with db.write() as s:
        o = owed(s, keys, settings, staff)
        other = another_case(s, o)
        assert o.refused() is None, "unknown elsewhere says nothing"
        s.get_one(Safety, other.id).callback = callback
        s.flush()
        with pytest.raises(DialRefused, match="C-0001"):
            o.begin()


def test_a_call_joined_from_another_telephone_is_not_covered_by_what_the_case_knows(
    db: Database, staff: Cast, keys: Keys, settings: Settings
) -> None:
    with db.write() as s:
        o = owed(s, keys, settings, staff)
        other = owed(s, keys, settings, staff, "b", "0899999999")
        other.item.case_id = o.item.case_id
        s.flush()
        assert other.refused() is Reason.OTHER_TELEPHONE
        s.get_one(Case, o.item.case_id).caller_id = None
        s.flush()
        assert o.refused() is Reason.OTHER_TELEPHONE


def test_a_conversation_that_broke_off_is_taken_up_only_if_she_said_so(
    db: Database, staff: Cast, keys: Keys, settings: Settings
) -> None:
    with db.write() as s:
        o = owed(s, keys, settings, staff)
        contact = s.get_one(Contact, o.item.contact_id)
        contact.answered_at = contact.dropped_at = contact.arrived_at
        contact.outcome = Outcome.ANSWERED
        s.flush()
        assert o.refused() is Reason.DROP_NOT_AGREED
        o.safety.if_drops = "we_call_back"
        s.flush()
        assert o.refused() is None


def test_a_clock_that_was_set_back_behind_what_happened_dials_nothing(
    db: Database, staff: Cast, keys: Keys, settings: Settings
) -> None:
    with db.write() as s:
        o = owed(s, keys, settings, staff)
        assert o.safety.reviewed_at is not None
        assert o.refused(at=o.safety.reviewed_at + HOUR) is Reason.CLOCK_WRONG


def test_nobody_is_called_while_that_telephone_is_in_a_call_with_us(
    db: Database, staff: Cast, keys: Keys, settings: Settings
) -> None:
    with db.write() as s:
        o = owed(s, keys, settings, staff)
        saw(s, keys, "now", Fact.ARRIVED, AT, Seen(number="0812345678"))
        assert o.refused() is Reason.CALLER_ON_LINE


@pytest.mark.parametrize("status", [AgentStatus.ON_CALL, AgentStatus.RINGING])
def test_an_agent_in_a_call_calls_nobody(
    db: Database, staff: Cast, keys: Keys, settings: Settings, status: AgentStatus
) -> None:
    with db.write() as s:
        o = owed(s, keys, settings, staff)
        agents.set_status(s, staff.alice.id, status, call="x")
        with pytest.raises(Refused, match="on a call"):
            o.begin()


def test_without_the_key_nothing_is_opened(db: Database, staff: Cast, keys: Keys, settings: Settings) -> None:
    with db.write() as s:
        o = owed(s, keys, settings, staff)
        o.keys = Keys(keys.public, keys.index)
        with pytest.raises(NotAllowed):
            o.begin()


def test_a_line_that_refuses_is_no_try(db: Database, staff: Cast, keys: Keys, settings: Settings) -> None:
    with db.write() as s:
        o = owed(s, keys, settings, staff)
        contact, _ = o.begin()
        assert callback_attempts.attempt_failed(s, contact.id, AT, "no_trunk")
        assert not callback_attempts.attempt_failed(s, contact.id, AT)
        assert (o.item.attempts, contact.outcome, contact.ended_at) == (0, Outcome.NOT_REACHED, AT)
        calls.close(s, contact, AT, **LIMITS)
        assert callback_attempts.unanswered(s, contact, AT, settings) is None
        assert o.told() == ["noted", "dialled", "line_failed"]
        assert o.refused() is None
        answered, _ = o.begin()
        answered.answered_at = AT
        s.flush()
        assert not callback_attempts.attempt_failed(s, answered.id, AT), "she is in conversation"


def test_nobody_there_is_tried_again_in_two_hours_inside_her_hours(
    db: Database, staff: Cast, keys: Keys, settings: Settings
) -> None:
    with db.write() as s:
        o = owed(s, keys, settings, staff)
        contact, _ = o.begin()
        o.hang_up(contact, AT)
        for _ in range(2):
            callback_attempts.unanswered(s, contact, AT, settings)
        assert contact.outcome is Outcome.NOT_REACHED
        assert (o.item.attempts, o.item.due_at, o.item.locked_until) == (1, AT + 2 * HOUR, None)
        assert o.say(NOBODY, AT + HOUR).due_at == AT + 2 * HOUR, "the line has said so already"
        assert o.say(MACHINE, AT + HOUR).due_at == AT + 2 * HOUR, "one try, one wait"
        assert o.refused() is Reason.TOO_SOON
        assert o.refused(at=AT + 2 * HOUR) is None
        o.try_once(MACHINE, AT + 9 * HOUR)
        assert o.item.due_at == (AT + timedelta(hours=22)).astimezone(BANGKOK), "at eight the next morning"
        assert o.told() == ["noted", "dialled", "nobody", "machine", "dialled", "machine"]


def test_the_third_miss_goes_to_a_supervisor(db: Database, staff: Cast, keys: Keys, settings: Settings) -> None:
    with db.write() as s:
        o = owed(s, keys, settings, staff)
        for n in range(3):
            assert o.item.for_supervisor_at is None
            o.try_once(NOBODY, AT + 2.5 * n * HOUR)
        assert o.item.for_supervisor_at is not None
        assert o.told()[-1] == "for_supervisor"
        later = AT + timedelta(hours=26)
        assert o.refused(at=later) is Reason.TRIES_USED_UP
        assert o.refused("sofia", AT + 6 * HOUR) is Reason.TOO_SOON
        assert o.refused("sofia", later) is None
        o.try_once(NOBODY, later, "sofia")
        assert o.told().count("for_supervisor") == 1


def test_reached_ends_it(db: Database, staff: Cast, keys: Keys, settings: Settings) -> None:
    with db.write() as s:
        o = owed(s, keys, settings, staff)
        item = o.try_once(REACHED)
        assert (item.end, item.ended_by_id, item.open_for) == (CallbackEnd.REACHED, staff.alice.id, None)
        o.say(REACHED)
        assert o.refused() is Reason.ENDED
        with pytest.raises(Refused):
            o.say(NOBODY)
        assert o.told() == ["noted", "dialled", "reached"]


@pytest.mark.parametrize("first", [None, NOBODY, REACHED])
def test_somebody_else_makes_calling_unsafe_whatever_was_said_before(
    db: Database, staff: Cast, keys: Keys, settings: Settings, first: AttemptOutcome | None
) -> None:
    with db.write() as s:
        o = owed(s, keys, settings, staff)
        contact, _ = o.begin()
        o.hang_up(contact, AT, answered=first is not NOBODY)
        if first is not None:
            o.say(first)
        item = o.say(SOMEBODY_ELSE)
        assert (item.end, item.open_for) == (CallbackEnd.UNSAFE, None)
        safety = s.get_one(Safety, item.case_id)
        assert safety.callback is CallbackSafety.UNSAFE
        acts = [entry.act for entry in s.exec(select(AuditEntry))]
        assert {"safety_changed", "call_back_said"} <= set(acts)
        with pytest.raises(Refused):
            o.say(REACHED)
        again = callbacks.open_for_case(s, item.case_id, staff.alice, AT)
        o.item = again
        assert o.refused() is Reason.UNSAFE


@pytest.mark.parametrize("if_drops", [None, "wait", "we_call_back"])
def test_a_dropped_line_is_called_again_only_if_she_said_so(
    db: Database, staff: Cast, keys: Keys, settings: Settings, if_drops: str | None
) -> None:
    with db.write() as s:
        o = owed(s, keys, settings, staff)
        o.safety.if_drops = if_drops
        item = o.try_once(DROPPED)
        if if_drops == "we_call_back":
            assert (item.end, item.kind) == (None, CallbackKind.DROPPED)
            assert o.refused(at=AT + timedelta(minutes=1)) is None, "at once"
        else:
            assert (item.end, item.end_reason) == (CallbackEnd.CLOSED, callback_attempts.DROPPED_AND_NOT_AGREED)


def test_a_line_that_dropped_is_not_called_again_when_she_takes_her_word_back(
    db: Database, staff: Cast, keys: Keys, settings: Settings
) -> None:
    with db.write() as s:
        o = owed(s, keys, settings, staff)
        o.safety.if_drops = "we_call_back"
        o.try_once(DROPPED)
        assert o.refused(at=AT + HOUR) is None
        o.safety.if_drops = "wait"
        s.flush()
        assert o.refused(at=AT + HOUR) is Reason.DROP_NOT_AGREED


@pytest.mark.parametrize(
    ("tries", "said", "refused"),
    [(1, NOBODY, Reason.TOO_SOON), (3, NOBODY, Reason.TRIES_USED_UP), (1, DROPPED, Reason.DROP_NOT_AGREED)],
)
def test_closing_an_item_and_opening_it_by_hand_is_no_way_round_the_rules(
    db: Database, staff: Cast, keys: Keys, settings: Settings, tries: int, said: AttemptOutcome, refused: Reason
) -> None:
    with db.write() as s:
        o = owed(s, keys, settings, staff)
        o.safety.if_drops = "wait"
        for n in range(tries):
            at = AT + n * 3 * HOUR
            o.try_once(said, at)
        at += timedelta(minutes=2)
        if o.item.ended_at is None:
            callbacks.close_item(s, o.id, staff.alice, "again", at)
        o.item = callbacks.open_for_case(s, o.item.case_id, staff.alice, at)
        assert o.item.ended_at is None
        assert o.refused(at=at) is refused


def test_an_item_is_not_closed_before_it_is_said_what_came_of_its_call(
    db: Database, staff: Cast, keys: Keys, settings: Settings
) -> None:
    with db.write() as s:
        o = owed(s, keys, settings, staff)
        contact, _ = o.begin()
        o.hang_up(contact, AT, answered=True)
        with pytest.raises(Refused, match="Say first"):
            callbacks.close_item(s, o.id, staff.alice, "done", AT)
        o.say(MACHINE)
        assert callbacks.close_item(s, o.id, staff.alice, "done", AT).end is CallbackEnd.CLOSED


def test_what_came_of_a_call_must_be_said_before_the_next(
    db: Database, staff: Cast, keys: Keys, settings: Settings
) -> None:
    with db.write() as s:
        o = owed(s, keys, settings, staff)
        with pytest.raises(Refused, match="Nobody has called"):
            o.say(REACHED)
        contact, _ = o.begin()
        found = callback_attempts.of_call(s, contact.call)
        assert found is not None
        assert found[0].id == o.id
        assert callback_attempts.unsaid(s, staff.alice.id) is None, "it goes on"
        o.hang_up(contact, AT, answered=True)
        assert callback_attempts.unanswered(s, contact, AT, settings) is None
        assert callback_attempts.unsaid(s, staff.alice.id) is not None
        assert o.refused() is Reason.NOT_SAID
        assert o.refused("sofia", AT + 3 * HOUR) is Reason.NOT_SAID
        with pytest.raises(Refused, match="Only whoever called"):
            o.say(NOBODY, who="bob")
        o.say(NOBODY, who="sofia")
        assert callback_attempts.unsaid(s, staff.alice.id) is None


def test_she_reaches_us_while_we_ring_her(db: Database, staff: Cast, keys: Keys, settings: Settings) -> None:
    with db.write() as s:
        o = owed(s, keys, settings, staff)
        contact, _ = o.begin()
        hers = saw(s, keys, "b", Fact.ARRIVED, AT, Seen(number="0812345678", language="my"))
        saw(s, keys, "b", Fact.ANSWERED, AT, Seen(handler_id=staff.bob.id))
        calls.answered(s, hers, staff.bob.id, AT, join_within_s=900)
        assert hers.case_id == o.item.case_id
        o.hang_up(contact, AT)
        callback_attempts.unanswered(s, contact, AT, settings)
        assert (o.item.end, o.item.for_supervisor_at) == (CallbackEnd.REACHED_US, None)
        assert s.exec(select(CallbackAttempt)).one().outcome is NOBODY


def test_only_a_call_of_ours_has_an_attempt(db: Database, staff: Cast, keys: Keys, settings: Settings) -> None:
    with db.write() as s:
        o = owed(s, keys, settings, staff)
        inbound = s.get_one(Contact, o.item.contact_id)
        assert callback_attempts.unanswered(s, inbound, AT, settings) is None
        assert callback_attempts.of_call(s, inbound.call) is None
        assert not callback_attempts.attempt_failed(s, inbound.id, AT)
        assert not callback_attempts.attempt_failed(s, 99_999, AT)
