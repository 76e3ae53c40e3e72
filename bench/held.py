"""Calls held in the menu, in the queue and in a message: the cost of one and how many fit, beside bare Asterisk.

The cost of one: both sides hold as many at the same time, and are sampled over the same moments. How many fit: one side
alone is given more and more callers, until one is refused or lost, or does not hear enough or is not recorded well enough;
the callers (sipp) share the machine. Both are sampled when the callers have been there for a while: the cost of taking a
call is the figure of `line`. CPU and memory are those of all processes of a side, from the kernel.
"""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from rich.table import Table

from bench import places
from bench.callers import Callers, callers, until_called
from bench.figures import Row, Rows, Say, Target, cpu_s, family, memory_mb, ratios, spread, table, told
from bench.places import PLACES, Place
from telephony.asterisk.process import RunningAsterisk
from telephony.softphone.phone import Phone, SoftphoneCall

TOGETHER = 50  # callers of each side while both are sampled
SAMPLES, SAMPLE_S = 5, 2.0
A_SECOND = 12  # below what our side can take, so that holding is measured and not taking
COMES_WITHIN_S = 8.0  # beyond the time in which they call
FIRST_SHARE, STEP_SHARE = 0.9, 0.1  # of the ceiling that the CPU of one call foretells
HEARS_AT_LEAST = 0.95
GONE_WITHIN_S = 5.0
# Until an arriving call has settled: the greeting is over, the menu has begun, the case is open and shown.
SETTLED_AFTER_S = 8.0
# Between two looks at what is heard, so that a pause of the menu (a second) cannot fall into both.
APART_S = 1.5
CLIMB_LONGEST_S = 400.0
CORES = len(os.sched_getaffinity(0))
MOST = 900  # what the ports allow


def _of(place: str, figure: str, at: str = "median") -> "Target":
    def value(rows: Rows) -> float:
        found = next(row for row in rows if row["place"] == place)[figure]
        return float(found[at] if isinstance(found, dict) else found)

    return Target(f"calls held in {place}, beside bare Asterisk", value, at_least=0.95)


TARGETS = [_of(place.name, "held_ratio") for place in PLACES]


@dataclass
class Side:
    """One of the two: where its line is, whose CPU counts, and the callers it has."""

    name: str
    line: tuple[str, int]
    number: str
    root: int
    asterisk: RunningAsterisk
    spool: Path
    parts: dict[str, int] = field(default_factory=dict)  # process ids by name, where there are several
    callers: list[Callers] = field(default_factory=list)

    def pids(self) -> set[int]:
        """All its processes."""
        return family([self.root])

    def spent(self) -> dict[str, float]:
        """Seconds of CPU of each part so far."""
        return {name: cpu_s(family([pid])) for name, pid in self.parts.items()}

    def there(self, place: Place) -> int:
        """How many callers are where they should be, as Asterisk sees it."""
        rows = self.asterisk.command("core show channels concise").splitlines()
        return sum(row.split("!")[5:6] == [place.applications[self.name]] for row in rows)

    def cost_of_callers(self) -> float:
        """Seconds of CPU of the made-up callers so far."""
        return cpu_s(one.process.pid for one in self.callers)

    def hang_up(self) -> None:
        """Every call of this side. sipp answers each BYE, and ends with the last of its calls."""
        self.asterisk.command("channel request hangup all")
        for one in self.callers:
            with suppress(RuntimeError):
                one.wait(GONE_WITHIN_S)
        self.callers.clear()


