"""Mutation testing: `python -m bench.mutants` puts one fault at a time into the rules and runs the unit tests on them.

A first run of the unit tests on SQLite notes which test passes through which line. Then each mutant is given to a fork of
its own, which runs the tests that pass through its line, the quickest first, until one fails. Mutants that no test fails
for are listed: each is a missing test, or has its reason in `bench/mutants_left.toml`, by its function, its line of code and
the fault. The exit code is 0 when more than 95 % of those without a reason are noticed.

    python -m bench.mutants                            every 5th mutant of all rules
    python -m bench.mutants --every 1 hotline/calls/facts.py all of one file
"""

import argparse
import importlib.abc
import importlib.machinery
import importlib.util
import io
import os
import pickle
import signal
import sys
import tempfile
import threading
import time
import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import TYPE_CHECKING

import pytest

from bench.mutant_sources import Mutant, mutants_of

if TYPE_CHECKING:
    from _typeshed import TraceFunction

WANTED = 0.95
ROOT = Path(__file__).parent.parent
LEFT = Path(__file__).parent / "mutants_left.toml"
_PACKAGES = {
    "hotline": "keys audit audit_anchors permissions numbers throttle",
    "hotline/calls": "facts caller_limits",
    "hotline/cases": "work filing joining lifecycle consents drafts reading rows",
    "hotline/callbacks": "items facts attempts board",
    "hotline/intake": "safety_form",
    "hotline/queue": "members routing waiting",
    "hotline/safety": "gate hours rights",
    "hotline/staff": "access_requests",
    "recordings/spool": "files",
    "recordings/transcription": "claims",
    "recordings/vault": "trusted_clock retention consent_gate",
    "telephony/switchboard": "reconcile",
}
RULES = [Path(package) / f"{name}.py" for package, names in _PACKAGES.items() for name in names.split()]
TESTS = ("tests/unit/hotline", "tests/unit/recordings", "tests/unit/telephony", "tests/unit/models")
LIMIT_S = 120


@dataclass(frozen=True)
class Passed:
    """The tests that pass through each line of the rules, and how long each test takes in seconds."""

    tests: dict[tuple[str, int], set[str]]
    took_s: dict[str, float]


