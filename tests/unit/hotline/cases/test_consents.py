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
from tests.support.behind import changed_by_another
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


def test_the_words_are_of_a_version_and_of_the_language_that_was_asked_for() -> None:
    """Without one they are English, and that is not told as if words were missing."""
    for language, said_in in (("th", "th"), ("tl", "tl"), (None, "en")):
        said = consents.script(RECORDING, language, 30)
        assert (said.version, said.language) == (SCRIPT_VERSION, said_in)
    assert consents.script(RECORDING, "th", 30).text != consents.script(RECORDING, "en", 30).text


def test_what_is_asked_of_a_call_of_another_case_is_refused_whatever_it_is(
    db: Database, staff: Cast, keys: Keys
) -> None:
    """Neither is it recorded then, nor does its own recording stop."""
    with db.write() as s:
        contact, other = talking(s, keys, staff), talking(s, keys, staff, "b")
        give(s, other, staff)
        case_id = contact.case_id or 0
        for call_id in (other.id, 99_999):
            with pytest.raises(Refused, match="does not belong"):
                consents.give(s, case_id, call_id, RECORDING, staff.alice, "my", SCRIPT_VERSION)
            with pytest.raises(Refused, match="does not belong"):
                consents.refuse(s, case_id, call_id, RECORDING, staff.alice, "my", SCRIPT_VERSION)
            with pytest.raises(Refused, match="does not belong"):
                consents.withdraw(s, case_id, RECORDING, staff.alice, call_id)
        assert (contact.recording, other.recording) == (TalkRecording.OFF, TalkRecording.CONSENTED)
        assert len(s.exec(select(Consent)).all()) == 1


def test_who_works_no_cases_neither_keeps_a_no_nor_takes_a_yes_back(db: Database, staff: Cast, keys: Keys) -> None:
    with db.write() as s:
        contact = talking(s, keys, staff)
        give(s, contact, staff)
        case_id = contact.case_id or 0
        for outsider in (staff.adam, staff.charlie):
            with pytest.raises(NotAllowed):
                consents.refuse(s, case_id, contact.id, RECORDING, outsider, "my", SCRIPT_VERSION)
            with pytest.raises(NotAllowed):
                consents.withdraw(s, case_id, RECORDING, outsider)
        with pytest.raises(Invalid):
            consents.refuse(s, case_id, contact.id, RECORDING, staff.alice, "xx", SCRIPT_VERSION)
        assert consents.may_record(s, contact)


def test_what_is_asked_is_told_and_audited_with_its_words_and_kept_with_its_call(
    db: Database, staff: Cast, keys: Keys
) -> None:
    """A withdrawal names the call in which the worker agreed, and the words they had agreed to."""
    with db.write() as s:
        contact, later = talking(s, keys, staff), talking(s, keys, staff, "b")
        later.case_id = contact.case_id
        s.flush()
        case_id = contact.case_id or 0
        given = give(s, contact, staff, language="th")
        taken = consents.withdraw(s, case_id, RECORDING, staff.bob, later.id)
        assert taken is not None
        about = {"purpose": "recording", "language": "th"}
        for row, who, is_given in ((given, staff.alice, True), (taken, staff.bob, False)):
            assert (row.case_id, row.contact_id, row.purpose, row.given) == (case_id, contact.id, RECORDING, is_given)
            assert (row.language, row.script, row.by_id) == ("th", SCRIPT_VERSION, who.id)
        lines = [(e.by_id, e.detail) for e in s.exec(select(CaseEvent)) if e.kind is EventKind.CONSENT]
        assert lines == [(staff.alice.id, {"given": True} | about), (staff.bob.id, {"given": False} | about)]
        audited = [
            (e.act, e.subject, e.by_id, e.detail) for e in s.exec(select(AuditEntry)) if e.act.startswith("consent")
        ]
        assert audited == [
            ("consent_given", f"case:{case_id}", staff.alice.id, about | {"script": SCRIPT_VERSION}),
            ("consent_withdrawn", f"case:{case_id}", staff.bob.id, about | {"script": SCRIPT_VERSION}),
        ]


@pytest.mark.parametrize("named", [True, False])
def test_taking_it_back_stops_the_calls_of_the_case_that_go_on_and_the_one_it_is_said_of(
    db: Database, staff: Cast, keys: Keys, named: bool
) -> None:
    """What is over keeps what was so, unless it is named; what another case is about is not touched."""
    with db.write() as s:
        over, live, elsewhere = (talking(s, keys, staff, name) for name in ("a", "b", "c"))
        live.case_id = over.case_id
        s.flush()
        for contact in (over, live, elsewhere):
            give(s, contact, staff)
        calls.close(s, over, now(), join_within_s=0, brief_s=10)
        consents.withdraw(s, over.case_id or 0, RECORDING, staff.alice, over.id if named else None)
        assert live.recording is TalkRecording.OFF
        assert over.recording is (TalkRecording.OFF if named else TalkRecording.CONSENTED)
        assert elsewhere.recording is TalkRecording.CONSENTED
        assert not consents.may_record(s, live)
        assert consents.may_record(s, elsewhere)


def test_taking_back_what_was_never_given_stops_what_runs_all_the_same(db: Database, staff: Cast, keys: Keys) -> None:
    with db.write() as s:
        contact = talking(s, keys, staff)
        contact.recording = TalkRecording.RUNNING
        s.flush()
        assert consents.withdraw(s, contact.case_id or 0, RECORDING, staff.alice) is None
        assert contact.recording is TalkRecording.OFF


def test_a_yes_counts_only_for_the_case_and_with_all_it_needs(db: Database, staff: Cast, keys: Keys) -> None:
    """A call is recorded while it is switched on for it, goes on, has a case, and its case's consent stands."""
    with db.write() as s:
        contact, other = talking(s, keys, staff), talking(s, keys, staff, "b")
        give(s, contact, staff)
        assert consents.may_record(s, contact)
        assert not consents.stands(s, other.case_id or 0, RECORDING)
        other.recording = TalkRecording.RUNNING
        s.flush()
        assert not consents.may_record(s, other), "nobody was asked in it"
        assert consents.recorded_now(s, contact.case_id or 0) == [], "it may be, and is not"
        contact.recording = TalkRecording.RUNNING
        s.flush()
        assert consents.recorded_now(s, contact.case_id or 0) == [contact.call]
        assert consents.recorded_now(s, other.case_id or 0) == [other.call]
        own, contact.case_id = contact.case_id, None
        s.flush()
        assert not consents.may_record(s, contact)
        contact.case_id, contact.ended_at = own, now()
        s.flush()
        assert not consents.may_record(s, contact)
        assert consents.recorded_now(s, own or 0) == []


def test_a_call_that_was_ended_since_the_page_was_read_takes_no_consent(db: Database, staff: Cast, keys: Keys) -> None:
    with db.write() as s:
        contact = talking(s, keys, staff)
        changed_by_another(s, contact, ended_at=now())
        with pytest.raises(Refused, match="over"):
            give(s, contact, staff)
