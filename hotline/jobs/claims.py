"""Who works on which job: claimed under a lock, held by a lease, and ended only by its holder.

The pattern of recordings.transcription.claims. Every change here says in its condition whose the job must be, so that a
worker whose lease ran out, or whose job was cancelled, changes nothing any more.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, update
from sqlmodel import Session, col, select

from models import Database, Job, JobState
from models.db.types import now

FIRST_PAUSE_S = 15
LONGEST_PAUSE_S = 3600
ERROR_MAX = 64
DIED = "WorkerDied"


@dataclass(frozen=True)
class Claim:
    """A job that is ours until `lease_s` after the last renewal. `attempts` counts this one."""

    job_id: int
    kind: str
    payload: Mapping[str, Any]
    who: str
    attempts: int


@dataclass(frozen=True)
class Claims:
    """The claims of one worker, `who`, who holds one job at a time. `lease_s` is in seconds; after `tries` attempts a job
    has failed.
    """

    db: Database
    who: str
    lease_s: int
    tries: int

    def take(self, kinds: Collection[str]) -> Claim | None:
        """Claim the job of these kinds that was asked for first and is due; None when there is nothing to do.

        What another claims at this moment is stepped over. The attempt is counted here, so that a job that kills its worker
        fails in the end like one that raises. Other kinds are left to a worker that knows them, as during an update.
        """
        while True:
            with self.db.read() as session:  # an idle look takes no lock
                if session.exec(self._next(kinds)).first() is None:
                    return None
            with self.db.write() as session:
                job = session.exec(self._next(kinds).with_for_update(skip_locked=True)).first()
                if job is None:
                    return None
                claim = self._claim(job)
            if claim.attempts <= self.tries:
                return claim
            self.fail(claim, DIED, for_good=True)

    def _next(self, kinds: Collection[str]) -> Any:
        return select(Job).where(self._free(now()), col(Job.kind).in_(kinds)).order_by(col(Job.id)).limit(1)

    def _free(self, moment: datetime) -> ColumnElement[bool]:
        """Waiting and due, or held by a worker whose lease is over.

        A moment further ahead than anybody sets it was set by a clock that has been put back since. It counts as past: else
        a job would be held as long as the clock was wrong. Leases are twice as long here, because two machines' clocks
        may differ by some seconds.
        """
        again, lease = col(Job.next_try_at), col(Job.lease_until)
        due = again.is_(None) | (again <= moment) | (again > moment + timedelta(seconds=LONGEST_PAUSE_S))
        over = lease.is_(None) | (lease < moment) | (lease > moment + timedelta(seconds=2 * max(1, self.lease_s)))
        return ((col(Job.state) == JobState.WAITING) & due) | ((col(Job.state) == JobState.RUNNING) & over)

    def _claim(self, job: Job) -> Claim:
        job.state, job.claimed_by, job.lease_until = JobState.RUNNING, self.who, self._lease()
        job.attempts, job.next_try_at, job.started_at = job.attempts + 1, None, now()
        job.done, job.total = 0, None  # whoever takes a job over begins anew
        return Claim(job_id=job.id, kind=job.kind, payload=dict(job.payload), who=self.who, attempts=job.attempts)

    def renew(self, claim: Claim) -> bool:
        """Hold the claim for another lease; False when it is no longer ours."""
        with self.db.write() as session:
            return self._change(session, claim, lease_until=self._lease())

    def progress(self, claim: Claim, done: int, total: int | None) -> bool:
        """Note how far it is, and hold the claim for another lease; False when it is no longer ours."""
        with self.db.write() as session:
            return self._change(session, claim, done=done, total=total, lease_until=self._lease())

    def finish(self, claim: Claim, result: Mapping[str, Any], write: Callable[[Session], None] | None = None) -> bool:
        """End it as done; False when it is no longer ours, and then nothing is written.

        `write` is called in the same transaction, so that what it writes is written exactly once. `result` holds ids,
        counts and codes, never personal data.
        """
        with self.db.write() as session:
            if not self._let_go(session, claim, JobState.DONE, ended_at=now(), error=None, result=dict(result)):
                return False
            if write is not None:
                write(session)
            return True

    def fail(self, claim: Claim, error: str, *, for_good: bool = False) -> JobState | None:
        """Note a failed attempt: again later, after a pause that doubles each time, or failed for good after the last one.

        `error` is the kind of the error and nothing of its text. Gives the new state; None when it is no longer ours.
        """
        error = error[:ERROR_MAX]
        with self.db.write() as session:
            if for_good or claim.attempts >= self.tries:
                state, values = JobState.FAILED, {"ended_at": now(), "key": None}
            else:
                pause_s = min(FIRST_PAUSE_S * 2 ** (claim.attempts - 1), LONGEST_PAUSE_S)
                state, values = JobState.WAITING, {"next_try_at": now() + timedelta(seconds=pause_s)}
            return state if self._let_go(session, claim, state, error=error, **values) else None

    def give_back(self, claim: Claim) -> bool:
        """Put it back untried: the worker is stopping."""
        with self.db.write() as session:
            return self._let_go(session, claim, JobState.WAITING, attempts=claim.attempts - 1)

    def cancelled(self, claim: Claim) -> bool:
        """Whether it was called off, as the reason why it is no longer ours."""
        with self.db.read() as session:
            return session.exec(select(Job.state).where(col(Job.id) == claim.job_id)).first() is JobState.CANCELLED

    def _lease(self) -> datetime:
        return now() + timedelta(seconds=self.lease_s)

    def _let_go(self, session: Session, claim: Claim, state: JobState, **values: object) -> bool:
        return self._change(session, claim, state=state, claimed_by=None, lease_until=None, **values)

    def _change(self, session: Session, claim: Claim, **values: object) -> bool:
        # With the attempt: who takes over its own job, after a lease that ran out, is somebody else.
        mine = (col(Job.claimed_by) == self.who) & (col(Job.attempts) == claim.attempts)
        changed = session.execute(
            update(Job)
            .where(col(Job.id) == claim.job_id, col(Job.state) == JobState.RUNNING, mine)
            .values(**values)
            .execution_options(synchronize_session=False)
        )
        return bool(changed.rowcount)  # type: ignore[attr-defined]
