"""Whether the pages that have a phone are alive. A tab that the browser froze stays registered, and nothing rings there.

Every few seconds every page is asked on its live feed; the one with the phone answers (POST /phone/heartbeat) from where it
hears the question, because the timers of a hidden tab sleep. Who is silent for long is not ready.
"""

import asyncio
from collections.abc import AsyncIterator

from aiohttp import web
from sqlmodel import col, select

from agent_console.console import CONSOLE, Console
from agent_console.phone.registry import AGAIN, SIGNED_OUT, Line, clock
from hotline.log import log
from hotline.nudges import AGENTS_CHANGED
from hotline.staff import sign_ins
from hotline.staff import states as agents
from models import AgentState
from models.db.types import now
from web import background
from web.live_feed import FEED

ARE_YOU_THERE = "are-you-there"
BEAT_S = 5.0
GAP_S = 3.0
REACHABLE_WITHIN_S = 20.0


async def beat(app: web.Application) -> AsyncIterator[None]:
    """Ask and look, as long as the console runs."""
    async with background.running(_beat(app)):
        yield


async def _beat(app: web.Application) -> None:
    console, phones, last = app[CONSOLE], app[CONSOLE].phones, clock()
    while True:
        await asyncio.sleep(BEAT_S)
        if clock() - last > BEAT_S + GAP_S:
            # We were held up ourselves, and heard nobody: that is no page's fault.
            phones.turning_since = clock()
        last = clock()
        app[FEED].tell(ARE_YOU_THERE)
        try:
            ended, deaf = await console.in_thread(lambda: _look(console, phones.lines()))
        except Exception as error:  # noqa: BLE001  (without the beat a frozen page would stay ready, and nobody be told)
            log().warning("the pages' state cannot be read", error=error)
            continue
        for line in ended:
            line.end(SIGNED_OUT)
        for line in deaf:
            line.end(AGAIN)


def _look(console: Console, lines: list[Line]) -> tuple[list[Line], list[Line]]:
    """Make those not ready whose page is silent. The lines whose sign-in has ended, and those of phones that Asterisk has
    forgotten: their pages believe that they are registered, and come back with a fresh secret.
    """
    with console.database.read() as session:
        ended = [x for x in lines if sign_ins.find_hashed(session, x.token_sha256) is None]
        runs_out = sign_ins.running_out_in_a_call(session, now())
        held = session.exec(select(AgentState).where(col(AgentState.page).is_not(None))).all()
    if runs_out:
        with console.database.write() as session:
            sign_ins.go_on(session, now())
    unreachable = {state.page for state in held if not state.reachable}
    deaf = [x for x in lines if x.page in unreachable and clock() - x.since > REACHABLE_WITHIN_S]
    patience_s = console.settings.page_silent_s
    silent = [state.agent_id for state in held if state.page and console.phones.silent_s(state.page) > patience_s]
    if silent:
        with console.database.write() as session:
            lost = [agent_id for agent_id in silent if agents.page_lost(session, agent_id, now())]
        if lost:
            log().warning("pages with a phone are silent", agents=len(lost))
            console.nudges.tell(AGENTS_CHANGED)
    return ended, deaf
