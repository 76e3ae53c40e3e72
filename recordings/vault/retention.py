"""How long audio is kept, and cleaning the vault up after crashes."""

from datetime import datetime, timedelta

from sqlalchemy import case
from sqlmodel import col, func, select

from hotline.audit import note_act
from hotline.log import log
from hotline.settings import Settings
from models import Database, Recording, RecordingKind, RecordingState, Transcript
from models.db.types import now
from recordings.vault.vault import Vault

DONE = {RecordingState.TRANSCRIBED, RecordingState.NEEDS_LISTENER, RecordingState.FAILED}
# A file this young may belong to a transaction that is still in progress.
ORPHAN_S = 3600.0
AT_ONCE = 200


def delete_old_audio(db: Database, vault: Vault, settings: Settings, at: datetime) -> int:
    """Delete audio that was heard and transcribed (or given up on) more than `settings.audio_days` before `at`.

    A message that nobody has heard is never deleted; a conversation was heard by the agent who had it. The transcript and
    the row stay; `erased_at` says that the audio is gone. A file that cannot be removed is retried in a later pass; the
    choice is random, so that many such files do not block the others for ever. `at` is the trusted clock's time. Returns
    how many.
    """
    limit = at - timedelta(days=settings.audio_days)
    in_the_call = case((col(Recording.kind) == RecordingKind.CONVERSATION, col(Recording.ingested_at)), else_=None)
    query = (
        select(Recording.id, Recording.vault_key)
        .outerjoin(Transcript, col(Transcript.recording_id) == col(Recording.id))
        .where(
            col(Recording.erased_at).is_(None),
            func.coalesce(col(Recording.heard_at), in_the_call) < limit,
            col(Recording.state).in_(DONE),
            col(Transcript.at).is_(None) | (col(Transcript.at) < limit),
        )
        .order_by(func.random())
        .limit(AT_ONCE)
    )
    with db.read() as session:
        due = list(session.exec(query))
    deleted = 0
    for recording_id, vault_key in due:
        # The file first: after a death in between it is retried, and a row never says that audio is gone that is not.
        if not vault.removed(vault_key, recording_id):
            continue  # the others must not wait for it
        deleted += 1
        with db.write() as session:
            recording = session.get(Recording, recording_id)
            if recording is not None and recording.erased_at is None:
                recording.erased_at = now()
                session.add(recording)
                note_act(session, "audio_erased", f"recording:{recording_id}", by_id=None, days=settings.audio_days)
    if deleted:
        log().info("audio past its time was deleted", recordings=deleted)
    return deleted


def tidy_vault(db: Database, vault: Vault, settings: Settings, at: datetime | None) -> int:
    """Set aside vault files without a row that are older than an hour, and delete what was set aside long ago.

    A crash between sealing and the transaction leaves such a file; the spool still had the audio, so nothing is lost.
    They are set aside for `settings.audio_days` before they are deleted: with a database restored from an older backup
    good recordings would look like orphans. Returns how many were set aside. `at` is the trusted clock's time, None while
    it has none: then nothing is deleted.
    """
    old = [vault_key for vault_key, age_s in vault.kept() if age_s > ORPHAN_S]
    known: set[str] = set()
    with db.read() as session:
        for place in range(0, len(old), 500):
            some = old[place : place + 500]
            known |= set(session.exec(select(Recording.vault_key).where(col(Recording.vault_key).in_(some))))
    orphans = [vault_key for vault_key in old if vault_key not in known]
    for vault_key in orphans:
        vault.set_aside(vault_key)
    if orphans:
        log().warning("recordings without a row were set aside in the vault", files=len(orphans))
    vault.sweep(aside_before=at - timedelta(days=settings.audio_days) if at is not None else None)
    return len(orphans)
