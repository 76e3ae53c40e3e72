"""What is told of a call when it is over, or by somebody who knows half of it."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlmodel import Session, select

from hotline.calls import facts as calls
from hotline.calls.facts import UNNAMED, Fact, Seen, met_by_time, outcome_of
from hotline.keys import Keys
from models import (
    Agent,
    CallbackSafety,
    Caller,
    Case,
    CaseEvent,
    CaseStatus,
    Channel,
    Contact,
    Database,
    Direction,
    EventKind,
    MessageEnd,
    Outcome,
    Recording,
    RecordingKind,
    TalkRecording,
)
from models.db.types import now
from tests.support.cast import Cast
from tests.support.thailand import saw

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LIMITS = {"join_within_s": 900, "brief_s": 10}


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("began_s", "ended_s", "met"),
    [(-40, -16, False), (-40, -15, True), (5, 9, True), (45, 90, True), (46, 90, False), (-90, 90, True)],
)
def test_a_call_went_on_between_two_moments_within_a_quarter_of_a_minute(
    db: Database, began_s: float, ended_s: float, met: bool
) -> None:
    """By the times of Asterisk's records and of the spool's files, which differ a little. Here from noon to half past."""
    with db.write() as s:
        row = Contact(call=f"{UNNAMED}1.1", linkedid="1.1", arrived_at=after(began_s), ended_at=after(ended_s))
        s.add(row)
        s.flush()
        assert met_by_time(s, after(30), after(0)) == ("1.1" if met else None)


def test_only_a_call_that_is_over_and_has_no_id_of_its_own_is_met_and_the_earliest_first(db: Database) -> None:
    with db.write() as s:
        s.add(Contact(call="its own", linkedid="1.0", arrived_at=after(-2), ended_at=after(9)))
        s.add(Contact(call=f"{UNNAMED}1.1", linkedid="1.1", arrived_at=after(-1)))
        s.flush()
        assert met_by_time(s, NOON, NOON) is None
        for n, began in ((3, 5), (2, 1), (4, 7)):
            s.add(Contact(call=f"{UNNAMED}1.{n}", linkedid=f"1.{n}", arrived_at=after(began), ended_at=after(9)))
        s.flush()
        assert met_by_time(s, NOON, NOON) == "1.2"


def test_what_is_said_first_of_a_call_is_kept_whole_and_never_written_over(db: Database, keys: Keys) -> None:
    """Each of what came with a fact; only the arrival is the earliest that was said."""
    first = Seen("1.1", "1800123456", "my", "my", None, None, CallbackSafety.SAFE, True, MessageEnd.KEY)
    second = Seen("2.2", "1800999999", "th", "th", None, None, CallbackSafety.NEVER, True, MessageEnd.LIMIT)
    with db.write() as s:
        saw(s, keys, "a", Fact.ARRIVED, after(9))
        saw(s, keys, "a", Fact.MESSAGE, after(10), first)
        saw(s, keys, "a", Fact.MESSAGE, after(20), second)
        contact = saw(s, keys, "a", Fact.ARRIVED, after(5), second)
        assert saw(s, keys, "a", Fact.ARRIVED, after(7)).arrived_at == after(5)
        assert contact.message_at == after(10)
        kept = (contact.linkedid, contact.line, contact.language, contact.queue, contact.callback_said)
        assert kept == (first.linkedid, first.line, first.language, first.queue, first.callback_said)
        assert contact.message_end is MessageEnd.KEY


def test_a_fact_that_comes_while_the_call_goes_on_says_no_outcome(db: Database, keys: Keys, staff: Cast) -> None:
    """Though the call has its case since it was answered."""
    alice = staff.alice.id
    with db.write() as s:
        saw(s, keys, "a", Fact.QUEUED, NOON, Seen(language="my"))
        contact = saw(s, keys, "a", Fact.ANSWERED, after(9), Seen(handler_id=alice))
        calls.answered(s, contact, alice, after(9), join_within_s=900)
        assert contact.case_id is not None
        saw(s, keys, "a", Fact.CALLBACK, after(12))
        assert contact.outcome is None


def test_an_outcome_is_said_anew_when_a_fact_comes_after_the_end(db: Database, keys: Keys, staff: Cast) -> None:
    with db.write() as s:
        contact = saw(s, keys, "a", Fact.QUEUED, NOON, Seen(language="my"))
        calls.close(s, contact, after(30), **LIMITS)
        assert contact.outcome is Outcome.ABANDONED_IN_QUEUE
        saw(s, keys, "a", Fact.ANSWERED, after(9), Seen(handler_id=staff.alice.id))
        assert contact.outcome is Outcome.ANSWERED


@pytest.mark.parametrize(("closed_s", "ended_s"), [(30, 30), (0, 0), (-30, 0)])
def test_a_call_ends_once_and_not_before_it_came_in(db: Database, keys: Keys, closed_s: float, ended_s: float) -> None:
    """A clock that was set back."""
    with db.write() as s:
        contact = saw(s, keys, "a", Fact.ARRIVED, NOON)
        for closed in (closed_s, closed_s + 60):
            assert calls.close(s, contact, after(closed), **LIMITS) is contact
            assert contact.ended_at == after(ended_s)


def test_a_call_that_nobody_we_know_answered_has_its_case_and_no_owner(db: Database, keys: Keys, staff: Cast) -> None:
    with db.write() as s:
        contact = saw(s, keys, "a", Fact.ANSWERED, NOON, Seen(language="my"))
        assert s.get(Agent, 99_999) is None
        calls.answered(s, contact, 99_999, NOON, join_within_s=900)
        assert s.get_one(Case, contact.case_id).owner_id is None


def test_an_answer_that_is_told_after_the_end_of_a_call_without_a_case_files_none(
    db: Database, keys: Keys, staff: Cast
) -> None:
    """It is filed by whoever closes it."""
    with db.write() as s:
        contact = saw(s, keys, "a", Fact.ANSWERED, NOON, Seen(language="my"))
        contact.ended_at = after(9)
        calls.answered(s, contact, staff.alice.id, after(9), join_within_s=900)
        assert contact.case_id is None


@pytest.mark.parametrize(
    ("answered", "ended", "again"), [(True, False, True), (False, False, False), (True, True, False)]
)
def test_only_who_was_answered_and_is_still_there_waits_again(
    db: Database, keys: Keys, answered: bool, ended: bool, again: bool
) -> None:
    """Since the first time; where, is kept when nobody says where now."""
    with db.write() as s:
        contact = saw(s, keys, "a", Fact.QUEUED, NOON, Seen(queue="my"))
        contact.answered_at, contact.ended_at = after(5) if answered else None, after(9) if ended else None
        contact.recording = TalkRecording.RUNNING
        calls.waits_again(s, contact, after(20))
        calls.waits_again(s, contact, after(40), "th")
        assert (contact.waits_again_at, contact.queue) == (after(20) if again else None, "my")
        assert contact.recording is (TalkRecording.CONSENTED if again else TalkRecording.RUNNING)


@pytest.mark.parametrize(
    ("recording", "said", "left"),
    [
        (TalkRecording.OFF, False, TalkRecording.OFF),
        (TalkRecording.CONSENTED, False, TalkRecording.CONSENTED),
        (TalkRecording.RUNNING, True, TalkRecording.CONSENTED),
    ],
)
def test_only_a_recording_that_runs_is_left(recording: TalkRecording, said: bool, left: TalkRecording) -> None:
    contact = Contact(call="a", arrived_at=NOON, recording=recording)
    assert (calls.not_recorded(contact), contact.recording) == (said, left)


def a_recording(name: str, kind: RecordingKind = RecordingKind.MESSAGE) -> Recording:
    return Recording(
        spool_name=name, contact_id=0, vault_key=name, sha256="0", duration_s=3.0, recorded_at=now(), kind=kind
    )


def test_a_recording_is_attached_once_and_makes_a_message_of_its_call(db: Database, keys: Keys) -> None:
    """Also when the call is over; the recording of a conversation is no message, nor is another call's."""
    with db.write() as s:
        contact = saw(s, keys, "a", Fact.QUEUED, NOON, Seen(language="my"))
        other = saw(s, keys, "b", Fact.QUEUED, NOON, Seen(language="my"))
        for one in (contact, other):
            calls.close(s, one, after(30), **LIMITS)
        assert calls.attach(s, contact, a_recording("talk", RecordingKind.CONVERSATION))
        assert (contact.outcome, contact.channel) == (Outcome.ABANDONED_IN_QUEUE, Channel.VOICE)
        assert calls.attach(s, contact, a_recording("message"))
        assert not calls.attach(s, contact, a_recording("message"))
        assert (contact.outcome, contact.channel) == (Outcome.VOICEMAIL, Channel.VOICEMAIL)
        told = [e.detail["what"] for e in s.exec(select(CaseEvent)) if e.kind is EventKind.RECORDED]
        assert told == [RecordingKind.CONVERSATION, RecordingKind.MESSAGE], "the case says so, once each"
        calls.close(s, other, after(30), **LIMITS)
        assert (other.outcome, other.channel) == (Outcome.ABANDONED_IN_QUEUE, Channel.VOICE)


