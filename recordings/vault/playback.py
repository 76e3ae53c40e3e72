"""Audio for a person to listen to. The code that serves it audits it: hotline.cases.transcripts.note_hearing."""

import hashlib

from sqlmodel import Session

from hotline.cases.transcripts import load
from hotline.errors import NotFound
from hotline.keys import Keys
from hotline.scope import Who
from recordings.vault.audio import wav
from recordings.vault.vault import Vault, VaultDamaged


def audio_wav(session: Session, keys: Keys, vault: Vault, recording_id: int, who: Who) -> bytes:
    """Return the recording as a WAV file, opened with `keys`.

    Raises `NotFound` when there is none, when `who` may not see its case, or when its time is over, `VaultDamaged` when it
    differs from what was recorded, and `NotAllowed` when the keys hold no identity.
    """
    recording = load(session, recording_id, who)
    if recording.erased_at is not None:
        raise NotFound("This recording was deleted when its time was over.")
    pcm = Vault(vault.folder, keys).open(recording.vault_key)
    if hashlib.sha256(pcm).hexdigest() != recording.sha256:
        raise VaultDamaged("The recording in the vault is not the one that was made.")
    return wav(pcm, recording.rate_hz)
