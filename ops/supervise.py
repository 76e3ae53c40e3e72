"""Runs all processes on one machine, restarts what dies, kills what hangs, and stops all of it at the end."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from hotline.log import log
from hotline.settings import ROOT, Settings
from models.types import now
from ops import names
from ops.nursery import Forked, Nursery, reap
from ops.probe import ivr_answers
from ops.run import PARENT

PROBE_EVERY_S = 2.0
PROBE_WITHIN_S = 3.0
RESTART_MIN_S, RESTART_MAX_S = 0.2, 10.0
STEADY_S = 30.0
STOP_WITHIN_S = 10.0
LOG_MAX_BYTES = 20_000_000


@dataclass
class Child:
    """A process: what it is, how it fares, and when it may be started again."""

    name: str
    process: subprocess.Popen[bytes] | Forked | None = None
    since: datetime = field(default_factory=now)
    started_s: float = 0.0
    pause_s: float = RESTART_MIN_S
    not_before_s: float = 0.0
    restarts: int = 0
    beat: int = 0
    beat_seen_s: float = 0.0

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self.process is not None and self.process.poll() is None


def kept_file(settings: Settings, name: str) -> Path:
    """What a supervisor that keeps one process tells of it."""
    return settings.run / "kept" / f"{name}.json"


class Supervisor:
    """Starts, watches and stops the processes. `start` and `watch_once` belong to one thread.

    With `alone` it keeps one process in a container: what that prints is the container's own output. Processes come from the
    `nursery`; without one, or when it is gone, each is started with a command of its own.
    """

    def __init__(
        self,
        settings: Settings,
        which: tuple[str, ...] = names.PROCESSES,
        *,
        alone: bool = False,
        nursery: Nursery | None = None,
    ) -> None:
        self.settings = settings
        self._nursery = nursery
        if settings.redis_url:
            which = tuple(n for n in which if n != names.REDIS)
        self.children = {name: Child(name) for name in which}
        self.file = kept_file(settings, which[0]) if alone else settings.run / "processes.json"
        self.stopping = threading.Event()
        self._hung: set[str] = set()
        self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._log_is_ours = not alone
        self._log = (
            os.fdopen(os.dup(sys.stderr.fileno()), "ab", buffering=0)
            if alone
            else (settings.run / "freeline.log").open("ab", buffering=0)
        )

    def start(self) -> None:
        """Start every process, and the probe of the ivr."""
        for child in self.children.values():
            self._spawn(child)
        if names.IVR in self.children:
            threading.Thread(target=self._probe_ivr, daemon=True, name="probe").start()
        self.write_state()

    def watch_once(self) -> None:
        """Restart what died and kill what hangs; to be called a few times a second."""
        # The log of a machine that runs for a year must not fill its disk; nothing in it is needed for long.
        if self._log_is_ours and os.fstat(self._log.fileno()).st_size > LOG_MAX_BYTES:
            self._log.truncate(0)
        changed = False
        if self._nursery is not None:
            reap({child.process.pid for child in self.children.values() if child.process})
        for child in self.children.values():
            if child.running:
                if self._is_hung(child):
                    log().warning("a process hangs and is killed", name=child.name)
                    self._kill(child)
                    changed = True
                elif time.monotonic() - child.started_s > STEADY_S:
                    child.pause_s = RESTART_MIN_S
            elif child.process is not None and not self.stopping.is_set():
                code = child.process.returncode
                log().warning("a process ended and is started again", name=child.name, code=code)
                child.process, child.since = None, now()
                child.not_before_s = time.monotonic() + child.pause_s
                child.pause_s = min(child.pause_s * 2, RESTART_MAX_S)
                changed = True
            if child.process is None and time.monotonic() >= child.not_before_s and not self.stopping.is_set():
                child.restarts += 1
                self._spawn(child)
                changed = True
        if changed:
            self.write_state()

    def stop(self) -> None:
        """Stop all processes at once: politely, then for good. Asterisk is told last."""
        self.stopping.set()
        order = sorted(self.children.values(), key=lambda c: c.name == names.ASTERISK)
        for child in order:
            if child.running and child.process is not None:
                child.process.send_signal(signal.SIGTERM)
        end = time.monotonic() + STOP_WITHIN_S
        for child in order:
            if child.process is None:
                continue
            try:
                child.process.wait(timeout=max(0.1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                self._kill(child)
                child.process.wait(timeout=5)
        self.file.unlink(missing_ok=True)
        self._log.close()

    def write_state(self) -> None:
        """Keep what `freeline status` tells of the processes."""
        state = {
            child.name: {
                "state": "running" if child.running else "down",
                "since": child.since.isoformat(timespec="seconds"),
                "pid": child.process.pid if child.process else None,
                "restarts": child.restarts,
            }
            for child in self.children.values()
        }
        temporary = self.file.with_suffix(".new")
        temporary.write_text(json.dumps({"supervisor": os.getpid(), "processes": state}))
        temporary.replace(self.file)

    def _spawn(self, child: Child) -> None:
        # The last beat stays: the switchboard reads from it since when nobody has listened to Asterisk.
        child.process = self._born(child.name) or subprocess.Popen(
            [sys.executable, "-m", "ops", "run", child.name],
            cwd=ROOT,
            env=os.environ | {PARENT: str(os.getpid())},
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )
        child.since, child.started_s = now(), time.monotonic()
        child.beat, child.beat_seen_s = 0, child.started_s
        self._hung.discard(child.name)

    def _born(self, name: str) -> Forked | None:
        if self._nursery is None:
            return None
        process = self._nursery.start(name)
        if process is None:
            log().warning("the nursery is gone; processes take more memory from now on, and start slower", name=name)
        return process

    def _kill(self, child: Child) -> None:
        """Kill a child and what it started: it has a session of its own."""
        if child.process is not None:
            try:
                os.killpg(child.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                return

    def _is_hung(self, child: Child) -> bool:
        if child.name in self._hung:
            return True
        limit_s = names.HEARTBEAT_S.get(child.name)
        if limit_s is None:
            return False
        try:
            beat = (self.settings.run / f"{child.name}.alive").stat().st_mtime_ns
        except FileNotFoundError:
            beat = 0
        if beat != child.beat:
            # Only that it changed counts, never its time: the machine's clock may jump.
            child.beat, child.beat_seen_s = beat, time.monotonic()
        return time.monotonic() - child.beat_seen_s > limit_s

    def _probe_ivr(self) -> None:
        child = self.children[names.IVR]
        answered = False
        while not self.stopping.wait(PROBE_EVERY_S):
            process = child.process
            if process is None or not child.running:
                answered = False
                continue
            if ivr_answers(self.settings, PROBE_WITHIN_S):
                answered = True
            # Until the first answer it may still be starting; then ten seconds are patience enough.
            elif (answered or time.monotonic() - child.started_s > 10.0) and process is child.process:
                self._hung.add(names.IVR)
                answered = False
