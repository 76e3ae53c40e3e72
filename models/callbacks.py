"""Call-backs: the calls we owe, and each try."""

from datetime import datetime
from enum import StrEnum

from sqlmodel import Field, Index, SQLModel

from models.db.types import UtcDateTime, now, stored

__all__ = [
    "AttemptOutcome",
    "Callback",
    "CallbackAttempt",
    "CallbackEnd",
    "CallbackKind",
]


class CallbackKind(StrEnum):
    """Why a worker is to be called back, the most pressing first."""

    REQUESTED = "requested"
    DROPPED = "dropped"
    MISSED = "missed"
    ABANDONED = "abandoned"


class AttemptOutcome(StrEnum):
    """What came of an attempt to reach a worker."""

    REACHED = "reached"
    NOBODY = "nobody"
    MACHINE = "machine"
    SOMEBODY_ELSE = "somebody_else"
    DROPPED = "dropped"


class CallbackEnd(StrEnum):
    """How a call-back ended."""

    REACHED = "reached"
    REACHED_US = "she_reached_us"  # as it stands in rows that are there
    UNSAFE = "unsafe"
    CLOSED = "closed"


class Callback(SQLModel, table=True):
    """One call-back, at most one open for each caller. Nothing dials it but a person's click.

    `contact_id` is the newest call behind it and `calls` how many there were; `due_at` is when the worker may be tried next.
    `owner_id` and `locked_until` say who works on it now, so that two do not call one worker.
    `for_supervisor_at` is when it was tried as often as is allowed.
    """

    __tablename__ = "callback"
    __table_args__ = (
        Index("ix_callback_open", "ended_at", "due_at"),
        Index("ix_callback_caller", "caller_id", "ended_at"),
    )
    id: int = Field(default=None, primary_key=True)
    open_for: int | None = Field(default=None, foreign_key="caller.id", unique=True)
    caller_id: int = Field(foreign_key="caller.id")
    case_id: int = Field(foreign_key="case_file.id", index=True)
    contact_id: int = Field(foreign_key="contact.id")
    kind: CallbackKind = Field(sa_type=stored(CallbackKind))
    language: str | None = Field(default=None, max_length=16)
    calls: int = 1
    created_at: datetime = Field(default_factory=now, sa_type=UtcDateTime)
    due_at: datetime = Field(default_factory=now, sa_type=UtcDateTime)
    owner_id: int | None = Field(default=None, foreign_key="agent.id")
    locked_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    attempts: int = 0
    for_supervisor_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    end: CallbackEnd | None = Field(default=None, sa_type=stored(CallbackEnd))
    end_reason: str | None = Field(default=None, max_length=200)
    ended_by_id: int | None = Field(default=None, foreign_key="agent.id")

    def locked(self, at: datetime) -> bool:
        """Whether somebody works on it at this moment."""
        return self.owner_id is not None and self.locked_until is not None and self.locked_until > at

    def locked_for(self, agent_id: int | None, at: datetime) -> bool:
        """Whether a colleague of this agent works on it at this moment."""
        return self.owner_id != agent_id and self.locked(at)


class CallbackAttempt(SQLModel, table=True):
    """One try to reach a worker. `outcome` is what the agent said of it, or the line when nobody answered."""

    __tablename__ = "callback_attempt"
    id: int = Field(default=None, primary_key=True)
    callback_id: int = Field(foreign_key="callback.id", index=True)
    contact_id: int = Field(foreign_key="contact.id", unique=True)
    by_id: int = Field(foreign_key="agent.id")
    at: datetime = Field(default_factory=now, sa_type=UtcDateTime)
    outcome: AttemptOutcome | None = Field(default=None, sa_type=stored(AttemptOutcome))
