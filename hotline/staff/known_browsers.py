"""The browsers in which a person has signed in before: whatever others do at their name, they may go on trying there.

The browser keeps a random mark, signed so that a made-up one costs no query; the table keeps its hash, one row for each
person who signed in there. A new password, or the end of a person's access, makes them all strangers.
"""

import hashlib
import hmac
import secrets
from datetime import timedelta

from sqlalchemy import delete
from sqlmodel import Session, col, select

from models import KnownBrowser
from models.db.types import now

KEPT_FOR = timedelta(days=180)
KEPT_A_PERSON = 20


def mark_of(cookie: str, key: bytes) -> str:
    """The mark in a cookie, or '' when we did not sign it."""
    mark, _dot, signature = cookie.partition(".")
    return mark if mark and hmac.compare_digest(signature.encode(), _signature(mark, key).encode()) else ""


def is_known(session: Session, mark: str, agent_id: int) -> bool:
    """Whether this person has signed in in the browser with this mark."""
    row = session.get(KnownBrowser, (_hash(mark), agent_id)) if mark else None
    return row is not None and row.seen_at > now() - KEPT_FOR


def remember(session: Session, mark: str, agent_id: int, key: bytes) -> str:
    """The person has signed in here; the cookie to keep, with the browser's own mark when it had one."""
    mark, moment = mark or secrets.token_urlsafe(24), now()
    row = session.get(KnownBrowser, (_hash(mark), agent_id)) or KnownBrowser(mark_sha256=_hash(mark), agent_id=agent_id)
    row.seen_at = moment
    session.add(row)
    session.flush()
    theirs = select(KnownBrowser.mark_sha256).where(col(KnownBrowser.agent_id) == agent_id)
    newest = list(session.exec(theirs.order_by(col(KnownBrowser.seen_at).desc()).limit(KEPT_A_PERSON)))
    session.execute(
        delete(KnownBrowser).where(col(KnownBrowser.agent_id) == agent_id, col(KnownBrowser.mark_sha256).not_in(newest))
    )
    session.execute(delete(KnownBrowser).where(col(KnownBrowser.seen_at) < moment - KEPT_FOR))
    return f"{mark}.{_signature(mark, key)}"


def forget(session: Session, agent_id: int) -> None:
    """No browser is known for this person any more."""
    session.execute(delete(KnownBrowser).where(col(KnownBrowser.agent_id) == agent_id))


def _hash(mark: str) -> str:
    return hashlib.sha256(mark.encode()).hexdigest()


def _signature(mark: str, key: bytes) -> str:
    return hmac.new(key, f"browser:{mark}".encode(), hashlib.sha256).hexdigest()
