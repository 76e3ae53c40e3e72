"""Conversations in progress: who leads one, who else is in it, and what was agreed in it."""

from datetime import datetime

from sqlmodel import Field, Index, SQLModel

from models.db.types import UtcDateTime, now
from models.enums import ConsentPurpose, PartyKind, Place, stored


class Talk(SQLModel, table=True):
    """A call that an agent has now, one row a call, gone when the call is over.

    `agent_id` leads it: hers is the wrap-up, and she is waited for when her leg breaks off. `place` is where the worker is.
    """

    __tablename__ = "talk"
    call: str = Field(max_length=64, primary_key=True)
    agent_id: int = Field(foreign_key="agent.id", index=True)
    place: Place = Field(default=Place.ROOM, sa_type=stored(Place))
    since: datetime = Field(default_factory=now, sa_type=UtcDateTime)
    held_since: datetime | None = Field(default=None, sa_type=UtcDateTime)
    emergency_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class Party(SQLModel, table=True):
    """Somebody who was called into a conversation. `leg` is FREELINE_LEG, which its channel carries."""

    __tablename__ = "talk_party"
    leg: str = Field(max_length=64, primary_key=True)
    call: str = Field(max_length=64, index=True)
    kind: PartyKind = Field(sa_type=stored(PartyKind))
    agent_id: int | None = Field(default=None, foreign_key="agent.id")
    entry_id: int | None = Field(default=None, foreign_key="directory_entry.id")
    place: Place = Field(default=Place.RINGING, sa_type=stored(Place))
    since: datetime = Field(default_factory=now, sa_type=UtcDateTime)


class Consent(SQLModel, table=True):
    """What a worker agreed to, or took back; append-only. The newest row of a case and purpose counts."""

    __tablename__ = "consent"
    __table_args__ = (Index("ix_consent_case", "case_id", "purpose", "at"),)
    id: int | None = Field(default=None, primary_key=True)
    case_id: int = Field(foreign_key="case_file.id")
    contact_id: int | None = Field(default=None, foreign_key="contact.id")
    purpose: ConsentPurpose = Field(sa_type=stored(ConsentPurpose))
    given: bool
    language: str = Field(max_length=16)
    script: str = Field(max_length=16)
    by_id: int = Field(foreign_key="agent.id")
    at: datetime = Field(default_factory=now, sa_type=UtcDateTime)


class Draft(SQLModel, table=True):
    """A note that is being written: kept as it is typed, gone when it is saved or thrown away."""

    __tablename__ = "draft"
    agent_id: int = Field(foreign_key="agent.id", primary_key=True)
    case_id: int = Field(foreign_key="case_file.id", primary_key=True)
    text: str
    at: datetime = Field(default_factory=now, sa_type=UtcDateTime)
