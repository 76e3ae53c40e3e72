"""Cases in a list: which of them, in which order, and what is shown of their newest call."""

import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlmodel import Session

from hotline.cases import rows
from hotline.cases.rows import Order
from hotline.scope import SYSTEM
from models import (
    CallbackSafety,
    Caller,
    Case,
    CaseStatus,
    Contact,
    Database,
    Outcome,
    Recording,
    RecordingKind,
    RecordingState,
    Safety,
    Transcript,
)
from tests.support.cast import Cast

T = datetime.fromisoformat("2026-11-23T10:00:00+07:00")
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


def a_case(s: Session, **values: Any) -> Case:
    case = Case(**{"opened_at": T} | values)
    s.add(case)
    s.flush()
    return case


def a_call(s: Session, case: Case, call: str, at: datetime = T, **values: Any) -> Contact:
    contact = Contact(call=call, case_id=case.id, arrived_at=at, **values)
    s.add(contact)
    s.flush()
    return contact


def a_recording(s: Session, contact: Contact, text: str | None = None, **values: Any) -> Recording:
    name = str(uuid.uuid4())
    usual = {"recorded_at": T, "duration_s": 5.5, "state": RecordingState.TRANSCRIBED}
    recording = Recording(
        spool_name=name, contact_id=contact.id, vault_key=name, sha256="", **usual | values
    )  # fmt: skip
    s.add(recording)
    s.flush()
    if text is not None:
        s.add(a_transcript(recording.id, text))
        s.flush()
    return recording


def a_transcript(recording_id: int, text: str, corrected: str | None = None) -> Transcript:
    return Transcript(
        recording_id=recording_id, engine="vosk", model="small", language="en", text=text, sure=0.8, took_s=1,
        corrected_text=corrected,
    )  # fmt: skip


def shown(s: Session, case: Case) -> rows.CaseRow:
    [row] = rows.rows(s, [case])
    return row


def ids(found: list[rows.CaseRow]) -> list[int]:
    return [row.case_id for row in found]


@pytest.mark.parametrize(
    ("chosen", "found"),
    [
        ({}, {"burmese", "thai", "unsaid", "old"}),
        ({"languages": ["my"]}, {"burmese", "unsaid", "old"}),
        ({"languages": []}, {"unsaid"}),
        ({"older_than": HOUR}, {"old"}),
        ({"older_than": HOUR + SECOND}, set()),
        ({"outcome": Outcome.VOICEMAIL}, {"burmese"}),
        ({"outcome": Outcome.VOICEMAIL, "languages": ["th"]}, set()),
        ({"older_than": HOUR, "languages": ["th"]}, set()),
    ],
)
def test_the_queue_holds_the_open_cases_of_nobody_as_they_are_chosen(
    db: Database, staff: Cast, chosen: dict[str, Any], found: set[str]
) -> None:
    """A case whose language is not known is let through with every language; an outcome is that of the newest call."""
    with db.write() as s:
        cases = {
            "burmese": a_case(s, language="my"),
            "thai": a_case(s, language="th"),
            "unsaid": a_case(s),
            "old": a_case(s, language="my", opened_at=T - HOUR),
        }
        a_case(s, language="my", owner_id=staff.bob.id, opened_at=T - HOUR)
        a_case(s, language="my", status=CaseStatus.CLOSED, opened_at=T - HOUR)
        a_call(s, cases["burmese"], "a", T - MINUTE, outcome=Outcome.ABANDONED_IN_MENU)
        a_call(s, cases["burmese"], "b", T, outcome=Outcome.VOICEMAIL)
        a_call(s, cases["thai"], "c", T - MINUTE, outcome=Outcome.VOICEMAIL)
        a_call(s, cases["thai"], "d", T, outcome=Outcome.ABANDONED_IN_MENU)
        board = rows.unclaimed(s, SYSTEM, at=T, **chosen)
        assert set(ids(board.rows)) == {cases[name].id for name in found}
        assert (board.found, board.all) == (len(found), 4), "the rows of what was chosen, and of all"
        assert rows.count_unclaimed(s, SYSTEM) == 4


