"""What every request of the console shares."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from aiohttp import web
from jinja2 import Environment

from agent_console.phone.registry import Phones
from agent_console.staff.failed_sign_ins import FailedSignIns
from agent_console.staff.hashing import Hashing
from agent_console.strangers import Strangers
from hotline.keys import Keys
from hotline.nudges import Nudges
from hotline.settings import Settings
from hotline.throttle import Throttle
from models import Database
from telephony.operator.operator import Operator

T = TypeVar("T")
THREADS = 8


@dataclass
class Console:
    """Settings, database, keys, nudges and templates; who acts on calls; the few threads in which pages are made.

    What strangers may take of it is bounded: their tries at passwords, their threads, and how many there are at once.
    """

    settings: Settings
    database: Database
    keys: Keys
    nudges: Nudges
    templates: Environment
    operator: Operator
    phones: Phones = field(default_factory=Phones)
    throttle: Throttle = field(default_factory=Throttle)
    hashing: Hashing = field(default_factory=Hashing)
    strangers: Strangers = field(default_factory=Strangers)
    failed_sign_ins: FailedSignIns = field(default_factory=FailedSignIns)
    threads: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="page")
    )

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Run work in one of the bounded threads: the database and the templates never hold up the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self.threads, work)

    async def for_stranger(self, work: Callable[[], T]) -> T:
        """The same in the threads of those who are not signed in: however many they are, pages go on."""
        return await asyncio.get_running_loop().run_in_executor(self.strangers.threads, work)

    def end_threads(self) -> None:
        """Let what runs come to its end, and nothing else begin."""
        for threads in (self.threads, self.strangers.threads, self.hashing.threads):
            threads.shutdown(wait=True, cancel_futures=True)


CONSOLE = web.AppKey("console", Console)