class _Watch:
    """A pytest plugin: notes the lines of the rules that each test passes through."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = {str(ROOT / file): str(file) for file in files}
        self._seen: dict[CodeType, bool] = {}
        self._lines: set[tuple[str, int]] = set()
        self.tests: dict[tuple[str, int], set[str]] = defaultdict(set)
        self.took_s: dict[str, float] = defaultdict(float)
        self.failed: list[str] = []

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> object:
        self._lines = set()
        threading.settrace(self._trace)
        sys.settrace(self._trace)
        yield
        sys.settrace(None)
        threading.settrace(None)
        for line in self._lines:
            self.tests[line].add(item.nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.took_s[report.nodeid] += report.duration
        if report.failed:
            self.failed.append(report.nodeid)

    def _trace(self, frame: FrameType, _event: str, _arg: object) -> "TraceFunction | None":
        code = frame.f_code
        if code.co_filename not in self._files:
            return None
        name = self._files[code.co_filename]
        lines = self._lines
        lines.add((name, code.co_firstlineno))

        def line(inner: FrameType, _event: str, _arg: object) -> "TraceFunction":
            lines.add((name, inner.f_lineno))
            return line

        return line


class _Mutated(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives importers one module with its fault."""

    def __init__(self, mutant: Mutant) -> None:
        self._name = ".".join(mutant.file.with_suffix("").parts)
        self._mutant = mutant

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The module's place, when it is the one with the fault."""
        if fullname != self._name:
            return None
        return importlib.util.spec_from_file_location(fullname, ROOT / self._mutant.file, loader=self)

    def create_module(self, _spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        """An ordinary one."""
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Run the source with the fault."""
        code = compile(self._mutant.source, str(ROOT / self._mutant.file), "exec")
        exec(code, module.__dict__)


def main() -> int:
    """Run it. The exit code."""
    asked = argparse.ArgumentParser(prog="python -m bench.mutants", description="What no test notices.")
    asked.add_argument("files", nargs="*", type=Path, help="files of rules; all when none is named")
    asked.add_argument("--every", type=int, default=5, help="take every Nth mutant")
    asked.add_argument("--from", dest="first", type=int, default=0, help="begin with the Nth")
    asked.add_argument("--jobs", type=int, default=2, help="how many at once")
    given = asked.parse_args()
    files = given.files or [file for file in RULES if (ROOT / file).exists()]
    os.chdir(ROOT)
    os.environ["FREELINE_TEST_DATABASE"] = "sqlite"
    _load_libraries()
    chosen = [mutant for file in files for mutant in mutants_of(file)][given.first :: given.every]
    print(f"{len(chosen)} mutants of {len(files)} files; first all unit tests once, to see what each passes through")
    passed = _watched(files)
    left = (
        {one["where"]: one["why"] for one in tomllib.loads(LEFT.read_text()).get("left", [])} if LEFT.exists() else {}
    )
    print(f"{len(passed.took_s)} tests")
    began, survivors = time.monotonic(), list[Mutant]()
    for number, (mutant, noticed) in enumerate(_noticed(chosen, passed, given.jobs), 1):
        if not noticed:
            survivors.append(mutant)
            why = f" -- {left[mutant.place]}" if mutant.place in left else f"\n    {mutant.place}"
            print(f"  not noticed: {mutant.name}{why}", flush=True)
        if number % 50 == 0:
            print(
                f"{number} of {len(chosen)}, {len(survivors)} not noticed, {time.monotonic() - began:.0f} s", flush=True
            )
    without = [mutant for mutant in survivors if mutant.place not in left]
    judged = len(chosen) - (len(survivors) - len(without))
    share = 1 - len(without) / judged if judged else 1.0
    print(
        f"{len(chosen)} mutants, {len(survivors)} not noticed, {len(survivors) - len(without)} of them with a reason:"
        f" {share:.1%} noticed"
    )
    return 0 if share > WANTED else 1


def _load_libraries() -> None:
    """Libraries that each fork would load again; nothing of ours."""
    for name in (
        "sqlmodel",
        "alembic.command",
        "psycopg",
        "phonenumbers",
        "pyrage",
        "argon2",
        "structlog",
        "numpy",
        "hypothesis",
    ):
        importlib.import_module(name)


def _watched(files: Sequence[Path]) -> Passed:
    with tempfile.NamedTemporaryFile() as kept:

        def watch() -> int:
            plugin = _Watch(files)
            code = int(pytest.main(["-q", "-p", "no:xdist", "-p", "no:timeout", *TESTS], plugins=[plugin]))
            Path(kept.name).write_bytes(pickle.dumps((dict(plugin.tests), dict(plugin.took_s), plugin.failed)))
            return code

        _, status = os.waitpid(_fork(watch), 0)
        tests, took_s, failed = pickle.loads(Path(kept.name).read_bytes())
        if status != 0:
            raise SystemExit("\n".join(["these fail without any fault; mend them first:", *failed]))
    return Passed(tests, took_s)


def _tests_of(mutant: Mutant, passed: Passed) -> list[str]:
    """The tests that may notice it, the quickest first."""
    name = str(mutant.file)
    if mutant.statement is None:
        tests = {test for (file, _), tests in passed.tests.items() if file == name for test in tests}
    else:
        tests = passed.tests.get((name, mutant.line), set()) | passed.tests.get((name, mutant.statement), set())
    return sorted(tests, key=lambda test: passed.took_s[test])


def _noticed(mutants: Sequence[Mutant], passed: Passed, jobs: int) -> Iterator[tuple[Mutant, bool]]:
    """Yield whether a test fails for each, in the order of the results."""
    waiting, running = list(reversed(mutants)), dict[int, tuple[Mutant, float]]()
    while waiting or running:
        while waiting and len(running) < jobs:
            mutant = waiting.pop()
            if tests := _tests_of(mutant, passed):
                running[_fork(partial(_run, mutant, tests))] = mutant, time.monotonic()
            else:
                yield mutant, False
        for pid, (mutant, began) in list(running.items()):
            late = time.monotonic() - began > LIMIT_S
            if late:
                os.killpg(pid, signal.SIGKILL)
            done, status = os.waitpid(pid, 0 if late else os.WNOHANG)
            if done:
                del running[pid]
                yield mutant, os.waitstatus_to_exitcode(status) != 0
        time.sleep(0.02)


def _run(mutant: Mutant, tests: Sequence[str]) -> int:
    sys.meta_path.insert(0, _Mutated(mutant))
    with tempfile.TemporaryDirectory() as folder:
        return int(pytest.main([f"--basetemp={folder}/t", "-x", "-q", "-p", "no:xdist", *tests]))


def _fork(run: Callable[[], int]) -> int:
    """Begin `run` in a fork, in a session of its own and unheard; its process id."""
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        os.setsid()
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            code = run()
    finally:
        os._exit(code)


if __name__ == "__main__":
    sys.exit(main())