def test_the_queue_shows_the_first_rows_of_the_order_and_says_how_many_there_are(db: Database) -> None:
    """By urgency, where a case without a level comes before a P2; by age; the newest first. Equals in order of filing."""
    with db.write() as s:
        levels = ["P4", "P3", "P2", None, "P1", "P0", "P0"]
        cases = [a_case(s, level=level, opened_at=T - n * MINUTE) for n, level in enumerate(levels)]
        cases.append(a_case(s, level="P0", opened_at=cases[-1].opened_at))
        by_place = [case.id for case in cases]
        urgent = [by_place[n] for n in (6, 7, 5, 4, 3, 2, 1, 0)]
        oldest = [by_place[n] for n in (6, 7, 5, 4, 3, 2, 1, 0)]
        newest = [by_place[n] for n in (0, 1, 2, 3, 4, 5, 7, 6)]
        for order, expected in ((Order.URGENT, urgent), (Order.OLDEST, oldest), (Order.NEWEST, newest)):
            board = rows.unclaimed(s, SYSTEM, order=order, most=3, at=T)
            assert ids(board.rows) == expected[:3], order
            assert (board.found, board.all) == (8, 8)
            assert ids(rows.unclaimed(s, SYSTEM, order=order, at=T).rows) == expected


def test_urgency_goes_before_age(db: Database) -> None:
    with db.write() as s:
        levels = ["P0", "P1", None, "P2", "P3", "P4"]
        cases = [a_case(s, level=level, opened_at=T - n * MINUTE) for n, level in enumerate(levels)]
        assert ids(rows.unclaimed(s, SYSTEM, at=T).rows) == [case.id for case in cases]


def test_the_desk_of_an_agent_has_their_open_cases_the_most_urgent_first(db: Database, staff: Cast) -> None:
    with db.write() as s:
        assert staff.alice.id
        calm = a_case(s, level="P3", owner_id=staff.alice.id, opened_at=T - HOUR)
        urgent = a_case(s, level="P0", owner_id=staff.alice.id)
        a_case(s, owner_id=staff.bob.id)
        a_case(s)
        a_case(s, owner_id=staff.alice.id, status=CaseStatus.CLOSED)
        assert ids(rows.owned(s, staff.alice)) == [urgent.id, calm.id]
        assert ids(rows.owned(s, staff.alice, most=1)) == [urgent.id]


@pytest.mark.parametrize(
    ("level", "within"),
    [
        ("P0", 15 * MINUTE),
        ("P1", 24 * HOUR),
        (None, 30 * MINUTE),
        ("P2", 72 * HOUR),
        ("P3", 7 * 24 * HOUR),
        ("P4", None),
    ],
)
def test_a_case_is_late_when_its_level_has_waited_longer_than_it_may(
    db: Database, level: str | None, within: timedelta | None
) -> None:
    """docs say within what time somebody acts first. A P4 has no clock; at the very moment nothing is late yet."""
    with db.write() as s:
        row = shown(s, a_case(s, level=level))
        assert row.act_by == (None if within is None else T + within)
        if within is None:
            assert not row.late(T + 1000 * HOUR)
        else:
            assert (row.late(T + within), row.late(T + within + SECOND)) == (False, True)


def test_a_row_shows_the_facts_of_the_newest_call_and_of_its_case(db: Database) -> None:
    with db.write() as s:
        caller = Caller(number_index="one", number_sealed=b"sealed")
        s.add(caller)
        s.flush()
        case = a_case(
            s, reference="C-1", summary="wages", language="my", caller_id=caller.id, level="P2",
            workers_affected=4, workers_estimated=False, status=CaseStatus.ACTIVE,
        )  # fmt: skip
        a_call(s, case, "newest", T, outcome=Outcome.ANSWERED, queued_at=T + 5 * SECOND, answered_at=T + 9 * SECOND,
               ended_at=T + MINUTE)  # fmt: skip
        a_call(s, case, "oldest", T - HOUR, outcome=Outcome.FAILED)
        s.add(Safety(case_id=case.id, callback=CallbackSafety.SAFE, window="08:00-20:00", reviewed_at=T,
                     in_danger=True))  # fmt: skip
        s.flush()
        row = shown(s, case)
        assert (row.case_id, row.reference, row.level, row.status) == (case.id, "C-1", "P2", CaseStatus.ACTIVE)
        assert (row.summary, row.language, row.opened_at) == ("wages", "my", T)
        assert (row.workers_affected, row.workers_estimated, row.withheld) == (4, False, False)
        assert (row.contacts, row.last_call_at, row.outcome) == (2, T, Outcome.ANSWERED)
        assert (row.wait_s, row.talk_s, row.duration_s) == (4, 51, 60)
        assert (row.in_danger, row.callback, row.window, row.reviewed_at) == (
            True,
            CallbackSafety.SAFE,
            "08:00-20:00",
            T,
        )


