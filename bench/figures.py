"""The shared code of the benchmarks: rows, their spread over the rounds, taking turns, and targets."""

import os
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from rich.table import Table

Row = dict[str, Any]
Rows = list[Row]
Say = Callable[[str], None]
T = TypeVar("T")

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Target:
    """A target: `figure` finds the figure in the rows; the target is met when the figure is within the bounds."""

    what: str
    figure: Callable[[Rows], float]
    at_most: float | None = None
    at_least: float | None = None

    def judge(self, rows: Rows) -> Row:
        """Compare a target with the result."""
        got = self.figure(rows)
        met = (self.at_most is None or got <= self.at_most) and (self.at_least is None or got >= self.at_least)
        bounds = [
            f"{sign} {bound:g}" for sign, bound in (("≤", self.at_most), ("≥", self.at_least)) if bound is not None
        ]
        return {"what": self.what, "wanted": " and ".join(bounds), "got": round(got, 4), "met": met}


def in_turns(
    rounds: int, sides: Mapping[str, Callable[[int], T]], say: Say, what: str, longest_s: float = 300.0, fewest: int = 1
) -> dict[str, list[T]]:
    """Ask each side once a round, in a changing order, so that a drift of the machine's speed affects all alike.

    It stops early when the time is over. Raises `RuntimeError` when there were fewer than `fewest` rounds by then.
    """
    found: dict[str, list[T]] = {name: [] for name in sides}
    order = list(sides)
    end = time.monotonic() + longest_s
    for number in range(rounds):
        if time.monotonic() > end:
            if number < fewest:
                raise RuntimeError(f"{what}: only {number} rounds in {longest_s:.0f} s")
            say(f"{what}: time is over after {number} rounds")
            break
        if number % max(1, rounds // 6) == 0:
            say(f"{what}: round {number + 1} of {rounds}")
        for name in order:
            found[name].append(sides[name](number))
        order.append(order.pop(0))
    return found


def spread(values: Iterable[float], digits: int = 3) -> Row:
    """The smallest, the median and the largest."""
    sample = list(values)
    return {
        "min": round(min(sample), digits),
        "median": round(statistics.median(sample), digits),
        "max": round(max(sample), digits),
    }


def ratios(ours: Iterable[float], other: Iterable[float]) -> Row:
    """The spread of the ratio, taken round by round."""
    return spread(one / another for one, another in zip(ours, other, strict=True))


def told(found: Row, digits: int = 2) -> str:
    """A spread for a table."""
    return f"{found['median']:.{digits}f} ({found['min']:.{digits}f}-{found['max']:.{digits}f})"


def point(values: list[float], percent: int) -> float:
    """A percentile, which is one of the sample or between two of them."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1] if len(values) > 1 else values[0]


def table(title: str, headings: Iterable[str], lines: Iterable[Iterable[object]]) -> Table:
    """A table with the first column to the left and the rest to the right."""
    found = Table(title=title)
    for number, heading in enumerate(headings):
        found.add_column(heading, justify="right" if number else "left")
    for line in lines:
        found.add_row(*map(str, line))
    return found


def family(pids: Iterable[int]) -> set[int]:
    """These processes and all that they started, and those in turn."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found = set(pids)
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def cpu_s(pids: Iterable[int]) -> float:
    """Seconds of CPU of these processes so far, with those of children that have ended; a process that is gone has none."""
    total = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(int(field) for field in fields[11:15])
    return total / TICKS


def memory_mb(pids: Iterable[int]) -> float:
    """Memory in MB, a page that several share counted once in all (PSS)."""
    total = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total * 1024 / 1e6
