"""Sign-ins, known browsers, requests for more access, and the audit."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, Index
from sqlmodel import Field, SQLModel

from models.db.types import UtcDateTime, now, stored
from models.staff import Role

__all__ = [
    "AccessEnd",
    "AccessKind",
    "AccessRequest",
    "AuditEntry",
    "KnownBrowser",
    "SignIn",
]


class AccessKind(StrEnum):
    """What an access request is for: somebody new, a higher role, a password, or letting somebody in again."""

    ADD = "add"
    RAISE = "raise"
    PASSWORD = "password"  # noqa: S105  (the kind of a request)
    LET_IN = "let_in"


class AccessEnd(StrEnum):
    """How an access request was decided. `waited`: nobody said no in time. `lapsed`: it made no sense any more."""

    CONFIRMED = "confirmed"
    WAITED = "waited"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"


class SignIn(SQLModel, table=True):
    """A signed-in browser. The cookie holds a random token; only its SHA-256 is kept, so a stolen table opens nothing.

    `confirmed_at` is when the password was typed last: some acts want it to be a few minutes ago.
    """

    __tablename__ = "sign_in"
    token_sha256: str = Field(max_length=64, primary_key=True)
    agent_id: int = Field(foreign_key="agent.id", index=True)
    csrf: str = Field(max_length=64)
    created_at: datetime = Field(default_factory=now, sa_type=UtcDateTime)
    seen_at: datetime = Field(default_factory=now, sa_type=UtcDateTime)
    expires_at: datetime = Field(sa_type=UtcDateTime)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    confirmed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class KnownBrowser(SQLModel, table=True):
    """A browser in which a person has signed in. It holds a random mark; only its SHA-256 is kept."""

    __tablename__ = "known_browser"
    mark_sha256: str = Field(max_length=64, primary_key=True)
    agent_id: int = Field(foreign_key="agent.id", primary_key=True, index=True)
    seen_at: datetime = Field(default_factory=now, sa_type=UtcDateTime)


class AccessRequest(SQLModel, table=True):
    """More access for somebody, asked for by one person and in force only when a second confirms it, or at `due_at`.

    `role` is what they will be. `end` says how it was decided, None while it waits. `used_at` is when the password that
    was asked for was told: once, to who asked.
    """

    __tablename__ = "access_request"
    __table_args__ = (Index("ix_access_request_open", "ended_at", "due_at"),)
    id: int = Field(default=None, primary_key=True)
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


class AuditEntry(SQLModel, table=True):
    """One audited act. Each entry's `digest` covers the one before it, so that a removed or changed entry shows.

    `keyed` says that the digest is an HMAC under a key that the database does not hold; the oldest entries have none.
    """

    __tablename__ = "audit_entry"
    # What one person has looked at within the hour is counted: hotline.cases.reading.
    __table_args__ = (Index("ix_audit_entry_by", "by_id", "at"),)
    id: int = Field(default=None, primary_key=True)
    at: datetime = Field(sa_type=UtcDateTime)
    by_id: int | None = Field(default=None, foreign_key="agent.id")
    act: str = Field(max_length=48)
    subject: str = Field(max_length=64, index=True)
    detail: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    digest: str = Field(max_length=64)
    keyed: bool = False
