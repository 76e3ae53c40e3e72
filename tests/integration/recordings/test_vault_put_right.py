"""What the vault holds and the rows know stay one: no copy outlives an erasure, and a file put right is transcribed."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlmodel import select

from hotline.keys import Keys
from hotline.settings import Settings
from models import Database, Recording, RecordingState
from models.db.types import now
from recordings.transcription import claims
from recordings.transcription.claims import Claims
from recordings.vault import retention
from recordings.vault.vault import ASIDE, Vault, VaultDamaged, VaultMissing
from tests.support.spooled import ARRIVED, Left, Taker, net_line


def everything_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("set_aside", [False, True])
def test_a_copy_sealed_before_a_crash_does_not_outlive_the_erasure(
    fresh: Callable[[], Taker], left: Left, voice: bytes, db: Database, settings: Settings,
    monkeypatch: pytest.MonkeyPatch, set_aside: bool,
) -> None:  # fmt: skip
    """Sealed, and gone before the transaction: the next process seals again."""
    left.message(voice, net_line(ended=ARRIVED.timestamp() + 70))

    class Died(BaseException):
        pass

    def dies(*_args: object, **_more: object) -> None:
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr("hotline.calls.facts.saw", dies)
        with pytest.raises(Died):
            fresh().take()
    taker = fresh()
    [sealed] = everything_in(settings.vault)
    if set_aside:
        taker.vault.set_aside(sealed.stem)
    taker.take()
    (recording,) = taker.recordings()
    assert taker.vault.open(recording.vault_key) == voice
    assert taker.vault.removed(recording.vault_key, recording.id)
    assert everything_in(settings.vault) == []


def test_a_vault_key_is_the_same_each_time_and_another_for_another_key(tmp_path: Path, keys: Keys) -> None:
    vault = Vault(tmp_path / "vault", keys)
    other = Vault(tmp_path, Keys(keys.public, b"x" * 32, keys.identity))
    assert vault.key_of("a call") == vault.key_of("a call")
    assert len({vault.key_of("a call"), vault.key_of("another"), other.key_of("a call")}) == 3


def test_what_was_set_aside_is_deleted_with_its_recording(tmp_path: Path, keys: Keys) -> None:
    from io import BytesIO

    vault = Vault(tmp_path / "vault", keys)
    key = vault.put(BytesIO(b"voice"), vault.key_of("a call"))
    vault.set_aside(key)
    vault.put(BytesIO(b"voice"), key)
    assert len(everything_in(vault.folder)) == 2
    assert vault.delete(key)
    assert everything_in(vault.folder) == []
    assert not vault.delete(key)
    assert not vault.delete(f"../{ASIDE}")


@pytest.mark.parametrize("trouble", ["missing", "damaged"])
def test_a_recording_whose_file_was_put_right_is_transcribed_after_all(
    trouble: str, fresh: Callable[[], Taker], left: Left, voice: bytes, db: Database, settings: Settings
) -> None:
    left.message(voice, net_line(ended=ARRIVED.timestamp() + 70))
    taker = fresh()
    taker.take()
    [path] = taker.sealed()
    whole = path.read_bytes()
    if trouble == "missing":
        path.unlink()
    else:
        path.write_bytes(whole[:-20])
    worker = Claims(db, "me", lease_s=60, tries=3)
    claim = worker.take()
    assert claim is not None
    with pytest.raises((VaultMissing, VaultDamaged)) as told:
        taker.vault.open_whole(claim.vault_key, claim.sha256)
    worker.fail(claim, str(told.value), permanent=True)
    beats: list[int] = []
    assert claims.put_right(db, taker.vault, lambda: beats.append(1)) == 0
    assert beats == [1], "each look is a sign of life: a long one is no hang"
    path.unlink(missing_ok=True)
    path.mkdir()  # what the disk cannot read
    assert claims.put_right(db, taker.vault) == 0
    path.rmdir()
    path.write_bytes(whole)
    assert claims.put_right(db, taker.vault) == 1
    again = worker.take()
    assert again is not None
    assert again.recording_id == claim.recording_id
    assert again.attempts == 1


def test_a_recording_that_failed_for_another_reason_or_was_erased_is_left_alone(
    fresh: Callable[[], Taker], left: Left, voice: bytes, db: Database, settings: Settings
) -> None:
    left.message(voice, net_line(ended=ARRIVED.timestamp() + 70))
    taker = fresh()
    taker.take()
    with db.write() as session:
        recording = session.exec(select(Recording)).one()
        recording.state, recording.error = RecordingState.FAILED, "the speech engine stopped (signal 6)"
        session.add(recording)
    assert claims.put_right(db, taker.vault) == 0
    with db.write() as session:
        recording = session.exec(select(Recording)).one()
        recording.error, recording.erased_at = "The recording is not in the vault.", now()
        session.add(recording)
    assert claims.put_right(db, taker.vault) == 0
    assert retention.tidy_vault(db, taker.vault, settings, None) == 0
