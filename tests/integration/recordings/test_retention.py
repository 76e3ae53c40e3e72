"""Audio is deleted when its time is over, and not before."""

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from sqlmodel import col, select

from hotline.settings import Settings
from models import AuditEntry, Database, Recording, RecordingState
from models.db.types import now
from recordings.vault import retention
from recordings.vault.trusted_clock import TrustedClock
from tests.support.spooled import Left, Taker, net_line, rows


def test_audio_is_deleted_a_while_after_it_was_heard_and_transcribed_and_never_before(
    taker: Taker, left: Left, voice: bytes, db: Database, settings: Settings
) -> None:
    long_ago = now() - timedelta(days=settings.audio_days + 1)
    for _ in range(4):
        left.message(voice, net_line())
    assert taker.take() == 4
    with db.write() as session:
        old, unheard, new, waiting = session.exec(select(Recording).order_by(col(Recording.id))).all()
        for recording in (old, unheard, new):
            recording.state = RecordingState.NEEDS_LISTENER
        old.heard_at = waiting.heard_at = long_ago
        new.heard_at = now()
        oldest = old.id
    assert retention.delete_old_audio(db, taker.vault, settings, now()) == 1
    assert retention.delete_old_audio(db, taker.vault, settings, now()) == 0
    gone = [recording.id for recording in taker.recordings() if recording.erased_at is not None]
    assert gone == [oldest]
    assert len(taker.sealed()) == 3
    (entry,) = rows(db, AuditEntry)
    assert (entry.act, entry.subject) == ("audio_erased", f"recording:{oldest}")


def test_a_file_that_cannot_be_removed_holds_up_no_other(
    taker: Taker, left: Left, voice: bytes, db: Database, settings: Settings
) -> None:
    for _ in range(2):
        left.message(voice, net_line())
    assert taker.take() == 2
    with db.write() as session:
        first, second = session.exec(select(Recording).order_by(col(Recording.id))).all()
        for recording in (first, second):
            recording.state = RecordingState.NEEDS_LISTENER
            recording.heard_at = now() - timedelta(days=settings.audio_days + 1)
    file = next(path for path in taker.sealed() if path.stem == first.vault_key)
    aside = file.rename(file.with_suffix(".aside"))
    file.mkdir()  # what root cannot remove as a file either
    assert retention.delete_old_audio(db, taker.vault, settings, now()) == 1
    assert {one.id: one.erased_at is None for one in taker.recordings()} == {first.id: True, second.id: False}
    assert [entry.subject for entry in rows(db, AuditEntry)] == [f"recording:{second.id}"]
    file.rmdir()
    aside.rename(file)
    assert retention.delete_old_audio(db, taker.vault, settings, now()) == 1
    assert taker.sealed() == []


def test_a_clock_that_leaps_a_year_ahead_deletes_nothing(
    taker: Taker, left: Left, voice: bytes, db: Database, korean: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The transcriber as it runs: it has looked for two days, then somebody sets the clock."""
    from recordings.transcription import process as transcriber

    left.message(voice, net_line())
    assert taker.take() == 1
    with db.write() as session:
        (recording,) = session.exec(select(Recording))
        recording.state, recording.heard_at = RecordingState.NEEDS_LISTENER, now()
    monkeypatch.setattr(transcriber, "Database", lambda _url, **_limits: db)
    it, machine = transcriber.Transcriber(korean), Machine(korean.vault / transcriber.CLOCK)
    it._clock = TrustedClock(machine.path, lambda: machine.wall, lambda: machine.steady, lambda: "one start")
    aside = korean.vault / "aside" / f"{'a' * 32}.age"
    aside.parent.mkdir()
    aside.touch()

    def tidies() -> None:
        it._tidy_at = float("-inf")
        it._housekeeping()

    tidies()
    machine.passes(2 * DAY)
    tidies()
    machine.wall += 365 * DAY
    tidies()
    assert len(list(taker.vault.kept())) == 1
    assert aside.exists()
    machine.passes(DAY)
    tidies()
    assert list(taker.vault.kept()) == []
    assert not aside.exists()


DAY = 86400.0


@dataclass
class Machine:
    """A machine whose clocks a test moves."""

    path: Path
    wall: float = field(default_factory=lambda: now().timestamp())
    steady: float = 100.0

    def passes(self, seconds: float) -> None:
        """Time passes."""
        self.wall += seconds
        self.steady += seconds
