"""Calls we owe: one open item for a telephone, whatever order its calls are told in, and how it ends."""

import threading
from datetime import datetime, timedelta

import pytest
from sqlmodel import Session, select

from hotline.callbacks import attempts as callback_attempts
from hotline.callbacks import items as callbacks
from hotline.calls import facts as calls
from hotline.calls.facts import Fact, Seen
from hotline.cases import work
from hotline.errors import Invalid, NotAllowed, NotFound, Refused
from hotline.keys import Keys
from hotline.settings import Settings
from models import (
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
    EventKind,
    Recording,
    Safety,
)
from models.db.types import now
from tests.support.cast import Cast
from tests.support.thailand import saw

NUMBER, OTHER = "0812345678", "0899999999"
T: datetime
LIMITS = {"join_within_s": 900, "brief_s": 10}


@pytest.fixture(autouse=True)
def _its_own_moment() -> None:
    """One that was taken at import would be as old as the run."""
    global T  # noqa: PLW0603
    T = now() - timedelta(hours=5)


def call(
    s: Session,
    keys: Keys,
    name: str,
    *facts: Fact,
    minute: int = 0,
    number: str | None = NUMBER,
    language: str = "my",
    handler: int | None = None,
    said: CallbackSafety | None = None,
    over: bool = True,
) -> Contact:
    """A call that took a minute; unless `over`, its end is not told yet."""
    at = T + timedelta(minutes=minute)
    saw(s, keys, name, Fact.ARRIVED, at, Seen(linkedid=f"l-{name}", line="1800123456", number=number))
    saw(s, keys, name, Fact.LANGUAGE, at, Seen(language=language))
    saw(s, keys, name, Fact.KEY, at, Seen(callback_said=said))
    for n, fact in enumerate(facts, start=1):
        contact = saw(s, keys, name, fact, at + timedelta(seconds=n), Seen(handler_id=handler))
        if fact is Fact.ANSWERED:
            calls.answered(s, contact, handler or 0, at + timedelta(seconds=n), join_within_s=900)
    contact = calls.find(s, name)  # type: ignore[assignment]
    return end(s, contact) if over else contact


def end(s: Session, contact: Contact) -> Contact:
    return calls.close(s, contact, contact.arrived_at + timedelta(seconds=60), **LIMITS)


def open_items(s: Session) -> list[Callback]:
    return [item for item in s.exec(select(Callback).order_by(Callback.id)) if item.ended_at is None]  # type: ignore[arg-type]


def told(s: Session, case_id: int | None) -> list[str]:
    lines = s.exec(select(CaseEvent).where(CaseEvent.case_id == case_id).order_by(CaseEvent.id))  # type: ignore[arg-type]
    return [str(line.detail["what"]) for line in lines if line.kind is EventKind.CALLBACK]


def tried(s: Session, item: Callback, by_id: int, ago: timedelta = timedelta(hours=1)) -> CallbackAttempt:
    contact = Contact(call=f"out-{item.attempts}", direction="outbound", arrived_at=now() - ago, ended_at=now() - ago)  # type: ignore[arg-type]
    s.add(contact)
    s.flush()
    attempt = CallbackAttempt(callback_id=item.id, contact_id=contact.id, by_id=by_id, at=now() - ago)
    s.add(attempt)
    s.flush()
    return attempt


def test_a_missed_call_is_owed_once(db: Database, keys: Keys) -> None:
    with db.write() as s:
        contact = call(s, keys, "a", Fact.QUEUED)
        for _ in range(3):
            callbacks.note_call(s, contact, now())
        [item] = s.exec(select(Callback)).all()
        assert (item.kind, item.calls, item.case_id, item.contact_id) == (
            CallbackKind.ABANDONED,
            1,
            contact.case_id,
            contact.id,
        )
        assert (item.open_for, item.language) == (contact.caller_id, "my")
        assert item.created_at == contact.ended_at
        assert told(s, contact.case_id) == ["noted"]


