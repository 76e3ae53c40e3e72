"""What is told late, or by a clock that was set back, counts as it should: call-backs and consent."""

from datetime import timedelta

import pytest
from sqlmodel import Session, col, select

from hotline.callbacks import attempts as callback_attempts
from hotline.calls import facts as calls
from hotline.calls.facts import Fact, Seen
from hotline.cases import consents
from hotline.cases.consents import SCRIPT_VERSION
from hotline.keys import Keys
from hotline.settings import Settings
from models import (
    AttemptOutcome,
    Callback,
    CallbackAttempt,
    CallbackKind,
    Case,
    CaseStatus,
    Consent,
    ConsentPurpose,
    Contact,
    Database,
)
from models.db.types import now
from tests.support.cast import Cast
from tests.support.thailand import saw

NUMBER = "0812345678"
LIMITS = {"join_within_s": 0, "brief_s": 10}


def call(
    s: Session, keys: Keys, name: str, *facts: Fact, minute: int, language: str = "my", handler: int | None = None
) -> Contact:
    """A call of a minute, told whole; `minute` is when, counted in the last five hours."""
    at = now() - timedelta(hours=5) + timedelta(minutes=minute)
    saw(s, keys, name, Fact.ARRIVED, at, Seen(linkedid=f"l-{name}", number=NUMBER))
    contact = saw(s, keys, name, Fact.KEY, at, Seen(language=language))
    for n, fact in enumerate(facts, start=1):
        saw(s, keys, name, fact, at + timedelta(seconds=n), Seen(handler_id=handler))
        if fact is Fact.ANSWERED:
            calls.answered(s, contact, handler or 0, at + timedelta(seconds=n), join_within_s=0)
    return calls.close(s, contact, at + timedelta(seconds=60), **LIMITS)


def open_items(s: Session) -> list[Callback]:
    return list(s.exec(select(Callback).where(col(Callback.ended_at).is_(None))))


@pytest.mark.parametrize(("language", "owed"), [("th", 1), ("my", 0)])
def test_an_answer_in_another_language_cancels_nothing_that_is_told_late(
    db: Database, staff: Cast, keys: Keys, language: str, owed: int
) -> None:
    """The telephone is shared: the Thai who was answered at noon is not the Burmese who gave up at eleven."""
    with db.write() as s:
        call(s, keys, "noon", Fact.QUEUED, Fact.ANSWERED, minute=60, language=language, handler=staff.bob.id)
        call(s, keys, "eleven", Fact.QUEUED, minute=0, language="my")
        assert len(open_items(s)) == owed


@pytest.mark.parametrize(("language", "owed"), [("th", 1), ("my", 0)])
def test_a_call_back_that_reached_another_language_cancels_nothing_that_is_told_late(
    db: Database, staff: Cast, keys: Keys, settings: Settings, language: str, owed: int
) -> None:
    with db.write() as s:
        call(s, keys, "noon", Fact.QUEUED, minute=60, language=language)
        item = open_items(s)[0]
        out = Contact(call="out", direction="outbound", arrived_at=now(), answered_at=now(), ended_at=now())  # type: ignore[arg-type]
        s.add(out)
        s.flush()
        s.add(CallbackAttempt(callback_id=item.id, contact_id=out.id, by_id=staff.bob.id))
        s.flush()
        callback_attempts.said(s, item.id, AttemptOutcome.REACHED, staff.bob, now(), settings)
        assert open_items(s) == []
        call(s, keys, "eleven", Fact.QUEUED, minute=0, language="my")
        assert len(open_items(s)) == owed


def test_a_call_back_that_is_asked_for_after_the_close_is_owed(db: Database, keys: Keys) -> None:
    """The note of the net comes out of the spool when the call is long filed; it is the most pressing kind."""
    with db.write() as s:
        contact = call(s, keys, "a", Fact.QUEUED, minute=0)
        assert open_items(s)[0].kind is CallbackKind.ABANDONED
        saw(s, keys, "a", Fact.CALLBACK, contact.arrived_at + timedelta(seconds=40))
        assert [(item.contact_id, item.kind) for item in open_items(s)] == [(contact.id, CallbackKind.REQUESTED)]


def test_a_call_back_asked_for_after_a_brief_call_was_closed_is_owed(db: Database, keys: Keys) -> None:
    """Nobody had seen a key, so the case was closed as a brief abandon: it is opened again with the call-back."""
    at = now() - timedelta(hours=1)
    with db.write() as s:
        contact = saw(s, keys, "a", Fact.ARRIVED, at, Seen(number=NUMBER, language="my"))
        calls.close(s, contact, at + timedelta(seconds=8), **LIMITS)
        assert open_items(s) == []
        saw(s, keys, "a", Fact.CALLBACK, at + timedelta(seconds=6))
        assert [item.kind for item in open_items(s)] == [CallbackKind.REQUESTED]
        assert s.get_one(Case, contact.case_id).status is CaseStatus.NEW


def test_a_consent_taken_back_by_a_clock_that_was_set_back_is_taken_back(db: Database, staff: Cast, keys: Keys) -> None:
    """By the order of writing: the clock that wrote the withdrawal was an hour behind."""
    purpose = ConsentPurpose.RECORDING
    with db.write() as s:
        contact = saw(s, keys, "a", Fact.ANSWERED, now(), Seen(handler_id=staff.alice.id, language="my"))
        calls.answered(s, contact, staff.alice.id, now(), join_within_s=0)
        case_id = contact.case_id or 0
        given = consents.give(s, case_id, contact.id, purpose, staff.alice, "my", SCRIPT_VERSION)
        assert consents.may_record(s, contact)
        taken = consents.refuse(s, case_id, contact.id, purpose, staff.alice, "my", SCRIPT_VERSION)
        taken.at = given.at - timedelta(hours=1)
        s.add(taken)
        s.flush()
        s.expire_all()
        newest = consents.newest(s, case_id, purpose)
        assert newest is not None
        assert (newest.id, newest.given) == (taken.id, False)
        assert not consents.stands(s, case_id, purpose)
        assert [row.id for row in consents.of_case(s, case_id)] == [taken.id, given.id]
        assert s.exec(select(Consent.at).where(col(Consent.id) == taken.id)).one() < given.at, "premise"
