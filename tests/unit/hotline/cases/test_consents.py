"""What a worker agreed to, in which words, and that taking it back stops the recording."""

import pytest
from sqlmodel import Session, select

from hotline.calls import facts as calls
from hotline.calls.facts import Fact, Seen
from hotline.cases import consents, joining
from hotline.cases.consents import SCRIPT_VERSION
from hotline.errors import Invalid, NotAllowed, Refused
from hotline.keys import Keys
from hotline.line import languages
from models import AuditEntry, CaseEvent, Consent, ConsentPurpose, Contact, Database, EventKind, TalkRecording
from models.db.types import now
from recordings.vault.consent_gate import TAKEN_BACK, why_not
from tests.support.cast import Cast
from tests.support.thailand import saw

RECORDING = ConsentPurpose.RECORDING


def talking(s: Session, keys: Keys, staff: Cast, name: str = "a") -> Contact:
    contact = saw(s, keys, name, Fact.ARRIVED, now(), Seen(language="my", number="0812345678"))
    saw(s, keys, name, Fact.ANSWERED, now(), Seen(handler_id=staff.alice.id))
    calls.answered(s, contact, staff.alice.id, now(), join_within_s=0)
    return contact


def give(s: Session, contact: Contact, staff: Cast, script: str = SCRIPT_VERSION, language: str = "my") -> Consent:
    return consents.give(s, contact.case_id or 0, contact.id, RECORDING, staff.alice, language, script)


def test_consent_lets_this_call_be_recorded_until_it_is_taken_back(db: Database, staff: Cast, keys: Keys) -> None:
    with db.write() as s:
        contact = talking(s, keys, staff)
        case_id = contact.case_id or 0
        assert not consents.may_record(s, contact)
        give(s, contact, staff)
        assert contact.recording is TalkRecording.CONSENTED
        assert consents.stands(s, case_id, RECORDING)
        assert consents.may_record(s, contact)
        contact.recording = TalkRecording.RUNNING
        give(s, contact, staff)
        assert contact.recording is TalkRecording.RUNNING
        assert consents.withdraw(s, case_id, RECORDING, staff.alice, contact.id) is not None
        assert contact.recording is TalkRecording.OFF
        assert not consents.stands(s, case_id, RECORDING)
        assert consents.withdraw(s, case_id, RECORDING, staff.alice) is None
        rows = consents.of_case(s, case_id)
        assert [(row.given, row.language, row.script) for row in rows] == [
            (False, "my", SCRIPT_VERSION),
            (True, "my", SCRIPT_VERSION),
            (True, "my", SCRIPT_VERSION),
        ]
        told = [e.detail["given"] for e in s.exec(select(CaseEvent)) if e.kind is EventKind.CONSENT]
        assert told == [True, True, False]
        acts = [e.act for e in s.exec(select(AuditEntry)) if e.act.startswith("consent")]
        assert acts == ["consent_given", "consent_given", "consent_withdrawn"]


def test_consent_of_one_call_does_not_record_the_next(db: Database, staff: Cast, keys: Keys) -> None:
    with db.write() as s:
        first = talking(s, keys, staff)
        give(s, first, staff)
        calls.close(s, first, now(), join_within_s=0, brief_s=10)
        second = talking(s, keys, staff, "b")
        second.case_id = first.case_id
        s.flush()
        assert consents.stands(s, second.case_id or 0, RECORDING)
        assert not consents.may_record(s, second)
        assert not consents.may_record(s, first)


def test_a_call_that_is_over_or_of_another_case_is_refused(db: Database, staff: Cast, keys: Keys) -> None:
    with db.write() as s:
        contact, other = talking(s, keys, staff), talking(s, keys, staff, "b")
        with pytest.raises(Refused):
            consents.give(s, other.case_id or 0, contact.id, RECORDING, staff.alice, "my", SCRIPT_VERSION)
        calls.close(s, contact, now(), join_within_s=0, brief_s=10)
        with pytest.raises(Refused, match="over"):
            give(s, contact, staff)
        assert s.exec(select(Consent)).all() == []


@pytest.mark.parametrize("asked_in_its_old_case", [False, True])
def test_taking_it_back_reaches_a_call_that_was_joined_to_another_case(
    db: Database, staff: Cast, keys: Keys, asked_in_its_old_case: bool
) -> None:
    with db.write() as s:
        contact, other = talking(s, keys, staff), talking(s, keys, staff, "b")
        old, new = contact.case_id or 0, other.case_id or 0
        give(s, contact, staff)
        contact.recording = TalkRecording.RUNNING
        joining.join_call(s, contact.id, new, staff.alice)
        assert consents.may_record(s, contact), "she agreed in this very call"
        page = old if asked_in_its_old_case else new
        assert consents.recorded_now(s, page) == [contact.call]
        assert consents.withdraw(s, page, RECORDING, staff.alice) is not None
        assert contact.recording is TalkRecording.OFF
        assert not consents.may_record(s, contact)
        assert why_not(s, contact, contact.arrived_at) == TAKEN_BACK, "what was recorded is destroyed"


def test_words_that_are_no_longer_read_and_languages_nobody_knows_are_refused(
    db: Database, staff: Cast, keys: Keys
) -> None:
    with db.write() as s:
        contact = talking(s, keys, staff)
        with pytest.raises(Invalid):
            give(s, contact, staff, script="2020-01")
        with pytest.raises(Invalid):
            give(s, contact, staff, language="xx")
        with pytest.raises(NotAllowed):
            consents.give(s, contact.case_id or 0, None, RECORDING, staff.adam, "my", SCRIPT_VERSION)


@pytest.mark.parametrize("language", ["en", "th", "my", "km", "lo", "vi", "ko", "ne", "bn", "hi"])
def test_the_words_are_there_in_her_language(language: str) -> None:
    said = consents.script(RECORDING, language, 30)
    assert not said.fallback
    assert "30" in said.text
    assert "{" not in said.text
    assert language in languages.catalogue()
    assert len(said.version) <= 16


@pytest.mark.parametrize("language", ["tl", None])
def test_a_language_without_words_gets_english_ones_and_says_so(language: str | None) -> None:
    said = consents.script(RECORDING, language, 30)
    assert said.text == consents.script(RECORDING, "en", 30).text
    assert said.fallback is (language is not None)


def test_no_is_kept_and_ends_what_stood(db: Database, staff: Cast, keys: Keys) -> None:
    with db.write() as s:
        contact = talking(s, keys, staff)
        case_id = contact.case_id or 0
        give(s, contact, staff)
        contact.recording = TalkRecording.RUNNING
        s.flush()
        assert consents.recorded_now(s, case_id) == [contact.call]
        consents.refuse(s, case_id, contact.id, RECORDING, staff.alice, "my", SCRIPT_VERSION)
        assert contact.recording is TalkRecording.OFF
        assert not consents.stands(s, case_id, RECORDING)
        assert consents.recorded_now(s, case_id) == []
        with pytest.raises(Invalid):
            consents.refuse(s, case_id, contact.id, RECORDING, staff.alice, "my", "an old one")
