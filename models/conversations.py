"""Conversations in progress, and who else is in them."""

from datetime import datetime
from enum import StrEnum

from sqlmodel import Field, SQLModel

from models.db.types import UtcDateTime, now, stored

__all__ = [
    "Conversation",
    "Party",
    "PartyKind",
    "Place",
]


class Place(StrEnum):
    """Where somebody in a conversation is."""

    RINGING = "ringing"
    ROOM = "room"
    HELD = "held"


class PartyKind(StrEnum):
    """Who was called into a conversation."""

    AGENT = "agent"
    SUPERVISOR = "supervisor"
    OUTSIDE = "outside"


class Conversation(SQLModel, table=True):
    """A call that an agent has now, one row a call, gone when the call is over.

    `agent_id` leads it: theirs is the wrap-up, and they are waited for when their leg breaks off. `place` is where the
    worker is.
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
