"""What was done and looked at, in a chain: each entry's digest covers the one before it."""

import hashlib
import json
from typing import Any

from sqlmodel import Session, col, func, select

from models import AuditEntry
from models.locks import AUDITING, alone
from models.types import now

FIRST = "0" * 64


def note_act(session: Session, act: str, subject: str, *, by_id: int | None, **detail: Any) -> AuditEntry:
    """Append one act to the chain. `subject` is an id such as `case:12`; `detail` holds ids and codes, nothing personal."""
    alone(session, AUDITING)  # else two entries would follow the same one
    before = session.exec(select(AuditEntry.digest).order_by(col(AuditEntry.id).desc()).limit(1)).first() or FIRST
    entry = AuditEntry(at=now(), by_id=by_id, act=act, subject=subject, detail=detail, digest="")
    entry.digest = digest_of(entry, before)
    session.add(entry)
    session.flush()
    return entry


def digest_of(entry: AuditEntry, before: str) -> str:
    """SHA-256 over the digest before and the entry's own words."""
    words = [before, entry.at.isoformat(), entry.by_id, entry.act, entry.subject, entry.detail]
    return hashlib.sha256(json.dumps(words, sort_keys=True).encode()).hexdigest()


def first_broken(session: Session) -> int | None:
    """The id of the first entry that does not fit the one before it; None when the chain is whole."""
    before = FIRST
    for entry in session.exec(select(AuditEntry).order_by(col(AuditEntry.id))):
        if entry.digest != digest_of(entry, before):
            return entry.id
        before = entry.digest
    return None


def newest(session: Session, limit: int, before_id: int | None = None, subject: str | None = None) -> list[AuditEntry]:
    """The newest entries, newest first; those older than `before_id`, those about `subject`, when given."""
    query = select(AuditEntry).order_by(col(AuditEntry.id).desc()).limit(limit)
    if before_id is not None:
        query = query.where(col(AuditEntry.id) < before_id)
    if subject is not None:
        query = query.where(col(AuditEntry.subject) == subject)
    return list(session.exec(query))


def count(session: Session) -> int:
    """How many entries there are."""
    return session.exec(select(func.count()).select_from(AuditEntry)).one()