@pytest.mark.parametrize(
    ("facts", "kind"),
    [
        ([Fact.QUEUED, Fact.CALLBACK], CallbackKind.REQUESTED),
        ([Fact.QUEUED], CallbackKind.ABANDONED),
        ([], CallbackKind.ABANDONED),
        ([Fact.FAILED], CallbackKind.MISSED),
        ([Fact.QUEUED, Fact.ANSWERED, Fact.DROPPED], CallbackKind.DROPPED),
        ([Fact.QUEUED, Fact.ANSWERED], None),
    ],
)
def test_what_the_line_saw_says_what_is_owed(
    db: Database, staff: Cast, keys: Keys, facts: list[Fact], kind: CallbackKind | None
) -> None:
    with db.write() as s:
        call(s, keys, "a", *facts, handler=staff.alice.id)
        assert [item.kind for item in open_items(s)] == ([kind] if kind else [])


def test_a_withheld_number_and_a_call_of_seconds_owe_nothing(db: Database, keys: Keys) -> None:
    with db.write() as s:
        call(s, keys, "a", Fact.QUEUED, number=None)
        brief = saw(s, keys, "b", Fact.ARRIVED, T, Seen(number=NUMBER))
        calls.close(s, brief, T + timedelta(seconds=4), **LIMITS)
        assert callbacks.note_call(s, brief, T) is None
        assert s.get_one(Case, brief.case_id).status is CaseStatus.CLOSED
        going_on = saw(s, keys, "c", Fact.ARRIVED, T, Seen(number=OTHER))
        assert callbacks.note_call(s, going_on, T) is None
        assert open_items(s) == []


def a_recording() -> Recording:
    return Recording(spool_name="a.sln", contact_id=0, vault_key="a", sha256="0", duration_s=3.0, recorded_at=now())


def test_a_recording_that_comes_late_makes_it_a_missed_call(db: Database, keys: Keys) -> None:
    with db.write() as s:
        contact = call(s, keys, "a")
        assert [item.kind for item in open_items(s)] == [CallbackKind.ABANDONED]
        calls.attach(s, contact, a_recording())
        assert [(item.kind, item.calls) for item in open_items(s)] == [(CallbackKind.MISSED, 1)]


def test_a_call_of_seconds_that_turns_out_to_be_a_message_is_owed(db: Database, keys: Keys) -> None:
    with db.write() as s:
        brief = saw(s, keys, "b", Fact.ARRIVED, T, Seen(number=NUMBER))
        calls.close(s, brief, T + timedelta(seconds=4), **LIMITS)
        calls.attach(s, brief, a_recording())
        assert [item.kind for item in open_items(s)] == [CallbackKind.MISSED]


def test_a_further_call_makes_the_item_newer_and_the_more_pressing(db: Database, keys: Keys) -> None:
    with db.write() as s:
        first = call(s, keys, "a", Fact.QUEUED, Fact.CALLBACK)
        second = call(s, keys, "b", Fact.QUEUED, minute=30)
        [item] = open_items(s)
        assert (item.kind, item.calls, item.contact_id, item.case_id) == (
            CallbackKind.REQUESTED,
            2,
            second.id,
            second.case_id,
        )
        assert item.created_at == first.ended_at, "she waits since the first call"
        assert first.case_id != second.case_id


def test_calls_told_in_the_wrong_order_are_counted_right(db: Database, keys: Keys) -> None:
    with db.write() as s:
        first = call(s, keys, "a", Fact.QUEUED, over=False)
        second = call(s, keys, "b", Fact.QUEUED, minute=30)
        for contact in (first, first, second):
            end(s, contact)
        [item] = open_items(s)
        assert (item.calls, item.contact_id, item.created_at) == (2, second.id, first.ended_at)


