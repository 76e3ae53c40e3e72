"""Audio is deleted when its time is over, and not before."""

from datetime import timedelta

from sqlmodel import col, select

from hotline.settings import Settings
from models import Database
from models.types import now
from recordings import retention
from tests.integration.recordings.spooled import Left, Taker, net_line, rows


def test_audio_is_deleted_a_while_after_it_was_heard_and_transcribed_and_never_before(
    taker: Taker, left: Left, voice: bytes, db: Database, settings: Settings
) -> None:
    from models import AuditEntry, Recording, RecordingState

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
    assert retention.delete_old_audio(db, taker.vault, settings) == 1
    assert retention.delete_old_audio(db, taker.vault, settings) == 0
    gone = [recording.id for recording in taker.recordings() if recording.erased_at is not None]
    assert gone == [oldest]
    assert len(taker.sealed()) == 3
    (entry,) = rows(db, AuditEntry)
    assert (entry.act, entry.subject) == ("audio_erased", f"recording:{oldest}")
