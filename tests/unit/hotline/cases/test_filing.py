"""Which call joins which case by itself, whose case it is then, and what of it the case keeps when it is told late."""

from datetime import datetime, timedelta
from itertools import product
from typing import Any

import pytest
from sqlmodel import Session, col, select

from hotline.cases import filing
from models import (
    Agent,
    CallbackSafety,
    Caller,
    Case,
    CaseEvent,
    CaseStatus,
    Contact,
    Database,
    EventKind,
    Outcome,
    Recording,
    RecordingKind,
    Safety,
)
from tests.support.cast import Cast

T = datetime.fromisoformat("2026-11-23T10:00:00+07:00")
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
WITHIN_S, BRIEF_S = 900, 10
UNKNOWN, SAFE = CallbackSafety.UNKNOWN, CallbackSafety.SAFE
UNSAFE, NEVER = CallbackSafety.UNSAFE, CallbackSafety.NEVER
BRIEF_CASE = {"status": CaseStatus.CLOSED, "closing_reason": filing.BRIEF, "closed_at": T}
CLOSED_CASE = {"status": CaseStatus.CLOSED, "closing_reason": "resolved", "closed_at": T}


def a_caller(s: Session, index: str = "one") -> int:
    caller = Caller(number_index=index, number_sealed=b"sealed", first_seen_at=T, last_seen_at=T)
    s.add(caller)
    s.flush()
    return caller.id


def a_case(s: Session, **values: Any) -> Case:
    case = Case(**{"opened_at": T, "language": "my"} | values)
    s.add(case)
    s.flush()
    s.add(Safety(case_id=case.id))
    s.flush()
    return case


def a_call(s: Session, call: str = "now", **values: Any) -> Contact:
    """One that arrived at T and went on for a minute before its caller left the menu."""
    usual = {"arrived_at": T, "ended_at": T + MINUTE, "language": "my", "outcome": Outcome.ABANDONED_IN_MENU}
    contact = Contact(call=call, **usual | values)
    s.add(contact)
    s.flush()
    return contact


def file(s: Session, contact: Contact, answers: Case | None = None) -> Case:
    return filing.file_call(s, contact, join_within_s=WITHIN_S, brief_s=BRIEF_S, answers=answers)


def told(s: Session, case: Case) -> list[CaseEvent]:
    return list(s.exec(select(CaseEvent).where(col(CaseEvent.case_id) == case.id).order_by(col(CaseEvent.id))))


def test_a_call_of_its_own_is_filed_with_what_is_known_of_it(db: Database) -> None:
    """Its case has the call's language, telephone and moment, a reference by its month, and what is safe: unknown."""
    with db.write() as s:
        contact = a_call(s, caller_id=a_caller(s), outcome=Outcome.ABANDONED_IN_QUEUE)
        case = file(s, contact)
        assert contact.case_id == case.id
        assert (case.language, case.caller_id, case.opened_at) == ("my", contact.caller_id, T)
        assert case.reference == f"C-2611-{case.id:04d}"
        assert s.get_one(Safety, case.id).callback is UNKNOWN
        assert [(e.kind, e.at, e.by_id, e.detail) for e in told(s, case)] == [
            (EventKind.FILED, T + MINUTE, None, {"outcome": "abandoned_in_queue", "contact": contact.id})
        ]


def test_a_call_that_goes_on_is_told_at_the_moment_of_its_answer(db: Database) -> None:
    with db.write() as s:
        case = file(s, a_call(s, ended_at=None, answered_at=T + 5 * SECOND, outcome=None))
        assert [e.at for e in told(s, case)] == [T + 5 * SECOND]
        assert case.status is CaseStatus.NEW