def test_a_call_in_which_nobody_could_ask_does_not_hide_what_she_said(db: Database, keys: Keys) -> None:
    with db.write() as s:
        first = call(s, keys, "a", Fact.QUEUED, Fact.CALLBACK, said=CallbackSafety.SAFE)
        second = call(s, keys, "b", Fact.QUEUED, minute=30)
        [item] = open_items(s)
        assert (item.case_id, item.contact_id) == (first.case_id, second.id)
        third = call(s, keys, "c", Fact.QUEUED, Fact.CALLBACK, minute=60, said=CallbackSafety.SAFE)
        assert item.case_id == third.case_id, "what she said last counts"


def test_two_processes_that_end_two_of_her_calls_at_once_make_one_item(db: Database, keys: Keys) -> None:
    with db.write() as s:
        for n in range(4):
            call(s, keys, f"c{n}", Fact.QUEUED, minute=20 * n, over=False)
    barrier, errors = threading.Barrier(4), []

    def close(name: str) -> None:
        barrier.wait()
        try:
            with db.write() as s:
                contact = calls.find(s, name)
                assert contact is not None
                end(s, contact)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=close, args=(f"c{n}",)) for n in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert errors == []
    with db.read() as s:
        [item] = s.exec(select(Callback)).all()
        newest = calls.find(s, "c3")
        assert newest is not None
        assert item.contact_id == newest.id


def test_when_she_calls_again_and_is_answered_the_item_ends(db: Database, staff: Cast, keys: Keys) -> None:
    with db.write() as s:
        missed = call(s, keys, "a", Fact.QUEUED)
        [item] = open_items(s)
        heard = call(s, keys, "b", Fact.ANSWERED, minute=60, handler=staff.alice.id)
        assert (item.end, item.open_for, item.ended_by_id) == (CallbackEnd.REACHED_US, None, None)
        assert told(s, missed.case_id) == ["noted", "she_reached_us"]
        assert told(s, heard.case_id) == ["she_reached_us"]
        assert callbacks.reached_us(s, heard, now()) is None
        callbacks.note_call(s, missed, now())
        assert open_items(s) == [], "a late word about the missed call owes nothing any more"


def test_a_missed_call_that_is_told_only_after_she_was_heard_owes_nothing(
    db: Database, staff: Cast, keys: Keys
) -> None:
    with db.write() as s:
        missed = call(s, keys, "a", Fact.QUEUED, over=False)
        call(s, keys, "b", Fact.ANSWERED, minute=60, handler=staff.alice.id)
        end(s, missed)
        assert missed.case_id is not None
        assert open_items(s) == []


def test_the_answer_of_a_call_that_dropped_told_again_does_not_close_what_it_left(
    db: Database, staff: Cast, keys: Keys
) -> None:
    with db.write() as s:
        contact = call(s, keys, "a", Fact.ANSWERED, Fact.DROPPED, handler=staff.alice.id)
        assert callbacks.reached_us(s, contact, now()) is None
        assert [item.kind for item in open_items(s)] == [CallbackKind.DROPPED]


def test_an_old_answer_told_late_does_not_close_a_newer_item(db: Database, staff: Cast, keys: Keys) -> None:
    with db.write() as s:
        heard = call(s, keys, "a", Fact.ANSWERED, handler=staff.alice.id)
        call(s, keys, "b", Fact.QUEUED, minute=60)
        assert callbacks.reached_us(s, heard, now()) is None
        assert len(open_items(s)) == 1


def test_somebody_who_speaks_another_language_is_not_the_one_who_waits(db: Database, staff: Cast, keys: Keys) -> None:
    with db.write() as s:
        call(s, keys, "a", Fact.QUEUED, Fact.CALLBACK)
        call(s, keys, "b", Fact.ANSWERED, minute=60, language="th", handler=staff.bob.id)
        assert len(open_items(s)) == 1


