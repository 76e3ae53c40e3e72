"""Callers who wait in a queue now, and how many are in conversation."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, func, select

from hotline.calls import facts as calls
from hotline.staff import states as agents
from models import (
    AgentStatus,
    Contact,
    Line,
)

LATE_S = 20  # a caller who waits longer is shown in red


@dataclass(frozen=True)
class Waiting:
    """A caller in a queue. `ready` can be rung now, `backups` are basic speakers; `you` says the reader is one of them."""

    contact_id: int
    since: datetime
    language: str | None
    line: str | None
    called_before: int
    withheld: bool
    ready: int
    backups: int
    you: bool


def waiting(session: Session, reader_id: int) -> list[Waiting]:
    """Callers in a queue now, longest wait first; for the one who reads."""
    found = calls.waiting(session)
    rung: dict[str, list[agents.Speaker]] = defaultdict(list)
    if found:
        for s in agents.speakers(session):
            if s.reachable and s.status is AgentStatus.READY:
                rung[s.language].append(s)
    names = {line.number: line.name for line in session.exec(select(Line))} if found else {}
    before = _called_before(session, found)
    rows = []
    for c in found:
        there = rung[c.queue or c.language or ""]
        rows.append(
            Waiting(
                contact_id=c.id,
                since=c.queued_at or c.arrived_at,
                language=c.queue or c.language,
                line=names.get(c.line or ""),
                called_before=before.get(c.caller_id or 0, 0),
                withheld=c.caller_id is None,
                ready=sum(not s.backup for s in there),
                backups=sum(s.backup for s in there),
                you=any(s.agent_id == reader_id for s in there),
            )
        )
    return rows


def _called_before(session: Session, contacts: Sequence[Contact]) -> dict[int, int]:
    ids = {c.caller_id for c in contacts if c.caller_id is not None}
    if not ids:
        return {}
    counts = session.exec(
        select(Contact.caller_id, func.count())
        .where(col(Contact.caller_id).in_(ids), col(Contact.ended_at).is_not(None))
        .group_by(col(Contact.caller_id))
    )
    return {caller: count for caller, count in counts if caller is not None}


def answered_now(session: Session) -> int:
    """How many callers are in conversation."""
    return session.exec(
        select(func.count()).where(col(Contact.ended_at).is_(None), col(Contact.answered_at).is_not(None))
    ).one()


def count_waiting(session: Session) -> int:
    """How many callers are in a queue now."""
    return len(calls.waiting(session))
