"""Keeps one process running: `freeline run NAME --keep` does for one what the supervisor of `freeline up` does for all.

A container's engine restarts what has died, but not what hangs, and a hung ivr is dead air.
"""

import signal
import threading
from contextlib import suppress
from types import FrameType

from hotline.errors import SettingsWrong
from hotline.log import log, start_log
from hotline.settings import Settings
from ops.supervision import processes
from ops.supervision.supervisor import Supervisor


def keep(name: str, settings: Settings) -> int:
    """Run one process until SIGTERM or SIGINT, and restart it whenever it dies or hangs. Returns 0.

    Raises `SettingsWrong` for an unknown name.
    """
    if name not in processes.PROCESSES:
        raise SettingsWrong(f"there is no process {name!r}; they are {', '.join(processes.PROCESSES)}")
    start_log(name)
    with suppress(OSError):
        settings.run.mkdir(mode=0o700, parents=True, exist_ok=True)
    stop = threading.Event()

    def asked_to_stop(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, asked_to_stop)
    signal.signal(signal.SIGINT, asked_to_stop)
    supervisor = Supervisor(settings, (name,), alone=True)
    supervisor.start()
    try:
        while not stop.wait(0.25):
            try:
                supervisor.watch_once()
            except Exception as error:  # noqa: BLE001  (whatever it is, the process that is kept does not end with it)
                log().error("the supervisor failed, goes on", error=error)
    finally:
        supervisor.stop()
    return 0