JOINS: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    # of the earlier call, of its case, of the call that is filed
    "they gave up in the menu": ({}, {}, {}),
    "they gave up in the queue": ({"outcome": Outcome.ABANDONED_IN_QUEUE}, {}, {}),
    "the line failed": ({"outcome": Outcome.FAILED}, {}, {}),
    "the conversation dropped": ({"outcome": Outcome.ANSWERED, "dropped_at": T - MINUTE}, {}, {}),
    "just within the time": ({"ended_at": T - timedelta(seconds=WITHIN_S)}, {}, {}),
    "at the same moment": ({"arrived_at": T, "ended_at": T}, {}, {}),
    "it goes on still": ({}, {}, {"ended_at": None, "answered_at": T, "outcome": None}),
}
FILED_ALONE: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "too long ago": ({"ended_at": T - timedelta(seconds=WITHIN_S + 1)}, {}, {}),
    "another telephone": ({"caller_id": "other"}, {}, {}),
    "another language": ({"language": "th"}, {}, {}),
    "both numbers withheld": ({"caller_id": None}, {}, {"caller_id": None}),
    "neither language known": ({"language": None}, {}, {"language": None}),
    "the earlier one goes on": ({"ended_at": None}, {}, {}),
    "the earlier one arrived later": ({"arrived_at": T + SECOND, "ended_at": T + MINUTE}, {}, {}),
    "the earlier one has no case": ({"case_id": None}, {}, {}),
    "they were heard": ({"outcome": Outcome.ANSWERED}, {}, {}),
    "they left a message": ({"outcome": Outcome.VOICEMAIL}, {}, {}),
    "they asked for a call": ({"outcome": Outcome.CALLBACK_REQUESTED}, {}, {}),
    "somebody acted on the case": ({}, {"touched_at": T - MINUTE}, {}),
    "the case has moved on": ({}, {"status": CaseStatus.TRIAGED}, {}),
    "the case is closed": ({}, CLOSED_CASE, {}),
}


@pytest.mark.parametrize(
    ("how", "joins"),
    [*((how, True) for how in JOINS.values()), *((how, False) for how in FILED_ALONE.values())],
    ids=[*JOINS, *FILED_ALONE],
)
def test_a_call_joins_only_the_untouched_case_of_an_abandoned_call_just_before(
    db: Database, how: tuple[dict[str, Any], dict[str, Any], dict[str, Any]], joins: bool
) -> None:
    """The same telephone in the same language within a quarter of an hour; anything else is a person's act."""
    earlier, of_case, of_call = how
    with db.write() as s:
        caller, other = a_caller(s), a_caller(s, "other")
        case = a_case(s, caller_id=caller, **of_case)
        before = {"arrived_at": T - 20 * MINUTE, "ended_at": T - 5 * MINUTE, "caller_id": caller, "case_id": case.id}
        if earlier.get("caller_id") == "other":
            earlier = {"caller_id": other}
        a_call(s, "before", **before | earlier)
        contact = a_call(s, "now", **{"caller_id": caller} | of_call)
        found = file(s, contact)
        assert (found.id == case.id) is joins
        assert contact.case_id == found.id
        if joins:
            assert [(e.kind, e.detail) for e in told(s, case)] == [
                (EventKind.JOINED, {"outcome": contact.outcome, "contact": contact.id})
            ]


def test_of_several_calls_before_it_the_newest_says_whether_a_call_joins(db: Database) -> None:
    """They gave up, called again and were heard: what they say next is of its own."""
    with db.write() as s:
        caller = a_caller(s)
        for minutes, outcome in ((12, Outcome.ABANDONED_IN_MENU), (5, Outcome.ANSWERED)):
            case = a_case(s, caller_id=caller)
            at = T - minutes * MINUTE
            a_call(s, f"{minutes}", caller_id=caller, case_id=case.id, arrived_at=at, ended_at=at, outcome=outcome)
        assert told(s, file(s, a_call(s, caller_id=caller)))[0].kind is EventKind.FILED


def test_a_call_that_answers_ours_joins_its_case_whatever_was_done_with_it(db: Database) -> None:
    with db.write() as s:
        case = a_case(s, touched_at=T - MINUTE, status=CaseStatus.ACTIVE)
        assert file(s, a_call(s), answers=case).id == case.id
        assert [e.kind for e in told(s, case)] == [EventKind.JOINED]


def test_a_recording_that_came_before_the_case_is_told_when_the_call_is_filed(db: Database) -> None:
    with db.write() as s:
        contact = a_call(s, outcome=Outcome.VOICEMAIL)
        s.add(a_recording(contact))
        s.flush()
        case = file(s, contact)
        assert [e.kind for e in told(s, case)] == [EventKind.FILED, EventKind.RECORDED]
        assert (told(s, case)[1].at, told(s, case)[1].detail) == (T + SECOND, {"seconds": 4, "what": "message"})


def a_recording(contact: Contact, kind: RecordingKind = RecordingKind.MESSAGE) -> Recording:
    return Recording(
        spool_name=contact.call, contact_id=contact.id, vault_key=contact.call, sha256="", kind=kind,
        duration_s=3.6, recorded_at=T + SECOND,
    )  # fmt: skip


# --- who has the case of a call --------------------------------------------------------------------------------------


def answer(s: Session, contact: Contact, by: Agent, at: datetime) -> Case:
    filing.take_with_call(s, contact, by, at)
    return s.get_one(Case, contact.case_id)


