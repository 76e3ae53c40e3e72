"""`make bench`: prints tables and keeps them in bench/results/, with the machine described.

`python -m bench ring` runs one of them alone; their names are those of the modules. 0 when all ran, whether a target is
met or not; 1 when one failed, 2 for an unknown name.
"""

import json
import logging
import signal
import sys
import time
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import structlog
from rich.console import Console
from rich.table import Table

from bench import agi, faults, held, line, machine, pages, ring, speech, sse, start, storm
from bench.figures import Row, Rows, Say, Target, table

WIDTH = 132  # a wrapped table is unreadable
RESULTS = Path(__file__).parent / "results"


class Bench(Protocol):
    """The functions of a benchmark's module."""

    TARGETS: list[Target]

    def measure(self, say: Say) -> Rows:
        """Measure it, and clean up."""

    def show(self, rows: Rows) -> Table:
        """The figures for a person."""


BENCHES: dict[str, Bench] = {
    "ring": ring,
    "agi": agi,
    "line": line,
    "held": held,
    "speech": speech,
    "start": start,
    "pages": pages,
    "sse": sse,
}
# These take hours, mount disks and measure no speed: only by name.
BY_NAME: dict[str, Bench] = {"faults": faults, "storm": storm}


def main(wanted: list[str]) -> int:
    """Run those, or all."""
    # When it is ended from outside it cleans up too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    screen = Console(highlight=False)
    screen.width = max(screen.width, WIDTH)
    every = BENCHES | BY_NAME
    if not set(wanted) <= every.keys():
        screen.print(f"there are: {', '.join(every)}")
        return 2
    failed = []
    for name in wanted or BENCHES:
        described, began = machine.describe(), time.monotonic()
        screen.rule(name)
        screen.print(machine.in_words(described))
        try:
            rows = every[name].measure(screen.print)
        except Exception:  # noqa: BLE001  (the others are still worth having)
            screen.print(traceback.format_exc(), markup=False)
            failed.append(name)
            continue
        judged = [target.judge(rows) for target in every[name].TARGETS]
        screen.print(every[name].show(rows))
        if judged:
            screen.print(_targets(judged))
        took_s = round(time.monotonic() - began)
        screen.print(f"{took_s} s; kept in bench/results/{_keep(name, rows, judged, described, took_s)}")
    if failed:
        screen.print(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


def _targets(judged: Rows) -> Table:
    lines = ((row["what"], row["wanted"], f"{row['got']:g}", "met" if row["met"] else "not met") for row in judged)
    return table("Targets", ("target", "wanted", "got", ""), lines)


def _keep(name: str, rows: Rows, judged: Rows, described: Row, took_s: int) -> str:
    RESULTS.mkdir(exist_ok=True)
    at = datetime.now(UTC)
    file = RESULTS / f"{at:%Y-%m-%d}-{name}.json"
    kept = {
        "at": at.isoformat(timespec="seconds"),
        "took_s": took_s,
        "machine": described,
        name: rows,
        "targets": judged,
    }
    file.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
    return file.name


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
