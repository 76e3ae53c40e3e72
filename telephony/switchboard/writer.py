"""Writes the changes of the switchboard in their order, and waits for the database for as long as it takes."""

import queue
import threading
from collections.abc import Callable, Sequence

from sqlalchemy.exc import DatabaseError, DataError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from hotline.log import log
from models import Database
from telephony.switchboard.changes.calls import Change, ChangeContext

# Weeks of calls. Past it `put` waits; what Asterisk then no longer tells us, the sweep finds in its records.
LIMIT = 100_000
BATCH = 100
PAUSE_S = (0.1, 0.2, 0.5, 1.0, 2.0)
TRIES = 3


def _will_pass(error: Exception) -> bool:
    """Whether to wait: the database is locked, full, away or not yet migrated. A row it refuses stays refused."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    return isinstance(error, (DatabaseError, PoolTimeout)) and not isinstance(error, (IntegrityError, DataError))


class ChangeWriter:
    """One thread that writes. `put` never waits for the database; `tell` is given the nudges of what is committed."""

    def __init__(self, db: Database, desk: ChangeContext, tell: Callable[..., None], limit: int = LIMIT) -> None:
        self._db, self._desk, self._tell = db, desk, tell
        self._waiting: queue.Queue[Change] = queue.Queue(limit)
        self._quit, self._given_up = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="writer")
        self._writing: Sequence[Change] = ()
        self.stuck = False

    def start(self) -> None:
        """Begin writing."""
        self._thread.start()

    def stop(self, within_s: float = 5.0) -> None:
        """Write what is left, or give up in time; the sweep of the next start finds what was not written."""
        self._quit.set()
        if self._thread.is_alive():
            self._thread.join(within_s)
            self._given_up.set()
            self._thread.join()

    @property
    def alive(self) -> bool:
        """Whether the thread still runs; waiting for the database is running."""
        return self._thread.is_alive()

    @property
    def pending(self) -> int:
        """How many changes are not committed yet."""
        return self._waiting.qsize() + len(self._writing)

    def put(self, *changes: Change) -> None:
        """Have these written, after all that was put before."""
        for change in changes:
            self._waiting.put(change)

    def _run(self) -> None:
        while not self._given_up.is_set() and not (self._quit.is_set() and self._waiting.empty()):
            self._writing = self._next()
            if self._writing:
                self._write(self._writing)
            self._writing = ()

    def _next(self) -> list[Change]:
        batch: list[Change] = []
        try:
            batch.append(self._waiting.get(timeout=0.2))
            while len(batch) < BATCH:
                batch.append(self._waiting.get_nowait())
        except queue.Empty:
            pass
        return batch

    def _write(self, batch: Sequence[Change]) -> None:
        waits = refusals = 0
        while not self._given_up.is_set():
            try:
                self._commit(batch)
            except Exception as error:  # noqa: BLE001  (whatever one change does, the next must be written)
                if _will_pass(error):
                    waits += 1
                    self._waits_for_the_database(error)
                elif len(batch) > 1:
                    for change in batch:
                        self._write([change])
                    return
                else:
                    refusals += 1
                    if refusals >= TRIES:
                        log().error("a change could not be written", change=type(batch[0]).__name__, error=error)
                        return
                self._given_up.wait(PAUSE_S[min(waits, len(PAUSE_S) - 1)])
            else:
                if self.stuck:
                    self.stuck = False
                    log().info("the database takes changes again", waited=self._waiting.qsize())
                return

    def _waits_for_the_database(self, error: Exception) -> None:
        if not self.stuck:
            self.stuck = True
            log().warning("the database does not take changes; they wait", error=error)

    def _commit(self, batch: Sequence[Change]) -> None:
        with self._db.write() as session:
            names = [name for change in batch for name in change.apply(session, self._desk)]
        self._tell(*dict.fromkeys(names))
