"""Numbers that may be called without a worker's word, and numbers that are kept from ringing an agent."""

from datetime import datetime

from sqlmodel import Field, SQLModel

from models.db.types import UtcDateTime, now
from models.enums import EntryKind, stored


class DirectoryEntry(SQLModel, table=True):
    """A shelter, an interpreter, an embassy: a number that a supervisor approved. Sealed like a caller's."""

    __tablename__ = "directory_entry"
    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(max_length=120)
    kind: EntryKind = Field(sa_type=stored(EntryKind))
    language: str | None = Field(default=None, max_length=16)
    note: str = Field(default="", max_length=300)
    number_sealed: bytes
    number_index: str = Field(max_length=64, index=True)
    active: bool = True
    added_by_id: int = Field(foreign_key="agent.id")
    added_at: datetime = Field(default_factory=now, sa_type=UtcDateTime)


class CallerLimit(SQLModel, table=True):
    """A telephone that floods or abuses the line: its calls go to the message, until `review_at` or until it is lifted."""

    __tablename__ = "caller_limit"
    id: int | None = Field(default=None, primary_key=True)
    caller_id: int = Field(foreign_key="caller.id", index=True)
    case_id: int | None = Field(default=None, foreign_key="case_file.id")
    reason: str = Field(max_length=200)
    by_id: int = Field(foreign_key="agent.id")
    since: datetime = Field(default_factory=now, sa_type=UtcDateTime)
    review_at: datetime = Field(sa_type=UtcDateTime)
    lifted_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    lifted_by_id: int | None = Field(default=None, foreign_key="agent.id")
