"""Free ports, so that tests and stacks run side by side."""

import os
import socket

_given: set[int] = set()


def free_port(kind: int = socket.SOCK_STREAM) -> int:
    """A port nobody listens on now, and that this process was not given before."""
    while True:
        with socket.socket(socket.AF_INET, kind) as s:
            s.bind(("127.0.0.1", 0))
            port: int = s.getsockname()[1]
        if port not in _given:
            _given.add(port)
            return port


# Each worker of the run has 2,500 ports of its own, below those the kernel gives to anybody.
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
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
