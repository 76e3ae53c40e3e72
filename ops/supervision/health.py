"""The health of one process, seen from outside: for a container's health check, and for `freeline status`."""

import time
import urllib.request

from hotline.nudges import Nudges
from hotline.settings import Settings
from ops.supervision import processes
from ops.supervision.probe import ivr_answers
from telephony.asterisk.process import ready as asterisk_ready


def healthy(settings: Settings, name: str) -> bool:
    """Return whether it answers; for a process without a port, whether it has touched its file recently."""
    if name == processes.REDIS:
        return Nudges(settings.redis).there()
    if name == processes.ASTERISK:
        return asterisk_ready(settings)
    if name == processes.IVR:
        return ivr_answers(settings)
    if name == processes.CONSOLE:
        return console_answers(settings)
    limit_s = processes.HEARTBEAT_S.get(name)
    if limit_s is None:
        return False
    try:
        beat_s = (settings.run / f"{name}.alive").stat().st_mtime
    except OSError:
        return False
    return time.time() - beat_s < limit_s


def console_answers(settings: Settings) -> bool:
    """Return whether the console serves and reaches its database."""
    url = f"http://{settings.console_host}:{settings.console_port}/alive"
    # A proxy from the environment, which a Docker engine may set in every container, would lead elsewhere.
    directly = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with directly.open(url, timeout=3) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
