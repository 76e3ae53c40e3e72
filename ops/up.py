"""`freeline up`: prepares, starts everything, waits until it is ready, and stays until Ctrl-C."""

import os
import signal
import sys
import threading
import time
from types import FrameType

from rich.console import Console

from hotline.errors import FreelineError
from hotline.log import start_log
from hotline.settings import Settings
from ops import demo
from ops.nursery import Nursery
from ops.prepare import prepare
from ops.status import status
from ops.supervise import Supervisor
from telephony.secrets import caller_secret

READY_WITHIN_S = 60.0


class AlreadyRunning(FreelineError):
    """Another `freeline up` has this data folder."""


def up(settings: Settings, *, with_demo: bool) -> int:
    """Run Freeline until SIGINT or SIGTERM. Returns the exit code."""
    screen = Console(highlight=False, soft_wrap=True)
    started = time.monotonic()

    def say(text: str) -> None:
        screen.print(f"[dim]{time.monotonic() - started:5.1f} s[/dim]  {text}")

    nursery = Nursery(settings)
    start_log("freeline")
    hold = take_data_folder(settings)
    stop = threading.Event()

    def asked_to_stop(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGINT, asked_to_stop)
    signal.signal(signal.SIGTERM, asked_to_stop)

    say(f"data folder {settings.data}")
    prepare(settings, demo=with_demo, say=say)
    first = with_demo and demo.people(settings, say)
    supervisor = Supervisor(settings, nursery=nursery)
    supervisor.start()
    try:
        say("starting " + ", ".join(supervisor.children))
        if not _wait_ready(supervisor, settings, stop):
            if stop.is_set():
                return 0
            missing = status(settings)
            down = [n for n, p in missing["processes"].items() if p["state"] != "running"]
            down += [part for part in ("database", "redis", "asterisk", "ivr", "console") if missing[part] != "ok"]
            print(f"freeline is not ready: {', '.join(down)}. See {settings.run / 'freeline.log'}", file=sys.stderr)
            return 1
        if first and not stop.is_set():
            worker = threading.Thread(target=_demo_calls, args=(settings, say), daemon=True)
            worker.start()
            while worker.is_alive() and not stop.is_set():
                supervisor.watch_once()
                worker.join(0.2)
        if not stop.is_set():
            _tell(screen, settings, with_demo=with_demo)
            print("freeline is ready", flush=True)
        while not stop.wait(0.25):
            supervisor.watch_once()
    finally:
        say("stopping")
        supervisor.stop()
        nursery.close()
        os.close(hold)
    return 0


def _demo_calls(settings: Settings, say: demo.Say) -> None:
    try:
        demo.calls(settings, say)
    except FreelineError as error:
        say(f"the demo calls were not placed: {error}")


def _wait_ready(supervisor: Supervisor, settings: Settings, stop: threading.Event) -> bool:
    end = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < end and not stop.wait(0.2):
        supervisor.watch_once()
        if status(settings, carrier=False)["ready"]:
            return True
    return False


def _tell(screen: Console, settings: Settings, *, with_demo: bool) -> None:
    """Print what a person needs to begin: where the console is, who may sign in, how to call."""
    host = "localhost" if settings.console_host in {"127.0.0.1", "0.0.0.0"} else settings.console_host  # noqa: S104
    screen.print()
    screen.print(f"  console      {settings.public_url or f'http://{host}:{settings.console_port}'}")
    if with_demo:
        for login, role in demo.sign_ins(settings):
            screen.print(f"  sign-in      {login} / {demo.password(settings)}  ({role})")
    screen.print(f"  line         {settings.line_numbers[0]}, SIP port {settings.sip_port}")
    screen.print(f"  caller       user caller, secret {caller_secret(settings)}  (phones on other machines)")
    screen.print("  call it      .venv/bin/freeline call --press 6 --say FILE.wav")
    screen.print()


def take_data_folder(settings: Settings) -> int:
    """Keep everybody else from starting on this data folder until the descriptor is closed. Raises `AlreadyRunning`."""
    import fcntl

    settings.run.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(settings.run / "up.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise AlreadyRunning(
            "freeline is running already on this data folder. Stop it, or set FREELINE_DATA and other ports."
        ) from error
    return descriptor
