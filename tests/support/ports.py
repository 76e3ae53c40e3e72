"""Free ports, so that tests and stacks run side by side.

The lanes of ops/check.sh run at once, and each names its workers gw0, gw1, … So each lane has ports of its own, and each
worker of a lane an equal part of them. All are below the range from which the kernel gives a port to anybody who asks for
none in particular: such a one would take a port between its being found free and its being used.
"""

import os
import random
import socket
from collections.abc import Mapping
from contextlib import suppress

LANE = "FREELINE_TEST_LANE"
# The first port of each lane, and the first after it. A run by hand names no lane and has them all.
LANES = {
    "": (10000, 32700),
    "quick": (10000, 14000),
    "waiting": (14000, 27000),
    "compose": (27000, 28700),
    "alone": (28700, 32700),
}
FEWEST = 600  # a stack takes five ports and up to 260 for its sound


def ports_of(environment: Mapping[str, str]) -> range:
    """The ports of a worker, by what ops/check.sh and pytest-xdist put into its environment."""
    first, end = LANES[environment.get(LANE, "")]
    worker = int(environment.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    each = (end - first) // int(environment.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if each < FEWEST:
        raise RuntimeError(f"so many workers have {each} ports each: give fewer, with -n")
    return range(first + worker * each, first + (worker + 1) * each)


_all = ports_of(os.environ)
# A third is for one port at a time, the rest for sound, which begins at an even port.
_few = len(_all) // 3
_rtp = _all[_few + (_all[_few] % 2) :]
_mine = random.sample(_all[:_few], _few)  # another run beside this one starts at another port


def free_port() -> int:
    """A port that is free now, for TCP or UDP, and that this process did not get recently."""
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


_next_rtp = 0


def rtp_range(pairs: int = 40) -> str:
    """A range of RTP ports nobody else in this run uses now."""
    global _next_rtp  # noqa: PLW0603
    if _next_rtp + pairs * 2 > len(_rtp):
        _next_rtp = 0
    ports = _rtp[_next_rtp : _next_rtp + pairs * 2]
    _next_rtp += pairs * 2
    return f"{ports[0]}-{ports[-1]}"
