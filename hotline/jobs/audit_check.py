"""The check of the whole audit chain as a job: once a day, and whenever a supervisor asks."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlmodel import Session, col, func, select

from hotline import audit, audit_anchors
from hotline.audit import Trouble, Verdict
from hotline.jobs import items
from hotline.jobs.working import Done, Handler, Progress
from models import Agent, AuditEntry, Job
from models.db.types import now

KIND = "audit_check"
# What an entry of the chain is called that says what came of a check.
ACT = "chain_checked"


def ask(session: Session, by: Agent | None) -> Job:
    """Ask for a check. While one waits or runs that one is given: two at once would say the same."""
    before = items.newest(session, KIND)
    if before is not None and before.state in items.OPEN:
        return before
    # The key makes one of two who ask at the same moment.
    return items.ask(session, KIND, {}, by, key=f"{KIND}:after:{before.id if before is not None else 0}")


def due(session: Session, zone: ZoneInfo, moment: datetime | None = None) -> bool:
    """Whether none was asked for on this day of the hotline."""
    before = items.newest(session, KIND)
    today = (moment or now()).astimezone(zone).date()
    return before is None or before.created_at.astimezone(zone).date() != today


def verdict_of(job: Job) -> Verdict:
    """Return what a check that is done has found."""
    trouble = job.result.get("trouble")
    return Verdict(job.result.get("entries", 0), Trouble(trouble) if trouble else None, job.result.get("entry"))


def handler(anchors: Path, key: bytes) -> Handler:
    """A handler that holds all of the chain against the key and the file of anchors.

    It only reads, so it may begin again at any time. What it found is written to the chain as the job ends.
    """

    def check(progress: Progress) -> Done:
        verdict = _verify(progress, anchors, key)
        found: dict[str, Any] = {"entries": verdict.checked}
        if verdict.trouble is not None:
            found |= {"trouble": verdict.trouble.value, "entry": verdict.entry_id}
        return Done(found, _noting(progress.job_id, found))

    return check


def _verify(progress: Progress, path: Path, key: bytes) -> Verdict:
    try:
        # Before the entries: an anchor that is written meanwhile may be of an entry that is not read.
        anchors = audit_anchors.read(path, key)
    except OSError:
        anchors = audit_anchors.Anchors(forged=0)
    with progress.db.read() as session:
        total = session.exec(select(func.count(col(AuditEntry.id)))).one()
        progress.report(0, total)
        return audit.verify(session, anchors, on_progress=lambda done: progress.report(min(done, total), total))


def _noting(job_id: int, found: dict[str, Any]) -> Callable[[Session], None]:
    def write(session: Session) -> None:
        job = session.get_one(Job, job_id)
        audit.note_act(session, ACT, f"job:{job_id}", by_id=job.asked_by_id, **found)

    return write