def test_the_case_of_a_call_goes_with_it_and_each_answer_is_told_once(db: Database, staff: Cast) -> None:
    """Alice answers and sends the caller on to Bob: it is then Bob's. The answer alone is no act on the case."""
    with db.write() as s:
        contact = a_call(s, case_id=a_case(s).id)
        for _ in range(2):
            case = answer(s, contact, staff.alice, T)
        assert (case.owner_id, case.claimed_at, case.touched_at) == (staff.alice.id, T, None)
        version = case.version
        for who, minutes in ((staff.bob, 1), (staff.bob, 2), (staff.sofia, 3)):
            case = answer(s, contact, who, T + minutes * MINUTE)
        assert (case.owner_id, case.claimed_at) == (staff.sofia.id, T + 3 * MINUTE)
        assert case.version > version
        assert [(e.kind, e.at, e.by_id, e.detail) for e in told(s, case)] == [
            (EventKind.ANSWERED, T, staff.alice.id, {"contact": contact.id}),
            (EventKind.ANSWERED, T + MINUTE, staff.bob.id, {"contact": contact.id}),
            (EventKind.TRANSFERRED, T + MINUTE, None, {"to": staff.bob.id, "contact": contact.id}),
            (EventKind.ANSWERED, T + 3 * MINUTE, staff.sofia.id, {"contact": contact.id}),
            (EventKind.TRANSFERRED, T + 3 * MINUTE, None, {"to": staff.sofia.id, "contact": contact.id}),
        ]


@pytest.mark.parametrize("how", ["by a click", "with another call", "since another moment"])
def test_a_case_that_a_colleague_has_by_anything_but_this_call_stays_theirs(
    db: Database, staff: Cast, how: str
) -> None:
    with db.write() as s:
        case = a_case(s, owner_id=staff.alice.id, claimed_at=T)
        contact, other = a_call(s, case_id=case.id), a_call(s, "other", case_id=case.id)
        kind, of, at = {
            "by a click": (EventKind.CLAIMED, contact, T),
            "with another call": (EventKind.ANSWERED, other, T),
            "since another moment": (EventKind.ANSWERED, contact, T - MINUTE),
        }[how]
        s.add(CaseEvent(case_id=case.id, at=at, kind=kind, by_id=staff.alice.id, detail={"contact": of.id}))
        s.flush()
        assert answer(s, contact, staff.bob, T + MINUTE).owner_id == staff.alice.id
        assert [e.kind for e in told(s, case)][1:] == [EventKind.ANSWERED]


def test_each_call_of_a_case_is_told_with_its_own_answer(db: Database, staff: Cast) -> None:
    """Also when the same agent has answered another call of the same case, or of another one, before."""
    with db.write() as s:
        case, elsewhere = a_case(s), a_case(s)
        for n, where in enumerate((case, case, elsewhere)):
            contact = a_call(s, f"call {n}", case_id=where.id)
            answer(s, contact, staff.alice, T)
            answer(s, contact, staff.alice, T)
        assert [len(told(s, one)) for one in (case, elsewhere)] == [2, 1]


@pytest.mark.parametrize(("closed", "opens"), [(BRIEF_CASE, True), (CLOSED_CASE, False), ({}, False)])
def test_an_answer_opens_a_case_that_was_only_closed_as_brief(
    db: Database, staff: Cast, closed: dict[str, Any], opens: bool
) -> None:
    with db.write() as s:
        case = answer(s, a_call(s, case_id=a_case(s, **closed).id), staff.alice, T)
        as_it_was = (closed.get("status", CaseStatus.NEW), closed.get("closing_reason"), closed.get("closed_at"))
        assert (case.status, case.closing_reason, case.closed_at) == (
            (CaseStatus.NEW, None, None) if opens else as_it_was
        )


# --- what is told late -----------------------------------------------------------------------------------------------


def test_what_is_learned_of_a_call_late_fills_only_what_its_case_lacks(db: Database) -> None:
    """Its language, and its telephone unless other calls were joined to the case: they may be of another telephone."""
    with db.write() as s:
        one, other = a_caller(s), a_caller(s, "other")
        alone = a_case(s, language=None)
        filing.fill_in(s, a_call(s, "a", case_id=alone.id, caller_id=one))
        assert (alone.language, alone.caller_id) == ("my", one)
        known = a_case(s, caller_id=one)
        filing.fill_in(s, a_call(s, "b", case_id=known.id, caller_id=other, language="th"))
        assert (known.language, known.caller_id) == ("my", one)
        joined = a_case(s)
        a_call(s, "c", case_id=joined.id)
        filing.fill_in(s, a_call(s, "d", case_id=joined.id, caller_id=one))
        assert joined.caller_id is None


