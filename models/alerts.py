"""Alerts to supervisors: about staff, and about workers in danger."""

from datetime import datetime
from enum import StrEnum

from sqlmodel import Field, Index, SQLModel

from models.db.types import UtcDateTime, now, stored

__all__ = [
    "Alert",
    "AlertKind",
]


class AlertKind(StrEnum):
    """What supervisors must take note of: an unusual amount that was shown to one person, an access request, or a worker
    who is in danger now.
    """

    NUMBERS = "numbers"
    CASES = "cases"
    AUDIO = "audio"
    ACCESS = "access"
    DANGER = "danger"


class Alert(SQLModel, table=True):
    """Something that supervisors must hear of; every page of theirs shows it until one of them takes note.

    `agent_id` is whom it is about, who cannot take note of it. `amount` is how much was shown to them within the hour and
    `allowed` how much is usual; `last_at` is when it grew last. `request_id` is the access request behind it, if one is.
    With `DANGER` it is about the case `case_id`, and `agent_id` is who wrote down that the worker is in danger.
    """

    __tablename__ = "alert"
    __table_args__ = (Index("ix_alert_open", "taken_at", "agent_id", "kind"),)
    id: int = Field(default=None, primary_key=True)
    kind: AlertKind = Field(sa_type=stored(AlertKind))
    agent_id: int = Field(foreign_key="agent.id")
    request_id: int | None = Field(default=None, foreign_key="access_request.id")
    case_id: int | None = Field(default=None, foreign_key="case_file.id", index=True)
    amount: int | None = None
    allowed: int | None = None
    at: datetime = Field(default_factory=now, sa_type=UtcDateTime)
    last_at: datetime = Field(default_factory=now, sa_type=UtcDateTime)
    taken_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    taken_by_id: int | None = Field(default=None, foreign_key="agent.id")
