"""Runs all processes on one machine, restarts what dies, kills what hangs, and stops all of it at the end.

Nothing here needs the disk: what cannot be written is left unwritten, and sent over the socket instead.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from hotline import disk
from hotline.heartbeat import UP, Ears
from hotline.log import log, tell_counted
from hotline.settings import ROOT, Settings
from models.db.types import now
from ops.log_file import LogFile
from ops.supervision import processes as names
from ops.supervision.forkserver import Forked, Forkserver, reap
from ops.supervision.probe import Probe
from ops.supervision.run import PARENT

PROBE_EVERY_S = 2.0
PROBE_WITHIN_S = 3.0
RESTART_MIN_S, RESTART_MAX_S = 0.2, 10.0
STEADY_S = 30.0
STOP_WITHIN_S = 10.0
HEAR_S = 1.0
LOOK_EVERY_S = 1.0


@dataclass
class Child:
    """A process: its command, its state, and when it may be restarted."""

    name: str
    process: subprocess.Popen[bytes] | Forked | None = None
    since: datetime = field(default_factory=now)
    started_s: float = 0.0
    pause_s: float = RESTART_MIN_S
    not_before_s: float = 0.0
    restarts: int = 0
    beat: tuple[int, int] = (0, 0)
    beat_seen_s: float = 0.0

    @property
    def running(self) -> bool:
        """Return whether the process runs."""
        process = self.process  # another thread may be forgetting it
        return process is not None and process.poll() is None


def kept_file(settings: Settings, name: str) -> Path:
    """The state file of a supervisor that keeps one process."""
    return settings.run / "kept" / f"{name}.json"


class Supervisor:
    """Starts, watches and stops the processes. `start` and `watch_once` belong to one thread.

    With `alone` it keeps one process in a container, whose output is the container's own. Processes come from the
    `forkserver`; without one, or when it is gone, each is started with a command of its own. Those in `held` are not started
    as long as they are in it; `missing` is reported with the state: sentences, by their subject.
    """

    def __init__(
        self,
        settings: Settings,
        which: tuple[str, ...] = names.PROCESSES,
        *,
        alone: bool = False,
        forkserver: Forkserver | None = None,
    ) -> None:
        self.settings = settings
        self.held: Collection[str] = ()
        self.missing: dict[str, str] = {}
        self._nursery = forkserver
        if settings.redis_url:
            which = tuple(n for n in which if n != names.REDIS)
        self.children = {name: Child(name) for name in which}
        self.file = kept_file(settings, which[0]) if alone else settings.run / "processes.json"
        self.stopping = threading.Event()
        self._ears = Ears(settings, which[0] if alone else UP)
        self._hung: set[str] = set()
        self._looked_s = 0.0
        with suppress(OSError):
            self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._log = LogFile(None if alone else settings.run / "freeline.log")

    def start(self) -> None:
        """Start every process, the probe of the ivr, and the thread that receives heartbeats."""
        threading.Thread(target=self._hear, daemon=True, name="ears").start()
        for child in self.children.values():
            if child.name not in self.held:
                self._spawn(child)
        if names.IVR in self.children:
            threading.Thread(target=self._probe_ivr, daemon=True, name="probe").start()
        self.write_state()

    def watch_once(self) -> None:
        """Restart processes that died and kill those that hang; call this a few times a second."""
        self._now_and_then()
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
                self._later(child)
                changed = True
            due = child.process is None and time.monotonic() >= child.not_before_s and child.name not in self.held
            if due and not self.stopping.is_set():
                child.restarts += bool(child.started_s)
                self._spawn(child)
                changed = True
        if changed:
            self.write_state()

    def stop(self) -> None:
        """Stop all processes at once: with SIGTERM, then SIGKILL. Asterisk gets its signal last."""
        self.stopping.set()
        order = sorted(self.children.values(), key=lambda c: c.name == names.ASTERISK)
        for child in order:
            if child.running and child.process is not None:
                with suppress(OSError):
                    child.process.send_signal(signal.SIGTERM)
        end = time.monotonic() + STOP_WITHIN_S
        for child in order:
            if child.process is None:
                continue
            try:
                child.process.wait(timeout=max(0.1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                self._kill(child)
                with suppress(subprocess.TimeoutExpired):
                    child.process.wait(timeout=5)
        with suppress(OSError):
            self.file.unlink(missing_ok=True)
        self._log.close()

    def state(self) -> dict[str, Any]:
        """The state of the processes, for the socket and the file."""
        return {
            "supervisor": os.getpid(),
            "missing": list(self.missing.values()),
            "processes": {
                child.name: {
                    # Read once: the heartbeat thread asks while the other one may be forgetting a process.
                    "state": "running" if process is not None and process.poll() is None else "down",
                    "since": child.since.isoformat(timespec="seconds"),
                    "pid": process.pid if process is not None else None,
                    "restarts": child.restarts,
                }
                for child in self.children.values()
                for process in (child.process,)
            },
        }

    def write_state(self) -> None:
        """Write the state to a file. When that fails, the socket still has it."""
        temporary = self.file.with_suffix(".new")
        try:
            temporary.write_text(json.dumps(self.state()))
            temporary.replace(self.file)
            self.missing.pop("state", None)
        except OSError as error:
            if "state" not in self.missing:
                log().warning("the state of the processes cannot be written; all goes on", error=error)
            self.missing["state"] = f"{self.file.parent} cannot be written ({error.strerror})"
            with suppress(OSError):
                temporary.unlink(missing_ok=True)

    def _spawn(self, child: Child) -> None:
        # The file of the last heartbeat stays: it tells the switchboard since when nobody has listened to Asterisk.
        child.since, child.started_s = now(), time.monotonic()
        try:
            child.process = self._born(child.name) or self._command(child.name)
        except OSError as error:  # no file descriptor, memory or process is left: retried later
            log().warning("a process cannot be started now, will be tried again", name=child.name, error=error)
            self._later(child)
            return
        child.beat, child.beat_seen_s = self._beat(child), child.started_s
        self._hung.discard(child.name)

    def _later(self, child: Child) -> None:
        """Schedule the restart of a process that is gone, later each time."""
        child.process, child.since = None, now()
        child.not_before_s = time.monotonic() + child.pause_s
        child.pause_s = min(child.pause_s * 2, RESTART_MAX_S)

    def _command(self, name: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "ops", "run", name],
            cwd=ROOT,
            env=os.environ | {PARENT: str(os.getpid())},
            stdin=subprocess.DEVNULL,
            stdout=self._log.fileno(),
            stderr=self._log.fileno(),
            start_new_session=True,
        )

    def _born(self, name: str) -> Forked | None:
        if self._nursery is None:
            return None
        process = self._nursery.start(name)
        if process is None:
            log().warning("the forkserver is gone; processes take more memory from now on, and start slower", name=name)
        return process

    def _kill(self, child: Child) -> None:
        """Kill a child and its descendants: it has a session of its own."""
        if child.process is not None:
            with suppress(OSError):
                os.killpg(child.process.pid, signal.SIGKILL)

    def _beat(self, child: Child) -> tuple[int, int]:
        """The time of its file and the count of its heartbeats. Only a change counts: the machine's clock may jump."""
        touched = 0
        with suppress(OSError):
            touched = (self.settings.run / f"{child.name}.alive").stat().st_mtime_ns
        return touched, self._ears.beats.get(child.process.pid, 0) if child.process else 0

    def _is_hung(self, child: Child) -> bool:
        if child.name in self._hung:
            return True
        limit_s = names.HEARTBEAT_S.get(child.name)
        if limit_s is None:
            return False
        beat = self._beat(child)
        if beat != child.beat:
            child.beat, child.beat_seen_s = beat, time.monotonic()
        if not self._ears.open and not disk.can_write(self.settings.run):
            return False  # it cannot send heartbeats
        return time.monotonic() - child.beat_seen_s > limit_s

    def _hear(self) -> None:
        while not self.stopping.is_set() and self._ears.open:
            try:
                self._ears.hear(self.state, HEAR_S)
            except Exception as error:  # noqa: BLE001  (who hears nobody any more takes all of them for hung)
                log().error("the supervisor failed, goes on", error=error)
                self.stopping.wait(HEAR_S)
        self._ears.close()

    def _now_and_then(self) -> None:
        if time.monotonic() - self._looked_s < LOOK_EVERY_S:
            return
        self._looked_s = time.monotonic()
        self._log.bound()
        tell_counted()
        if names.TRANSCRIBER in self.children:  # of the supervisors that share a data folder, one
            disk.keep_reserve(self.settings)
        if "state" in self.missing:
            self.write_state()

    def _probe_ivr(self) -> None:
        child, probe = self.children[names.IVR], Probe(self.settings)
        answered = False
        while not self.stopping.wait(PROBE_EVERY_S):
            process = child.process
            if process is None or not child.running:
                answered = False
                continue
            answers = probe.ivr_answers(PROBE_WITHIN_S)
            if answers:
                answered = True
            # Until the first answer it may still be starting; after that ten seconds are enough. None: it could not be
            # asked, which is not the ivr's fault.
            elif answers is False and (answered or time.monotonic() - child.started_s > 10.0):
                if process is child.process:
                    self._hung.add(names.IVR)
                answered = False
