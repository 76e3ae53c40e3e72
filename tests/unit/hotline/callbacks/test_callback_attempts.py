"""Calling a worker back: looked at again at the click, one call however many click, and what comes of it."""

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlmodel import Session, col, select

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
from tests.support.behind import changed_by_another
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
        assert callback_attempts.attempt_failed(s, 99_999, AT) is False


def test_a_click_is_told_and_audited_with_the_call_it_made(
    db: Database, staff: Cast, keys: Keys, settings: Settings
) -> None:
    """And counts as a person's act on the case: the first one's moment stands, and its version goes up each time."""
    with db.write() as s:
        o = owed(s, keys, settings, staff)
        case = s.get_one(Case, o.item.case_id)
        case.touched_at, version = AT - HOUR, case.version
        s.flush()
        contact, _ = o.begin()
        assert (case.touched_at, case.version > version) == (AT - HOUR, True)
        [attempt] = s.exec(select(CallbackAttempt)).all()
        assert (attempt.callback_id, attempt.contact_id, attempt.by_id) == (o.id, contact.id, staff.alice.id)
        assert (attempt.at, attempt.outcome) == (AT, None)
        [line] = [e for e in s.exec(select(CaseEvent)) if e.detail.get("what") == "dialled"]
        assert (line.at, line.by_id, line.detail["contact"], line.detail["attempt"]) == (
            AT,
            staff.alice.id,
            contact.id,
            1,
        )
        [act] = [e for e in s.exec(select(AuditEntry)) if e.act == "called_back"]
        assert (act.subject, act.by_id) == (f"case:{case.id}", staff.alice.id)
        assert act.detail == {"callback": o.id, "contact": contact.id}


@pytest.mark.parametrize("what", ["the case", "what is safe", "the item"])
def test_what_others_changed_since_the_page_was_read_forbids_a_call(
    db: Database, staff: Cast, keys: Keys, settings: Settings, what: str
) -> None:
    """Also of a case whose telephone is not certain any more, which no telephone leads to."""
    with db.write() as s:
        o = owed(s, keys, settings, staff)
        case = s.get_one(Case, o.item.case_id)
        assert o.refused() is None
        if what == "the case":
            changed_by_another(s, case, status=CaseStatus.CLOSED)
        elif what == "the item":
            changed_by_another(s, o.item, attempts=settings.callback_tries)
        else:
            changed_by_another(s, case, caller_id=None)
            changed_by_another(s, o.safety, callback=CallbackSafety.UNSAFE)
        with pytest.raises(DialRefused) as caught:
            o.begin()
        assert caught.value.refusal.code is {
            "the case": Reason.CASE_CLOSED,
            "the item": Reason.TRIES_USED_UP,
            "what is safe": Reason.UNSAFE,
        }.get(what)


def test_a_refused_call_names_the_item_and_the_case(db: Database, staff: Cast, keys: Keys, settings: Settings) -> None:
    with db.write() as s:
        o = owed(s, keys, settings, staff)
        o.safety.callback = CallbackSafety.NEVER
        s.flush()
        with pytest.raises(DialRefused, match="never to call") as caught:
            o.begin()
        assert (caught.value.callback_id, caught.value.case_id) == (o.id, o.item.case_id)
        assert str(caught.value) == caught.value.refusal.sentence
        callback_attempts.note_refusal(s, caught.value, staff.alice)
        [entry] = [e for e in s.exec(select(AuditEntry)) if e.act == "call_back_refused"]
        assert (entry.by_id, entry.detail) == (staff.alice.id, {"callback": o.id, "reason": "never"})


@pytest.mark.parametrize(("why", "told"), [("", None), ("no_trunk", "no_trunk"), ("x" * 130, "x" * 120)])
def test_why_the_line_failed_is_told_on_the_case(
    db: Database, staff: Cast, keys: Keys, settings: Settings, why: str, told: str | None
) -> None:
    with db.write() as s:
        o = owed(s, keys, settings, staff)
        contact, _ = o.begin()
        assert callback_attempts.attempt_failed(s, contact.id, AT + HOUR, why)
        line = s.exec(select(CaseEvent).order_by(col(CaseEvent.id))).all()[-1]
        assert (line.at, line.detail) == (
            AT + HOUR,
            {"what": "line_failed", "contact": contact.id, "reason": told},
        )
        assert (contact.failed_at, contact.ended_at) == (AT + HOUR, AT + HOUR)
        assert s.exec(select(CallbackAttempt)).all() == []


