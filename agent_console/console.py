"""What every request of the console shares."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from aiohttp import web
from jinja2 import Environment

from agent_console.phones import Phones
from hotline.events import Nudges
from hotline.keys import Keys
from hotline.settings import Settings
from models import Database
from telephony.operator import Operator

T = TypeVar("T")
THREADS = 8


@dataclass
class Console:
    """Settings, database, keys, nudges and templates; who acts on calls; the few threads in which pages are made."""

    settings: Settings
    database: Database
    keys: Keys
    nudges: Nudges
    templates: Environment
    operator: Operator
    phones: Phones = field(default_factory=Phones)
    threads: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="page")
    )

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Run work in one of the bounded threads: the database and the templates never hold up the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self.threads, work)


CONSOLE = web.AppKey("console", Console)
