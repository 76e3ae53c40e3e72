"""How much of the product the tests pass through, said at the end (`PYTEST_PLUGINS=tests.support.coverage`).

From the environment a plugin is imported before any conftest, also in the workers: what is imported later is watched.

Slipcover writes its counters into the compiled functions and takes them out again once a line was seen, so that it costs
next to nothing; coverage.py takes a third more on Python 3.11, in the lane that the processor bounds. Only what runs in
the tests' own processes is seen: the stacks that the waiting tests start are not.
"""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import slipcover

ROOT = Path(__file__).parents[2]
ROOMS = ("models", "hotline", "telephony", "recordings", "ivr", "web", "agent_console", "ops")
_SENT = "freeline_coverage"


def _watch() -> slipcover.Slipcover:
    rooms = [str(ROOT / room) for room in ROOMS]
    watch = slipcover.Slipcover(source=rooms)
    slipcover.ImportManager(watch, slipcover.FileMatcher(sources=rooms)).__enter__()
    return watch


_watched = _watch()
_seen: dict[str, set[int]] = defaultdict(set)
_all: dict[str, set[int]] = defaultdict(set)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In a worker: send the lines that it saw. Without workers: add them."""
    found = _watched.get_coverage()["files"]
    files = {name: [file["executed_lines"], file["missing_lines"]] for name, file in found.items()}
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput[_SENT] = json.dumps(files)
    elif not session.config.getoption("numprocesses", None):
        _add(files)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A worker has ended."""
    _add(json.loads(getattr(node, "workeroutput", {}).get(_SENT, "{}")))


def _add(files: dict[str, list[list[int]]]) -> None:
    for name, (seen, missed) in files.items():
        if "migrations" in Path(name).parts:  # run by Alembic, which does not import them
            continue
        _seen[name].update(seen)
        _all[name].update(seen, missed)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """A line a room, and the files of which least was seen."""
    if not _all:
        return
    terminalreporter.section("lines of the product that these tests passed through")
    counts = {}
    for room in (*ROOMS, "all"):
        names = [name for name in _all if room in (Path(name).parts[0], "all")]
        counts[room] = [sum(len(lines[name]) for name in names) for lines in (_seen, _all)]
    for room, (seen, lines) in counts.items():
        terminalreporter.line(f"{room:14} {100 * seen / max(lines, 1):5.1f} % of {lines:6} lines")
    least = sorted((len(_seen[name]) / len(lines), name) for name, lines in _all.items() if lines)
    for share, name in least[:10]:
        terminalreporter.line(f"   {100 * share:5.1f} %  {name}")
