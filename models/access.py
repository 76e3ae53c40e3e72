"""Who is signed in, who tried to, and who looked at what."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON
from sqlmodel import Field, Index, SQLModel

from models.types import UtcDateTime, now


class SignIn(SQLModel, table=True):
    """A signed-in browser. The cookie holds a random token; only its SHA-256 is kept, so a stolen table opens nothing."""

    __tablename__ = "sign_in"
    token_sha256: str = Field(max_length=64, primary_key=True)
    agent_id: int = Field(foreign_key="agent.id", index=True)
    csrf: str = Field(max_length=64)
    created_at: datetime = Field(default_factory=now, sa_type=UtcDateTime)
    seen_at: datetime = Field(default_factory=now, sa_type=UtcDateTime)
    expires_at: datetime = Field(sa_type=UtcDateTime)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class SignInAttempt(SQLModel, table=True):
    """A failed sign-in, for the throttle. `who` is a hash of the login, of the address, or of both."""

    __tablename__ = "sign_in_attempt"
    __table_args__ = (Index("ix_sign_in_attempt_who", "who", "at"),)
    id: int | None = Field(default=None, primary_key=True)
    who: str = Field(max_length=64)
    at: datetime = Field(default_factory=now, sa_type=UtcDateTime)


class AuditEntry(SQLModel, table=True):
    """One audited act. Each entry's `digest` covers the one before it, so that a removed or changed entry shows."""

    __tablename__ = "audit_entry"
    # What one person has looked at within the hour is counted: hotline.reading.
    __table_args__ = (Index("ix_audit_entry_by", "by_id", "at"),)
    id: int | None = Field(default=None, primary_key=True)
    at: datetime = Field(sa_type=UtcDateTime)
    by_id: int | None = Field(default=None, foreign_key="agent.id")
    act: str = Field(max_length=48)
    subject: str = Field(max_length=64, index=True)
    detail: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    digest: str = Field(max_length=64)
