"""What was recorded is kept only while the worker's consent to it stands, and is destroyed with its words otherwise."""

from datetime import datetime, timedelta
from io import BytesIO
from typing import Any

import pytest
from sqlmodel import Session

from hotline.calls.facts import Fact
from hotline.keys import Keys
from hotline.settings import Settings
from models import (
    AuditEntry,
    Case,
    CaseEvent,
    Consent,
    ConsentPurpose,
    Contact,
    Database,
    EventKind,
    Recording,
    RecordingKind,
    TalkRecording,
    Transcript,
)
from models.db.types import now
from recordings.vault.consent_gate import NEVER_GIVEN, TAKEN_BACK, destroy_taken_back, tell_destroyed, why_not
from recordings.vault.vault import Vault
from tests.support.cast import Cast
from tests.support.spooled import rows
from tests.support.thailand import saw

SECOND = timedelta(seconds=1)
YES, NO = True, False


@pytest.fixture
def vault(settings: Settings, keys: Keys) -> Vault:
    return Vault(settings.vault, keys)


def a_case(s: Session) -> int:
    case = Case(opened_at=now())
    s.add(case)
    s.flush()
    return case.id


def a_call(s: Session, keys: Keys, name: str = "a", *, filed: bool = True) -> Contact:
    contact = saw(s, keys, name, Fact.ARRIVED, now())
    contact.case_id = a_case(s) if filed else None
    s.flush()
    return contact


def said(
    s: Session, staff: Cast, given: bool, at: datetime, *, case_id: int | None = None, contact_id: int | None = None
) -> None:
    """A worker's yes or no to a recording; in a case of its own when none is given."""
    s.add(
        Consent(
            case_id=case_id or a_case(s), contact_id=contact_id, purpose=ConsentPurpose.RECORDING, given=given,
            language="my", script="2026-01", by_id=staff.alice.id, at=at,
        )
    )  # fmt: skip
    s.flush()


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ([], NEVER_GIVEN),
        ([(-5, YES)], None),
        ([(+5, YES)], None),
        ([(-5, NO)], TAKEN_BACK),
        ([(-5, NO), (+5, YES)], None),
        ([(-5, YES), (-1, NO), (+5, YES)], None),
        ([(-5, YES), (0, NO), (+5, YES)], TAKEN_BACK),
        ([(-5, YES), (+5, NO), (+9, YES)], TAKEN_BACK),
        ([(-5, YES), (-1, NO)], TAKEN_BACK),
        ([(-5, YES), (+5, NO)], TAKEN_BACK),
    ],
)
def test_a_no_after_the_recording_began_or_as_the_last_word_destroys_it(
    db: Database, keys: Keys, staff: Cast, answers: list[tuple[int, bool]], why: str | None
) -> None:
    """A yes that came later holds for later recordings; a no that was taken back before it began is none."""
    began = now()
    with db.write() as s:
        contact = a_call(s, keys)
        for after_s, given in answers:
            said(s, staff, given, began + after_s * SECOND, case_id=contact.case_id, contact_id=contact.id)
        assert why_not(s, contact, began) == why


@pytest.mark.parametrize("state", list(TalkRecording))
def test_what_the_call_itself_says_was_agreed_to_is_kept_though_no_row_says_so(
    db: Database, keys: Keys, state: TalkRecording
) -> None:
    with db.write() as s:
        contact = a_call(s, keys)
        contact.recording = state
        assert why_not(s, contact, now()) == (NEVER_GIVEN if state is TalkRecording.OFF else None)


@pytest.mark.parametrize(("where", "counts"), [("case", True), ("call", True), ("elsewhere", False)])
def test_what_was_said_in_this_call_or_in_its_case_counts_and_nothing_else(
    db: Database, keys: Keys, staff: Cast, where: str, counts: bool
) -> None:
    with db.write() as s:
        contact, other = a_call(s, keys), a_call(s, keys, "b")
        place = {
            "case": {"case_id": contact.case_id},
            "call": {"contact_id": contact.id},
            "elsewhere": {"case_id": other.case_id, "contact_id": other.id},
        }
        said(s, staff, NO, now(), **place[where])
        assert why_not(s, contact, now() - SECOND) == (TAKEN_BACK if counts else NEVER_GIVEN)


def recorded(s: Session, vault: Vault, contact: Contact, at: datetime, **values: Any) -> int:
    """A conversation of this call in the vault, with its words."""
    name = f"{contact.call}.talk{values.pop('number', 1)}.sln"
    one = Recording(
        **{"kind": RecordingKind.CONVERSATION} | values, spool_name=name, contact_id=contact.id, sha256=name,
        vault_key=vault.put(BytesIO(name.encode())), duration_s=3.0, recorded_at=at,
    )  # fmt: skip
    s.add(one)
    s.flush()
    s.add(Transcript(recording_id=one.id, engine="e", model="m", language="my", text="words", took_s=1))
    s.flush()
    return one.id


def audited(db: Database) -> list[AuditEntry]:
    """What was noted of conversations; the cast was hired as well."""
    return [entry for entry in rows(db, AuditEntry) if entry.act.startswith("conversation")]


def destroyed(db: Database, vault: Vault) -> list[int | None]:
    return list(destroy_taken_back(db, vault))