def measure(say: Say) -> Rows:
    """A row a place."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        spoken = places.spoken(Path(name))
        for place in PLACES:
            with places.both(Path(name) / place.name, place, spoken) as (whole, alone):
                ours = Side("ours", whole.line, "1800123456", whole.pid_of_all, whole.asterisk, whole.settings.spool)
                ours.parts = {part: whole.pid(part) for part in whole.names}
                process = alone.process
                assert process is not None
                line = ("127.0.0.1", alone.settings.sip_port)
                other = Side("bare", line, place.name, process.pid, alone, alone.settings.spool)
                say(f"{place.name}: {TOGETHER} callers on each side")
                row: Row = {"place": place.name} | _together(ours, other, place)
                for side in (other, ours):
                    whole.settle()
                    say(f"{place.name}: more and more callers, {side.name}")
                    row |= _ceiling(side, place, row, say)
                row["held_ratio"] = round(row["ours_held"] / row["bare_held"], 3)
                rows.append(row)
    return rows


def show(rows: Rows) -> Table:
    """A line a place."""
    headings = (
        "place", "CPU ms/s a call", "bare", "ratio", "KB a call", "bare", "failed", "held", "bare", "ratio", "what ended it",
    )  # fmt: skip
    return table(
        "Calls held: Freeline beside bare Asterisk (what each process takes is in the JSON)",
        headings,
        (
            (
                row["place"],
                told(row["ours_ms"]),
                told(row["bare_ms"]),
                told(row["ms_ratio"]),
                f"{row['ours_kb']:.0f}",
                f"{row['bare_kb']:.0f}",
                row["failed"],
                row["ours_held"],
                row["bare_held"],
                row["held_ratio"],
                row["ours_ended"],
            )
            for row in rows
        ),
    )


def _together(ours: Side, other: Side, place: Place) -> Row:
    sides = (ours, other)
    with ExitStack() as calls, _hung_up(*sides):
        before = {side.name: memory_mb(side.pids()) for side in sides}
        for side in sides:
            _more(calls, side, TOGETHER)
        for side in sides:
            _wait_there(side, place, TOGETHER)
        time.sleep(SETTLED_AFTER_S)
        samples: dict[str, list[float]] = {"ours": [], "bare": []}
        sipp, parts, since = sum(side.cost_of_callers() for side in sides), ours.spent(), time.monotonic()
        for _ in range(SAMPLES):
            pids = {side.name: side.pids() for side in sides}
            spent = {side.name: cpu_s(pids[side.name]) for side in sides}
            began = time.monotonic()
            time.sleep(SAMPLE_S)
            took_s = time.monotonic() - began
            for side in sides:
                samples[side.name].append((cpu_s(pids[side.name]) - spent[side.name]) / took_s / TOGETHER * 1000)
        sipp = sum(side.cost_of_callers() for side in sides) - sipp
        row: Row = {"callers": TOGETHER, "failed": sum(TOGETHER - side.there(place) for side in sides)}
        for side in sides:
            row[f"{side.name}_ms"] = spread(samples[side.name])
            row[f"{side.name}_kb"] = round((memory_mb(side.pids()) - before[side.name]) / TOGETHER * 1000, 1)
        each = 1000 / TOGETHER / (time.monotonic() - since)
        row["processes_ms"] = {name: round((now - parts[name]) * each, 2) for name, now in ours.spent().items()}
        row["ms_ratio"] = ratios(samples["ours"], samples["bare"])
        row["sipp_ms"] = round(sipp / SAMPLES / SAMPLE_S / TOGETHER / 2 * 1000, 2)
    return row


def _ceiling(side: Side, place: Place, row: Row, say: Say) -> Row:
    """How many are held well, and what was wrong with the next step."""
    foretold = CORES * 1000 / (row[f"{side.name}_ms"]["median"] + row["sipp_ms"])
    step = max(5, round(foretold * STEP_SHARE))
    first, held, ended = min(MOST, round(foretold * FIRST_SHARE)), 0, ""
    while not held and first > step:
        held, ended = _climb(side, place, first, step, say)
        first = first * 3 // 4
    say(f"{place.name}, {side.name}: {held} held; {ended}")
    return {f"{side.name}_held": held, f"{side.name}_ended": ended, f"{side.name}_step": step}


def _climb(side: Side, place: Place, first: int, step: int, say: Say) -> tuple[int, str]:
    """The most that were held well, and what was wrong then."""
    end = time.monotonic() + CLIMB_LONGEST_S
    with ExitStack() as calls, _hung_up(side):
        listener = calls.enter_context(_listener(side)) if place.plays else None
        now, wanted, held = 1 if listener else 0, first, 0
        while time.monotonic() < end and held < MOST:
            _more(calls, side, wanted - now)
            wrong = _wrong(side, place, wanted, listener)
            if wrong:
                return held, f"{wanted}: {wrong}"
            held = now = wanted
            say(f"{place.name}, {side.name}: {held} so far")
            wanted = min(MOST, wanted + step)
        return held, "the time was over" if held < MOST else "the ports"


def _wrong(side: Side, place: Place, count: int, listener: SoftphoneCall | None) -> str:
    """Return what is wrong while so many are held; empty when nothing is."""
    there = _wait_there(side, place, count)
    if there < count:
        return f"only {there} came"
    time.sleep(SETTLED_AFTER_S)
    sizes, began = _recorded(side, place), time.monotonic()
    share = _heard(listener) if listener else 1.0
    if listener and share < HEARS_AT_LEAST:
        time.sleep(APART_S)
        share = max(share, _heard(listener))
    if share < HEARS_AT_LEAST:
        return f"{share:.0%} was heard"
    time.sleep(max(0.0, began + SAMPLE_S - time.monotonic()))
    took_s = time.monotonic() - began
    # Messages of callers before these are sealed and taken away meanwhile.
    grown = sum(size - sizes.get(file, 0) for file, size in _recorded(side, place).items())
    if place.records and (share := grown / took_s / count / 16000) < HEARS_AT_LEAST:
        return f"{share:.0%} was recorded"
    lost = count - side.there(place)
    return f"{lost} lost" if lost > 0 else ""


def _heard(listener: SoftphoneCall) -> float:
    """The share of what should have been heard that was: fifty packets a second."""
    packets, began = listener.audio.packets_in, time.monotonic()
    time.sleep(SAMPLE_S)
    return (listener.audio.packets_in - packets) / (time.monotonic() - began) / 50


def _recorded(side: Side, place: Place) -> dict[Path, int]:
    """Bytes of each message that is or was just recorded."""
    sizes = {}
    for file in side.spool.glob("*.sln") if place.records else ():
        with suppress(FileNotFoundError):
            sizes[file] = file.stat().st_size
    return sizes


def _more(calls: ExitStack, side: Side, count: int) -> None:
    its = callers(side.line, side.number, count, a_second=A_SECOND, at_once=count, hold_s=270)
    side.callers.append(calls.enter_context(its))
    until_called(side.callers[-1], count, count / A_SECOND + COMES_WITHIN_S)


def _wait_there(side: Side, place: Place, count: int) -> int:
    end = time.monotonic() + COMES_WITHIN_S
    while (there := side.there(place)) < count and time.monotonic() < end:
        time.sleep(0.3)
    return there


@contextmanager
def _hung_up(*sides: Side) -> Iterator[None]:
    """Hang up all calls at the end."""
    try:
        yield
    finally:
        for side in sides:
            side.hang_up()


@contextmanager
def _listener(side: Side) -> Iterator[SoftphoneCall]:
    """One caller who counts the packets received, from before the others came."""
    with Phone(side.line) as phone:
        call = phone.call(side.number, "0899999999")
        if not call.wait_answered(10):
            raise RuntimeError(f"the first caller was not answered: {call.status}")
        yield call
