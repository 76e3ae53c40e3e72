"""The live feed with a thousand and five thousand pages that listen: how soon each hears a nudge, and what one holds.

The alternative is the feed as it is often written (bench/naive_feed.py): each listener subscribes to Redis for itself. Both
are asked in turns, each started afresh, on the same machine with the same listeners, which are a process of their own.

A nudge is timed from before it is given to Redis until a listener has received it. Memory is what the server's own
process grew by (PSS), from a server that has greeted some listeners before to one that holds them all and has nudged them.
The console's listeners are forty people with sign-ins of their own, as in an office with many open tabs; the console pings
its pages and checks their sign-ins meanwhile, as it always does. The naive feed checks no sign-ins.
"""

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.table import Table

from bench import made_up_cases, serving
from bench.figures import Target
from bench.visiting import point
from hotline.nudges import Nudges
from hotline.settings import ROOT, Settings
from models import Database

SIZES = (1000, 5000)
ROUNDS = 2
NUDGES = 12
EVERY_S = 1.2
WARM = 50
TARGETS = [
    Target(
        "delivery p99 at 5,000 listeners, ms",
        lambda rows: next(float(r["ours_p99_ms"]) for r in rows if r["listeners"] == 5000),
        at_most=250,
    ),
    Target(
        "KiB a listener at 5,000 listeners",
        lambda rows: next(float(r["ours_kib"]) for r in rows if r["listeners"] == 5000),
        at_most=15,
    ),
]


def measure(say: Callable[[str], None], sizes: Sequence[int] = SIZES, rounds: int = ROUNDS) -> list[dict[str, Any]]:
    """A row for each number of listeners, ours beside the naive one."""
    _let_open(2 * max(sizes) + 200)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        settings = Settings(data=data)
        database = Database(settings.database)
        database.migrate()
        made_up_cases.fill([database], 100, made_up_cases.evening()[0], say)
        redis = serving.start_redis(settings)
        try:
            rows = []
            for size in sizes:
                found: dict[str, list[dict[str, float]]] = {"ours": [], "naive": []}
                for number in range(rounds):
                    for side in ("ours", "naive") if number % 2 == 0 else ("naive", "ours"):
                        say(f"{size:,} listeners, round {number + 1} of {rounds}, {side}")
                        found[side].append(_once(side, size, settings, database))
                rows.append(_row(size, found["ours"], found["naive"]))
            return rows
        finally:
            redis.stop()
            database.dispose()


def _row(size: int, ours: list[dict[str, float]], naive: list[dict[str, float]]) -> dict[str, Any]:
    row: dict[str, Any] = {"listeners": size, "rounds": len(ours)}
    for what in ("p50_ms", "p99_ms", "kib", "cpu_ms"):
        for side, found in (("ours", ours), ("naive", naive)):
            values = [f[what] for f in found]
            row[f"{side}_{what}"] = round(statistics.median(values), 2)
            row[f"{side}_{what}_spread"] = [round(min(values), 2), round(max(values), 2)]
        ratios = [a[what] / b[what] for a, b in zip(ours, naive, strict=True) if b[what]]
        row[f"ratio_{what}"] = round(statistics.median(ratios), 3) if ratios else None
        row[f"ratio_{what}_spread"] = [round(min(ratios), 3), round(max(ratios), 3)] if ratios else None
    row["ours_lost"], row["naive_lost"] = (int(sum(f["lost"] for f in found)) for found in (ours, naive))
    return row


def _once(side: str, size: int, settings: Settings, database: Database) -> dict[str, float]:
    if side == "ours":
        server = serving.start_console(settings.data)
        cookies = serving.sign_in(database, made_up_cases.STAFF)
    else:
        server = serving.start_naive_feed(settings)
        cookies = ["-"]
    try:
        with _listening(server.port, WARM, cookies, settings.data):
            pass
        time.sleep(0.5)
        before = _held_kib(server.process.pid)
        with _listening(server.port, size, cookies, settings.data) as heard:
            cpu_before = serving.cpu_s(server.process.pid)
            sent = _nudge(Nudges(settings.redis))
            times = sorted(at - sent[name] for name, at in heard())
            cpu = serving.cpu_s(server.process.pid) - cpu_before
            after = _held_kib(server.process.pid)
        return {
            "p50_ms": point(times, 0.50) * 1000,
            "p99_ms": point(times, 0.99) * 1000,
            "kib": (after - before) / size,
            "cpu_ms": cpu / (size * NUDGES) * 1000,
            "lost": size * NUDGES - len(times),
        }
    finally:
        server.stop()


def _nudge(nudges: Nudges) -> dict[str, float]:
    sent = {}
    for number in range(1, NUDGES + 1):
        name = f"case-changed:{number}"
        sent[name] = time.monotonic()
        nudges.tell(name)
        time.sleep(EVERY_S)
    return sent


@contextmanager
def _listening(
    port: int, count: int, cookies: Sequence[str], folder: Path
) -> Iterator[Callable[[], list[tuple[str, float]]]]:
    """So many listeners; the result returns what they have received since, each with its time."""
    file = folder / "heard"
    command = [sys.executable, "-m", "bench.listeners", str(port), str(count), str(file)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdin is not None and process.stdout is not None  # noqa: PT018
            process.stdin.write("\n".join(cookies) + "\n\n")
            process.stdin.flush()
            said = process.stdout.readline().strip()
            if said != "listening":
                raise RuntimeError(said or "the listeners ended")

            def heard() -> list[tuple[str, float]]:
                assert process.stdin is not None and process.stdout is not None  # noqa: PT018
                process.stdin.write("now\n")
                process.stdin.flush()
                process.stdout.readline()
                pairs = [line.split() for line in file.read_text().splitlines()]
                return [(name, float(at)) for name, at in pairs]

            yield heard
        finally:
            process.kill()


def _held_kib(pid: int) -> float:
    """The memory of a process, with its part of shared pages (PSS), in KiB."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return float(line.split()[1])
    raise RuntimeError("this kernel does not say what a process holds")


def _let_open(files: int) -> None:
    """Let this process and its children have so many open files. Raises `RuntimeError` when the machine forbids it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < files:
        raise RuntimeError(f"{files} open files are needed and {hard} allowed: raise it with `ulimit -Hn {files}`")
    if soft < files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))


def show(rows: list[dict[str, Any]]) -> Table:
    """How soon a nudge is heard, and what a listener holds."""
    table = Table(
        title="The live feed: from the nudge to the listener, Freeline beside a subscription for each listener"
    )
    for heading in (
        "listeners",
        "",
        "p50 ms",
        "p99 ms (min-max)",
        "KiB a listener (min-max)",
        "CPU µs a delivery",
        "lost",
    ):
        table.add_column(heading, justify="right")
    for row in rows:
        for side in ("ours", "naive"):
            spread = {what: "{:.0f}-{:.0f}".format(*row[f"{side}_{what}_spread"]) for what in ("p99_ms", "kib")}
            table.add_row(
                f"{row['listeners']:,}",
                "Freeline" if side == "ours" else "naive",
                f"{row[f'{side}_p50_ms']:.0f}",
                f"{row[f'{side}_p99_ms']:.0f} ({spread['p99_ms']})",
                f"{row[f'{side}_kib']:.1f} ({spread['kib']})",
                f"{row[f'{side}_cpu_ms'] * 1000:.0f}",
                str(row[f"{side}_lost"]),
            )
        ratios = [f"{row[f'ratio_{what}']:.2f}" for what in ("p50_ms", "p99_ms", "kib", "cpu_ms")]
        table.add_row("", "ratio", *ratios, "")
    return table