_SAID = ["answered_at", "callback_at", "failed_at", "queued_at"]


@pytest.mark.parametrize("direction", list(Direction))
@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize(
    ("facts", "otherwise"),
    [
        (_SAID, Outcome.ANSWERED),
        (_SAID[1:], Outcome.CALLBACK_REQUESTED),
        (_SAID[2:], Outcome.FAILED),
        (_SAID[3:], Outcome.ABANDONED_IN_QUEUE),
        ([], Outcome.ABANDONED_IN_MENU),
    ],
)
def test_the_outcome_is_the_weightiest_fact(
    direction: Direction, recorded: bool, facts: list[str], otherwise: Outcome
) -> None:
    """An answer before all. A call that we made was else not reached; a message counts before what was asked earlier."""
    contact = Contact(call="a", arrived_at=NOON, direction=direction, **dict.fromkeys(facts, NOON))
    if otherwise is not Outcome.ANSWERED and direction is Direction.OUTBOUND:
        otherwise = Outcome.NOT_REACHED
    elif otherwise is not Outcome.ANSWERED and recorded:
        otherwise = Outcome.VOICEMAIL
    assert outcome_of(contact, recorded=recorded) is otherwise


@pytest.mark.parametrize(
    ("values", "waits"),
    [
        ({}, True),
        ({"queued_at": None}, False),
        ({"ended_at": NOON}, False),
        ({"answered_at": NOON}, False),
        ({"answered_at": NOON, "waits_again_at": NOON}, True),
        ({"message_at": NOON}, False),
        ({"callback_at": NOON}, False),
    ],
)
def test_who_is_in_a_queue_now_waits(db: Database, values: dict[str, datetime | None], waits: bool) -> None:
    """Not who ended, was answered and did not come back, or went on to a message or a call-back."""
    with db.write() as s:
        s.add(Contact(**{"call": "a", "arrived_at": NOON, "queued_at": NOON} | values))
        s.flush()
        assert [one.call for one in calls.waiting(s)] == (["a"] if waits else [])


