"""A real AGI request to the ivr, as the supervisor sends every two seconds: a hung ivr is dead air."""

import errno
import socket

from hotline.errors import PartMissing
from hotline.settings import Settings
from telephony import names
from telephony.asterisk.secrets import agi_token

# The prober itself lacks the means: that says nothing about the ivr.
OUR_OWN = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EADDRNOTAVAIL}


class Probe:
    """Repeats the probe. The token is read once: its file may not be readable later."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._token = ""

    def ivr_answers(self, within_s: float = 3.0) -> bool | None:
        """Return whether the ivr takes an AGI request and finishes it within so many seconds; None: not asked."""
        try:
            self._token = self._token or agi_token(self._settings)
            return self._asked(within_s)
        except PartMissing:
            return None
        except OSError as error:
            return None if error.errno in OUR_OWN else False

    def _asked(self, within_s: float) -> bool:
        settings = self._settings
        with socket.create_connection((settings.agi_host, settings.agi_port), timeout=within_s) as line:
            line.settimeout(within_s)
            address = f"agi://{settings.agi_host}:{settings.agi_port}/ping"
            line.sendall(
                f"agi_network: yes\nagi_network_script: ping\nagi_request: {address}\n"
                "agi_channel: probe\nagi_uniqueid: probe\n\n".encode()
            )
            with line.makefile("rb") as commands:
                for command in commands:
                    if command.startswith(b"GET VARIABLE"):
                        line.sendall(f"200 result=1 ({self._token})\n".encode())
                    else:
                        line.sendall(b"200 result=1\n")
                    if names.DONE.encode() in command:
                        return True
        return False


def ivr_answers(settings: Settings, within_s: float = 3.0) -> bool:
    """Return whether the ivr takes an AGI request and finishes it within so many seconds."""
    return bool(Probe(settings).ivr_answers(within_s))
