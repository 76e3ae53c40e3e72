"""Who is signed in, in which browsers people have signed in before, and who looked at what."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index
from sqlmodel import Field, SQLModel

from models.db.types import UtcDateTime, now


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


class AuditEntry(SQLModel, table=True):
    """One audited act. Each entry's `digest` covers the one before it, so that a removed or changed entry shows.

    `keyed` says that the digest is an HMAC under a key that the database does not hold; the oldest entries have none.
    """

    __tablename__ = "audit_entry"
    # What one person has looked at within the hour is counted: hotline.cases.reading.
    __table_args__ = (Index("ix_audit_entry_by", "by_id", "at"),)
    id: int | None = Field(default=None, primary_key=True)
    at: datetime = Field(sa_type=UtcDateTime)
    by_id: int | None = Field(default=None, foreign_key="agent.id")
    act: str = Field(max_length=48)
    subject: str = Field(max_length=64, index=True)
    detail: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    digest: str = Field(max_length=64)
    keyed: bool = False
