"""Keeps the mobile numbers of agents who are rung at home now in Asterisk's memory, and removes all others.

Asterisk holds no key and no file with a number: after its restart, and after ours, the next look puts things right.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from aiohttp import web
from sqlmodel import select

from agent_console.console import CONSOLE, Console
from hotline.errors import NotAllowed
from hotline.log import log
from hotline.nudges import AGENTS_CHANGED
from hotline.staff import mobiles
from models import Agent
from models.db.types import now
from telephony.operator.operator import LineFailed
from web import background
from web.live_feed import FEED

LOOK_S = 15.0
# Agents change state many times a minute at a busy hour: one look covers all of them.
REST_S = 1.0
WARN_AFTER = 2


async def run(app: web.Application) -> AsyncIterator[None]:
    """Look as long as the console runs: every fifteen seconds, and when an agent, their number or the roster changed."""
    async with background.running(_keep(app)):
        yield


async def _keep(app: web.Application) -> None:
    console, feed, told, changed = app[CONSOLE], app[FEED], MobileSync(), _Changed()
    # Joined all the while: what changes during a look or a rest is looked at next, not fifteen seconds later.
    feed.join(changed)
    try:
        while True:
            changed.seen.clear()
            try:
                await console.in_thread(lambda: told.check(console))
            except Exception as error:  # noqa: BLE001  (whatever it is, the next look may put it right)
                log().warning("who is rung at home cannot be read", error=error)
            await asyncio.sleep(REST_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S - REST_S):
                    await changed.seen.wait()
    finally:
        feed.leave(changed)


class _Changed:
    """Hears that agents changed, or that the feed is over."""

    def __init__(self) -> None:
        self.seen = asyncio.Event()

    def receive(self, name: str) -> bool:
        """A name of the feed."""
        if name == AGENTS_CHANGED:
            self.seen.set()
        return True

    def end(self) -> None:
        """The console stops."""
        self.seen.set()


@dataclass
class MobileSync:
    """What Asterisk was told: agents, each with the keyed hash of their number, so that no number is kept here.

    `suspects` are agents whose number may be in Asterisk from before: everybody at first.
    """

    numbers: dict[int, str] = field(default_factory=dict)
    suspects: set[int] | None = None
    failures: int = 0

    def check(self, console: Console) -> None:
        """Compare what should be there with what is, and put the difference right."""
        with console.database.read() as session:
            wanted = mobiles.on_duty(session, now(), console.settings)
            try:
                numbers = mobiles.numbers(session, console.keys, wanted, console.settings.numbering)
            except (NotAllowed, ValueError) as error:
                log().warning("a mobile number cannot be opened", error=type(error).__name__)
                return
            if self.suspects is None:
                self.suspects = {agent_id for agent_id in session.exec(select(Agent.id)) if agent_id is not None}
        try:
            self._put_right(console, numbers)
        except LineFailed:
            self.failures += 1
            # Once while both start is nothing to say.
            if self.failures == WARN_AFTER:
                log().warning("Asterisk cannot be told who is rung at home")
            return
        self.failures = 0

    def _put_right(self, console: Console, numbers: dict[int, str]) -> None:
        line = console.operator
        away = (set(self.numbers) | (self.suspects or set())) - set(numbers)
        for agent_id in away - line.mobiles_missing(away):
            line.set_mobile(agent_id, None)
        self.suspects = set()
        self.numbers = {agent_id: kept for agent_id, kept in self.numbers.items() if agent_id in numbers}
        missing = line.mobiles_missing(numbers)
        for agent_id, number in numbers.items():
            index = console.keys.find_by(number)
            if agent_id in missing or self.numbers.get(agent_id) != index:
                line.set_mobile(agent_id, number)
                self.numbers[agent_id] = index
