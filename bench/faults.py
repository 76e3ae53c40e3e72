"""Each fault of the disk times each fault of a process: is the line answered, and is each call one row?

A row is one disk (full, read-only, a locked folder, no descriptors) and one thing that happens meanwhile: a process is
killed, stopped, or `up` is restarted. Four callers: one is in the menu before, one speaks a message, one calls meanwhile and
one after. Counted from outside: by the callers' numbers, in the database, when all is settled. The whole product takes two
hours on each database; FREELINE_FAULTS takes some of it, for example `full,run locked/kill,restart/sqlite/ivr`, and
FREELINE_FAULTS_S ends it after so many seconds.
"""

import os
import signal
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from bench.breaking import DISKS, NUMBERS, PROCESSES, Small, quick_sounds, wait_for
from bench.figures import Row, Rows, Say, Target, table
from ops.place_call import wait_for_tone, wait_for_voice
from telephony.softphone.phone import Phone, SoftphoneCall
from tests.support.callers import Story, hum, leave_message
from tests.support.postgres import Postgres

LINE = "1800123456"
LONGEST_S = 3 * 3600.0
HITS_S = 1.0
STOPPED_S = 6.0

TARGETS = [
    Target("rows too many or too few", lambda rows: float(sum(abs(r["rows"] - r["calls"]) for r in rows)), at_most=0),
    Target(
        "callers not answered while it lasted", lambda rows: float(sum(not r["meanwhile"] for r in rows)), at_most=0
    ),
    Target("callers without a tone afterwards", lambda rows: float(sum(not r["after"] for r in rows)), at_most=0),
]


@dataclass(frozen=True)
class Fault:
    """A fault of the disk, and what happens to a process meanwhile (`restart` is of `up`)."""

    disk: str
    act: str
    process: str


def product(wanted: str) -> tuple[list[Fault], list[str]]:
    """The faults and the databases of `DISKS/ACTS/DATABASES/PROCESSES`, each with commas; an empty part is all of them."""
    sides = ([part for part in side.split(",") if part] for side in (wanted + "///").split("/")[:4])
    disks, acts, databases, processes = sides
    acts = acts or ["kill", "stop", "restart"]
    faults = [
        Fault(disk, act, process)
        for disk in disks or DISKS
        for act in acts
        for process in (("up",) if act == "restart" else processes or PROCESSES)
    ]
    return faults, databases or ["sqlite", "postgresql"]


def measure(say: Say) -> Rows:
    """A row for each fault and database, and one for what is counted over all of a database."""
    faults, databases = product(os.environ.get("FREELINE_FAULTS", ""))
    until = time.monotonic() + float(os.environ.get("FREELINE_FAULTS_S", LONGEST_S))
    rows: Rows = []
    with ExitStack() as parts:
        folder = Path(parts.enter_context(tempfile.TemporaryDirectory(prefix="faults", ignore_cleanup_errors=True)))
        sounds = quick_sounds(folder)
        for database in databases:
            rows += _on(database, faults, folder / database, sounds, until, say)
    return rows


def _on(database: str, faults: list[Fault], folder: Path, sounds: Path, until: float, say: Say) -> Rows:
    rows: Rows = []
    with ExitStack() as parts:
        url = ""
        if database == "postgresql":
            server = Postgres()
            parts.callback(server.close)
            url = server.create("freeline")
        folder.mkdir()
        it = Small(folder, sounds, url)
        parts.callback(it.end)
        it.begin()
        if not it.ready():
            raise RuntimeError(f"it was never ready: {it.output.read_text()[-500:]}")
        first = 0
        for fault in faults:
            if time.monotonic() > until:
                say(f"the time is over: {len(faults) - len(rows)} faults were left out")
                break
            row = _broken(it, fault, first)
            rows.append({"database": database, **row})
            first += 4
            say(f"{database}, {fault.disk}, {fault.act} {fault.process}: {_short(row)}")
        calls = sum(len(row["numbers"]) for row in rows)
        settled = it.settled(calls)
        by_number, unknown, cases = it.counted()
        for row in rows:
            row["rows"] = sum(by_number[number] for number in row["numbers"])
            row["calls"] = len(row.pop("numbers"))
        all_rows = sum(by_number.values()) + unknown
        say(
            f"{database}: {calls} calls, {all_rows} rows, {cases} cases, {unknown} rows without a number, settled: {settled}"
        )
        rows.append({
            "database": database, "disk": "all", "act": "", "process": "", "calls": calls, "rows": all_rows,
            "cases": cases, "unknown": unknown, "meanwhile": True, "voice_s": 0.0, "tone": True, "after": settled,
        })  # fmt: skip
    return rows


