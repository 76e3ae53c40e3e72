"""Endless faults under endless calls: is each call one row and one case, when all is settled?

Callers come one after another, some hang up in the menu and some leave a message, while one fault follows the other, drawn
with a seed. The disk is full for a third of the time. FREELINE_STORM is calls, faults, database, seed: `500/100/sqlite/1`.
"""

import os
import random
import signal
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

from rich.table import Table

from bench.breaking import NUMBERS, PROCESSES, Small, full, quick_sounds, wait_for
from bench.figures import Row, Rows, Say, Target, table
from telephony.softphone.phone import Phone
from tests.support.callers import Story, leave_message
from tests.support.postgres import Postgres

CALLS_A_SECOND = 1.0
LONGEST_S = 2 * 3600.0

TARGETS = [
    Target(
        "calls without a row, or with two", lambda rows: float(abs(rows[0]["rows"] - rows[0]["answered"])), at_most=0
    ),
    Target("rows without a case", lambda rows: float(abs(rows[0]["rows"] - rows[0]["cases"])), at_most=0),
]


def measure(say: Say) -> Rows:
    """One row."""
    calls, faults, database, seed = (os.environ.get("FREELINE_STORM") or "500/100/sqlite/1").split("/")
    with ExitStack() as parts:
        folder = Path(parts.enter_context(tempfile.TemporaryDirectory(prefix="storm", ignore_cleanup_errors=True)))
        url = ""
        if database == "postgresql":
            server = Postgres()
            parts.callback(server.close)
            url = server.create("freeline")
        it = Small(folder, quick_sounds(folder), url)
        parts.callback(it.end)
        it.begin()
        if not it.ready():
            raise RuntimeError(f"it was never ready: {it.output.read_text()[-500:]}")
        return [{"database": database, "seed": seed} | _storm(it, int(calls), int(faults), int(seed), say)]


def _storm(it: Small, calls: int, faults: int, seed: int, say: Say) -> Row:
    stories: list[Story] = []
    callers = threading.Thread(target=_callers, args=(it, calls, stories), daemon=True)
    callers.start()
    end = time.monotonic() + LONGEST_S
    draw = random.Random(seed)
    done = 0
    while done < faults and time.monotonic() < end:
        with ExitStack() as disk:
            if draw.random() < 1 / 3:
                disk.enter_context(full(it))
            for _ in range(3):
                _fault(it, draw)
                done += 1
                time.sleep(draw.uniform(1, calls / CALLS_A_SECOND / faults * 2))
        say(f"{done} faults, {len(stories)} calls over")
    callers.join(LONGEST_S)
    it.ready()
    answered = sum(story.answered for story in stories)
    settled = it.settled(answered)
    by_number, unknown, cases = it.counted()
    rows = sum(by_number.values()) + unknown
    return {
        "calls": len(stories), "answered": answered, "faults": done, "rows": rows, "cases": cases, "settled": settled,
        "unknown": unknown, "twice": sum(n - 1 for n in by_number.values() if n > 1),
        "none": sum(story.answered and not by_number[story.number] for story in stories),
        "said": sum(story.said for story in stories),
    }  # fmt: skip


def _callers(it: Small, calls: int, stories: list[Story]) -> None:
    def one(n: int) -> None:
        number = NUMBERS.format(n)
        story = Story(number)
        try:
            if n % 3:
                story = leave_message(it, number, key=str(1 + n % 6), say_s=2.0, tone_within_s=40)
            else:
                with Phone(it.line) as phone:
                    call = phone.call("1800123456", number)
                    story.answered = call.wait_answered(15)
                    call.wait_ended(1 + n % 5)
        except OSError as error:
            story.errors.append(type(error).__name__)
        stories.append(story)

    threads = []
    for n in range(calls):
        threads.append(threading.Thread(target=one, args=(n,), daemon=True))
        threads[-1].start()
        time.sleep(1 / CALLS_A_SECOND)
    for thread in threads:
        thread.join(180)


def _fault(it: Small, draw: random.Random) -> None:
    name = draw.choice([*PROCESSES, "ivr", "switchboard"])
    if draw.random() < 0.7:
        it.hit(name, signal.SIGKILL)
        return
    old = it.pids().get(name)
    it.hit(name, signal.SIGSTOP)
    if not wait_for(lambda: it.pids().get(name) != old, 6):
        it.hit(name, signal.SIGKILL)


def show(rows: Rows) -> Table:
    """A line."""
    names = ("database", "calls", "answered", "said", "faults", "rows", "cases", "unknown", "twice", "none", "settled")
    return table("Faults under calls", names, [tuple(str(row[name]) for name in names) for row in rows])
