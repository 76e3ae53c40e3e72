"""The asterisk process: renders the configuration, runs Asterisk in the foreground and keeps its menu up to date."""

import array
import hashlib
import json
import math
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import BinaryIO, cast

from sqlalchemy.exc import SQLAlchemyError

from hotline import disk
from hotline.errors import FreelineError, SettingsWrong
from hotline.heartbeat import Heartbeat
from hotline.lifetime import end_with_parent
from hotline.log import log
from hotline.settings import Settings
from models import Database
from telephony import names
from telephony.asterisk.log_filter import Messages, Printed, follow
from telephony.asterisk.menu import first_globals, menu_globals
from telephony.asterisk.obtain import Asterisk, find_asterisk
from telephony.asterisk.render import folders, render, temporary_folder
from telephony.asterisk.secrets import make_secrets

FILES_WANTED = 65_536
LOOK_EVERY_S = 5.0
STOP_WITHIN_S = 8.0
START_WITHIN_S = 30.0
SPACE_EVERY_S = 1.0
# What Asterisk is told when a rendered file differs from the one it runs on; the rest changes with a restart only.
RELOADS = {"extensions.conf": "dialplan reload", "musiconhold.conf": "moh reload"}
# A call whose offer holds no sound that we speak is refused before it is a call. Nothing but these words, some twenty lines
# a call, tells of it: telephony.asterisk.log_filter counts it.
COUNT_REFUSED = "core set debug 1 chan_pjsip"