@pytest.mark.parametrize(
    ("closed", "of_call", "opens"),
    [
        (BRIEF_CASE, {"key_at": T}, True),
        (BRIEF_CASE, {"outcome": Outcome.FAILED}, True),
        (BRIEF_CASE, {}, False),
        (CLOSED_CASE, {"key_at": T}, False),
    ],
)
def test_a_key_or_another_outcome_told_late_opens_what_was_closed_as_brief(
    db: Database, closed: dict[str, Any], of_call: dict[str, Any], opens: bool
) -> None:
    with db.write() as s:
        case = a_case(s, **closed)
        filing.fill_in(s, a_call(s, case_id=case.id, **of_call))
        assert (case.status, case.closing_reason, case.closed_at) == (
            (CaseStatus.NEW, None, None) if opens else (closed["status"], closed["closing_reason"], closed["closed_at"])
        )


BRIEF_CALL = {"arrived_at": T, "ended_at": T + BRIEF_S * SECOND}


@pytest.mark.parametrize(
    ("of_call", "brief"),
    [
        ({}, True),
        ({"outcome": Outcome.ABANDONED_IN_QUEUE}, True),
        ({"ended_at": T}, True),
        ({"ended_at": T + (BRIEF_S + 1) * SECOND}, False),
        ({"outcome": Outcome.FAILED}, False),
        ({"outcome": Outcome.ANSWERED}, False),
        ({"key_at": T}, False),
    ],
)
def test_only_a_caller_who_left_within_seconds_and_pressed_nothing_was_brief(
    db: Database, of_call: dict[str, Any], brief: bool
) -> None:
    """Their case is closed at once, at the moment they left. Everything else waits for a person."""
    with db.write() as s:
        contact = a_call(s, **BRIEF_CALL | of_call)
        case = file(s, contact)
        assert (case.status is CaseStatus.CLOSED, case.closing_reason, case.closed_at) == (
            (True, filing.BRIEF, contact.ended_at) if brief else (False, None, None)
        )


@pytest.mark.parametrize(
    ("before", "of_call", "after"),
    [
        ({"touched_at": T}, {}, {}),
        ({"status": CaseStatus.TRIAGED}, {}, {}),
        (BRIEF_CASE, {}, BRIEF_CASE),
        (BRIEF_CASE, {"key_at": T}, {}),
        (BRIEF_CASE | {"touched_at": T}, {"key_at": T}, BRIEF_CASE),
        (CLOSED_CASE, {"key_at": T}, CLOSED_CASE),
    ],
)
def test_whether_a_call_was_brief_is_settled_again_until_a_person_has_acted(
    db: Database, before: dict[str, Any], of_call: dict[str, Any], after: dict[str, Any]
) -> None:
    """A late fact opens the case again, and only if nothing but its brevity had closed it."""
    with db.write() as s:
        case = a_case(s, **before)
        filing.settle_brief(s, a_call(s, case_id=case.id, **BRIEF_CALL | of_call), brief_s=BRIEF_S)
        assert (case.closing_reason, case.closed_at) == (after.get("closing_reason"), after.get("closed_at"))
        assert (case.status is CaseStatus.CLOSED) is ("closing_reason" in after)


def test_where_no_second_is_brief_a_call_that_ends_as_it_arrives_still_is(db: Database) -> None:
    with db.write() as s:
        for seconds, brief in ((0, True), (1, False)):
            case = a_case(s)
            contact = a_call(s, f"{seconds}", case_id=case.id, ended_at=T + seconds * SECOND)
            filing.settle_brief(s, contact, brief_s=0)
            assert (case.closing_reason == filing.BRIEF) is brief


def test_a_case_with_another_call_is_never_closed_as_brief(db: Database) -> None:
    with db.write() as s:
        case = a_case(s)
        a_call(s, "other", case_id=case.id)
        filing.settle_brief(s, a_call(s, case_id=case.id, **BRIEF_CALL), brief_s=BRIEF_S)
        assert case.status is CaseStatus.NEW