def test_a_case_of_which_nothing_is_known_is_a_row_all_the_same(db: Database) -> None:
    """Without a call, a recording or a word about safety: and then a call back is not known to be safe."""
    with db.write() as s:
        row = shown(s, a_case(s))
        assert (row.contacts, row.last_call_at, row.outcome, row.withheld) == (0, None, None, True)
        assert (row.wait_s, row.talk_s, row.duration_s) == (None, None, None)
        assert (row.recording, row.recorded_s, row.heard, row.first_words, row.sure) == (None, None, False, "", None)
        assert (row.in_danger, row.callback, row.window, row.reviewed_at) == (
            False,
            CallbackSafety.UNKNOWN,
            None,
            None,
        )


def test_a_row_tells_of_the_newest_message_of_the_newest_call(db: Database) -> None:
    """Not of a conversation, whose first words are a greeting, nor of an older call or of another case."""
    with db.write() as s:
        case, other = a_case(s), a_case(s)
        old, new = a_call(s, case, "old", T - HOUR), a_call(s, case, "new", T)
        a_recording(s, old, "an older call", recorded_at=T + HOUR)
        a_recording(s, new, "an older message", recorded_at=T)
        a_recording(s, new, "the newest message", recorded_at=T + MINUTE, duration_s=7.5)
        a_recording(s, new, "hello", recorded_at=T + HOUR, kind=RecordingKind.CONVERSATION)
        a_recording(s, a_call(s, other, "other", T), state=RecordingState.WAITING, heard_at=T)
        row = shown(s, case)
        assert (row.first_words, row.sure, row.recorded_s, row.heard) == ("the newest message", 0.8, 7.5, False)
        assert row.recording is RecordingState.TRANSCRIBED
        row = shown(s, other)
        assert (row.first_words, row.sure, row.recording, row.heard) == ("", None, RecordingState.WAITING, True)


def test_rows_come_in_the_order_of_the_cases_each_with_its_own_call(db: Database) -> None:
    with db.write() as s:
        cases = [a_case(s) for _ in range(3)]
        for n, case in enumerate(cases):
            a_recording(s, a_call(s, case, f"call {n}"), f"words {n}")
        assert [row.first_words for row in rows.rows(s, cases[::-1])] == ["words 2", "words 1", "words 0"]


def test_words_that_a_person_corrected_are_shown_and_are_sure(db: Database) -> None:
    with db.write() as s:
        case = a_case(s)
        recording = a_recording(s, a_call(s, case, "a"))
        s.add(a_transcript(recording.id, "he keeps our bus ports", "he keeps our passports"))
        s.flush()
        row = shown(s, case)
        assert (row.first_words, row.sure) == ("he keeps our passports", None)


@pytest.mark.parametrize(
    ("said", "first"),
    [
        ("x" * 110, "x" * 110),
        ("x" * 111, "x" * 110 + "…"),
        (" a \n b ", "a b"),
        ("x" * 100 + " " + "y" * 20, "x" * 100 + "…"),
        ("x" * 100 + ", " + "y" * 20, "x" * 100 + "…"),
        # cut at a word only when more than half is left
        ("x" * 56 + " " + "y" * 80, "x" * 56 + "…"),
        ("x" * 55 + " " + "y" * 80, "x" * 55 + " " + "y" * 54 + "…"),
        ("ก" * 200, "ก" * 110 + "…"),
        ("a b " * 40, ("a b " * 40)[:109].rstrip() + "…"),
    ],
)
def test_the_first_words_are_cut_at_a_word_and_without_one_at_a_character(db: Database, said: str, first: str) -> None:
    with db.write() as s:
        case = a_case(s)
        a_recording(s, a_call(s, case, "a"), said)
        assert shown(s, case).first_words == first
