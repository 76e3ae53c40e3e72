"""Numbers that a supervisor approved: sealed, audited, and never a worker's."""

from dataclasses import replace

import pytest
from sqlmodel import Session, select

from hotline.calls.facts import Fact, Seen
from hotline.errors import Invalid, NotAllowed, NotFound, Refused
from hotline.keys import Keys
from hotline.referrals import directory
from models import AuditEntry, Database, DirectoryEntry, EntryKind
from models.db.types import now
from tests.support.cast import Cast
from tests.support.thailand import THAI, saw

SHELTER = {
    "name": "The shelter",
    "kind": EntryKind.SHELTER,
    "number": "02 123 4567",
    "language": "my",
    "note": "24 h",
    "numbering": THAI,
}


def acts(s: Session) -> list[str]:
    return [entry.act for entry in s.exec(select(AuditEntry)) if entry.act.startswith("directory")]


def test_a_number_is_kept_sealed_in_one_spelling(db: Database, staff: Cast, keys: Keys) -> None:
    with db.write() as s:
        entry = directory.add(s, keys, staff.sofia, **SHELTER)  # type: ignore[arg-type]
        assert b"1234567" not in entry.number_sealed
        assert keys.open(entry.number_sealed) == b"+6621234567"
        assert directory.number_to_call(s, keys, entry.id, staff.alice, THAI) == "+6621234567"
        assert directory.show_number(s, keys, entry.id, staff.sofia) == "+66 2 123 4567"
        assert acts(s) == ["directory_added", "directory_called", "directory_number_shown"]
        assert "1234567" not in str([e.detail for e in s.exec(select(AuditEntry))])


@pytest.mark.parametrize("number", ["1669", "191", "+95 1 234567"])
def test_short_codes_and_other_countries_can_be_called(db: Database, staff: Cast, keys: Keys, number: str) -> None:
    with db.write() as s:
        allows = replace(THAI, dial_countries=("MM",))
        shelter = SHELTER | {"number": number, "numbering": allows}
        entry = directory.add(s, keys, staff.sofia, **shelter)  # type: ignore[arg-type]
        assert directory.number_to_call(s, keys, entry.id, staff.alice, allows) == number.replace(" ", "")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("number", ""),
        ("number", "anonymous"),
        ("number", "12"),
        ("number", "123456789012345678"),
        ("name", "  "),
        ("name", "x" * 121),
        ("note", "x" * 301),
        ("language", "xx"),
    ],
)
def test_what_cannot_be_used_is_refused_by_field(db: Database, staff: Cast, keys: Keys, field: str, value: str) -> None:
    with db.write() as s:
        with pytest.raises(Invalid) as caught:
            directory.add(s, keys, staff.sofia, **SHELTER | {field: value})  # type: ignore[arg-type]
        assert list(caught.value.fields) == [field]


def test_a_workers_telephone_is_in_no_directory(db: Database, staff: Cast, keys: Keys) -> None:
    with db.write() as s:
        saw(s, keys, "a", Fact.ARRIVED, now(), Seen(number="0812345678"))
        with pytest.raises(Invalid, match="worker"):
            directory.add(s, keys, staff.sofia, **SHELTER | {"number": "+66 81 234 5678"})  # type: ignore[arg-type]
        entry = directory.add(s, keys, staff.sofia, **SHELTER)  # type: ignore[arg-type]
        with pytest.raises(Invalid, match="worker"):
            directory.change(s, keys, entry.id, staff.sofia, **SHELTER | {"number": "0812345678"})  # type: ignore[arg-type]
        saw(s, keys, "b", Fact.ARRIVED, now(), Seen(number="021234567"))
        with pytest.raises(Refused, match="worker"):
            directory.number_to_call(s, keys, entry.id, staff.alice, THAI)


def test_an_entry_is_changed_by_field_and_keeps_its_number(db: Database, staff: Cast, keys: Keys) -> None:
    with db.write() as s:
        entry = directory.add(s, keys, staff.sofia, **SHELTER)  # type: ignore[arg-type]
        directory.change(s, keys, entry.id, staff.sofia, **SHELTER | {"number": "", "name": "Night shelter"})  # type: ignore[arg-type]
        directory.change(s, keys, entry.id, staff.sofia, **SHELTER | {"number": "1300", "name": "Night shelter"})  # type: ignore[arg-type]
        told = [e.detail["fields"] for e in s.exec(select(AuditEntry)) if e.act == "directory_changed"]
        assert told == [["name"], ["number"]]
        assert directory.number_to_call(s, keys, entry.id, staff.alice, THAI) == "1300"


def test_what_is_switched_off_is_kept_and_not_called(db: Database, staff: Cast, keys: Keys) -> None:
    with db.write() as s:
        entry = directory.add(s, keys, staff.sofia, **SHELTER)  # type: ignore[arg-type]
        directory.switch(s, entry.id, staff.sofia, active=False)
        directory.switch(s, entry.id, staff.sofia, active=False)
        assert directory.entries(s) == []
        assert [e.id for e in directory.entries(s, all_of_them=True)] == [entry.id]
        with pytest.raises(Refused):
            directory.number_to_call(s, keys, entry.id, staff.alice, THAI)
        directory.switch(s, entry.id, staff.sofia, active=True)
        assert directory.number_to_call(s, keys, entry.id, staff.alice, THAI)
        assert acts(s).count("directory_switched_off") == 1


def test_entries_are_found_by_kind_and_language(db: Database, staff: Cast, keys: Keys) -> None:
    with db.write() as s:
        for name, kind, language in (
            ("Burmese", EntryKind.INTERPRETER, "my"),
            ("Any", EntryKind.INTERPRETER, None),
            ("Thai", EntryKind.INTERPRETER, "th"),
            ("Embassy", EntryKind.EMBASSY, None),
        ):
            directory.add(s, keys, staff.sofia, **SHELTER | {"name": name, "kind": kind, "language": language})  # type: ignore[arg-type]
        assert [e.name for e in directory.entries(s, EntryKind.INTERPRETER, "my")] == ["Any", "Burmese"]
        assert [e.name for e in directory.entries(s)] == ["Embassy", "Any", "Burmese", "Thai"]


def test_agents_call_and_only_supervisors_change(db: Database, staff: Cast, keys: Keys) -> None:
    with db.write() as s:
        entry = directory.add(s, keys, staff.sofia, **SHELTER)  # type: ignore[arg-type]
        entry_id = entry.id
        for outsider in (staff.alice, staff.adam, staff.charlie):
            for act in (
                lambda who: directory.add(s, keys, who, **SHELTER),  # type: ignore[arg-type]
                lambda who: directory.change(s, keys, entry_id, who, **SHELTER),  # type: ignore[arg-type]
                lambda who: directory.switch(s, entry_id, who, active=False),
                lambda who: directory.show_number(s, keys, entry_id, who),
            ):
                with pytest.raises(NotAllowed):
                    act(outsider)
        for outsider in (staff.adam, staff.charlie):
            with pytest.raises(NotAllowed):
                directory.number_to_call(s, keys, entry_id, outsider, THAI)
        with pytest.raises(NotFound):
            directory.number_to_call(s, keys, 99_999, staff.alice, THAI)
        assert len(s.exec(select(DirectoryEntry)).all()) == 1