@pytest.mark.parametrize("clock_set_back", [False, True])
def test_a_line_that_fails_late_keeps_the_moments_that_are_known(
    db: Database, staff: Cast, keys: Keys, settings: Settings, clock_set_back: bool
) -> None:
    """A call does not end before it began, whatever a clock said, and no count of tries goes below none."""
    with db.write() as s:
        o = owed(s, keys, settings, staff)
        contact, _ = o.begin()
        o.item.attempts = 0
        if not clock_set_back:
            contact.failed_at, contact.ended_at = AT + timedelta(seconds=1), AT + timedelta(seconds=2)
        s.flush()
        assert callback_attempts.attempt_failed(s, contact.id, AT - HOUR if clock_set_back else AT + HOUR)
        assert (contact.failed_at, contact.ended_at) == (
            (AT - HOUR, AT) if clock_set_back else (AT + timedelta(seconds=1), AT + timedelta(seconds=2))
        )
        assert o.item.attempts == 0


def test_a_line_that_failed_undoes_one_try_of_several(
    db: Database, staff: Cast, keys: Keys, settings: Settings
) -> None:
    with db.write() as s:
        o = owed(s, keys, settings, staff)
        o.try_once(NOBODY)
        contact, _ = o.begin(at=AT + 3 * HOUR)
        assert o.item.attempts == 2
        callback_attempts.attempt_failed(s, contact.id, AT + 3 * HOUR)
        assert (o.item.attempts, len(s.exec(select(CallbackAttempt)).all())) == (1, 1)


@pytest.mark.parametrize("said", [NOBODY, None])
def test_a_call_that_rang_after_all_or_of_which_something_was_said_is_a_try(
    db: Database, staff: Cast, keys: Keys, settings: Settings, said: AttemptOutcome | None
) -> None:
    """Also when another process wrote that down after the call was read here."""
    with db.write() as s:
        o = owed(s, keys, settings, staff)
        contact, _ = o.begin()
        if said is None:
            changed_by_another(s, contact, answered_at=AT)
        else:
            o.say(said)
        assert callback_attempts.attempt_failed(s, contact.id, AT) is False
        assert o.item.attempts == 1


def test_what_an_agent_said_since_the_end_was_read_is_not_overwritten_by_the_line(
    db: Database, staff: Cast, keys: Keys, settings: Settings
) -> None:
    with db.write() as s:
        o = owed(s, keys, settings, staff)
        contact, _ = o.begin()
        o.hang_up(contact, AT)
        [attempt] = s.exec(select(CallbackAttempt)).all()
        changed_by_another(s, attempt, outcome=MACHINE)
        assert callback_attempts.unanswered(s, contact, AT, settings) is None
        assert attempt.outcome is MACHINE


def test_only_a_call_of_ours_that_is_over_and_was_not_taken_was_not_answered(
    db: Database, staff: Cast, keys: Keys, settings: Settings
) -> None:
    with db.write() as s:
        o = owed(s, keys, settings, staff)
        contact, _ = o.begin()
        assert callback_attempts.unanswered(s, contact, AT, settings) is None, "it goes on"
        o.hang_up(contact, AT)
        contact.direction = Direction.INBOUND
        assert callback_attempts.unanswered(s, contact, AT, settings) is None
        contact.direction = Direction.OUTBOUND
        assert callback_attempts.unanswered(s, contact, AT, settings) is o.item
    with db.read() as s:
        assert s.exec(select(CallbackAttempt)).one().outcome is NOBODY


def test_what_came_of_a_try_is_told_audited_and_free_for_the_next(
    db: Database, staff: Cast, keys: Keys, settings: Settings
) -> None:
    """Said twice it is told once; the item is nobody's then, and is tried again in her hours."""
    with db.write() as s:
        o = owed(s, keys, settings, staff)
        contact, _ = o.begin()
        o.hang_up(contact, AT, answered=True)
        for _ in range(2):
            assert o.say(MACHINE) is o.item
        assert (o.item.owner_id, o.item.locked_until, o.item.due_at) == (None, None, AT + 2 * HOUR)
        [line] = [e for e in s.exec(select(CaseEvent)) if e.detail.get("what") == "machine"]
        assert (line.at, line.by_id, line.detail["attempt"]) == (AT, staff.alice.id, 1)
        [act] = [e for e in s.exec(select(AuditEntry)) if e.act == "call_back_said"]
        assert (act.subject, act.by_id) == (f"case:{o.item.case_id}", staff.alice.id)
        assert act.detail == {"callback": o.id, "contact": contact.id, "outcome": "machine"}
        for other in (NOBODY, REACHED, DROPPED):
            with pytest.raises(Refused, match="already"):
                o.say(other)
    with db.read() as s:
        assert s.exec(select(CallbackAttempt)).one().outcome is MACHINE


