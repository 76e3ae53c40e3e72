"""Callers held in the menu: what one costs, and how many fit, beside Asterisk playing the same menu alone.

The alternative is the dialplan net: the same Asterisk, prompts and callers, with no process of ours. The two take turns,
so that a machine whose speed drifts spoils neither. CPU is that of the processes under test, read from the kernel; the
made-up callers are left out, but they share the machine.
"""

import os
import statistics
import tempfile
import threading
import time
from pathlib import Path

from rich.table import Table

from bench.figures import Row, Rows, Say, Target, table
from hotline import languages
from hotline.settings import Settings
from ivr import prompts
from models import Database
from telephony.phone import Call, Phone
from tests.e2e.conftest import hire_before_start
from tests.e2e.whole import Whole
from tests.ports import free_port, rtp_range
from tests.stack import AsteriskUnderTest

STEPS = (25, 50, 75)
ROUNDS = 3
HOLD_S = 8.0
TARGETS: list[Target] = []
TICKS = os.sysconf("SC_CLK_TCK")


def measure(say: Say) -> Rows:
    """Each step with its medians over the rounds."""
    with tempfile.TemporaryDirectory() as folder:
        spoken = sounds(Path(folder))
        ours = Whole(Path(folder) / "ours", spoken, pairs=STEPS[-1] * 2 + 20)
        hire_before_start(ours)
        ours.start()
        try:
            with AsteriskUnderTest(_settings(Path(folder) / "alone", ours)) as alone:
                rows = []
                for callers in STEPS:
                    pairs = []
                    for number in range(ROUNDS):
                        say(f"{callers} callers, round {number + 1} of {ROUNDS}")
                        pids = [ours.pid(n) for n in ("asterisk", "ivr", "switchboard", "transcriber")]
                        one = _hold(ours.line, callers, pids)
                        process = alone.running.process
                        assert process is not None
                        other = _hold(("127.0.0.1", alone.settings.sip_port), callers, [process.pid])
                        pairs.append((one, other))
                    rows.append(_row(callers, pairs))
                return rows
        finally:
            ours.stop()


def show(rows: Rows) -> Table:
    """What a caller in the menu costs."""
    headings = ("callers", "refused", "silent", "ms of CPU a second and call", "Asterisk alone", "ratio (min-max)")
    return table(
        "Callers held in the menu: Freeline beside Asterisk alone, in turns",
        headings,
        (
            (
                row["callers"], row["refused"], row["silent"], f"{row['ours_ms']:.2f}", f"{row['alone_ms']:.2f}",
                f"{row['ratio']:.2f} ({row['ratio_min']:.2f}-{row['ratio_max']:.2f})",
            )
            for row in rows
        ),
    )  # fmt: skip


def _row(callers: int, pairs: list[tuple[dict[str, float], dict[str, float]]]) -> Row:
    ratios = [one["ms"] / other["ms"] for one, other in pairs]
    return {
        "callers": callers,
        "refused": int(sum(one["refused"] for one, _ in pairs)),
        "silent": int(sum(one["silent"] for one, _ in pairs)),
        "ours_ms": statistics.median(one["ms"] for one, _ in pairs),
        "alone_ms": statistics.median(other["ms"] for _, other in pairs),
        "ratio": statistics.median(ratios),
        "ratio_min": min(ratios),
        "ratio_max": max(ratios),
        "rounds": len(pairs),
    }


def _hold(line: tuple[str, int], callers: int, pids: list[int]) -> dict[str, float]:
    """Let them call, all at once, hold them in the menu, and see what that costs. Milliseconds of CPU a second and call."""
    phones = [Phone(line) for _ in range(callers)]
    calls: list[Call] = [phone.call("1800123456", f"08123{n:05}") for n, phone in enumerate(phones)]
    refused = sum(not call.wait_answered(20) for call in calls)
    before, began = _cpu_s(pids), time.monotonic()
    threading.Event().wait(HOLD_S)
    spent, took = _cpu_s(pids) - before, time.monotonic() - began
    silent = sum(call.audio.packets_in < HOLD_S * 25 for call in calls)
    for phone in phones:
        phone.close()
    threading.Event().wait(2)
    return {"ms": spent / took / callers * 1000, "refused": refused, "silent": silent}


def _cpu_s(pids: list[int]) -> float:
    """Seconds of CPU of these processes and their children so far."""
    total, wanted = 0, set(pids)
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(folder.name) in wanted or int(fields[1]) in wanted:
            total += int(fields[11]) + int(fields[12])
    return total / TICKS


def sounds(folder: Path) -> Path:
    """The demo's prompts, built below this folder."""
    config = Settings(data=folder / "built")
    menu = [(str(n), code) for n, code in enumerate(["my", "th", "km", "lo", "vi", "en", "ko"], start=1)]
    prompts.build(config, {}, menu)
    return config.sounds


def _settings(data: Path, ours: Whole) -> Settings:
    settings = Settings(
        data=data,
        sip_host="127.0.0.1",
        sip_port=free_port(),
        ami_port=free_port(),
        agi_port=free_port(),
        asterisk_http_port=free_port(),
        rtp_ports=rtp_range(STEPS[-1] * 2 + 20),
    )
    data.mkdir(parents=True)
    settings.spool.mkdir()
    settings.sounds.symlink_to(ours.settings.sounds)
    db = Database(settings.database)
    db.migrate()
    with db.write() as session:
        languages.seed(session, settings.line_numbers, demo=True)
    db.dispose()
    return settings
