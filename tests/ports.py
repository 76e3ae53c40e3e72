"""Free ports, so that tests and stacks run side by side."""

import socket


def free_port(kind: int = socket.SOCK_STREAM) -> int:
    """A port nobody listens on now."""
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind(("127.0.0.1", 0))
        port: int = s.getsockname()[1]
        return port


_next_rtp = 20000


def rtp_range(pairs: int = 40) -> str:
    """A range of RTP ports nobody else in this run was given."""
    global _next_rtp  # noqa: PLW0603
    first = _next_rtp
    _next_rtp += pairs * 2
    if _next_rtp > 30000:
        _next_rtp = 20000
    return f"{first}-{first + pairs * 2 - 1}"
