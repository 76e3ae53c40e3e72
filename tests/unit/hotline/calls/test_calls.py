"""Every call becomes exactly one case, or joins exactly one."""

import threading
from datetime import timedelta

import pytest
from sqlmodel import Session, col, func, select

from hotline.calls import facts as calls
from hotline.calls.facts import Fact, Seen
from hotline.cases import work
from hotline.keys import Keys
from models import (
    CallbackSafety,
    Caller,
    Case,
    CaseStatus,
    Contact,
    Database,
    Outcome,
    Recording,
    Safety,
)
from models.db.types import now
from tests.support.cast import Cast
from tests.support.thailand import saw
from tests.support.wait import PATIENCE_S

NUMBER = "0812345678"
LIMITS = {"join_within_s": 900, "brief_s": 10}


def arrive(
    s: Session, keys: Keys, call: str, ago_s: float, *, number: str | None = NUMBER, language: str = "my"
) -> None:
    at = now() - timedelta(seconds=ago_s)
    saw(s, keys, call, Fact.ARRIVED, at, Seen(linkedid=f"l-{call}", line="1800123456", number=number))
    saw(s, keys, call, Fact.KEY, at)
    saw(s, keys, call, Fact.LANGUAGE, at, Seen(language=language))


def end(s: Session, call: str, ago_s: float = 0) -> Contact:
    contact = calls.find(s, call)
    assert contact is not None
    return calls.close(s, contact, now() - timedelta(seconds=ago_s), **LIMITS)


def a_recording(name: str) -> Recording:
    return Recording(spool_name=name, contact_id=0, vault_key=name, sha256="0", duration_s=3.0, recorded_at=now())


def test_a_fact_said_twice_is_kept_the_first_time(db: Database, keys: Keys) -> None:
    first = now() - timedelta(seconds=50)
    with db.write() as s:
        saw(s, keys, "a", Fact.QUEUED, first)
        saw(s, keys, "a", Fact.QUEUED, now())
    with db.read() as s:
        contact = calls.find(s, "a")
        assert contact is not None
        assert contact.queued_at == first


def test_facts_in_any_order_make_one_row(db: Database, keys: Keys) -> None:
    with db.write() as s:
        saw(s, keys, "a", Fact.ENDED, now())
        saw(s, keys, "a", Fact.ARRIVED, now() - timedelta(minutes=5), Seen(number=NUMBER))
    with db.read() as s:
        contact = s.exec(select(Contact)).one()
        assert contact.duration_s == 300


def test_two_processes_that_see_the_same_call_at_once_make_one_row(db: Database, keys: Keys) -> None:
    barrier, errors = threading.Barrier(4), []

    def see(fact: Fact) -> None:
        barrier.wait()
        try:
            with db.write() as s:
                saw(s, keys, "a", fact, now(), Seen(linkedid="l"))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=see, args=(f,)) for f in (Fact.ARRIVED, Fact.KEY, Fact.LANGUAGE, Fact.QUEUED)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert errors == []
    with db.read() as s:
        contact = s.exec(select(Contact)).one()
        assert contact.key_at and contact.language_at and contact.queued_at


def test_a_row_made_from_asterisks_records_is_taken_over_by_its_name(db: Database, keys: Keys) -> None:
    with db.write() as s:
        saw(s, keys, f"{calls.UNNAMED}77.1", Fact.ARRIVED, now(), Seen(linkedid="77.1"))
        saw(s, keys, "real", Fact.QUEUED, now(), Seen(linkedid="77.1"))
    with db.read() as s:
        assert s.exec(select(Contact)).one().call == "real"


def test_closing_twice_files_one_case(db: Database, keys: Keys) -> None:
    with db.write() as s:
        arrive(s, keys, "a", 60)
        one = end(s, "a").case_id
        assert end(s, "a").case_id == one
    with db.read() as s:
        assert s.exec(select(func.count()).select_from(Case)).one() == 1