def test_a_call_that_answers_ours_joins_its_case(db: Database, staff: Cast, keys: Keys) -> None:
    with db.write() as s:
        missed = call(s, keys, "a", Fact.QUEUED)
        work.claim(s, missed.case_id or 0, staff.alice)
        tried(s, open_items(s)[0], staff.alice.id, ago=timedelta(hours=4, minutes=30))
        heard = call(s, keys, "b", Fact.ANSWERED, minute=60, handler=staff.alice.id)
        assert heard.case_id == missed.case_id
        assert open_items(s) == []


@pytest.mark.parametrize("why", ["not tried", "long ago", "language", "shared", "employer", "closed", "number"])
def test_any_other_call_is_filed_as_its_own(db: Database, staff: Cast, keys: Keys, why: str) -> None:
    with db.write() as s:
        missed = call(s, keys, "a", Fact.QUEUED)
        work.claim(s, missed.case_id or 0, staff.alice)
        [item] = open_items(s)
        if why != "not tried":
            tried(s, item, staff.alice.id, ago=timedelta(hours=40 if why == "long ago" else 4.5))
        if why in {"shared", "employer"}:
            s.get_one(Safety, missed.case_id).phone_owner = why
        if why == "closed":
            s.get_one(Case, missed.case_id).status = CaseStatus.CLOSED
        heard = call(
            s,
            keys,
            "b",
            Fact.ANSWERED,
            minute=60,
            handler=staff.alice.id,
            number=OTHER if why == "number" else NUMBER,
            language="th" if why == "language" else "my",
        )
        assert heard.case_id != missed.case_id


def test_when_two_click_one_works_on_it(db: Database, staff: Cast, keys: Keys) -> None:
    with db.write() as s:
        call(s, keys, "a", Fact.QUEUED)
        item_id = open_items(s)[0].id
    barrier, won, lost = threading.Barrier(2), [], []

    def click(who: str) -> None:
        barrier.wait()
        try:
            with db.write() as s:
                callbacks.take(s, item_id, getattr(staff, who), now())
            won.append(who)
        except Refused:
            lost.append(who)

    threads = [threading.Thread(target=click, args=(who,)) for who in ("alice", "bob")]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert (len(won), len(lost)) == (1, 1)


def test_a_lock_ends_after_ten_minutes_or_when_it_is_let_go(db: Database, staff: Cast, keys: Keys) -> None:
    with db.write() as s:
        call(s, keys, "a", Fact.QUEUED)
        item_id = open_items(s)[0].id
        callbacks.take(s, item_id, staff.alice, T)
        callbacks.take(s, item_id, staff.alice, T)
        with pytest.raises(Refused):
            callbacks.take(s, item_id, staff.bob, T + timedelta(minutes=9))
        with pytest.raises(Refused):
            callbacks.let_go(s, item_id, staff.bob)
        assert callbacks.take(s, item_id, staff.bob, T + timedelta(minutes=10)).owner_id == staff.bob.id
        callbacks.let_go(s, item_id, staff.sofia)
        assert callbacks.take(s, item_id, staff.alice, T + timedelta(minutes=11)).owner_id == staff.alice.id


def test_an_item_is_closed_with_a_reason(db: Database, staff: Cast, keys: Keys) -> None:
    with db.write() as s:
        contact = call(s, keys, "a", Fact.QUEUED)
        item_id = open_items(s)[0].id
        for reason in ("", "  \n", "x" * 201):
            with pytest.raises(Invalid):
                callbacks.close_item(s, item_id, staff.alice, reason, now())
        callbacks.take(s, item_id, staff.bob, now())
        with pytest.raises(Refused):
            callbacks.close_item(s, item_id, staff.alice, "unknown whether it is safe", now())
        callbacks.let_go(s, item_id, staff.bob)
        item = callbacks.close_item(s, item_id, staff.alice, " unknown whether\nit is safe ", now())
        assert (item.end, item.end_reason, item.ended_by_id) == (
            CallbackEnd.CLOSED,
            "unknown whether it is safe",
            staff.alice.id,
        )
        with pytest.raises(Refused):
            callbacks.close_item(s, item_id, staff.alice, "again", now())
        with pytest.raises(Refused):
            callbacks.take(s, item_id, staff.alice, now())
        assert told(s, contact.case_id) == ["noted", "closed"]
        assert "callback_closed" in [entry.act for entry in s.exec(select(AuditEntry))]
        callbacks.note_call(s, contact, now())
        assert open_items(s) == [], "the same call is not owed again"
        call(s, keys, "b", Fact.QUEUED, minute=90)
        assert len(open_items(s)) == 1, "a new call is"


