"""The jobs process: does the jobs that were asked for, one at a time, and asks by itself for those due each day."""

import contextlib
import os
import secrets
import signal
import socket
import threading
import time

from sqlalchemy.exc import SQLAlchemyError

from hotline.heartbeat import Heartbeat
from hotline.jobs import audit_check
from hotline.jobs.claims import Claims
from hotline.jobs.working import Worker, run_next
from hotline.keys import load_keys
from hotline.log import log
from hotline.nudges import JOBS_CHANGED, Nudges, job_changed
from hotline.settings import Settings
from models import Database
from ops.jobs.handlers import handlers

LOOK_S = 1.0
DUE_LOOK_S = 60.0


def main(settings: Settings) -> int:
    """Run until SIGTERM or SIGINT, in the main thread. Raises `PartMissing` when there are no keys."""
    jobs = Jobs(settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: jobs.end())
    jobs.run()
    return 0


class Jobs:
    """Runs jobs in the calling thread, and a listener for nudges beside it. Several of these may run at once."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._ending = False
        self._wake = threading.Event()
        # None that opens: data that a job holds for minutes is worth more to a thief than data of a short request.
        keys = load_keys(settings.keys, may_open=False)
        self._heartbeat = Heartbeat(settings, "jobs")
        self._db = Database(settings.database, connections=settings.database_connections, audit_key=keys.audit)
        self._nudges = Nudges(settings.redis)
        self._handlers = handlers(settings, keys)
        who = f"{socket.gethostname()[:24]}:{os.getpid()}:{secrets.token_hex(4)}"
        self._worker = Worker(
            Claims(self._db, who, lease_s=settings.job_lease_s, tries=settings.job_tries),
            stop=lambda: self._ending,
            beat=self._heartbeat.beat,
            changed=lambda job_id: self._nudges.tell(job_changed(job_id)),
        )
        self._due_at = float("-inf")

    def end(self) -> None:
        """Ask it to stop; the current job is given back. Safe in a signal handler, so it takes no lock."""
        self._ending = True

    def run(self) -> None:
        """Block until stopped."""
        threading.Thread(target=self._hear, name="ear", daemon=True).start()
        log().info("the jobs process is ready", kinds=len(self._handlers))
        try:
            while not self._ending:
                if not self._look():
                    self._wake.wait(LOOK_S)
                    self._wake.clear()
        finally:
            self._db.dispose()

    def _look(self) -> bool:
        """Work on one job; False when there was none, or when the database failed: then wait."""
        self._heartbeat.beat()
        try:
            self._ask_for_what_is_due()
            return run_next(self._worker, self._handlers)
        except SQLAlchemyError as error:
            log().warning("the database does not answer; jobs wait", error=error)
        except Exception as error:  # noqa: BLE001  (the claim's lease runs out, and its tries are counted)
            log().error("the jobs process failed, goes on", error=error)
        return False

    def _ask_for_what_is_due(self) -> None:
        if time.monotonic() - self._due_at < DUE_LOOK_S:
            return
        with self._db.read() as session:
            due = audit_check.due(session, self._settings.zone)
        if due:
            with self._db.write() as session:
                audit_check.ask(session, None)
            self._nudges.tell(JOBS_CHANGED)
        self._due_at = time.monotonic()

    def _hear(self) -> None:
        """Wake up on nudges; without Redis the poll each second is enough."""
        while not self._ending:
            with contextlib.closing(self._nudges.hear(LOOK_S)) as names:  # type: ignore[type-var]
                for name in names:
                    if name == JOBS_CHANGED:
                        self._wake.set()
                    if self._ending:
                        return
            time.sleep(LOOK_S)
