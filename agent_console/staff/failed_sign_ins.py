"""Failed sign-ins on their way into the audit: counted here and written now and then, so that a flood of them writes little.

For each person, and for all names that nobody has, there is one entry an hour at most.
"""

import threading
import time
from dataclasses import dataclass, field

AGAIN_AFTER_S = 3600.0


@dataclass
class FailedSignIns:
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
