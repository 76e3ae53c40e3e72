"""What retention deletes and what it leaves, told from rows and files alone."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from io import BytesIO

import pytest
from sqlmodel import Session

from hotline.calls.facts import Fact
from hotline.keys import Keys
from hotline.settings import Settings
from models import AuditEntry, Database, Recording, RecordingKind, RecordingState, Transcript
from models.db.types import now
from recordings.vault import retention
from recordings.vault.retention import ORPHAN_S, delete_old_audio, tidy_vault
from recordings.vault.vault import Vault
from tests.support.spooled import rows
from tests.support.thailand import saw

SECOND, DAY = timedelta(seconds=1), timedelta(days=1)


@pytest.fixture
def vault(settings: Settings, keys: Keys) -> Vault:
    return Vault(settings.vault, keys)


@pytest.fixture
def limit(settings: Settings) -> datetime:
    """What was heard before this is past its time today."""
    return now() - settings.audio_days * DAY


def recorded(s: Session, keys: Keys, vault: Vault, name: str, **values: object) -> Recording:
    """A recording in the vault, done with unless said otherwise."""
    contact = saw(s, keys, name, Fact.ARRIVED, now())
    values = {"state": RecordingState.TRANSCRIBED, "recorded_at": now()} | values
    one = Recording(
        spool_name=f"{name}.sln", contact_id=contact.id, vault_key=vault.put(BytesIO(name.encode())), sha256=name,
        duration_s=3.0, **values,
    )  # fmt: skip
    s.add(one)
    s.flush()
    return one


def old(vault: Vault, age_s: float) -> None:
    """Make all files of the vault so old."""
    for path in vault.folder.rglob("*.age"):
        os.utime(path, (time.time() - age_s, time.time() - age_s))


@pytest.mark.parametrize("state", list(RecordingState))
def test_only_what_is_done_with_is_deleted(
    db: Database, keys: Keys, settings: Settings, vault: Vault, limit: datetime, state: RecordingState
) -> None:
    """While it waits for the engine or is with it, the voice is needed, however old it is."""
    with db.write() as s:
        recorded(s, keys, vault, "a", state=state, heard_at=limit - SECOND)
    done = state in {RecordingState.TRANSCRIBED, RecordingState.NEEDS_LISTENER, RecordingState.FAILED}
    assert delete_old_audio(db, vault, settings, now()) == done
    assert len(list(vault.kept())) == (not done)


def test_the_days_run_from_the_hearing_and_from_the_transcript_whichever_is_later(
    db: Database, keys: Keys, settings: Settings, vault: Vault
) -> None:
    at = now()
    limit = at - settings.audio_days * DAY
    moments = {
        "both before": (limit - SECOND, limit - SECOND, True),
        "heard just now": (limit, limit - SECOND, False),
        "transcribed just now": (limit - SECOND, limit, False),
        "no transcript": (limit - SECOND, None, True),
        "never heard": (None, limit - 400 * DAY, False),
    }
    due = set()
    with db.write() as s:
        for name, (heard, transcribed, goes) in moments.items():
            one = recorded(s, keys, vault, name, heard_at=heard)
            if transcribed is not None:
                s.add(
                    Transcript(
                        recording_id=one.id, engine="e", model="m", language="ko", text="t", took_s=1, at=transcribed
                    )
                )
            due |= {one.sha256} if goes else set()
    assert delete_old_audio(db, vault, settings, at) == len(due)
    assert {one.sha256 for one in rows(db, Recording) if one.erased_at is not None} == due


def test_a_conversation_was_heard_by_the_agent_who_had_it(
    db: Database, keys: Keys, settings: Settings, vault: Vault, limit: datetime
) -> None:
    """Its days run from when it came into the vault; a message in the same state stays."""
    with db.write() as s:
        talk = recorded(s, keys, vault, "talk", kind=RecordingKind.CONVERSATION, ingested_at=limit - SECOND)
        recorded(s, keys, vault, "message", ingested_at=limit - SECOND)
        recorded(s, keys, vault, "young", kind=RecordingKind.CONVERSATION)
        gone = talk.id
    assert delete_old_audio(db, vault, settings, now()) == 1
    assert [one.id for one in rows(db, Recording) if one.erased_at is not None] == [gone]
    (entry,) = rows(db, AuditEntry)
    assert (entry.act, entry.subject) == ("audio_erased", f"recording:{gone}")


def test_an_orphan_is_set_aside_after_an_hour_and_a_known_or_young_file_is_not(
    db: Database, keys: Keys, settings: Settings, vault: Vault
) -> None:
    with db.write() as s:
        known = recorded(s, keys, vault, "known").vault_key
    orphan = vault.put(BytesIO(b"its transaction never came"))
    old(vault, ORPHAN_S + 60)
    young = vault.put(BytesIO(b"its transaction may still come"))
    assert dict(vault.kept())[orphan] > ORPHAN_S
    (path,) = vault.folder.rglob(f"{young}.age")
    os.utime(path, (time.time() - ORPHAN_S + 60, time.time() - ORPHAN_S + 60))
    assert tidy_vault(db, vault, settings, now()) == 1
    assert {key for key, _ in vault.kept()} == {known, young}
    assert [path.stem for path in (vault.folder / "aside").iterdir()] == [orphan]


@pytest.mark.parametrize(("days", "known", "stays"), [(1, True, True), (400, True, False), (400, False, True)])
def test_what_was_set_aside_goes_after_its_days_by_a_clock_that_is_trusted(
    db: Database, settings: Settings, vault: Vault, days: int, known: bool, stays: bool
) -> None:
    """A clock that says nothing deletes nothing: a wrong one would delete the only copy."""
    vault.put(BytesIO(b"an orphan"))
    old(vault, ORPHAN_S + 60)
    assert tidy_vault(db, vault, settings, now()) == 1
    (aside,) = (vault.folder / "aside").iterdir()
    os.utime(aside, (time.time() - days * 86400, time.time() - days * 86400))
    assert settings.audio_days < 400
    tidy_vault(db, vault, settings, now() if known else None)
    assert aside.exists() is stays


def test_many_files_that_cannot_be_removed_do_not_hold_up_the_others_for_ever(
    db: Database,
    keys: Keys,
    settings: Settings,
    vault: Vault,
    limit: datetime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """More than one look takes, and they come first. Sixty looks miss the others once in a billion billion runs."""
    monkeypatch.setattr(retention, "AT_ONCE", 3)
    with db.write() as s:
        stuck = {recorded(s, keys, vault, f"stuck{n}", heard_at=limit - SECOND).vault_key for n in range(3)}
        recorded(s, keys, vault, "last", heard_at=limit - SECOND)
    delete = Vault.delete

    def refuse(self: Vault, vault_key: str) -> None:
        if vault_key in stuck:
            raise PermissionError
        delete(self, vault_key)

    monkeypatch.setattr(Vault, "delete", refuse)
    assert sum(delete_old_audio(db, vault, settings, now()) for _ in range(60)) == 1
    assert {key for key, _ in vault.kept()} == stuck


@dataclass(frozen=True)
class Shelf(Vault):
    """A vault that says what it keeps and for how long, and notes what is set aside."""

    ages: dict[str, float] = field(default_factory=dict)
    aside: list[str] = field(default_factory=list)

    def kept(self) -> Iterator[tuple[str, float]]:
        yield from self.ages.items()

    def set_aside(self, vault_key: str) -> None:
        self.aside.append(vault_key)


def shelf(settings: Settings, keys: Keys, ages: dict[str, float]) -> Shelf:
    return Shelf(settings.vault, keys, ages=ages)


@pytest.mark.parametrize(("age_s", "orphan"), [(3599.0, False), (3600.0, False), (3600.1, True)])
def test_a_file_has_an_hour_to_get_its_row(
    db: Database, keys: Keys, settings: Settings, capsys: pytest.CaptureFixture[str], age_s: float, orphan: bool
) -> None:
    """The log tells of those that are set aside, and is still when there are none."""
    vault = shelf(settings, keys, {"a": age_s})
    assert tidy_vault(db, vault, settings, None) == orphan
    assert vault.aside == (["a"] if orphan else [])
    assert capsys.readouterr().out.count("set aside") == orphan


def test_none_of_many_files_that_have_a_row_is_set_aside(db: Database, keys: Keys, settings: Settings) -> None:
    """However many there are."""
    known = {f"{n:04}" for n in (0, 1, 498, 499, 500, 501, 999, 1000, 1001, 1100)}
    vault = shelf(settings, keys, {f"{n:04}": ORPHAN_S + 1 for n in range(1101)})
    real = Vault(settings.vault, keys)
    with db.write() as s:
        for key in known:
            recorded(s, keys, real, key).vault_key = key
    assert tidy_vault(db, vault, settings, None) == 1101 - len(known)
    assert set(vault.aside) == set(vault.ages) - known


def test_what_was_deleted_is_noted_once_with_the_days_it_was_kept(
    db: Database,
    keys: Keys,
    settings: Settings,
    vault: Vault,
    limit: datetime,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A file that is gone already counts as deleted: the death of a process between file and row. The log tells of those
    that were deleted, and is still when there are none."""
    with db.write() as s:
        one = recorded(s, keys, vault, "a", heard_at=limit - SECOND)
        vault.delete(one.vault_key)
        gone = one.id
    before = now()
    assert delete_old_audio(db, vault, settings, now()) == 1
    assert capsys.readouterr().out.count("was deleted") == 1
    assert delete_old_audio(db, vault, settings, now()) == 0
    assert "was deleted" not in capsys.readouterr().out
    (row,) = rows(db, Recording)
    assert row.erased_at is not None
    assert before <= row.erased_at <= now()
    (entry,) = rows(db, AuditEntry)
    assert (entry.subject, entry.by_id, entry.detail) == (f"recording:{gone}", None, {"days": settings.audio_days})


@pytest.mark.parametrize("how", ["erased", "row gone"])
def test_what_another_process_dealt_with_in_the_meantime_is_not_noted_again(
    db: Database,
    keys: Keys,
    settings: Settings,
    vault: Vault,
    limit: datetime,
    monkeypatch: pytest.MonkeyPatch,
    how: str,
) -> None:
    """Between the file and the row."""
    with db.write() as s:
        one = recorded(s, keys, vault, "a", heard_at=limit - SECOND).id
    before, delete = now() - DAY, Vault.delete

    def meanwhile(self: Vault, vault_key: str) -> bool:
        with db.write() as s:
            row = s.get_one(Recording, one)
            if how == "erased":
                row.erased_at = before
            else:
                s.delete(row)
        return delete(self, vault_key)

    monkeypatch.setattr(Vault, "delete", meanwhile)
    assert delete_old_audio(db, vault, settings, now()) == 1
    assert [row.erased_at for row in rows(db, Recording)] == ([before] if how == "erased" else [])
    assert rows(db, AuditEntry) == []
