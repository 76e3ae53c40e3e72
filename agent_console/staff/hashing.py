"""Checks passwords in a few threads of their own: hashing is slow on purpose, and a flood of sign-ins starves no page."""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from hotline.staff import people
from web.request import TryLater

THREADS = 2
# One check takes about 40 ms of a processor: the last in a full queue waits for half a second.
WAIT_MOST = 16
WAIT_MOST_KNOWN = 48  # known browsers are still let in when strangers have filled the queue
DELAYED_MOST = 200
DELAYED_MOST_A_NETWORK = 40


class Busy(TryLater):
    """So many passwords are being checked that this one was not looked at."""


def _start() -> None:
    # This thread, and those that argon2 begins for it: pages and telephones go first.
    os.setpriority(os.PRIO_PROCESS, 0, 5)


def _verify(stored: str, password: str) -> bool:
    return people.fits(stored, password)


@dataclass
class Hashing:
    """Two threads and a bounded queue; `waiting` counts who is in it. Used on the event loop only."""

    waiting: int = 0
    delayed: dict[str, int] = field(default_factory=dict)
    threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(THREADS, "hashing", _start))

    async def delay(self, seconds: float, network: str) -> None:
        """Let a try wait without a thread. Raises `Busy` when too many do so already."""
        if seconds <= 0:
            return
        here = self.delayed.get(network, 0)
        if here >= DELAYED_MOST_A_NETWORK or sum(self.delayed.values()) >= DELAYED_MOST:
            raise Busy("Many people sign in at this moment. Try again in a few seconds.")
        self.delayed[network] = here + 1
        try:
            await asyncio.sleep(seconds)
        finally:
            self.delayed[network] -= 1
            if not self.delayed[network]:
                del self.delayed[network]

    async def verify(self, stored: str, password: str, known: bool = False) -> bool:
        """Whether the password fits the hash that is stored. Raises `Busy` when the queue is full."""
        if self.waiting >= (WAIT_MOST_KNOWN if known else WAIT_MOST):
            raise Busy("Many people sign in at this moment. Try again in a few seconds.")
        self.waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self.threads, _verify, stored, password)
        finally:
            self.waiting -= 1
