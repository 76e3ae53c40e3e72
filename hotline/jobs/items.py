"""Asking for background work, looking at it, and calling it off. For whoever has a session, such as a page.

A job is asked for in the transaction of what it follows from: either both are there or neither. Nudge
`nudges.JOBS_CHANGED` afterwards; without it the workers look by themselves.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import update
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from hotline.errors import NotFound, Refused
from models import Agent, Job, JobState
from models.db.types import now

OPEN = (JobState.WAITING, JobState.RUNNING)


def ask(session: Session, kind: str, payload: Mapping[str, Any], by: Agent | None, *, key: str | None = None) -> Job:
    """Put a job on the list; `by` None is the machine itself.

    `payload` holds ids and choices only, never personal data: it is kept unsealed (see `models.Job`). With a `key` asking is
    idempotent: whoever asks again, or at the same moment, gets the job that has it. A job that failed or was cancelled has
    given its key up, so that it can be asked for again; one that is done keeps it.
    """
    if key is not None and (found := _with_key(session, key)) is not None:
        return found
    job = Job(kind=kind, payload=dict(payload), key=key, asked_by_id=by.id if by is not None else None)
    try:
        with session.begin_nested():
            session.add(job)
            session.flush()
    except IntegrityError:
        # Somebody else asked a moment earlier. Anything else that is wrong with the row is raised.
        if key is None or (found := _with_key(session, key)) is None:
            raise
        return found
    return job


def cancel(session: Session, job_id: int) -> Job:
    """Call a job off, also while it is worked on: its worker stops at its next sign of progress, and nothing it would have
    written at its end is written.

    Raises `NotFound`, and `Refused` when it has ended already.
    """
    changed = session.execute(
        update(Job)
        .where(col(Job.id) == job_id, col(Job.state).in_(OPEN))
        .values(state=JobState.CANCELLED, key=None, claimed_by=None, lease_until=None, next_try_at=None, ended_at=now())
        .execution_options(synchronize_session=False)
    )
    job = session.get(Job, job_id, populate_existing=True)
    if job is None:
        raise NotFound("There is no such job.")
    if not changed.rowcount:  # type: ignore[attr-defined]
        raise Refused("It has ended already.")
    return job


def recent(session: Session, kind: str | None = None, limit: int = 20) -> list[Job]:
    """The jobs that were asked for last, newest first; of one kind when one is given."""
    query = select(Job).order_by(col(Job.id).desc()).limit(limit)
    if kind is not None:
        query = query.where(col(Job.kind) == kind)
    return list(session.exec(query))


def newest(session: Session, kind: str, *states: JobState) -> Job | None:
    """The newest job of a kind; of those in these states, when any are given."""
    query = select(Job).where(col(Job.kind) == kind).order_by(col(Job.id).desc()).limit(1)
    if states:
        query = query.where(col(Job.state).in_(states))
    return session.exec(query).first()


def _with_key(session: Session, key: str) -> Job | None:
    return session.exec(select(Job).where(col(Job.key) == key)).first()