class RunningAsterisk:
    """One Asterisk with its own folders. `start` returns when it is fully booted; `process` is None until then."""

    def __init__(self, settings: Settings, asterisk: Asterisk) -> None:
        self.settings, self.asterisk = settings, asterisk
        self.secrets = make_secrets(settings)
        self.process: subprocess.Popen[bytes] | None = None
        self._messages = Messages(settings.asterisk / "log" / "messages.log")
        self._printed = Printed(self.console)
        self._readers: list[threading.Thread] = []

    @property
    def configuration(self) -> Path:
        """The main configuration file, which names all the others."""
        return self.settings.asterisk / "etc" / "asterisk.conf"

    @property
    def console(self) -> Path:
        """What Asterisk printed while it started; its errors and warnings are in messages.log beside it."""
        return self.settings.asterisk / "log" / "console.log"

    @property
    def refused(self) -> int:
        """How many calls it refused since its start because their offer held no sound that we speak."""
        return self._messages.refused

    def render(self, menu: Mapping[str, str]) -> set[str]:
        """Write the configuration for this menu; the names of the files that changed."""
        return render(self.settings, self.asterisk, self.secrets, menu)

    def launch(self, menu: Mapping[str, str]) -> subprocess.Popen[bytes]:
        """Start the process; it dies with the thread that called this.

        What cannot be written stays as it was at the last start; without any configuration OSError is raised.
        """
        for folder in (self.settings.run, self.settings.asterisk, *folders(self.settings).values()):
            with suppress(OSError):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folders(self.settings)["run"].stat().st_uid != os.getuid():
            raise SettingsWrong(
                "another user holds the folder of Asterisk's control socket: give FREELINE_DATA a shorter path"
            )
        try:
            _make_stand_in(self.settings.asterisk / "hold" / "hold.sln")
            self.render(menu)
        except OSError as error:
            if not self.configuration.exists():
                raise
            log().warning("asterisk's configuration cannot be written; it starts with the last one", error=error)
        _forget_ready(self.settings)
        self._printed, self._messages.refused = Printed(self.console), 0
        self.process = subprocess.Popen(
            [*self.asterisk.command, "-C", str(self.configuration), "-f", "-n"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            umask=0o077,
            preexec_fn=_prepare_child,  # noqa: PLW1509  (it only makes system calls)
        )
        # Its logger writes to its stderr: logger.conf says why.
        self._readers = [
            follow(cast(BinaryIO, self.process.stdout), self._printed.take),
            follow(cast(BinaryIO, self.process.stderr), self._said),
        ]
        return self.process

    def _said(self, line: bytes) -> None:
        if not self._messages.take(line):
            self._printed.take(line)

    def wait_booted(self, within_s: float = START_WITHIN_S) -> bool:
        """Wait until all modules are loaded; False when it died or time ran out."""
        end = time.monotonic() + within_s
        socket_of_the_console = folders(self.settings)["run"] / "asterisk.ctl"
        while time.monotonic() < end and self.process is not None and self.process.poll() is None:
            # The command waits by itself; before the socket is there a program would be started to find nobody.
            if socket_of_the_console.exists() and "fully booted" in self.command("core waitfullybooted"):
                # Not in cli.conf: Asterisk reads that after it said that it is booted, and the first calls went uncounted.
                self.command(COUNT_REFUSED)
                self._printed.close()
                _remember_ready(self.settings)
                return True
            time.sleep(0.05)
        return False

    def command(self, line: str, within_s: float = 10.0) -> str:
        """Return what Asterisk's own console answers to a command; empty when it does not answer."""
        whole = [*self.asterisk.command, "-C", str(self.configuration), "-rx", line]
        try:
            return subprocess.run(whole, capture_output=True, text=True, check=False, timeout=within_s).stdout
        except (OSError, subprocess.TimeoutExpired):
            return ""

    def refresh(self, menu: Mapping[str, str]) -> None:
        """Render again and reload what changed."""
        self._messages.sum_up()
        for name in self.render(menu) & RELOADS.keys():
            self.command(RELOADS[name])
            log().info("asterisk reloads", file=name)

    def tell(self, variable: str, value: str) -> bool:
        """Set one of the dialplan's globals while it runs. False when Asterisk did not take it."""
        return "set to" in self.command(f'dialplan set global {variable} "{value}"')

    def stop(self) -> int:
        """End it, calls and all: politely, then for good. Its exit code."""
        _forget_ready(self.settings)
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
        code = self.process.wait()
        for reader in self._readers:
            reader.join(1.0)
        self._messages.sum_up(all_of_it=True)
        with suppress(OSError):  # it is of no use to anybody now, and may be outside the data folder
            folders(self.settings)["run"].rmdir()
        return code


def main(settings: Settings) -> int:
    """Run Asterisk until SIGTERM or SIGINT, or until it ends by itself. 0 after a signal, else 1."""
    try:
        running = RunningAsterisk(settings, find_asterisk(settings))
        process = running.launch(read_menu(settings))
    except (FreelineError, OSError) as error:
        why = str(error) if isinstance(error, FreelineError) else ""
        log().error("asterisk cannot be started", why=why, error=error)
        return 1
    asked_to_stop = False
    heartbeat = Heartbeat(settings, "asterisk")

    def stop(_signal: int, _frame: FrameType | None) -> None:
        nonlocal asked_to_stop
        asked_to_stop = True
        process.terminate()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    if booted := running.wait_booted():
        log().info("asterisk is up", version=running.asterisk.version)
    # Apart: a database or a disk that gives no answer must not look as if Asterisk hung.
    threading.Thread(target=_keep_fresh, args=(running,), daemon=True, name="refresh").start()
    while not asked_to_stop:
        try:
            process.wait(LOOK_EVERY_S)
            break
        except subprocess.TimeoutExpired:
            # A hung Asterisk still has its port open, but greets nobody. The supervisor sees that this stops.
            booted = booted or _was_ready(settings)
            if booted and greets(settings):
                heartbeat.beat()
    code = running.stop()
    if asked_to_stop:
        return 0
    log().error("asterisk ended by itself", code=code, see=str(running.console))
    return 1


def ready(settings: Settings) -> bool:
    """Whether Asterisk has booted and its AMI answers."""
    return _was_ready(settings) and greets(settings)


def greets(settings: Settings) -> bool:
    """Whether its AMI answers."""
    try:
        with socket.create_connection((settings.ami_host, settings.ami_port), timeout=1.0) as line:
            return line.recv(64).startswith(b"Asterisk Call Manager")
    except OSError:
        return False


def read_menu(settings: Settings) -> dict[str, str]:
    """The menu's globals from the database; if that cannot be read, those that were read last, or the first menu's."""
    kept = settings.asterisk / "menu.json"
    try:
        db = Database(settings.database, busy_s=1.0)
        try:
            with db.read() as session:
                menu = menu_globals(session, settings)
        finally:
            db.dispose()
    except SQLAlchemyError as error:
        log().warning("the menu cannot be read from the database; the last one stays", error=error)
        return _kept(kept) or first_globals(settings)
    if _kept(kept) != menu:
        try:
            kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            fresh = kept.with_suffix(".new")
            fresh.write_text(json.dumps(menu, indent=1))
            fresh.replace(kept)
        except OSError as error:
            log().warning("the menu cannot be kept for a start without the database", error=error)
    return menu


def _kept(path: Path) -> dict[str, str]:
    try:
        return {str(name): str(value) for name, value in json.loads(path.read_text()).items()}
    except (OSError, ValueError, AttributeError):
        return {}


def _look_again(running: RunningAsterisk) -> None:
    try:
        running.refresh(read_menu(running.settings))
    except (FreelineError, OSError) as error:
        log().warning("asterisk's configuration could not be refreshed", error=error)


def _keep_fresh(running: RunningAsterisk) -> None:
    """Menu, configuration and whether there is room for messages, as they change; ends with the process."""
    told, told_refused, looked_s = "", 0, float("-inf")
    while running.process is not None and running.process.poll() is None:
        if time.monotonic() - looked_s > LOOK_EVERY_S:
            # Through Asterisk, which the switchboard asks: it needs no disk and no database, and may be elsewhere.
            refused = running.refused
            if refused != told_refused and running.tell(names.REFUSED, str(refused)):
                told_refused = refused
            looked_s = time.monotonic()
            try:
                _look_again(running)
            except Exception as error:  # noqa: BLE001  (without this thread a disk that was full once stays full for the net)
                log().error("asterisk's watchdog failed, goes on", error=error)
        # Asterisk's own net does not ask for a message that cannot be kept.
        full = "" if disk.can_record(running.settings) else "1"
        if full != told and running.tell(names.FULL, full):
            told = full
        time.sleep(SPACE_EVERY_S)


def _ready_marks(settings: Settings) -> list[Path]:
    """Where it is marked that Asterisk has booted; the second for when the first cannot be written."""
    mark = hashlib.sha256(f"{settings.run}".encode()).hexdigest()[:16]
    return [settings.run / "asterisk.ready", temporary_folder() / f"freeline-{os.getuid()}-{mark}.ready"]


def _remember_ready(settings: Settings) -> None:
    for mark in _ready_marks(settings):
        with suppress(OSError):
            mark.touch(mode=0o600)
            return


def _was_ready(settings: Settings) -> bool:
    return any(mark.exists() for mark in _ready_marks(settings))


def _forget_ready(settings: Settings) -> None:
    for mark in _ready_marks(settings):
        with suppress(OSError):
            mark.unlink(missing_ok=True)


def _prepare_child() -> None:
    """Die with the parent, so that `freeline up` killed leaves no Asterisk behind; and room for two ports a call."""
    end_with_parent()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_WANTED if hard == resource.RLIM_INFINITY else min(FILES_WANTED, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _make_stand_in(path: Path) -> None:
    """A soft note every four seconds, for a line whose own hold sound is not built yet: never dead air."""
    if path.exists():
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    note = [int(1500 * math.sin(2 * math.pi * 440 * i / 8000) * math.exp(-i / 2400)) for i in range(8000)]
    samples = array.array("h", note + [0] * 24_000)
    if sys.byteorder == "big":
        samples.byteswap()
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    fresh.write_bytes(samples.tobytes())
    fresh.replace(path)
