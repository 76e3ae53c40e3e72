"""Writes the head of the audit chain down each hour, in a file beside the database and in the log."""

import asyncio
from collections.abc import AsyncIterator

from aiohttp import web

from agent_console.console import CONSOLE, Console
from hotline import audit, audit_anchors
from hotline.log import log
from web import background

EVERY_S = 3600.0
AGAIN_S = 300.0


async def run(app: web.Application) -> AsyncIterator[None]:
    """Anchor as long as the console runs: soon after it starts, then each hour."""
    async with background.running(_keep(app[CONSOLE])):
        yield


async def _keep(console: Console) -> None:
    while True:
        try:
            await console.in_thread(lambda: anchor(console))
        except Exception as error:  # noqa: BLE001  (a full disk, no database: nothing hangs on it, and it is tried again)
            log().warning("the audit's head cannot be anchored", error=error)
            await asyncio.sleep(AGAIN_S)
        else:
            await asyncio.sleep(EVERY_S)


def anchor(console: Console) -> None:
    """Write the head down now. Raises OSError and what the database raises."""
    with console.database.read() as session:
        head = audit.head(session)
    if head is None:
        return
    added = audit_anchors.add(console.settings.audit_anchors, console.keys.audit, *head)
    if added is not None:
        log().info("the audit is anchored", entry=added.entry_id, digest=added.digest, mac=added.mac)