def _broken(it: Small, fault: Fault, first: int) -> Row:
    numbers = [NUMBERS.format(first + n) for n in range(4)]
    answered = []
    with Phone(it.line) as one, Phone(it.line) as two:
        choosing, speaking = one.call(LINE, numbers[0]), two.call(LINE, numbers[1])
        for number, call in zip(numbers, (choosing, speaking), strict=False):
            if call.wait_answered(15):
                answered.append(number)
        _speak(speaking)
        with DISKS[fault.disk](it):
            time.sleep(HITS_S)
            _hit(it, fault)
            began = time.monotonic()
            meanwhile, voice_s = _call(it, numbers[2])
            while not meanwhile.answered and time.monotonic() - began < 45:  # a caller who gets no answer calls again
                meanwhile, voice_s = _call(it, numbers[2])
            if meanwhile.answered:
                answered.append(numbers[2])
            if fault.act == "stop":
                it.hit(fault.process, signal.SIGKILL)
        choosing.hangup()
        speaking.hangup()
    it.ready()
    after = leave_message(it, numbers[3], say_s=1.5)
    if after.answered:
        answered.append(numbers[3])
    return {
        "disk": fault.disk, "act": fault.act, "process": fault.process, "numbers": answered,
        "meanwhile": meanwhile.answered, "voice_s": voice_s, "tone": meanwhile.tone, "after": after.tone and after.said,
    }  # fmt: skip


def _hit(it: Small, fault: Fault) -> None:
    if fault.act == "restart":
        it.restart()
        wait_for(lambda: bool(it.pids()), 60, 0.2)
    else:
        it.hit(fault.process, signal.SIGKILL if fault.act == "kill" else signal.SIGSTOP)


def _speak(call: SoftphoneCall) -> None:
    if wait_for_voice(call, 10):
        call.press("6")
        if wait_for_tone(call, 30):
            call.say(hum(20))


def _call(it: Small, number: str) -> tuple[Story, float]:
    """Call meanwhile; return the story, and how long it was silent after the answer, in seconds."""
    story, silent_s = Story(number), 0.0
    with Phone(it.line) as phone:
        call = phone.call(LINE, number)
        story.answered = call.wait_answered(5)
        if story.answered:
            began = time.monotonic()
            wait_for_voice(call, 20)
            silent_s = time.monotonic() - began
            call.press("6")
            story.tone = wait_for_tone(call, 20)
            if story.tone:
                call.say(hum(1.5))
                call.press("#")
                story.said = call.wait_said(10)
            call.wait_ended(10)
    return story, round(silent_s, 1)


def _short(row: Row) -> str:
    said = "answered" if row["meanwhile"] else "NOT ANSWERED"
    return f"{said}, first voice {row['voice_s']} s, tone {row['tone']}; afterwards {'well' if row['after'] else 'NOT WELL'}"


def show(rows: Rows) -> Table:
    """A line for each."""
    headings = (
        "database",
        "disk",
        "act",
        "process",
        "calls",
        "rows",
        "answered",
        "first voice s",
        "tone",
        "afterwards",
    )
    names = ("database", "disk", "act", "process", "calls", "rows", "meanwhile", "voice_s", "tone", "after")
    return table("Faults of the disk and of processes", headings, [tuple(str(row[n]) for n in names) for row in rows])
