"""Writes into the audit how many sign-ins failed, every minute when there is something to write (failed_sign_ins.py)."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from aiohttp import web
from sqlalchemy.exc import SQLAlchemyError

from agent_console.console import CONSOLE, Console
from hotline.audit import note_act
from hotline.log import log
from web import background

WRITE_EVERY_S = 60.0


def write(console: Console, *, all_of_them: bool = False) -> None:
    """Write what is due, in one transaction."""
    counts = console.failed_sign_ins.due(all_of_them=all_of_them)
    if not counts:
        return
    try:
        with console.database.write() as session:
            for agent_id, count in counts.items():
                subject = f"agent:{agent_id}" if agent_id is not None else "sign-in:unknown-names"
                note_act(session, "sign_in_failed", subject, by_id=None, times=count)
    except Exception:
        console.failed_sign_ins.give_back(counts)
        raise


async def run(app: web.Application) -> AsyncIterator[None]:
    """Write as long as the console runs, and what is left when it stops."""
    console = app[CONSOLE]
    async with background.running(_write(console)):
        yield
    # The database may be away by now; then so much is lost.
    with contextlib.suppress(SQLAlchemyError):
        await console.in_thread(lambda: write(console, all_of_them=True))


async def _write(console: Console) -> None:
    while True:
        await asyncio.sleep(WRITE_EVERY_S)
        try:
            await console.in_thread(lambda: write(console))
        except Exception as error:  # noqa: BLE001  (they are kept, and written the next time)
            log().warning("failed sign-ins cannot be written", error=error)
