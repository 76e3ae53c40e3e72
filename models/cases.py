"""Cases: what is being done for a worker, and how it came about."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, text
from sqlmodel import Field, Index, SQLModel

from models.db.types import UtcDateTime, now, stored

__all__ = [
    "CallbackSafety",
    "Case",
    "CaseEvent",
    "CaseStatus",
    "Consent",
    "ConsentPurpose",
    "Draft",
    "EventKind",
    "Note",
    "Safety",
]


class CallbackSafety(StrEnum):
    """Whether the caller may be called back. Only `safe` ever allows it."""

    UNKNOWN = "unknown"
    SAFE = "safe"
    UNSAFE = "unsafe"
    NEVER = "never"


class CaseStatus(StrEnum):
    """Where a case stands. The allowed moves are data: hotline/data/case_moves.toml."""

    NEW = "new"
    TRIAGED = "triaged"
    ASSESSED = "assessed"
    ACTIVE = "active"
    WITH_SUPPLIER = "with_supplier"
    REFERRED = "referred"
    REMEDY_PROPOSED = "remedy_proposed"
    WORKER_VERIFICATION = "worker_verification"
    RESOLVED = "resolved"
    CLOSED = "closed"


class EventKind(StrEnum):
    """What a line of a case's timeline tells."""

    FILED = "filed"
    JOINED = "joined"
    CLAIMED = "claimed"
    RELEASED = "released"
    HANDED_OVER = "handed_over"
    MOVED = "moved"
    NOTE = "note"
    DISPOSITION = "disposition"
    RECORDED = "recorded"
    TRANSCRIBED = "transcribed"
    NEEDS_LISTENER = "needs_listener"
    TRANSCRIPTION_FAILED = "transcription_failed"
    CORRECTED = "corrected"
    SAFETY = "safety"
    SUMMARY = "summary"
    HEARD = "heard"
    NUMBER_SHOWN = "number_shown"
    ANSWERED = "answered"
    TRANSFERRED = "transferred"
    CALLED_IN = "called_in"
    EMERGENCY = "emergency"
    CONSENT = "consent"
    CALLBACK = "callback"
    MOVED_CALL = "moved_call"
    LIMITED = "limited"
    DANGER = "danger"


class ConsentPurpose(StrEnum):
    """What a worker may agree to."""

    RECORDING = "recording"


class Case(SQLModel, table=True):
    """One case. `touched_at` is when a person first acted on it: until then a further call may join it by itself."""

    __tablename__ = "case_file"
    __table_args__ = (
        # The open cases are few among those of all years: what the queue and a desk show is read from this one alone.
        Index(
            "ix_case_open",
            *("owner_id", "level", "opened_at", "language", "status"),
            sqlite_where=text("status != 'closed'"),
            postgresql_where=text("status != 'closed'"),
        ),
        # One for each choice of the list of cases, newest first.
        Index("ix_case_opened", "opened_at"),
        Index("ix_case_owner", "owner_id", "opened_at"),
        Index("ix_case_status", "status", "opened_at"),
        Index("ix_case_language", "language", "opened_at", "status", "owner_id"),
        Index("ix_case_caller", "caller_id", "opened_at"),
    )
    id: int = Field(default=None, primary_key=True)
    reference: str | None = Field(default=None, max_length=20, unique=True)
    language: str | None = Field(default=None, max_length=16)
    caller_id: int | None = Field(default=None, foreign_key="caller.id")
    status: CaseStatus = Field(default=CaseStatus.NEW, sa_type=stored(CaseStatus))
    level: str | None = Field(default=None, max_length=2)
    summary: str = ""
    alias: str | None = Field(default=None, max_length=120)
    workers_affected: int | None = None
    workers_estimated: bool = True
    owner_id: int | None = Field(default=None, foreign_key="agent.id")
    opened_at: datetime = Field(default_factory=now, sa_type=UtcDateTime)
    claimed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    touched_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    closed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    closing_reason: str | None = Field(default=None, max_length=64)
    version: int = 1


class Safety(SQLModel, table=True):
    """Answers about the safety of the worker of a case; asked first, always on screen. Unknown is the default everywhere."""

    __tablename__ = "safety"
    case_id: int = Field(foreign_key="case_file.id", primary_key=True)
    in_danger: bool | None = None
    can_talk: bool | None = None
    near: str | None = Field(default=None, max_length=120)
    phone_owner: str | None = Field(default=None, max_length=16)
    callback: CallbackSafety = Field(
        default=CallbackSafety.UNKNOWN,
        sa_type=stored(CallbackSafety),
    )
    window: str | None = Field(default=None, max_length=120)
    message: str | None = Field(default=None, max_length=16)
    cover_phrase: str | None = Field(default=None, max_length=200)
    if_drops: str | None = Field(default=None, max_length=16)
    reviewed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class CaseEvent(SQLModel, table=True):
    """A line of the timeline; append-only. `by_id` is None for the machine. `detail` holds words, never identity."""

    __tablename__ = "case_event"
    __table_args__ = (Index("ix_case_event_case", "case_id", "at"),)
    id: int = Field(default=None, primary_key=True)
    case_id: int = Field(foreign_key="case_file.id")
    at: datetime = Field(sa_type=UtcDateTime)
    kind: EventKind = Field(sa_type=stored(EventKind))
    by_id: int | None = Field(default=None, foreign_key="agent.id")
    detail: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)


class Note(SQLModel, table=True):
    """What an agent wrote down, in our words, never verbatim."""

    __tablename__ = "note"
    __table_args__ = (Index("ix_note_case", "case_id", "at"),)
    id: int = Field(default=None, primary_key=True)
    case_id: int = Field(foreign_key="case_file.id")
    by_id: int = Field(foreign_key="agent.id")
    at: datetime = Field(sa_type=UtcDateTime)
    text: str


class Draft(SQLModel, table=True):
    """A note that is being written: kept as it is typed, gone when it is saved or thrown away."""

    __tablename__ = "draft"
    agent_id: int = Field(foreign_key="agent.id", primary_key=True)
    case_id: int = Field(foreign_key="case_file.id", primary_key=True)
    text: str
    at: datetime = Field(default_factory=now, sa_type=UtcDateTime)


class Consent(SQLModel, table=True):
    """What a worker agreed to, or took back; append-only. The newest row of a case and purpose counts."""

    __tablename__ = "consent"
    __table_args__ = (Index("ix_consent_case", "case_id", "purpose", "at"),)
    id: int = Field(default=None, primary_key=True)
    case_id: int = Field(foreign_key="case_file.id")
    contact_id: int | None = Field(default=None, foreign_key="contact.id")
    purpose: ConsentPurpose = Field(sa_type=stored(ConsentPurpose))
    given: bool
    language: str = Field(max_length=16)
    script: str = Field(max_length=16)
    by_id: int = Field(foreign_key="agent.id")
    at: datetime = Field(default_factory=now, sa_type=UtcDateTime)
