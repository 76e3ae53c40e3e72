"""A real AGI request to the ivr, as the supervisor sends every two seconds: a hung ivr is dead air."""

import socket

from hotline.settings import Settings
from telephony import names
from telephony.secrets import agi_token


def ivr_answers(settings: Settings, within_s: float = 3.0) -> bool:
    """Whether the ivr takes an AGI request and finishes it within so many seconds."""
    try:
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
                        line.sendall(f"200 result=1 ({agi_token(settings)})\n".encode())
                    else:
                        line.sendall(b"200 result=1\n")
                    if names.DONE.encode() in command:
                        return True
    except OSError:
        return False
    return False
