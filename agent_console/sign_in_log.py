"""Failed sign-ins on their way into the audit: counted here and written now and then, so that a flood of them writes little.

For each person, and for all names that nobody has, there is one entry an hour at most.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hotline.audit import note_act
from hotline.log import log

if TYPE_CHECKING:
    from agent_console.console import Console

WRITE_EVERY_S = 60.0
AGAIN_AFTER_S = 3600.0


@dataclass
class SignInLog:
    """Failures that are not written yet, by person; None stands for names that nobody has."""

    _failed: dict[int | None, int] = field(default_factory=dict)
    _written: dict[int | None, float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def failed(self, agent_id: int | None) -> None:
        """One more."""
        with self._lock:
            self._failed[agent_id] = self._failed.get(agent_id, 0) + 1

    def told(self, agent_id: int) -> int:
        """How many failed before this person got in; the entry of that sign-in tells it."""
        with self._lock:
            return self._failed.pop(agent_id, 0)

    def due(self, *, all_of_them: bool = False) -> dict[int | None, int]:
        """What is to be written now; who was written within the hour waits."""
        moment = time.monotonic()
        with self._lock:
            ready = [
                who
                for who in self._failed
                if all_of_them or moment - self._written.get(who, -AGAIN_AFTER_S) >= AGAIN_AFTER_S
            ]
            for who in ready:
                self._written[who] = moment
            return {who: self._failed.pop(who) for who in ready}

    def give_back(self, counts: dict[int | None, int]) -> None:
        """They could not be written: the next time."""
        with self._lock:
            for who, count in counts.items():
                self._failed[who] = self._failed.get(who, 0) + count
                self._written.pop(who, None)


def write(console: "Console", *, all_of_them: bool = False) -> None:
    """Write what is due, in one transaction."""
    counts = console.sign_in_log.due(all_of_them=all_of_them)
    if not counts:
        return
    try:
        with console.database.write() as session:
            for agent_id, count in counts.items():
                subject = f"agent:{agent_id}" if agent_id is not None else "sign-in:unknown-names"
                note_act(session, "sign_in_failed", subject, by_id=None, times=count)
    except Exception:
        console.sign_in_log.give_back(counts)
        raise


@contextlib.asynccontextmanager
async def written(console: "Console") -> AsyncIterator[None]:
    """Write as long as the console runs, and what is left when it stops."""
    task = asyncio.create_task(_write(console))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        with contextlib.suppress(Exception):
            await console.in_thread(lambda: write(console, all_of_them=True))


async def _write(console: "Console") -> None:
    while True:
        await asyncio.sleep(WRITE_EVERY_S)
        try:
            await console.in_thread(lambda: write(console))
        except Exception as error:  # noqa: BLE001  (they are kept, and written the next time)
            log().warning("failed sign-ins cannot be written", error=error)