@pytest.mark.parametrize(("closed", "opens"), [(BRIEF_CASE, True), (CLOSED_CASE, False)])
def test_a_recording_that_comes_in_is_told_and_opens_only_what_was_brief(
    db: Database, closed: dict[str, Any], opens: bool
) -> None:
    """Its language is the case's when nobody knew one; a language that is known stays."""
    with db.write() as s:
        case, known = a_case(s, language=None, **closed), a_case(s, language="th")
        contact = a_call(s, case_id=case.id)
        filing.recorded(s, contact, a_recording(contact, RecordingKind.CONVERSATION))
        assert [(e.kind, e.at, e.detail) for e in told(s, case)] == [
            (EventKind.RECORDED, T + SECOND, {"seconds": 4, "what": "conversation"})
        ]
        assert case.language == "my"
        assert (case.status is CaseStatus.NEW, case.closing_reason, case.closed_at) == (
            (True, None, None) if opens else (False, "resolved", T)
        )
        other = a_call(s, "other", case_id=known.id)
        filing.recorded(s, other, a_recording(other))
        assert known.language == "th"


# --- what the caller said by a key -----------------------------------------------------------------------------------

REVIEWED = {"never": None, "before the key": -SECOND, "with the key": timedelta(0), "after the key": SECOND}


def test_a_key_counts_only_over_what_is_less_careful_or_older(db: Database) -> None:
    """Nothing is put over `unsafe` and `never`. `Safe` counts only while all is unknown and nobody has reviewed it since
    the key; anything else counts over `unknown` always, and over a `safe` that nobody has reviewed since the key.
    """
    wrong = []
    with db.write() as s:
        for n, (said, known, when) in enumerate(product(CallbackSafety, CallbackSafety, REVIEWED)):
            since = REVIEWED[when]
            reviewed_at = None if since is None else T + since
            case = a_case(s)
            safety = s.get_one(Safety, case.id)
            safety.callback, safety.reviewed_at = known, reviewed_at
            contact = a_call(s, f"{n}", case_id=case.id, callback_at=T, callback_said=said, ended_at=T + MINUTE)
            filing.fill_in(s, contact)
            later = when in {"with the key", "after the key"}
            if said is UNKNOWN or known in {UNSAFE, NEVER}:
                counts = False
            elif said is SAFE:
                counts = known is UNKNOWN and not later
            else:
                counts = known is UNKNOWN or not later
            counts = counts and said is not known
            expected = (said, T + MINUTE) if counts else (known, reviewed_at)
            if (safety.callback, safety.reviewed_at) != expected:
                wrong.append((said, known, when))
    assert not wrong


def test_what_a_key_said_is_kept_with_the_case_that_is_filed_or_joined(db: Database) -> None:
    with db.write() as s:
        answered, joined = a_case(s), a_case(s)
        own = file(s, a_call(s, "own", callback_said=SAFE, callback_at=T))
        file(s, a_call(s, "answers", callback_said=UNSAFE, callback_at=T), answers=answered)
        said = [s.get_one(Safety, case.id).callback for case in (own, answered, joined)]
        assert said == [SAFE, UNSAFE, UNKNOWN]


@pytest.mark.parametrize(
    ("pressed", "counts"),
    [
        ({"callback_at": T + MINUTE}, True),
        ({"message_at": T + MINUTE}, True),
        ({"callback_at": T - MINUTE, "message_at": T + MINUTE}, True),
        ({"callback_at": T - MINUTE}, False),
        ({"ended_at": T + MINUTE}, True),
        ({"ended_at": T - MINUTE}, False),
        ({"ended_at": None}, False),
    ],
)
def test_a_safe_was_said_when_its_last_key_was_pressed_or_the_call_ended(
    db: Database, pressed: dict[str, Any], counts: bool
) -> None:
    """Somebody reviewed at T what is safe. A key of which no moment is known was pressed before that."""
    with db.write() as s:
        case = a_case(s)
        safety = s.get_one(Safety, case.id)
        safety.reviewed_at = T
        contact = a_call(s, case_id=case.id, callback_said=SAFE, **{"ended_at": T + 2 * MINUTE} | pressed)
        filing.fill_in(s, contact)
        assert (safety.callback is SAFE) is counts


def test_what_a_key_said_is_reviewed_as_late_as_anything_that_is_known(db: Database) -> None:
    """A review that was later than the call's end is not put back by an `unsafe` that counts."""
    with db.write() as s:
        case = a_case(s)
        safety = s.get_one(Safety, case.id)
        safety.reviewed_at = T + 5 * MINUTE
        filing.fill_in(s, a_call(s, case_id=case.id, callback_said=UNSAFE, callback_at=T))
        assert (safety.callback, safety.reviewed_at) == (UNSAFE, T + 5 * MINUTE)