def test_a_conversation_goes_with_its_words_and_its_case_says_so_once(
    db: Database, keys: Keys, staff: Cast, vault: Vault
) -> None:
    """Its consent may stand in the case and in the call: it is one conversation all the same. It is audited."""
    began = now()
    with db.write() as s:
        contact = a_call(s, keys)
        gone = recorded(s, vault, contact, began)
        case_id = contact.case_id
        said(s, staff, NO, began + SECOND, case_id=case_id, contact_id=contact.id)
        said(s, staff, NO, began + 2 * SECOND, case_id=case_id)
    assert destroyed(db, vault) == [case_id]
    assert destroyed(db, vault) == []
    assert (rows(db, Recording), rows(db, Transcript), list(vault.kept())) == ([], [], [])
    (event,) = rows(db, CaseEvent)
    assert (event.case_id, event.kind) == (case_id, EventKind.RECORDED)
    assert event.detail == {"destroyed": TAKEN_BACK, "name": f"recording {gone}", "contact": contact.id}
    (entry,) = audited(db)
    assert (entry.act, entry.subject) == ("conversation_destroyed", f"contact:{contact.id}")
    assert entry.detail == {"why": TAKEN_BACK, "name": f"recording {gone}"}


@pytest.mark.parametrize(
    ("given", "after_s", "kind", "where", "goes"),
    [
        (NO, +1, RecordingKind.CONVERSATION, "case", True),
        (NO, +1, RecordingKind.CONVERSATION, "call", True),
        (NO, 0, RecordingKind.CONVERSATION, "case", True),
        (NO, -1, RecordingKind.CONVERSATION, "case", False),
        (YES, +1, RecordingKind.CONVERSATION, "case", False),
        (NO, +1, RecordingKind.MESSAGE, "case", False),
        (NO, +1, RecordingKind.CONVERSATION, "elsewhere", False),
    ],
)
def test_only_a_conversation_whose_consent_was_taken_back_after_it_began_goes(
    db: Database, keys: Keys, staff: Cast, vault: Vault, given: bool, after_s: int, kind: RecordingKind, where: str,
    goes: bool,
) -> None:  # fmt: skip
    """A message is the worker's own word to us, and stays; so does what another call or case is about."""
    began = now()
    with db.write() as s:
        contact, other = a_call(s, keys), a_call(s, keys, "b")
        place = {
            "case": {"case_id": contact.case_id},
            "call": {"contact_id": contact.id},
            "elsewhere": {"case_id": other.case_id, "contact_id": other.id},
        }
        one = recorded(s, vault, contact, began, kind=kind)
        said(s, staff, given, began + after_s * SECOND, **place[where])
    assert len(destroyed(db, vault)) == goes
    assert [kept.id for kept in rows(db, Recording)] == ([] if goes else [one])
    assert len(list(vault.kept())) == (not goes)


def test_the_voice_of_a_call_without_a_case_goes_too(db: Database, keys: Keys, staff: Cast, vault: Vault) -> None:
    began = now()
    with db.write() as s:
        contact = a_call(s, keys, filed=False)
        recorded(s, vault, contact, began)
        said(s, staff, NO, began, contact_id=contact.id)
    assert destroyed(db, vault) == [None]
    assert rows(db, CaseEvent) == []
    assert [entry.act for entry in audited(db)] == ["conversation_destroyed"]


def test_a_file_that_cannot_be_removed_keeps_its_row_and_holds_up_no_other(
    db: Database, keys: Keys, staff: Cast, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing says that a voice is gone which is not; the next look tries it again."""
    began = now()
    with db.write() as s:
        contact = a_call(s, keys)
        case_id = contact.case_id
        ids = [recorded(s, vault, contact, began, number=n) for n in (1, 2, 3)]
        stuck = s.get_one(Recording, ids[0]).vault_key
        said(s, staff, NO, began, case_id=case_id)
    delete = Vault.delete

    def refuse(self: Vault, vault_key: str) -> bool:
        if vault_key == stuck:
            raise PermissionError
        return delete(self, vault_key)

    monkeypatch.setattr(Vault, "delete", refuse)
    assert destroyed(db, vault) == [case_id] * 2
    assert [one.id for one in rows(db, Recording)] == ids[:1]
    assert [one.recording_id for one in rows(db, Transcript)] == ids[:1]
    monkeypatch.undo()
    assert destroyed(db, vault) == [case_id]
    assert len(rows(db, CaseEvent)) == 3


def test_a_case_is_told_once_of_each_conversation_that_was_destroyed(db: Database, keys: Keys) -> None:
    """Whoever is told it twice keeps one; a recording that was kept under the same name is not that."""
    with db.write() as s:
        contact = a_call(s, keys)
        s.add(CaseEvent(case_id=contact.case_id or 0, at=now(), kind=EventKind.RECORDED, detail={"name": "one"}))
        s.add(CaseEvent(case_id=a_case(s), at=now(), kind=EventKind.RECORDED, detail={"name": "one", "destroyed": "x"}))
        s.flush()
        for name in ("one", "one", "two"):
            tell_destroyed(s, contact, NEVER_GIVEN, name)
        case_id = contact.case_id
    told = [event.detail for event in rows(db, CaseEvent) if event.case_id == case_id]
    assert [(one["name"], one.get("destroyed")) for one in told] == [
        ("one", None),
        ("one", NEVER_GIVEN),
        ("two", NEVER_GIVEN),
    ]
    assert [entry.detail["name"] for entry in audited(db)] == ["one", "two"]
