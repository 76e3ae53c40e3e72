"""Puts in force the access that nobody refused in time. By a clock that can be believed: one that leaps a day ahead lets
nobody in."""

import asyncio
from collections.abc import AsyncIterator

from aiohttp import web

from agent_console.console import CONSOLE, Console
from hotline.log import log
from hotline.nudges import AGENTS_CHANGED, ALERTS_CHANGED
from hotline.staff import access_requests
from recordings.vault.trusted_clock import TrustedClock
from web import background

LOOK_S = 600.0
CLOCK = "access-clock.json"


async def run(app: web.Application) -> AsyncIterator[None]:
    """Look as long as the console runs."""
    async with background.running(_keep(app[CONSOLE])):
        yield


async def _keep(console: Console) -> None:
    clock = TrustedClock(console.settings.work / CLOCK)
    while True:
        try:
            await console.in_thread(lambda: check(console, clock))
        except Exception as error:  # noqa: BLE001  (whatever it is, the next look may put it right)
            log().warning("access that waited its time cannot be put in force", error=error)
        await asyncio.sleep(LOOK_S)


def check(console: Console, clock: TrustedClock) -> int:
    """Put in force what is due; how many requests that was. Raises OSError when the clock's look cannot be kept."""
    at = clock.look()
    if at is None:
        return 0  # in the first day nothing tells whether the clock is right
    with console.database.read() as session:
        if not access_requests.any_due(session, at):
            return 0
    with console.database.write() as session:
        settled = len(access_requests.settle_due(session, at))
    if settled:
        console.nudges.tell(ALERTS_CHANGED, AGENTS_CHANGED)
    return settled
