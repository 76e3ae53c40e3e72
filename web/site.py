"""What every request of one web server shares. A room that serves pages adds what its own views need."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from aiohttp import web
from jinja2 import Environment

from hotline.nudges import Nudges
from hotline.settings import Settings
from models import Database
from web.strangers import Strangers

T = TypeVar("T")
THREADS = 8


@dataclass(kw_only=True)
class Site:
    """Settings, database, nudges and templates of one origin, and the few threads in which its pages are made.

    `strangers` bounds what people who are not signed in may take of it. `notices` says where a line about a refused act
    goes, by the id of the element that htmx was about to swap; any other goes to the top of the page.
    """

    settings: Settings
    database: Database
    nudges: Nudges
    templates: Environment
    notices: Mapping[str, str] = field(default_factory=dict)
    strangers: Strangers = field(default_factory=Strangers)
    threads: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="page")
    )

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Run work in one of the bounded threads: the database and the templates never hold up the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self.threads, work)

    async def for_stranger(self, work: Callable[[], T]) -> T:
        """Run work in the threads of people who are not signed in: however many they are, pages go on."""
        return await asyncio.get_running_loop().run_in_executor(self.strangers.threads, work)

    def known_browser(self, cookies: Mapping[str, str]) -> str:
        """Return the mark of a browser in which somebody has signed in before, else an empty text."""
        del cookies
        return ""

    def close_threads(self) -> None:
        """Let what runs come to its end, and let nothing else begin."""
        for threads in self.pools():
            threads.shutdown(wait=True, cancel_futures=True)

    def pools(self) -> list[ThreadPoolExecutor]:
        """Return all threads of this site."""
        return [self.threads, self.strangers.threads]


SITE = web.AppKey("site", Site)
