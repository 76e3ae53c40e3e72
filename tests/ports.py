"""Free ports, so that tests and stacks run side by side."""

import os
import random
import socket
from contextlib import suppress

# Each worker of the run has ports of its own, below those the kernel gives to anybody who asks for none in particular: a
# caller's sound would take a port between its being found free and its being used.
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_FIRST = 11000 + 2200 * (_WORKER % 4)
_mine = random.sample(range(_FIRST, _FIRST + 2200), 2200)  # another run beside this one begins elsewhere


def free_port() -> int:
    """A port that nobody has now, for TCP or UDP, and that this process was not given lately."""
    for _ in _mine:
        port = _mine.pop()
        _mine.insert(0, port)
        if _free(port, socket.SOCK_STREAM) and _free(port, socket.SOCK_DGRAM):
            return port
    raise RuntimeError("no port is free")


def _free(port: int, kind: int) -> bool:
    with socket.socket(socket.AF_INET, kind) as s, suppress(OSError):
        s.bind(("127.0.0.1", port))
        return True
    return False


# Each worker of the run has 2,500 ports of its own, below those the kernel gives to anybody.
_FIRST_RTP = 20000 + 2500 * _WORKER
_next_rtp = _FIRST_RTP


def rtp_range(pairs: int = 40) -> str:
    """A range of RTP ports nobody else in this run uses now."""
    global _next_rtp  # noqa: PLW0603
    if _next_rtp + pairs * 2 > _FIRST_RTP + 2500:
        _next_rtp = _FIRST_RTP
    first = _next_rtp
    _next_rtp += pairs * 2
    return f"{first}-{first + pairs * 2 - 1}"