def test_an_agent_can_owe_a_call_by_hand(db: Database, staff: Cast, keys: Keys, settings: Settings) -> None:
    with db.write() as s:
        contact = call(s, keys, "a", Fact.ANSWERED, handler=staff.alice.id)
        case_id = contact.case_id or 0
        item = callbacks.open_for_case(s, case_id, staff.alice, now())
        assert callbacks.open_for_case(s, case_id, staff.bob, now()).id == item.id
        assert callbacks.open_of_case(s, case_id) is not None
        assert (item.caller_id, item.contact_id) == (contact.caller_id, contact.id)
        refusal = callbacks.may_dial(s, item, staff.alice, now(), settings)
        assert refusal is not None
        assert refusal.code == "unknown", "the same rules hold for it"
        newer = call(s, keys, "b", Fact.QUEUED, minute=60)
        assert (item.case_id, item.calls) == (newer.case_id, 2)
        with pytest.raises(Refused, match=s.get_one(Case, newer.case_id).reference):
            callbacks.open_for_case(s, case_id, staff.alice, now())


def test_a_call_owed_by_hand_in_a_conversation_is_still_owed_when_it_is_told_again(
    db: Database, staff: Cast, keys: Keys
) -> None:
    with db.write() as s:
        live = saw(s, keys, "a", Fact.ANSWERED, T, Seen(number=NUMBER, language="my"))
        calls.answered(s, live, staff.alice.id, T, join_within_s=900)
        item = callbacks.open_for_case(s, live.case_id or 0, staff.alice, T)
        calls.answered(s, live, staff.bob.id, T, join_within_s=900)
        calls.close(s, live, T, **LIMITS)
        assert callbacks.note_call(s, live, T) is None
        assert (item.ended_at, item.calls) == (None, 1)


def test_a_closed_case_and_one_without_a_number_cannot_be_called_by_hand(db: Database, staff: Cast, keys: Keys) -> None:
    with db.write() as s:
        withheld = call(s, keys, "a", Fact.QUEUED, number=None)
        closed = call(s, keys, "b", Fact.QUEUED)
        s.get_one(Case, closed.case_id).status = CaseStatus.CLOSED
        for case_id in (withheld.case_id, closed.case_id):
            with pytest.raises(Refused):
                callbacks.open_for_case(s, case_id or 0, staff.alice, now())


def test_who_may_not_call_back_may_do_nothing_with_it(
    db: Database, staff: Cast, keys: Keys, settings: Settings
) -> None:
    with db.write() as s:
        contact = call(s, keys, "a", Fact.QUEUED)
        item_id = open_items(s)[0].id
        for outsider in (staff.charlie, staff.adam):
            for act in (
                lambda who: callbacks.take(s, item_id, who, now()),
                lambda who: callbacks.let_go(s, item_id, who),
                lambda who: callbacks.close_item(s, item_id, who, "why", now()),
                lambda who: callbacks.open_for_case(s, contact.case_id or 0, who, now()),
                lambda who: callback_attempts.begin_attempt(s, keys, item_id, who, now(), settings),
            ):
                with pytest.raises(NotAllowed):
                    act(outsider)
        with pytest.raises(NotFound):
            callbacks.load(s, 99_999, staff.alice)