def test_two_processes_that_close_the_same_call_at_once_file_one_case(db: Database, keys: Keys) -> None:
    with db.write() as s:
        arrive(s, keys, "a", 60)
    read = threading.Barrier(2)

    def close() -> None:
        with db.write() as s:
            contact = calls.find(s, "a")
            assert contact is not None
            if not db.sqlite:  # whose one writer is alone from the start
                read.wait(PATIENCE_S)
            calls.close(s, contact, now(), **LIMITS)

    both = [threading.Thread(target=close) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    with db.read() as s:
        contact = calls.find(s, "a")
        assert contact is not None
        assert [case.id for case in s.exec(select(Case))] == [contact.case_id]


def test_an_answer_told_while_the_call_is_closed_counts(db: Database, keys: Keys) -> None:
    with db.write() as s:
        arrive(s, keys, "a", 60)

    def answer() -> None:
        with db.write() as s:
            saw(s, keys, "a", Fact.ANSWERED, now())

    with db.write() as s:
        end(s, "a")
        telling = threading.Thread(target=answer)
        telling.start()
        telling.join(0.5)
    telling.join()
    with db.read() as s:
        contact = calls.find(s, "a")
        assert contact is not None
        assert contact.outcome is Outcome.ANSWERED


@pytest.mark.parametrize(
    ("facts", "outcome"),
    [
        ([], Outcome.ABANDONED_IN_MENU),
        ([Fact.QUEUED], Outcome.ABANDONED_IN_QUEUE),
        ([Fact.QUEUED, Fact.ANSWERED], Outcome.ANSWERED),
        ([Fact.QUEUED, Fact.CALLBACK], Outcome.CALLBACK_REQUESTED),
        ([Fact.MESSAGE], Outcome.ABANDONED_IN_MENU),
        ([Fact.FAILED], Outcome.FAILED),
    ],
)
def test_the_outcome_is_what_the_line_saw(db: Database, keys: Keys, facts: list[Fact], outcome: Outcome) -> None:
    with db.write() as s:
        arrive(s, keys, "a", 60)
        for fact in facts:
            saw(s, keys, "a", fact, now())
        assert end(s, "a").outcome is outcome


def test_a_recording_that_comes_after_the_end_makes_it_a_voicemail(db: Database, keys: Keys) -> None:
    with db.write() as s:
        arrive(s, keys, "a", 60)
        contact = end(s, "a")
        assert calls.attach(s, contact, a_recording("a.sln")) is True
        assert contact.outcome is Outcome.VOICEMAIL
        assert calls.attach(s, contact, a_recording("a.sln")) is False
    with db.read() as s:
        assert s.exec(select(func.count()).select_from(Recording)).one() == 1


def test_a_second_call_within_a_quarter_of_an_hour_joins_an_untouched_abandon(db: Database, keys: Keys) -> None:
    with db.write() as s:
        arrive(s, keys, "a", 300)
        first = end(s, "a", 240).case_id
        arrive(s, keys, "b", 60)
        assert end(s, "b").case_id == first


@pytest.mark.parametrize("why", ["language", "number", "late", "touched", "answered", "withheld"])
def test_any_other_second_call_files_its_own_case(db: Database, staff: Cast, keys: Keys, why: str) -> None:
    with db.write() as s:
        first_ago = 2000 if why == "late" else 300
        number = None if why == "withheld" else NUMBER
        arrive(s, keys, "a", first_ago, number=number)
        if why == "answered":
            saw(s, keys, "a", Fact.ANSWERED, now() - timedelta(seconds=280), Seen(handler_id=staff.alice.id))
        first = end(s, "a", first_ago - 30).case_id
        assert first is not None
        if why == "touched":
            work.claim(s, first, staff.alice)
        other = "0899999999" if why == "number" else number
        arrive(s, keys, "b", 60, number=other, language="th" if why == "language" else "my")
        assert end(s, "b").case_id != first


def test_only_a_brief_abandon_without_a_key_is_closed_by_the_machine(db: Database, keys: Keys) -> None:
    with db.write() as s:
        saw(s, keys, "brief", Fact.ARRIVED, now() - timedelta(seconds=6))
        saw(s, keys, "longer", Fact.ARRIVED, now() - timedelta(seconds=40))
        arrive(s, keys, "keyed", 5)
        status = {c: s.get(Case, end(s, c).case_id).status for c in ("brief", "longer", "keyed")}  # type: ignore[union-attr]
    assert status == {"brief": CaseStatus.CLOSED, "longer": CaseStatus.NEW, "keyed": CaseStatus.NEW}


def test_a_late_key_opens_the_case_of_a_brief_abandon_again(db: Database, keys: Keys) -> None:
    with db.write() as s:
        saw(s, keys, "a", Fact.ARRIVED, now() - timedelta(seconds=6))
        contact = end(s, "a")
        saw(s, keys, "a", Fact.KEY, now() - timedelta(seconds=3))
        calls.close(s, contact, now(), **LIMITS)
        case = s.get(Case, contact.case_id)
        assert case is not None
        assert case.status is CaseStatus.NEW


def test_a_number_is_sealed_and_found_by_any_spelling(db: Database, keys: Keys) -> None:
    with db.write() as s:
        arrive(s, keys, "a", 300, number="0812345678")
        arrive(s, keys, "b", 60, number="+66 81 234 5678")
    with db.read() as s:
        caller = s.exec(select(Caller)).one()
        assert b"812345678" not in caller.number_sealed
        assert keys.open(caller.number_sealed) == b"+66812345678"
        assert caller.last_language == "my"


def test_a_withheld_number_is_a_normal_call(db: Database, keys: Keys) -> None:
    with db.write() as s:
        arrive(s, keys, "a", 60, number="anonymous")
        contact = end(s, "a")
        assert contact.caller_id is None
        assert contact.case_id is not None


def test_what_the_caller_said_about_calling_back_reaches_the_case(db: Database, keys: Keys) -> None:
    with db.write() as s:
        arrive(s, keys, "a", 60)
        saw(s, keys, "a", Fact.CALLBACK, now(), Seen(callback_said=CallbackSafety.SAFE))
        contact = end(s, "a")
        safety = s.get(Safety, contact.case_id)
        assert safety is not None
        assert safety.callback is CallbackSafety.SAFE


def test_a_clock_that_jumped_back_makes_no_negative_duration(db: Database, keys: Keys) -> None:
    with db.write() as s:
        saw(s, keys, "a", Fact.ARRIVED, now())
        contact = end(s, "a", ago_s=3600)
        assert contact.duration_s == 0
        assert s.exec(select(func.count()).where(col(Contact.ended_at) < col(Contact.arrived_at))).one() == 0