@pytest.mark.parametrize("outcome", [MACHINE, REACHED, DROPPED, SOMEBODY_ELSE])
def test_what_the_line_said_by_itself_is_corrected_by_who_called(
    db: Database, staff: Cast, keys: Keys, settings: Settings, outcome: AttemptOutcome
) -> None:
    with db.write() as s:
        o = owed(s, keys, settings, staff)
        contact, _ = o.begin()
        o.hang_up(contact, AT)
        callback_attempts.unanswered(s, contact, AT, settings)
        o.say(outcome)
        assert s.exec(select(CallbackAttempt)).one().outcome is outcome


def test_the_newest_try_is_the_one_of_which_is_said_what_came(
    db: Database, staff: Cast, keys: Keys, settings: Settings
) -> None:
    """Of this item: another one's try is not touched, and who may not call back says nothing."""
    with db.write() as s:
        o, other = owed(s, keys, settings, staff), owed(s, keys, settings, staff, "b", "0899999999")
        o.try_once(NOBODY)
        contact, _ = o.begin(at=AT + 3 * HOUR)
        o.hang_up(contact, AT + 3 * HOUR, answered=True)
        theirs, _ = other.begin(at=AT + 3 * HOUR)
        other.hang_up(theirs, AT + 3 * HOUR, answered=True)
        assert callback_attempts.of_call(s, "no such call") is None
        found = callback_attempts.of_call(s, contact.call)
        assert found is not None
        assert (found[0].id, found[1].contact_id) == (o.id, contact.id)
        newest = callback_attempts.unsaid(s, staff.alice.id)
        assert newest is not None
        assert newest.contact_id == theirs.id
        assert callback_attempts.unsaid(s, staff.bob.id) is None
        with pytest.raises(NotAllowed):
            o.say(MACHINE, who="adam")
        o.say(MACHINE, AT + 3 * HOUR)
        outcomes = [attempt.outcome for attempt in s.exec(select(CallbackAttempt).order_by(col(CallbackAttempt.id)))]
        assert outcomes == [NOBODY, MACHINE, None]


@pytest.mark.parametrize(("last", "supervisor"), [(3, True), (2, False), (4, True)])
def test_a_try_that_fails_as_often_as_is_allowed_or_more_goes_to_a_supervisor(
    db: Database, staff: Cast, keys: Keys, settings: Settings, last: int, supervisor: bool
) -> None:
    """Told once, without a name, with the number of the try; until then a colleague may try it."""
    with db.write() as s:
        o = owed(s, keys, settings, staff)
        o.item.attempts = last - 1
        s.flush()
        o.try_once(NOBODY, who="sofia")
        told = [(e.by_id, e.detail) for e in s.exec(select(CaseEvent)) if e.detail.get("what") == "for_supervisor"]
        assert told == ([(None, {"what": "for_supervisor", "attempt": last})] if supervisor else [])
        at = AT + timedelta(minutes=1)
        assert o.item.for_supervisor_at == (at if supervisor else None)
        assert (o.refused(at=AT + 3 * HOUR) is Reason.TRIES_USED_UP) is supervisor


def test_as_many_tries_as_are_allowed_are_used_up_also_when_nobody_told_a_supervisor(
    db: Database, staff: Cast, keys: Keys, settings: Settings
) -> None:
    """And one that a supervisor was told of stays theirs when fewer tries are counted."""
    with db.write() as s:
        o = owed(s, keys, settings, staff)
        for attempts, told_at, refused in ((3, None, True), (2, None, False), (0, AT, True)):
            o.item.attempts, o.item.for_supervisor_at = attempts, told_at
            s.flush()
            assert (o.refused() is Reason.TRIES_USED_UP) is refused


