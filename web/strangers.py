"""What strangers may take of a site: everybody who is not signed in, as far as we know.

They send little, wait in a lane of their own, and are so many at once and no more, from one address and in all. Who is
signed in shares none of that with them.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from hotline.staff import sign_ins

KEPT = 5000
THREADS = 2
INSIDE_MOST = 200
INSIDE_MOST_AN_ADDRESS = 60  # an office shares one
INSIDE_MOST_A_BROWSER = 20  # one in which somebody has signed in before shares the places of others with nobody


class Crowded(Exception):
    """So many strangers are here that this one is sent away."""


@dataclass
class Strangers:
    """Who is known to be signed in, and how many others are being served. Used on the event loop, `met` from any thread."""

    inside: dict[str, int] = field(default_factory=dict)
    browsers: dict[str, int] = field(default_factory=dict)
    threads: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(THREADS, thread_name_prefix="stranger")
    )
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _signed: OrderedDict[str, None] = field(default_factory=OrderedDict)

    def met(self, token_sha256: str) -> None:
        """The guard has let this token through."""
        with self._lock:
            self._signed[token_sha256] = None
            if len(self._signed) > KEPT:
                self._signed.popitem(last=False)

    def lost(self, token_sha256: str) -> None:
        """The guard has not."""
        with self._lock:
            self._signed.pop(token_sha256, None)

    def knows(self, token: str) -> bool:
        """Whether the guard has let this token through of late. The guard looks again; this only says which lane."""
        return bool(token) and sign_ins.sha256(token) in self._signed

    def enter(self, address: str, browser: str = "") -> Callable[[], None]:
        """Count one more, until what is given back is called. Raises `Crowded`.

        `browser` is the mark of one that somebody has signed in with before: however many strangers hold places by sending
        half of what they announce, who begins a shift comes in.
        """
        counts = self.browsers if browser else self.inside
        who = browser or address
        here = counts.get(who, 0)
        if browser:
            full = here >= INSIDE_MOST_A_BROWSER
        else:
            full = here >= INSIDE_MOST_AN_ADDRESS or sum(counts.values()) >= INSIDE_MOST
        if full:
            raise Crowded
        counts[who] = here + 1
        gone: list[bool] = []

        def leave() -> None:
            if not gone:
                gone.append(True)
                counts[who] -= 1
                if not counts[who]:
                    del counts[who]

        return leave
