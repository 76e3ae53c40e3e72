"""A whole call, as it is: menu, roster, queue, hang-up, and its case. Freeline beside a forked script and bare dialplan.

All play the same prompts, a tenth of a second each, to callers who press nothing, then queue them, and the callers hang up.
Bare dialplan remembers nothing. The forked script (pyst2) keeps the call and its language in SQLite, and no more; Freeline
seals the number, reads the roster, follows the call, and files a case that an agent sees. CPU is that of all processes of a
side until the last call is filed, less what they take at rest in the same time.
"""

import sqlite3
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from rich.table import Table

from bench import bare, places
from bench.callers import callers
from bench.figures import Row, Rows, Say, Target, cpu_s, family, in_turns, spread, table, told
from bench.places import KEYS, LANGUAGE, PLACES, Held

ROUNDS = 3
CALLS, A_SECOND, HOLD_S = 60, 15, 6.0
REST_S = 3.0
LONGEST_S = 200.0
SIDES = ("bare", "ours", "forked")

SCRIPT = """#!{python}
import os, sqlite3, sys, time
from asterisk.agi import AGI

sys.stderr = open(os.devnull, "w")
agi = AGI()
call, number = agi.env["agi_uniqueid"], agi.env["agi_callerid"]
db = sqlite3.connect("{database}", timeout=30)
known = db.execute("SELECT language FROM call WHERE number = ? ORDER BY arrived DESC LIMIT 1", (number,)).fetchone()
db.execute("INSERT INTO call VALUES (?, ?, ?, NULL)", (call, number, time.time()))
db.commit()
pressed = agi.stream_file("{sounds}/{language}/opening", "0123456789")
pressed = pressed or agi.stream_file("{sounds}/{language}/quiet", "0123456789")
for code in {keys}:
    pressed = pressed or agi.stream_file("{sounds}/" + code + "/invite", "0123456789")
pressed = pressed or agi.wait_for_digit(1000)
agi.set_variable("CHANNEL(language)", "{language}")
agi.set_variable("WAY", "queue")
db.execute("UPDATE call SET language = ? WHERE id = ?", ("{language}", call))
db.commit()
agi.stream_file("{sounds}/{language}/connecting", "0123456789")
"""
DIALPLAN = """\
exten => forked,1,Answer()
 same => n,AGI({script})
 same => n,GotoIf($["${{WAY}}" != "queue"]?no)
 same => n,Queue({queue})
 same => n(no),Wait(300)
"""

# None: the sides do not do the same. The target for CPU is that of bench.agi, where they do.
TARGETS: list[Target] = []


def measure(say: Say) -> Rows:
    """One row."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        spoken = places.spoken(folder)
        database = folder / "forked.db"
        with sqlite3.connect(database) as db:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("CREATE TABLE call (id TEXT PRIMARY KEY, number TEXT, arrived REAL, language TEXT)")

        def dialplan(sounds: Path) -> str:
            script = folder / "forked.agi"
            words = {"python": sys.executable, "database": database, "sounds": sounds}
            script.write_text(SCRIPT.format(**words, keys=KEYS, language=LANGUAGE))
            script.chmod(0o755)
            return DIALPLAN.format(script=script, queue=bare.QUEUE)

        place = next(place for place in PLACES if place.name == "queue")
        with places.both(folder / "both", place, spoken, dialplan, "res_speech res_agi") as (whole, alone):
            line = ("127.0.0.1", alone.settings.sip_port)
            assert alone.process is not None
            sides = {
                "bare": partial(_run, line, "queue", alone.process.pid, None),
                "ours": partial(_run, whole.line, whole.settings.line_numbers[0], whole.pid_of_all, whole),
                "forked": partial(_run, line, "forked", alone.process.pid, None),
            }
            found = in_turns(ROUNDS, sides, say, "whole calls", LONGEST_S, 2)
            filed = len(whole.cases())
    return [_row(found) | {"filed": filed, "calls": CALLS * len(found["ours"])}]


def show(rows: Rows) -> Table:
    """A line a side, and where ours goes."""
    row = rows[0]
    lines = [
        (side, told(row[f"{side}_ms"], 1), told(row[f"{side}_extra_ms"], 1), row[f"{side}_failed"]) for side in SIDES
    ]
    lines.append(("ours / forked", "", told(row["extra_ratio"]), ""))
    lines += [(f"  ours: {name}", told(found, 1), "", "") for name, found in row["processes"].items()]
    lines.append((f"  cases of {row['calls']} calls", row["filed"], "", ""))
    return table("A whole call, in turns", ("side", "CPU ms a call", "beyond bare", "failed"), lines)


def _row(found: dict[str, Rows]) -> Row:
    row: Row = {"rounds": len(found["bare"])}
    bare_ms = [run["ms"] for run in found["bare"]]
    extra = {side: [run["ms"] - b for run, b in zip(runs, bare_ms, strict=True)] for side, runs in found.items()}
    for side, runs in found.items():
        row[f"{side}_ms"], row[f"{side}_extra_ms"] = spread(run["ms"] for run in runs), spread(extra[side])
        row[f"{side}_failed"] = sum(run["failed"] for run in runs)
    row["extra_ratio"] = spread(ours / forked for ours, forked in zip(extra["ours"], extra["forked"], strict=True))
    names = found["ours"][0]["processes"]
    row["processes"] = {name: spread(run["processes"][name] for run in found["ours"]) for name in names}
    return row


def _run(line: tuple[str, int], number: str, root: int, whole: Held | None, _round: int) -> Row:
    """Callers who come one after another; milliseconds of CPU a call, of all and of each process."""
    before, began = _spent(root, whole), time.monotonic()
    time.sleep(REST_S)
    rest = {name: (spent - before[name]) / (time.monotonic() - began) for name, spent in _spent(root, whole).items()}
    before, began = _spent(root, whole), time.monotonic()
    with callers(line, number, CALLS, a_second=A_SECOND, at_once=CALLS, hold_s=HOLD_S, says=False) as them:
        over = them.wait(60)
    if whole:
        whole.settle()
    took_s = time.monotonic() - began
    each = {
        name: (spent - before[name] - rest[name] * took_s) / CALLS * 1000 for name, spent in _spent(root, whole).items()
    }
    return {"ms": each.pop("all"), "failed": CALLS - over.well, "processes": each}


def _spent(root: int, whole: Held | None) -> dict[str, float]:
    """Seconds of CPU so far: of all, and of each process of ours."""
    found = {"all": cpu_s(family([root]))}
    if whole:
        found |= {name: cpu_s(family([whole.pid(name)])) for name in whole.names}
    return found
