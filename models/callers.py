"""Telephones that called, as tokens, and limits on them."""

from datetime import datetime

from sqlmodel import Field, SQLModel

from models.db.types import UtcDateTime, now

__all__ = [
    "Caller",
    "CallerLimit",
]


class Caller(SQLModel, table=True):
    """A telephone, not a person: people share phones. The number is sealed; `number_index` is its keyed hash.

    Not `certain` is a number that was kept before numbers were read strictly, and that has not called since.
    """

    __tablename__ = "caller"
    id: int = Field(default=None, primary_key=True)
    number_index: str = Field(max_length=64, unique=True)
    number_sealed: bytes
    certain: bool = True
    last_language: str | None = Field(default=None, max_length=16)
    first_seen_at: datetime = Field(default_factory=now, sa_type=UtcDateTime)
    last_seen_at: datetime = Field(default_factory=now, sa_type=UtcDateTime)


class CallerLimit(SQLModel, table=True):
    """A telephone that floods or abuses the line: its calls go to the message, until `review_at` or until it is lifted."""

    __tablename__ = "caller_limit"
    id: int = Field(default=None, primary_key=True)
    caller_id: int = Field(foreign_key="caller.id", index=True)
    case_id: int | None = Field(default=None, foreign_key="case_file.id")
    reason: str = Field(max_length=200)
    by_id: int = Field(foreign_key="agent.id")
    since: datetime = Field(default_factory=now, sa_type=UtcDateTime)
    review_at: datetime = Field(sa_type=UtcDateTime)
    lifted_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    lifted_by_id: int | None = Field(default=None, foreign_key="agent.id")
