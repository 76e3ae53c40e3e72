"""A process for the tests of the forkserver: it writes down its initial state, starts another one, and waits for SIGTERM."""

import json
import os
import random
import signal
import subprocess
import threading
from pathlib import Path

from hotline.settings import Settings


def main(settings: Settings) -> int:
    """Write `born-PID.json` into the data folder, and wait."""
    stop = threading.Event()
    open_files = {number: _target(number) for number in Path("/proc/self/fd").iterdir()}
    ends_at_once = signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    sleeps = subprocess.Popen(["sleep", "600"])
    found = {
        "random": random.random(),
        "open": [target for target in open_files.values() if target],
        "threads": threading.active_count(),
        "ends_at_once": ends_at_once,
        "session": os.getsid(0) == os.getpid(),
    }
    file = settings.data / f"born-{os.getpid()}"
    file.write_text(json.dumps(found))
    file.rename(file.with_suffix(".json"))
    stop.wait()
    sleeps.kill()
    sleeps.wait()
    (settings.data / "ended-well").touch()
    return 0


def _target(number: Path) -> str:
    try:
        return str(number.readlink())
    except OSError:
        return ""  # it was the one that listed them
