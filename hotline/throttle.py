"""Slows down who guesses passwords, and locks nobody out.

Failed sign-ins are counted in the memory of the console, so that a flood of them writes nothing: for a name from a network
(a stranger elsewhere must not stop anybody), and for a browser in which that person has signed in before. On top of
that a brake, which only delays: the more failures of late at a name, from a network or over all, the longer each further
try from an unknown browser waits, but never longer than `BRAKE_MOST_S`. What is counted is kept as keyed hashes, and for
so many names and networks only.
"""

import hashlib
import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_network

from hotline.errors import Refused

WINDOW_S = 15 * 60
TRIES = 5  # at one name from one network, by browsers we do not know
TRIES_KNOWN = 20  # by a browser in which that person has signed in; after these it is one that we do not know
KEPT = 20_000  # names, networks and browsers that are remembered; the oldest is forgotten for a newer one
NETWORK_BITS = 24
BRAKE_MOST_S = 4.0
BRAKE_STEP_S = 0.1  # for each failure beyond those that are free


class TooMany(Refused):
    """Too many failed sign-ins; `wait_s` is how many seconds to wait."""

    def __init__(self, wait_s: int) -> None:
        super().__init__("Too many failed sign-ins. Wait a little and try again.")
        self.wait_s = wait_s


@dataclass(frozen=True)
class Brake:
    """How many failures are free, and how many of them are forgotten in a second."""

    free: float
    forgotten_per_s: float


# A person mistypes now and then, an office has many persons, and over all there are several offices.
AT_A_NAME, FROM_A_NETWORK, OVER_ALL = Brake(10, 1 / 60), Brake(30, 1 / 10), Brake(60, 1.0)


@dataclass(frozen=True)
class Attempt:
    """A try that was let through: wait `delay_s` seconds before the password is looked at."""

    delay_s: float
    counted_as: bytes
    braked_by: tuple[bytes, ...]


class Throttle:
    """Counts the tries of one console. `clock` gives seconds that never go back. Not for several threads at once."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._key, self._clock = secrets.token_bytes(32), clock
        self._tries: OrderedDict[bytes, deque[float]] = OrderedDict()
        self._levels: OrderedDict[bytes, tuple[float, float]] = OrderedDict()

    def begin(self, login: str, address: str, browser: str = "") -> Attempt:
        """Count this try before the password is looked at, so that many at once cannot slip through. Raises `TooMany`.

        `browser` names one in which this person has signed in before: it is free of the counts of all others.
        """
        login, network = login.strip().lower(), network_of(address)
        if browser:
            own = self._hidden("browser", browser, login)
            if self._wait_s(own, TRIES_KNOWN) == 0:
                self._count(own, TRIES_KNOWN)
                return Attempt(0.0, own, ())
        pair = self._hidden("pair", login, network)
        if wait_s := self._wait_s(pair, TRIES):
            raise TooMany(max(1, round(wait_s)))
        self._count(pair, TRIES)
        brakes = (
            (self._hidden("name", login), AT_A_NAME),
            (self._hidden("network", network), FROM_A_NETWORK),
            (self._hidden("all"), OVER_ALL),
        )
        delay_s = max(self._braked(who, brake) for who, brake in brakes)
        return Attempt(delay_s, pair, tuple(who for who, _brake in brakes))

    def passed(self, attempt: Attempt) -> None:
        """The password was right: the failures of this name from here are forgotten, of others only this try itself."""
        self._tries.pop(attempt.counted_as, None)
        self._take_back(attempt)

    def undo(self, attempt: Attempt) -> None:
        """The password was never looked at."""
        tries = self._tries.get(attempt.counted_as)
        if tries:
            tries.pop()
        self._take_back(attempt)

    def _wait_s(self, who: bytes, allowed: int) -> float:
        tries = self._tries.get(who)
        if tries is None or len(tries) < allowed:
            return 0.0
        return max(0.0, tries[0] + WINDOW_S - self._clock())

    def _count(self, who: bytes, allowed: int) -> None:
        self._tries.setdefault(who, deque(maxlen=allowed)).append(self._clock())
        self._tries.move_to_end(who)
        if len(self._tries) > KEPT:
            self._tries.popitem(last=False)

    def _braked(self, who: bytes, brake: Brake) -> float:
        """Count one more, and how long to wait for it. The level ends where the wait does, so that a flood is soon over."""
        level, at = self._levels.pop(who, (0.0, self._clock()))
        level = max(0.0, level - (self._clock() - at) * brake.forgotten_per_s) + 1
        level = min(level, brake.free + BRAKE_MOST_S / BRAKE_STEP_S)
        self._levels[who] = (level, self._clock())
        if len(self._levels) > KEPT:
            self._levels.popitem(last=False)
        return min(BRAKE_MOST_S, max(0.0, level - brake.free) * BRAKE_STEP_S)

    def _take_back(self, attempt: Attempt) -> None:
        for who in attempt.braked_by:
            if who in self._levels:
                level, at = self._levels[who]
                self._levels[who] = (max(0.0, level - 1), at)

    def _hidden(self, *words: str) -> bytes:
        return hashlib.blake2b("\n".join(words).encode(), key=self._key, digest_size=16).digest()


def network_of(address: str) -> str:
    """The network that an address stands for: /24 of IPv4; IPv6 comes as its /64 already."""
    try:
        return str(ip_network(f"{address}/{NETWORK_BITS}", strict=False)) if ":" not in address else address
    except ValueError:
        return address
