"""`make bench`: prints tables and keeps them in bench/results/, with the machine described.

`python -m bench ring` runs one of them alone; their names are those of the modules.
"""

import json
import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import menu, ring

Rows = list[dict[str, Any]]


def show_menu(rows: Rows) -> Table:
    """What a caller in the menu costs."""
    table = Table(title="Callers held in the menu: Freeline beside Asterisk alone, in turns")
    for heading in ("callers", "refused", "silent", "ms of CPU a second and call", "Asterisk alone", "ratio (min-max)"):
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(
            str(row["callers"]),
            str(row["refused"]),
            str(row["silent"]),
            f"{row['ours_ms']:.2f}",
            f"{row['alone_ms']:.2f}",
            f"{row['ratio']:.2f} ({row['ratio_min']:.2f}-{row['ratio_max']:.2f})",
        )
    return table


def show_ring(rows: Rows) -> Table:
    """How soon an agent's phone rings."""
    table = Table(title="Until the agent's phone rings, ms: Freeline beside a bare Queue(), in turns")
    for heading in ("who comes", "phone", "rounds", "p50", "p95", "bare p50", "bare p95", "ratio p50", "ratio p95"):
        table.add_column(heading, justify="right")
    for row in rows:
        times = [f"{row[f'{side}_{point}_ms']:.1f}" for side in ("ours", "alone") for point in ("p50", "p95")]
        ratios = [f"{row['ratio_p50']:.2f}", f"{row['ratio_p95']:.2f}"]
        table.add_row(row["what"], row["endpoint"], str(row["rounds"]), *times, *ratios)
    return table


BENCHES = {"menu": (menu.measure, show_menu), "ring": (ring.measure, show_ring)}


def main(wanted: list[str]) -> int:
    """Run those, or all. 2 for a name that is none of them."""
    screen = Console(highlight=False)
    if not set(wanted) <= BENCHES.keys():
        screen.print(f"there are: {', '.join(BENCHES)}")
        return 2
    for name in wanted or BENCHES:
        measure, show = BENCHES[name]
        rows = measure(screen.print)
        screen.print(show(rows))
        screen.print(f"kept in bench/results/{_keep(name, rows)}")
    return 0


def _keep(name: str, rows: Rows) -> str:
    machine = {"cores": os.cpu_count(), "kind": platform.machine(), "python": platform.python_version()}
    folder = Path(__file__).parent / "results"
    folder.mkdir(exist_ok=True)
    at = datetime.now(UTC)
    file = folder / f"{at:%Y-%m-%d}-{name}.json"
    file.write_text(
        json.dumps({"at": at.isoformat(timespec="seconds"), "machine": machine, name: rows}, indent=1) + "\n"
    )
    return file.name


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
