"""Numbers outside that an agent may call in."""

from datetime import datetime
from enum import StrEnum

from sqlmodel import Field, SQLModel

from models.db.types import UtcDateTime, now, stored

__all__ = [
    "DirectoryEntry",
    "EntryKind",
]


class EntryKind(StrEnum):
    """What a number of the directory is."""

    INTERPRETER = "interpreter"
    SHELTER = "shelter"
    EMBASSY = "embassy"
    HEALTH = "health"
    LEGAL = "legal"
    PARTNER = "partner"
    OTHER = "other"


class DirectoryEntry(SQLModel, table=True):
    """A shelter, an interpreter, an embassy: a number that a supervisor approved. Sealed like a caller's."""

    __tablename__ = "directory_entry"
    id: int = Field(default=None, primary_key=True)
    name: str = Field(max_length=120)
    kind: EntryKind = Field(sa_type=stored(EntryKind))
    language: str | None = Field(default=None, max_length=16)
    note: str = Field(default="", max_length=300)
    number_sealed: bytes
    number_index: str = Field(max_length=64, index=True)
    active: bool = True
    added_by_id: int = Field(foreign_key="agent.id")
    added_at: datetime = Field(default_factory=now, sa_type=UtcDateTime)
