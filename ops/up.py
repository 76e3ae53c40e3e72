"""`freeline up`: prepares, starts everything, says when it is ready, and stays until Ctrl-C.

Parts that are ready serve; the rest is retried for as long as it takes. Only Ctrl-C ends a line that answers.
"""

import fcntl
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from types import FrameType

from rich.console import Console

from hotline import disk
from hotline.errors import FreelineError, PartMissing
from hotline.log import log, start_log
from hotline.settings import Settings
from ops import demo
from ops.preparing import Preparing
from ops.status import PARTS, status
from ops.supervision.forkserver import Forkserver
from ops.supervision.supervisor import Supervisor
from telephony.asterisk.secrets import caller_secret

# How long a first start takes to build its prompts; when it takes longer, the line answers meanwhile.
PREPARED_WITHIN_S = 30.0
READY_WITHIN_S = 60.0
LOOK_S, LOOK_LATER_S = 0.2, 2.0


class AlreadyRunning(FreelineError):
    """Another `freeline up` uses this data folder."""


class Screen:
    """The output for a person. A closed terminal, or a full disk behind it, ends nothing."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._console = Console(highlight=False, soft_wrap=True)

    def say(self, text: str) -> None:
        """Print the present step, with the seconds since the start."""
        self.print(f"[dim]{time.monotonic() - self._started:5.1f} s[/dim]  {text}")

    def print(self, text: str = "") -> None:
        """Print a line."""
        with suppress(OSError, ValueError):
            self._console.print(text)


def up(settings: Settings, *, with_demo: bool) -> int:
    """Run Freeline until SIGINT or SIGTERM. Returns the exit code."""
    forkserver = _nursery(settings)
    start_log("freeline")
    screen = Screen()
    hold = take_data_folder(settings)
    stop = threading.Event()

    def asked_to_stop(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGINT, asked_to_stop)
    signal.signal(signal.SIGTERM, asked_to_stop)

    screen.say(f"data folder {settings.data}")
    disk.keep_reserve(settings)  # on a full disk this space is needed to start at all
    preparing = Preparing(settings, with_demo=with_demo, say=screen.say, stop=stop)
    preparing.start()
    supervisor = Supervisor(settings, forkserver=forkserver)
    try:
        _wait_prepared(preparing, stop)
        if not stop.is_set() and preparing.wrong is None:
            screen.say("starting " + ", ".join(supervisor.children))
            _follow(supervisor, preparing)
            supervisor.start()
            telling = _Telling(screen, settings, supervisor, preparing, stop, with_demo=with_demo)
            threading.Thread(target=telling.run, daemon=True, name="telling").start()
        while preparing.wrong is None and not stop.wait(0.25):
            _follow(supervisor, preparing)
            _watch(supervisor)
    finally:
        stop.set()
        screen.say("stopping")
        supervisor.stop()
        if forkserver is not None:
            forkserver.close()
        os.close(hold)
    if preparing.wrong is not None:
        raise preparing.wrong
    return 0


def _nursery(settings: Settings) -> Forkserver | None:
    try:
        return Forkserver(settings)
    except OSError:  # no memory or file descriptor: each process is started by its own command
        return None


def _wait_prepared(preparing: Preparing, stop: threading.Event) -> None:
    end = time.monotonic() + PREPARED_WITHIN_S
    while not preparing.tried.is_set() and time.monotonic() < end and not stop.is_set():
        preparing.tried.wait(0.1)


def _follow(supervisor: Supervisor, preparing: Preparing) -> None:
    supervisor.held = preparing.holds_back
    if preparing.why:
        supervisor.missing["prepared"] = preparing.why
    else:
        supervisor.missing.pop("prepared", None)


def _watch(supervisor: Supervisor) -> None:
    try:
        supervisor.watch_once()
    except Exception as error:  # noqa: BLE001  (whatever it is, the line does not end with it)
        log().error("the supervisor failed, goes on", error=error)


class _Telling:
    """Waits until all is ready, places the demo's first calls, and prints how to begin."""

    def __init__(
        self,
        screen: Screen,
        settings: Settings,
        supervisor: Supervisor,
        preparing: Preparing,
        stop: threading.Event,
        *,
        with_demo: bool,
    ) -> None:
        self._screen, self._settings, self._stop = screen, settings, stop
        self._supervisor, self._preparing, self._with_demo = supervisor, preparing, with_demo

    def run(self) -> None:
        """Run until `freeline is ready` is printed, or until it is stopped."""
        began, said = time.monotonic(), ""
        while not self._stop.is_set():
            missing = self._missing()
            if not missing:
                break
            late = time.monotonic() - began > READY_WITHIN_S
            if late and missing != said:
                said = missing
                with suppress(OSError, ValueError):
                    print(
                        f"freeline is not ready: {missing}. See {self._settings.run / 'freeline.log'}", file=sys.stderr
                    )
            self._stop.wait(LOOK_LATER_S if late else LOOK_S)
        if self._preparing.first_start and not self._stop.is_set():
            self._demo_calls()
        if not self._stop.is_set():
            self._tell()

    def _missing(self) -> str:
        """The missing parts, in words; empty when there are none."""
        try:
            found = status(self._settings, carrier=False)
        except Exception as error:  # noqa: BLE001  (a look that fails is made again)
            return f"it cannot be looked at ({type(error).__name__})"
        if found["ready"] and self._preparing.done.is_set():
            return ""
        down = [name for name, process in found["processes"].items() if process["state"] != "running"]
        down += [part for part in PARTS if found[part] != "ok"]
        return ", ".join([*dict.fromkeys(down), *found["missing"]]) or "it is still being prepared"

    def _demo_calls(self) -> None:
        try:
            demo.calls(self._settings, self._screen.say)
        except FreelineError as error:
            self._screen.say(f"the demo calls were not placed: {error}")

    def _tell(self) -> None:
        """Print what a person needs to begin: where the console is, who may sign in, how to call."""
        settings, say = self._settings, self._screen.print
        host = "localhost" if settings.console_host in {"127.0.0.1", "0.0.0.0"} else settings.console_host  # noqa: S104
        say()
        say(f"  console      {settings.public_url or f'http://{host}:{settings.console_port}'}")
        if self._with_demo:
            for login, role in demo.sign_ins(settings):
                say(f"  sign-in      {login} / {demo.password(settings)}  ({role})")
        say(f"  line         {settings.line_numbers[0]}, SIP port {settings.sip_port}")
        say(f"  caller       user caller, secret {caller_secret(settings)}  (phones on other machines)")
        say("  call it      .venv/bin/freeline call --press 6 --say FILE.wav")
        say()
        with suppress(OSError, ValueError):
            print("freeline is ready", flush=True)


def take_data_folder(settings: Settings) -> int:
    """Take the exclusive lock on this data folder, until the descriptor is closed. Raises `AlreadyRunning`.

    The folder itself is locked: that writes nothing. Raises `PartMissing` when it does not exist and cannot be made.
    """
    try:
        settings.run.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(settings.run, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise PartMissing(
            f"{settings.run} cannot be used ({error.strerror}): set FREELINE_DATA or its rights"
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise AlreadyRunning(
            "freeline is running already on this data folder. Stop it, or set FREELINE_DATA and other ports."
        ) from error
    return descriptor