def test_what_is_said_of_the_try_of_an_item_that_has_ended_changes_nothing_but_somebody_else(
    db: Database, staff: Cast, keys: Keys, settings: Settings
) -> None:
    with db.write() as s:
        o = owed(s, keys, settings, staff)
        contact, _ = o.begin()
        o.hang_up(contact, AT, answered=True)
        callbacks.end(s, o.item, CallbackEnd.REACHED_US, AT)
        due_at = o.item.due_at
        o.say(DROPPED)
        assert (o.item.end, o.item.due_at, o.item.kind) == (
            CallbackEnd.REACHED_US,
            due_at,
            CallbackKind.ABANDONED,
        )
        assert o.told() == ["noted", "dialled", "she_reached_us"]
        o.say(SOMEBODY_ELSE)
        assert o.item.end is CallbackEnd.UNSAFE


def test_a_line_that_dropped_is_due_at_once_and_closed_when_nothing_is_known(
    db: Database, staff: Cast, keys: Keys, settings: Settings
) -> None:
    """A case of which nothing is written about safety agrees to nothing."""
    with db.write() as s:
        o, other = owed(s, keys, settings, staff), owed(s, keys, settings, staff, "b", "0899999999")
        o.safety.if_drops = other.safety.if_drops = "we_call_back"
        o.try_once(DROPPED, AT)
        assert (o.item.due_at, o.item.kind) == (AT + timedelta(minutes=1), CallbackKind.DROPPED)
        contact, _ = other.begin()
        other.hang_up(contact, AT, answered=True)
        s.delete(other.safety)
        s.flush()
        assert other.say(DROPPED).end_reason == callback_attempts.DROPPED_AND_NOT_AGREED
        assert (other.item.ended_by_id, other.item.end) == (staff.alice.id, CallbackEnd.CLOSED)


@pytest.mark.parametrize(
    ("after", "answered", "taken_up"),
    [
        (-HOUR, True, True),
        (timedelta(0), True, True),
        (timedelta(minutes=1), True, False),
        (timedelta(minutes=1), False, True),
    ],
)
def test_our_line_that_dropped_counts_until_the_worker_was_heard_in_a_later_call(
    db: Database, staff: Cast, keys: Keys, settings: Settings, after: timedelta, answered: bool, taken_up: bool
) -> None:
    """Then that conversation is the last one, and it did not break off. They never said that we call when a line drops."""
    with db.write() as s:
        o = owed(s, keys, settings, staff)
        o.safety.if_drops = "we_call_back"
        o.try_once(DROPPED)
        o.safety.if_drops = None
        newest = s.get_one(Contact, o.item.contact_id)
        newest.arrived_at = AT + after
        newest.answered_at = newest.arrived_at if answered else None
        newest.outcome = Outcome.ANSWERED if answered else Outcome.ABANDONED_IN_QUEUE
        s.flush()
        assert (o.refused(at=AT + 3 * HOUR) is Reason.DROP_NOT_AGREED) is taken_up


def test_the_newest_try_of_a_telephone_says_whether_our_line_dropped(
    db: Database, staff: Cast, keys: Keys, settings: Settings
) -> None:
    """Not an older one, and not that of another telephone."""
    with db.write() as s:
        o, other = owed(s, keys, settings, staff), owed(s, keys, settings, staff, "b", "0899999999")
        for one in (o, other):
            one.safety.if_drops = "we_call_back"
        o.try_once(DROPPED)
        o.try_once(NOBODY, AT + HOUR)
        other.try_once(DROPPED, AT + HOUR)
        for one in (o, other):
            one.safety.if_drops = None
        s.flush()
        assert o.refused(at=AT + 5 * HOUR) is None
        assert other.refused(at=AT + 5 * HOUR) is Reason.DROP_NOT_AGREED


def test_who_called_or_works_on_it_is_named(db: Database, staff: Cast, keys: Keys, settings: Settings) -> None:
    with db.write() as s:
        o = owed(s, keys, settings, staff)
        callbacks.take(s, o.id, staff.bob, AT)
        refusal = callbacks.may_dial(s, o.item, staff.alice, AT, settings)
        assert refusal is not None
        assert (refusal.code, refusal.about, refusal.opens_at) == (
            Reason.LOCKED_BY_OTHER,
            "Bob",
            AT + callbacks.LOCK,
        )
        contact, _ = o.begin("bob")
        o.hang_up(contact, AT, answered=True)
        refusal = callbacks.may_dial(s, o.item, staff.alice, AT, settings)
        assert refusal is not None
        assert (refusal.code, refusal.about) == (Reason.NOT_SAID, "Bob")
