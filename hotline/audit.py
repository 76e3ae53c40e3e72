"""The audit: what was done and looked at, in a chain: each entry's digest covers the one before it.

The digest is an HMAC under a key that is derived from the keys folder and that the database does not hold: whoever has the
database alone can neither add nor change nor take out an entry and make the rest fit. Entries from before there was a key
carry a plain digest; the first one with a key covers them all. What is missing at the end shows by the anchors
(audit_anchors.py).
"""

import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlmodel import Session, col, func, select

from hotline.audit_anchors import Anchor, Anchors
from hotline.errors import PartMissing
from models import AuditEntry
from models.db.database import AUDIT_KEY
from models.db.locks import AUDITING, alone
from models.db.types import now

FIRST = "0" * 64
AT_ONCE = 1000


class Trouble(StrEnum):
    """What can be wrong with the chain."""

    CHANGED = "changed"  # this entry, or one just before it, is not what was written
    UNKEYED = "unkeyed"  # written without the key, after entries that have it
    CUT = "cut"  # an anchor says that there were entries up to here
    REPLACED = "replaced"  # an anchor says that another entry stood here
    ANCHOR_FORGED = "anchor_forged"  # a line of the file of anchors is not ours, or lines before it are gone
    ANCHORS_GONE = "anchors_gone"  # there are entries of long ago, and no anchor


@dataclass(frozen=True)
class Verdict:
    """How many entries were looked at, and the first that is not as it was written: its id, and what is wrong."""

    checked: int
    trouble: Trouble | None = None
    entry_id: int | None = None


def note_act(session: Session, act: str, subject: str, *, by_id: int | None, **detail: Any) -> AuditEntry:
    """Append one act to the chain. `subject` is an id such as `case:12`; `detail` holds ids and codes, nothing personal."""
    alone(session, AUDITING)  # else two entries would follow the same one
    before = session.exec(select(AuditEntry.digest).order_by(col(AuditEntry.id).desc()).limit(1)).first() or FIRST
    key = _key(session)
    entry = AuditEntry(at=now(), by_id=by_id, act=act, subject=subject, detail=detail, digest="", keyed=key is not None)
    entry.digest = digest_of(entry, before, key)
    session.add(entry)
    session.flush()
    return entry


def digest_of(entry: AuditEntry, before: str, key: bytes | None) -> str:
    """A digest over the digest before and the entry's own words: an HMAC for an entry with a key, else a SHA-256."""
    words = [before, entry.at.isoformat(), entry.by_id, entry.act, entry.subject, entry.detail]
    text = json.dumps(words, sort_keys=True).encode()
    if not entry.keyed:
        return hashlib.sha256(text).hexdigest()
    if key is None:
        raise PartMissing("the audit cannot be checked without the keys folder")
    return hmac.new(key, text, hashlib.sha256).hexdigest()


def verify(
    session: Session,
    anchors: Anchors,
    last: int | None = None,
    on_progress: Callable[[int], None] = lambda _checked: None,
) -> Verdict:
    """Hold the chain against the key and the anchors: all of it, or so many of its last entries.

    `on_progress` is told now and then how many were looked at; what it raises ends the check. Raises `PartMissing` in a
    process without the key.
    """
    key = _key(session)
    first_id, before, keyed = _begin(session, last)
    wanted = {anchor.entry_id: anchor.digest for anchor in anchors.lines}
    checked, last_id = 0, 0
    for entry in _entries(session, first_id):
        last_id, checked = entry.id, checked + 1
        if keyed and not entry.keyed:
            return Verdict(checked, Trouble.UNKEYED, entry.id)
        keyed = entry.keyed
        if entry.digest != digest_of(entry, before, key):
            return Verdict(checked, Trouble.CHANGED, entry.id)
        if wanted.pop(last_id, entry.digest) != entry.digest:
            return Verdict(checked, Trouble.REPLACED, entry.id)
        before = entry.digest
        if checked % AT_ONCE == 0:
            on_progress(checked)
    # PostgreSQL gives no id twice: what grew in the place of entries that were cut off has other ids.
    passed_by = [entry_id for entry_id in wanted if first_id <= entry_id <= last_id]
    if passed_by:
        return Verdict(checked, Trouble.REPLACED, min(passed_by))
    return _against_the_end(session, anchors, first_id, last_id, checked)


def _begin(session: Session, last: int | None) -> tuple[int, str, bool]:
    """The id to begin with, and of the entry before it the digest and whether it has a key."""
    if last is None:
        return 0, FIRST, False
    newest_first = select(AuditEntry).order_by(col(AuditEntry.id).desc()).offset(last).limit(1)
    entry = session.exec(newest_first).first()
    return (0, FIRST, False) if entry is None else (entry.id + 1, entry.digest, entry.keyed)


def _entries(session: Session, first_id: int) -> Iterator[AuditEntry]:
    query = select(AuditEntry).where(col(AuditEntry.id) >= first_id).order_by(col(AuditEntry.id))
    yield from session.exec(query.execution_options(yield_per=AT_ONCE))


def _against_the_end(session: Session, anchors: Anchors, first_id: int, last_id: int, checked: int) -> Verdict:
    if anchors.forged is not None:
        return Verdict(checked, Trouble.ANCHOR_FORGED, anchors.forged)
    newest = anchors.lines[-1] if anchors.lines else None
    if newest is not None and newest.entry_id > last_id:
        return Verdict(checked, Trouble.CUT, newest.entry_id)
    if newest is not None and newest.entry_id < first_id and not _stands(session, newest):
        return Verdict(checked, Trouble.REPLACED, newest.entry_id)
    if newest is None and anchors.missing_since(_oldest_keyed(session)):
        return Verdict(checked, Trouble.ANCHORS_GONE, None)
    return Verdict(checked)


def _stands(session: Session, anchor: Anchor) -> bool:
    entry = session.get(AuditEntry, anchor.entry_id)
    return entry is not None and entry.digest == anchor.digest


def _oldest_keyed(session: Session) -> AuditEntry | None:
    # Ids rise with time, so this ends at the first entry that has a key.
    return session.exec(select(AuditEntry).where(col(AuditEntry.keyed)).order_by(col(AuditEntry.id)).limit(1)).first()


def first_broken(session: Session) -> int | None:
    """The id of the first entry that does not fit the one before it; None when the chain is whole. Reads all of it."""
    return verify(session, Anchors([])).entry_id


def head(session: Session) -> tuple[int, str] | None:
    """The id and the digest of the newest entry; None when there is none."""
    query = select(AuditEntry.id, AuditEntry.digest).order_by(col(AuditEntry.id).desc()).limit(1)
    found = session.exec(query).first()
    return None if found is None else (found[0] or 0, found[1])


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


def _key(session: Session) -> bytes | None:
    key = session.info.get(AUDIT_KEY)
    return key if isinstance(key, bytes) else None
