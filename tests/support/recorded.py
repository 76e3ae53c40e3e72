"""A message that can be heard: spoken by espeak-ng, sealed in the vault, with words and times."""

import subprocess
import uuid
from datetime import timedelta
from io import BytesIO
from pathlib import Path

from sqlmodel import Session

from hotline.calls import facts as calls
from hotline.calls.facts import Fact, Seen
from hotline.keys import Keys
from models import Contact, Recording, RecordingState, Transcript
from models.db.types import now
from recordings.vault.audio import from_bytes
from recordings.vault.vault import Vault
from tests.support.thailand import saw

TEXT = (
    "I am calling from the dormitory behind the plant They lock the gate after the shift and he keeps our passports "
    "in the office My phone was taken this one is from my room mate There are about forty of us some are sick and "
    "cannot see a doctor"
)
DOUBTFUL = {"dormitory": 0.55, "phone": 0.52, "cannot": 0.41}


def voice(text: str = TEXT) -> bytes:
    """The text spoken, as headerless 8 kHz 16-bit mono."""
    spoken = subprocess.run(["espeak-ng", "-s", "140", "--stdout", text], check=True, capture_output=True).stdout
    sox = ["sox", "-t", "wav", "-", "-r", "8000", "-c", "1", "-b", "16", "-e", "signed-integer", "-t", "raw", "-"]
    return subprocess.run(sox, check=True, capture_output=True, input=spoken).stdout


def words(text: str, seconds: float) -> list[dict[str, object]]:
    """Words with times, as an engine gives them: each as long as its letters."""
    each = text.split()
    letters = sum(len(word) + 1 for word in each)
    at, found = 0.1, []
    for word in each:
        takes = (len(word) + 1) / letters * (seconds - 0.3)
        sure = DOUBTFUL.get(word.lower(), 0.93)
        found.append({"w": word, "start_s": round(at, 2), "end_s": round(at + takes, 2), "sure": sure})
        at += takes
    return found


def transcript_of(recording: Recording, text: str = TEXT) -> Transcript:
    """The draft an engine would give."""
    return Transcript(
        recording_id=recording.id, engine="vosk", model="small-en-us-0.15", language=recording.language or "en",
        text=text, words=words(text, recording.duration_s), sure=0.81, took_s=44.0,
    )  # fmt: skip


def leave_message(
    session: Session,
    keys: Keys,
    vault: Path,
    *,
    text: str = TEXT,
    language: str = "en",
    state: RecordingState = RecordingState.TRANSCRIBED,
    number: str | None = "0812345678",
    ago_s: float = 600,
    pcm: bytes | None = None,
) -> tuple[Contact, Recording]:
    """A voicemail that ended `ago_s` seconds ago and became a case; a draft beside it when it is transcribed."""
    pcm = pcm if pcm is not None else voice(text)
    sound = from_bytes(pcm)
    end = now() - timedelta(seconds=ago_s)
    start = end - timedelta(seconds=sound.duration_s)
    call = str(uuid.uuid4())
    saw(session, keys, call, Fact.ARRIVED, start, Seen(line="1800123456", number=number))
    saw(session, keys, call, Fact.KEY, start)
    saw(session, keys, call, Fact.LANGUAGE, start, Seen(language=language))
    contact = saw(session, keys, call, Fact.MESSAGE, start)
    recording = Recording(
        spool_name=f"{call}.sln", contact_id=0, vault_key=Vault(vault, keys).put(BytesIO(pcm)), sha256=sound.sha256,
        language=language, duration_s=sound.duration_s, peaks=sound.peaks, recorded_at=start, state=state,
    )  # fmt: skip
    calls.attach(session, contact, recording)
    if state is RecordingState.TRANSCRIBED:
        session.add(transcript_of(recording, text))
    calls.close(session, contact, end, join_within_s=900, brief_s=10)
    session.flush()
    return contact, recording
