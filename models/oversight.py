"""Who watches the staff: alerts that somebody must take note of, and rights that need a second person."""

from datetime import datetime

from sqlmodel import Field, Index, SQLModel

from models.db.types import UtcDateTime, now
from models.enums import AccessEnd, AccessKind, AlertKind, Role, stored


class Alert(SQLModel, table=True):
    """Something that supervisors must hear of; every page of theirs shows it until one of them takes note.

    `agent_id` is whom it is about, who cannot take note of it. `amount` is how much was shown to them within the hour and
    `allowed` how much is usual; `last_at` is when it grew last. `request_id` is the access request behind it, if one is.
    """

    __tablename__ = "alert"
    __table_args__ = (Index("ix_alert_open", "taken_at", "agent_id", "kind"),)
    id: int | None = Field(default=None, primary_key=True)
    kind: AlertKind = Field(sa_type=stored(AlertKind))
    agent_id: int = Field(foreign_key="agent.id")
    request_id: int | None = Field(default=None, foreign_key="access_request.id")
    amount: int | None = None
    allowed: int | None = None
    at: datetime = Field(default_factory=now, sa_type=UtcDateTime)
    last_at: datetime = Field(default_factory=now, sa_type=UtcDateTime)
    taken_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    taken_by_id: int | None = Field(default=None, foreign_key="agent.id")


class AccessRequest(SQLModel, table=True):
    """More access for somebody, asked for by one person and in force only when a second confirms it, or at `due_at`.

    `role` is what they will be. `end` says how it was decided, None while it waits. `used_at` is when the password that
    was asked for was told: once, to who asked.
    """

    __tablename__ = "access_request"
    __table_args__ = (Index("ix_access_request_open", "ended_at", "due_at"),)
    id: int | None = Field(default=None, primary_key=True)
    open_for: int | None = Field(default=None, foreign_key="agent.id", unique=True)
    kind: AccessKind = Field(sa_type=stored(AccessKind))
    agent_id: int = Field(foreign_key="agent.id", index=True)
    role: Role = Field(sa_type=stored(Role))
    asked_by_id: int = Field(foreign_key="agent.id")
    asked_at: datetime = Field(default_factory=now, sa_type=UtcDateTime)
    due_at: datetime = Field(sa_type=UtcDateTime)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    end: AccessEnd | None = Field(default=None, sa_type=stored(AccessEnd))
    ended_by_id: int | None = Field(default=None, foreign_key="agent.id")
    used_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
