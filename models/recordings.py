"""Recordings in the vault and their transcripts."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON
from sqlmodel import Field, Index, SQLModel

from models.db.types import UtcDateTime, now, stored

__all__ = [
    "Recording",
    "RecordingKind",
    "RecordingState",
    "Transcript",
]


class RecordingState(StrEnum):
    """Where a recording stands on its way to text."""

    WAITING = "waiting"
    TRANSCRIBING = "transcribing"
    TRANSCRIBED = "transcribed"
    NEEDS_LISTENER = "needs_listener"
    FAILED = "failed"


class RecordingKind(StrEnum):
    """What was recorded."""

    MESSAGE = "message"
    CONVERSATION = "conversation"


class Recording(SQLModel, table=True):
    """One encrypted recording. `vault_key` is its name in the vault; `sha256` is of the plain audio.

    `peaks` are loudnesses 0-100 for drawing. `attempts`, `lease_until` and `next_try_at` serve the transcriber.
    `spool_name` is the file it came from, unique, so that ingesting twice makes one row. `erased_at` is when the audio was
    deleted for good; the row and its transcript stay.
    """

    __tablename__ = "recording"
    __table_args__ = (Index("ix_recording_work", "state", "next_try_at"),)
    id: int = Field(default=None, primary_key=True)
    spool_name: str = Field(max_length=120, unique=True)
    contact_id: int = Field(foreign_key="contact.id", index=True)
    kind: RecordingKind = Field(default=RecordingKind.MESSAGE, sa_type=stored(RecordingKind))
    vault_key: str = Field(max_length=64, unique=True)
    sha256: str = Field(max_length=64)
    language: str | None = Field(default=None, max_length=16)
    rate_hz: int = 8000
    duration_s: float
    peaks: list[int] = Field(default_factory=list, sa_type=JSON)
    cut_short: bool = False
    recorded_at: datetime = Field(sa_type=UtcDateTime)
    ingested_at: datetime = Field(default_factory=now, sa_type=UtcDateTime)
    state: RecordingState = Field(
        default=RecordingState.WAITING,
        sa_type=stored(RecordingState),
    )
    attempts: int = 0
    claimed_by: str | None = Field(default=None, max_length=64)
    lease_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    next_try_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    error: str | None = Field(default=None, max_length=200)
    heard_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    heard_by_id: int | None = Field(default=None, foreign_key="agent.id")
    erased_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class Transcript(SQLModel, table=True):
    """A draft of what was said. `words` are {"w", "start_s", "end_s", "sure"}; `sure` is 0 to 1 as the engine says.

    A person's correction is kept beside the draft in `corrected_text`, never over it.
    """

    __tablename__ = "transcript"
    recording_id: int = Field(foreign_key="recording.id", primary_key=True)
    engine: str = Field(max_length=32)
    model: str = Field(max_length=64)
    language: str = Field(max_length=16)
    text: str
    words: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSON)
    sure: float | None = None
    took_s: float
    at: datetime = Field(default_factory=now, sa_type=UtcDateTime)
    corrected_text: str | None = None
    corrected_by_id: int | None = Field(default=None, foreign_key="agent.id")
    corrected_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