def test_a_language_that_callers_chose_is_offered_to_them_again_and_one_they_did_not_choose_is_not(
    db: Database, keys: Keys
) -> None:
    def said(s: Session, call: str, language: str, *, chosen: bool) -> str | None:
        seen = Seen(number="0812345678", language=language, chosen=chosen)
        contact = saw(s, keys, call, Fact.LANGUAGE, now(), seen)
        return s.get_one(Caller, contact.caller_id).last_language

    with db.write() as s:
        assert said(s, "a", "my", chosen=False) is None
        assert said(s, "b", "my", chosen=True) == "my"
        assert said(s, "c", "en", chosen=False) == "my"
        assert said(s, "d", "th", chosen=True) == "th"


def test_what_came_with_a_fact_is_written_in_no_line_of_log(db: Database, keys: Keys) -> None:
    """The number in the clear: a trace shows the words of what was told, and a row those of what was kept."""
    seen = Seen(linkedid="1.1", number="0812345678")
    with db.write() as s:
        contact = saw(s, keys, "a", Fact.ARRIVED, NOON, seen)
        assert "812345678" not in repr(seen) + repr(contact)


def test_a_row_that_another_process_wrote_at_the_same_moment_is_taken(
    db: Database, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was not there yet when this one looked."""
    find, looks = calls.find, [0]

    def too_early(session: Session, call: str | None = None, linkedid: str | None = None) -> Contact | None:
        looks[0] += 1
        return None if looks[0] == 1 else find(session, call, linkedid)

    with db.write() as s:
        first = saw(s, keys, "a", Fact.ARRIVED, NOON)
        monkeypatch.setattr(calls, "find", too_early)
        assert saw(s, keys, "a", Fact.KEY, after(2)).id == first.id
        assert first.key_at == after(2)


def test_a_brief_call_is_looked_at_again_each_time_it_is_closed(db: Database, keys: Keys) -> None:
    """A key that was pressed after all opens its case again."""
    with db.write() as s:
        contact = saw(s, keys, "a", Fact.ARRIVED, NOON)
        calls.close(s, contact, after(3), **LIMITS)
        case = s.get_one(Case, contact.case_id)
        assert case.status is CaseStatus.CLOSED
        contact.key_at = after(1)
        calls.close(s, contact, after(3), **LIMITS)
        assert case.status is CaseStatus.NEW
