"""Work that outlives the request that asked for it."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON
from sqlmodel import Field, Index, SQLModel

from models.db.types import UtcDateTime, now, stored

__all__ = [
    "Job",
    "JobState",
]


class JobState(StrEnum):
    """Where background work stands. The last three are ends: such a job is never worked on again."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Job(SQLModel, table=True):
    """One piece of background work: what, how far, and who has it in hand.

    `payload` and `result` hold ids, counts and choices, **never personal data**: no name, number, note or word of a caller.
    They are not sealed, are copied into every backup, and are shown to whoever may see the job.
    `key` makes asking idempotent: there is one job with a key. It is given up when the job failed or was cancelled.
    `done` and `total` count what the handler counts; `total` is None while that is not known.
    `claimed_by`, `lease_until`, `attempts` and `next_try_at` serve the workers: hotline.jobs.claims.
    `error` is the kind of the last error, such as `OperationalError`: never its text.
    `started_at` is when the last attempt began.
    """

    __tablename__ = "job"
    # A claim reads the few that are open in the order they were asked; a page the newest of a kind.
    __table_args__ = (Index("ix_job_state", "state", "id"), Index("ix_job_kind", "kind", "id"))
    id: int = Field(default=None, primary_key=True)
    kind: str = Field(max_length=48)
    key: str | None = Field(default=None, max_length=96, unique=True)
    payload: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    state: JobState = Field(default=JobState.WAITING, sa_type=stored(JobState))
    done: int = 0
    total: int | None = None
    claimed_by: str | None = Field(default=None, max_length=64)
    lease_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    attempts: int = 0
    next_try_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    error: str | None = Field(default=None, max_length=64)
    result: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    asked_by_id: int | None = Field(default=None, foreign_key="agent.id")
    created_at: datetime = Field(default_factory=now, sa_type=UtcDateTime)
    started_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
