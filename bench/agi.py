"""The cost of the IVR: our FastAGI server beside a script that Asterisk forks (pyst2) and beside bare dialplan.

All three do the same ten steps on one Asterisk, in turns; the callers are sipp's, whose CPU is not counted. Then so many
calls are held in scripts of our server, and one AGI command is timed: through our session and, right after it, through
the bare socket of the same call.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.table import Table

from bench import agi_steps, bare
from bench.callers import callers, until_called
from bench.figures import Row, Rows, Say, Target, cpu_s, in_turns, point, spread, table, told
from hotline.settings import ROOT, Settings
from telephony.softphone.g711 import RATE_HZ
from tests.support.ports import free_port
from tests.support.wait import until

ROUNDS = 5
CALLS = {"ours": 400, "bare": 400, "forked": 80}
AT_ONCE = 200  # Answer() waits half a second for sound: fewer would measure that
HELD = 200
HELD_S = 12.0
WITHIN_S = 60.0


def _only(rows: Rows, what: str) -> Row:
    return next(row for row in rows if row["what"] == what)


TARGETS = [
    Target(
        "our CPU a call beyond bare dialplan, beside the forked script's",
        lambda rows: _only(rows, "ten steps")["extra_ratio"]["median"],
        at_most=1 / 10,
    ),
    Target(
        "the same, as far as we hoped", lambda rows: _only(rows, "ten steps")["extra_ratio"]["median"], at_most=1 / 15
    ),
    Target(
        f"one AGI command while {HELD} calls are held, p99, ms",
        lambda rows: _only(rows, "one command")["ours_p99_ms"],
        at_most=1.0,
    ),
]


@dataclass
class Parts:
    """The running parts."""

    line: tuple[str, int]
    asterisk: int
    server: int


def measure(say: Say) -> Rows:
    """A row of the steps, and one of a single command."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with _running(folder, "short", 0.1) as (parts, _):
            _run(parts, "ours", 0)
            sides = {side: partial(_run, parts, side) for side in CALLS}
            found = in_turns(ROUNDS, sides, say, "ten steps", 240, 3)
        with _running(folder, "long", 1.0) as (parts, times):
            say(f"{HELD} calls held")
            busy = _held(parts)
        kept = json.loads(times.read_text())
    return [_steps(found), {"what": "one command", "calls": HELD} | busy | _command(kept)]


def show(rows: Rows) -> Table:
    """Both in one table."""
    one, other = _only(rows, "ten steps"), _only(rows, "one command")
    lines = [
        (side, told(one[f"{side}_cpu_ms"]), told(one[f"{side}_extra_ms"]), told(one[f"{side}_calls_a_second"], 0),
         one[f"{side}_failed"])
        for side in ("bare", "ours", "forked")
    ]  # fmt: skip
    lines.append(("ours / forked", "", told(one["extra_ratio"], 3), told(one["rate_ratio"]), ""))
    lines.append(
        (
            f"one command, {other['calls']} calls: p50, p99, max ms",
            *(f"{other[f'ours_{at}_ms']:.2f} ({other[f'least_{at}_ms']:.2f})" for at in ("p50", "p99", "max")),
            other["failed"],
        )
    )
    headings = (
        "ten AGI steps (bare socket in brackets below)",
        "CPU ms a call",
        "beyond bare",
        "calls a second",
        "failed",
    )
    return table("A call in the IVR, in turns", headings, lines)


