"""From the command to `freeline is ready`, in a new data folder and in a used one; and the memory at rest.

Beside it Asterisk alone, started the same way: the need of a line that records, knows and shows nothing.
Memory is of all processes, a page that several share counted once (PSS), without a speech model, 5 s after the start; each
process's own figure has its part of what it shares. What `top` shows (RSS) counts such a page in each.
"""

import json
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from rich.table import Table

from bench import bare
from bench.figures import Row, Rows, Say, Target, cpu_s, family, in_turns, memory_mb, spread, table, told
from hotline.settings import Settings
from tests.support.ports import free_port
from tests.support.stack import Whole

ROUNDS = 3
LONGEST_S = 240.0
SETTLED_S, RESTS_S = 5.0, 5.0

TARGETS = [
    Target("warm start, s", lambda rows: float(rows[0]["warm_s"]["median"]), at_most=5),
    Target("all processes at rest, MB", lambda rows: float(rows[0]["memory_mb"]["median"]), at_most=400),
]


def measure(say: Say) -> Rows:
    """A row for each side."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sides = {
            "Freeline": lambda n: _whole(folder / f"ours{n}"),
            "Asterisk alone": lambda n: _bare(folder / f"alone{n}"),
        }
        found = in_turns(ROUNDS, sides, say, "start to ready", LONGEST_S, 2)
    ours, alone = (_row(side, runs) for side, runs in found.items())
    ours["beside_alone"] = {
        figure: round(ours[figure]["median"] / alone[figure]["median"], 2)
        for figure in ("cold_s", "warm_s", "memory_mb")
    }
    return [ours, alone]


def show(rows: Rows) -> Table:
    """A line for each side, and one for each process of ours."""
    headings = ("", "cold start s", "warm start s", "memory at rest MB", "CPU at rest, ms a second")
    lines = [
        (
            row["side"],
            told(row["cold_s"], 1),
            told(row["warm_s"], 1),
            told(row["memory_mb"], 0),
            told(row["rest_ms"], 1),
        )
        for row in rows
    ]
    ratio = rows[0]["beside_alone"]
    lines.append(("ratio", f"{ratio['cold_s']:.1f}", f"{ratio['warm_s']:.1f}", f"{ratio['memory_mb']:.1f}", ""))
    lines += [(f"  {name}", "", "", f"{found['median']:.0f}", "") for name, found in rows[0]["processes"].items()]
    return table("Start to ready, and at rest", headings, lines)


def _row(side: str, runs: Rows) -> Row:
    row: Row = {"side": side, "rounds": len(runs)}
    row |= {figure: spread(run[figure] for run in runs) for figure in ("cold_s", "warm_s", "memory_mb", "rest_ms")}
    row["processes"] = {name: spread((run["processes"][name] for run in runs), 1) for name in runs[0]["processes"]}
    return row


def _whole(data: Path) -> Row:
    ours = Whole(data)
    cold_s = _started(ours)
    ours.stop()
    with ExitStack() as parts:
        parts.callback(ours.stop)
        warm_s = _started(ours)
        assert ours.process is not None
        root = ours.process.pid
        state = json.loads((ours.settings.run / "processes.json").read_text())["processes"]
        roots = {name: int(process["pid"]) for name, process in state.items()}
        return {"cold_s": cold_s, "warm_s": warm_s} | _at_rest(root, {"supervisor": root} | roots)


def _started(ours: Whole) -> float:
    began = time.monotonic()
    ours.start()
    return time.monotonic() - began


def _bare(data: Path) -> Row:
    settings = Settings(
        data=data, sip_host="127.0.0.1", sip_port=free_port(), ami_port=free_port(), rtp_ports="20000-20199"
    )
    began = time.monotonic()
    running = bare.start(settings)
    cold_s = time.monotonic() - began
    running.stop()
    began = time.monotonic()
    running = bare.start(settings)
    warm_s = time.monotonic() - began
    try:
        assert running.process is not None
        return {"cold_s": cold_s, "warm_s": warm_s} | _at_rest(running.process.pid, {})
    finally:
        running.stop()


def _at_rest(root: int, processes: dict[str, int]) -> Row:
    time.sleep(SETTLED_S)
    pids = family([root])
    before, began = cpu_s(pids), time.monotonic()
    time.sleep(RESTS_S)
    rest_ms = (cpu_s(pids) - before) / (time.monotonic() - began) * 1000
    each = {name: memory_mb({pid} if name == "supervisor" else family([pid])) for name, pid in processes.items()}
    if processes:
        # The remaining one is the forkserver.
        each["forkserver"] = memory_mb(pids - {root} - family(pid for pid in processes.values() if pid != root))
    return {"memory_mb": memory_mb(pids), "rest_ms": rest_ms, "processes": each}
