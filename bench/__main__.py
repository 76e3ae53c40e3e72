"""`make bench`: prints a table and keeps it in bench/results/, with the machine described."""

import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.menu import measure


def main() -> None:
    screen = Console(highlight=False)
    rows = measure(screen.print)
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
    screen.print(table)
    machine = {"cores": os.cpu_count(), "kind": platform.machine(), "python": platform.python_version()}
    folder = Path(__file__).parent / "results"
    folder.mkdir(exist_ok=True)
    at = datetime.now(UTC)
    file = folder / f"{at:%Y-%m-%d}-menu.json"
    file.write_text(
        json.dumps({"at": at.isoformat(timespec="seconds"), "machine": machine, "menu": rows}, indent=1) + "\n"
    )
    screen.print(f"kept in bench/results/{file.name}")


main()
