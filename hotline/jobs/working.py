"""Working on jobs: one at a time, each by the handler of its kind.

A handler **must be idempotent**: its worker may die anywhere, and another begins the job anew. What must happen exactly once
it gives back in `Done.write`, which is called in the transaction that ends the job. What it does before that, such as a
file, it must be able to do again.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlmodel import Session

from hotline.jobs.claims import Claim, Claims
from hotline.log import log
from models import Database, JobState

T = TypeVar("T")
AWAY = (OperationalError, PoolTimeout)  # locked, full, restarting or gone: the next try may be answered
# How often at most progress is written, and the worker's sign of life given.
REPORT_S = 1.0
AGAIN_S = 1.0


class GiveUp(Exception):
    """Trying again makes no sense. `code` says why in one word of ours, and is kept with the job."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Stopping(Exception):
    """The worker is stopping; the job goes back to the list untried."""


class NotOurs(Exception):
    """The job was cancelled, or another worker took it over when our lease had run out."""


@dataclass(frozen=True)
class Done:
    """What a handler gives back. `result` is kept with the job: ids, counts and codes, never personal data.

    `write` is called once, with the session of the transaction that ends the job, and only if the job is still ours.
    """

    result: Mapping[str, Any] = field(default_factory=dict)
    write: Callable[[Session], None] | None = None


@dataclass(frozen=True)
class Worker:
    """Who works. `stop` says whether it is to stop, `beat` shows its supervisor that it turns, `changed` is told the id of
    a job that got further or ended, after it is committed. None of them may raise.
    """

    claims: Claims
    stop: Callable[[], bool] = lambda: False
    beat: Callable[[], None] = lambda: None
    changed: Callable[[int], None] = lambda _job_id: None


class Progress:
    """What a handler works with: the job's payload, the database, and the way to say how far it is.

    It must call `report` every few seconds at least: that holds the lease, shows that the worker is not hung, and is where a
    cancelled job and a worker that is to stop come to an end. After 20 seconds of silence the worker is killed.
    """

    def __init__(self, worker: Worker, claim: Claim) -> None:
        self.job_id, self.payload = claim.job_id, claim.payload
        self.db: Database = worker.claims.db
        self._worker, self._claim = worker, claim
        self._reported_s = float("-inf")

    def report(self, done: int, total: int | None = None) -> None:
        """Say how far it is; costs nothing when called often. Raises `Stopping` and `NotOurs`: let them pass."""
        if self._worker.stop():
            raise Stopping
        if time.monotonic() - self._reported_s < REPORT_S:
            return
        self._reported_s = time.monotonic()
        self._worker.beat()
        try:
            ours = self._worker.claims.progress(self._claim, done, total)
        except SQLAlchemyError as error:
            # The lease goes on for a while; if it runs out, another begins the job anew.
            log().warning("a job's lease could not be renewed", job=self.job_id, error=error)
            return
        if not ours:
            raise NotOurs
        self._worker.changed(self.job_id)


Handler = Callable[[Progress], Done]


def run_next(worker: Worker, handlers: Mapping[str, Handler]) -> bool:
    """Work on one job of the kinds that have a handler, to its end; False when there was none to claim.

    Raises SQLAlchemyError when the database does not answer to the claim.
    """
    claim = worker.claims.take(handlers.keys())
    if claim is None:
        return False
    worker.changed(claim.job_id)
    began = time.monotonic()
    try:
        done = handlers[claim.kind](Progress(worker, claim))
        if not _insist(worker, lambda: worker.claims.finish(claim, done.result, done.write)):
            raise NotOurs
        log().info("a job is done", job=claim.job_id, kind=claim.kind, took_s=round(time.monotonic() - began, 1))
    except Stopping:
        worker.claims.give_back(claim)
    except NotOurs:
        _lost(worker, claim)
    except GiveUp as error:
        _failed(worker, claim, error.code, for_good=True)
    except Exception as error:  # noqa: BLE001  (one job never stops the worker; of the error only its kind is kept)
        _failed(worker, claim, type(error).__name__)
    worker.changed(claim.job_id)
    return True


def _failed(worker: Worker, claim: Claim, why: str, *, for_good: bool = False) -> None:
    state = _insist(worker, lambda: worker.claims.fail(claim, why, for_good=for_good))
    told = {"job": claim.job_id, "kind": claim.kind, "tries": claim.attempts, "why": why}
    if state is None:
        _lost(worker, claim)
    elif state is JobState.FAILED:
        log().error("a job failed for good", **told)
    else:
        log().warning("a job failed, will be tried again", **told)


def _lost(worker: Worker, claim: Claim) -> None:
    if worker.claims.cancelled(claim):
        log().info("a job was cancelled", job=claim.job_id, kind=claim.kind)
    else:
        log().warning("a job is not ours any more", job=claim.job_id, kind=claim.kind)


def _insist(worker: Worker, write: Callable[[], T]) -> T:
    """Write how it ended although the database is away for a while: minutes of work may be in it."""
    while True:
        try:
            return write()
        except AWAY as error:
            log().warning("a job's end waits for the database", error=error)
            if worker.stop():
                raise
            worker.beat()
            time.sleep(AGAIN_S)
