"""A clock to delete by: the wall clock, as far as it can be trusted.

A wall clock that is wrongly set ahead would make every recording old at once. So each reading is compared with the last one,
which is kept in a file, and with the steady clock, which counts since the machine started and which nobody can set. A jump
ahead that the steady clock does not confirm is believed only when the wall clock has kept it for a day of running; until
then this clock goes on from where it was, by the steady clock. A jump backwards is followed at once: it deletes nothing.
"""

import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from hotline.log import log

# How far the wall clock may run ahead of the steady one between two readings: corrections, never a jump.
SLACK_S = 3600.0
# How long a machine may have been off without raising a doubt.
OFF_S = 3 * 86400.0
STOOD_S = 86400.0


@dataclass(frozen=True)
class Look:
    """One reading: the wall clock in seconds since the epoch, the steady clock and which start of the machine it counts
    from, the time that is believed (None: none yet), and how long a jump has stood."""

    wall: float
    steady: float
    boot: str
    believed: float | None
    stood_s: float = 0.0


def _steady() -> float:
    # Unlike the monotonic clock it counts on while the machine sleeps.
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


@dataclass
class TrustedClock:
    """A clock that keeps its last reading in the file `path`. Call `look` every hour or so."""

    path: Path
    wall: Callable[[], float] = time.time
    steady: Callable[[], float] = _steady
    boot: Callable[[], str] = _boot

    def look(self) -> datetime | None:
        """The time to delete by, UTC; None in the first day, when nothing shows whether the wall clock is right.

        Raises OSError when the reading cannot be written.
        """
        before = self._last()
        seen = _judge(before, self.wall(), self.steady(), self.boot())
        self._keep(seen)
        doubted = seen.believed is not None and seen.believed != seen.wall
        if doubted and (before is None or before.believed == before.wall):
            days = round((seen.wall - (seen.believed or 0.0)) / 86400, 1)
            log().warning(
                "the clock jumped ahead; what it makes old is not deleted until it has stood for a day", days=days
            )
        return None if seen.believed is None else datetime.fromtimestamp(seen.believed, UTC)

    def _last(self) -> Look | None:
        try:
            return Look(**json.loads(self.path.read_bytes()))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            log().warning("the trusted clock's file cannot be read; it starts again", error=error)
            return None

    def _keep(self, look: Look) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = self.path.with_suffix(".part")
        with part.open("w") as file:
            json.dump(asdict(look), file)
            file.flush()
            os.fsync(file.fileno())
        part.rename(self.path)


def _judge(before: Look | None, wall: float, steady: float, boot: str) -> Look:
    """Decide which time to believe now."""
    seen = Look(wall, steady, boot, believed=None)
    if before is None:
        return seen
    same_start = before.boot == boot and before.steady <= steady
    passed_s = steady - before.steady if same_start else 0.0
    slack_s = SLACK_S if same_start else OFF_S
    if before.believed is not None and wall <= before.believed + passed_s + slack_s:
        return replace(seen, believed=wall)
    went_true = -SLACK_S <= wall - before.wall - passed_s <= slack_s
    stood_s = before.stood_s + passed_s if went_true else 0.0
    if stood_s >= STOOD_S:
        return replace(seen, believed=wall)
    carried = None if before.believed is None else before.believed + passed_s
    return replace(seen, believed=carried, stood_s=stood_s)