def _steps(found: dict[str, list[Row]]) -> Row:
    row: Row = {"what": "ten steps", "rounds": len(found["bare"]), "calls_a_round": CALLS}
    bare_ms = [one["cpu_ms"] for one in found["bare"]]
    extra = {side: [one["cpu_ms"] - b for one, b in zip(runs, bare_ms, strict=True)] for side, runs in found.items()}
    for side, runs in found.items():
        row[f"{side}_cpu_ms"] = spread(one["cpu_ms"] for one in runs)
        row[f"{side}_extra_ms"] = spread(extra[side])
        row[f"{side}_calls_a_second"] = spread((one["a_second"] for one in runs), 1)
        row[f"{side}_failed"] = sum(one["failed"] for one in runs)
    row["extra_ratio"] = spread((a / b for a, b in zip(extra["ours"], extra["forked"], strict=True)), 4)
    rates = zip(found["ours"], found["forked"], strict=True)
    row["rate_ratio"] = spread(a["a_second"] / b["a_second"] for a, b in rates)
    return row


def _command(times: dict[str, list[float]]) -> Row:
    row: Row = {"commands": len(times["ours"])}
    for side, sample in times.items():
        row |= {f"{side}_p{percent}_ms": round(point(sample, percent), 3) for percent in (50, 95, 99)}
        row[f"{side}_max_ms"] = round(max(sample), 3)
    row["ratio_p50"] = round(row["ours_p50_ms"] / row["least_p50_ms"], 2)
    row["ratio_p99"] = round(row["ours_p99_ms"] / row["least_p99_ms"], 2)
    return row


def _run(parts: Parts, side: str, _round: int) -> Row:
    """So many calls, as fast as they are taken."""
    count = CALLS[side]
    before, began = _spent(parts), time.monotonic()
    with callers(parts.line, side, count, a_second=1000, at_once=AT_ONCE, says=False) as them:
        over = them.wait(WITHIN_S)
    took_s = time.monotonic() - began
    spent = _spent(parts) - before
    return {"cpu_ms": spent / count * 1000, "a_second": count / took_s, "failed": count - over.well}


def _held(parts: Parts) -> Row:
    with callers(parts.line, agi_steps.HELD, HELD, a_second=50, at_once=HELD, hold_s=HELD_S + 4, says=True) as them:
        until_called(them, HELD, 20)
        before, began = _spent(parts), time.monotonic()
        time.sleep(HELD_S)
        busy = (_spent(parts) - before) / (time.monotonic() - began)
        over = them.wait(WITHIN_S)
    return {"cores_busy": round(busy, 2), "failed": HELD - over.well}


def _spent(parts: Parts) -> float:
    return cpu_s([parts.asterisk, parts.server])


@contextmanager
def _running(folder: Path, name: str, sound_s: float) -> Iterator[tuple[Parts, Path]]:
    """Asterisk alone with the three ways, and our server; its times are there afterwards."""
    sound = folder / name
    (folder / f"{name}.sln").write_bytes(bytes(round(sound_s * RATE_HZ) * 2))
    script = folder / "forked.agi"
    script.write_text(agi_steps.FORKED.format(python=sys.executable, names=agi_steps.NAMES, sound=sound))
    script.chmod(0o755)
    settings = Settings(
        data=folder / f"data-{name}",
        sip_host="127.0.0.1",
        sip_port=free_port(),
        ami_port=free_port(),
        agi_port=free_port(),
        rtp_ports="20000-20999",
    )
    times = folder / f"{name}.json"
    dialplan = agi_steps.DIALPLAN.format(token=agi_steps.TOKEN, sound=sound, script=script, port=settings.agi_port)
    command = [sys.executable, "-m", "bench.agi_steps", str(settings.agi_port), str(sound), str(times)]
    running = bare.start(settings, dialplan=dialplan, more_modules=agi_steps.MODULES)
    server = subprocess.Popen(command, cwd=ROOT, env=os.environ, stderr=subprocess.DEVNULL)
    try:
        until(lambda: _listens(settings.agi_port), 20)
        assert running.process is not None
        yield Parts(("127.0.0.1", settings.sip_port), running.process.pid, server.pid), times
    finally:
        server.terminate()
        server.wait(20)
        running.stop()


def _listens(port: int) -> bool:
    wanted = f"0100007F:{port:04X}"
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return any(line.split()[1] == wanted and line.split()[3] == "0A" for line in lines)
