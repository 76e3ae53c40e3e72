"""SIP over WebSocket, from a page to Asterisk: a page reaches Asterisk only as somebody who is signed in here.

Frames are passed on as they are. Nothing of them is read, kept or logged.
"""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web

from agent_console.console import CONSOLE, Console
from agent_console.phones import AGAIN, CLOSE_S, SIGNED_OUT, TAKEN, Line
from agent_console.routes import Routes, Signed
from agent_console.turns import PHONES, turn
from hotline import agents
from hotline.events import AGENTS_CHANGED
from hotline.log import log
from hotline.permissions import Permission
from hotline.settings import Settings
from models import AgentState
from models.types import now
from telephony.operator import LineFailed

routes = Routes()
PROTOCOL = "sip"
FRAME_MAX = 64 * 1024  # an offer with all its candidates is a tenth of this
CONNECT_S = 5.0
SEND_S = 10.0
PING_S = 10.0
COMES_BACK_S = 5.0
# Where we come from when Asterisk is on this machine. In the demo 127.0.0.1 is the trunk, which needs no password: from
# there a page could send INVITEs as if a worker called.
OURSELVES = "127.0.0.2"
ASTERISK = web.AppKey("asterisk", aiohttp.ClientSession)


async def reach(app: web.Application) -> AsyncIterator[None]:
    """The way to Asterisk, as long as the console runs."""
    app[ASTERISK] = to_asterisk(app[CONSOLE].settings)
    yield
    await app[ASTERISK].close()


def to_asterisk(settings: Settings) -> aiohttp.ClientSession:
    """A client whose address is never that of the demo's trunk: what names no endpoint with a secret is refused."""
    here = settings.asterisk_http_host == "localhost" or settings.asterisk_http_host.startswith("127.")
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(local_addr=(OURSELVES, 0) if here else None))


async def let_go(app: web.Application) -> None:
    """End every connection, so that the server can stop; the pages come back to the next one."""
    for line in app[CONSOLE].phones.lines():
        line.end(AGAIN)


@routes.keep("/phone/sip", Permission.USE_PHONE)
async def sip(request: web.Request, signed: Signed) -> web.StreamResponse:
    """A page's phone. `page` is what /phone/credentials gave it."""
    console = request.app[CONSOLE]
    if not from_us(request, console.settings):
        raise web.HTTPForbidden
    browser = web.WebSocketResponse(
        protocols=(PROTOCOL,), max_msg_size=FRAME_MAX, heartbeat=PING_S, timeout=CLOSE_S, compress=False
    )
    if not browser.can_prepare(request) or PROTOCOL not in _asked(request):
        raise web.HTTPBadRequest
    line = Line(signed.agent_id, request.query.get("page", ""), signed.token_sha256, browser)
    has_it = await console.in_thread(lambda: _has_it(console, line))
    asterisk = await _connect(request.app[ASTERISK], console.settings) if has_it else None
    try:
        await browser.prepare(request)
        if not has_it:
            line.end(TAKEN)
        elif asterisk is not None:
            console.phones.opened(line)
            await _pass_both_ways(line, asterisk)
        # A browser says so when the page is left or loaded again. Of a network that is lost it says nothing: then the
        # voices may well go on.
        left = browser.close_code == aiohttp.WSCloseCode.GOING_AWAY and not line.over.is_set()
        await browser.close(code=line.code)
        if left:
            await console.in_thread(lambda: _end_legs(console, line.agent_id))
    finally:
        if asterisk is not None:
            await asterisk.close()
        if has_it:
            console.phones.closed(line)
            # A page that is loaded again takes the phone a moment later: until then its callers are not sent away.
            task = asyncio.get_running_loop().create_task(_leave_soon(console, line))
            console.phones.keep(task)
    return browser


def from_us(request: web.Request, settings: Settings) -> bool:
    """Whether a page of this console asks. Browsers let any site open a WebSocket, and send our cookie with it."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
        return False
    origin = urlsplit(request.headers.get("Origin", ""))
    hosts = [request.headers.get("Host", "")]
    if settings.behind_proxy:
        hosts += request.headers.getall("X-Forwarded-Host", [])[-1:]
    schemes = {"https"} if settings.secure_cookies else {"http", "https"}
    return bool(origin.netloc) and origin.scheme in schemes and origin.netloc.lower() in {h.lower() for h in hosts}


def _asked(request: web.Request) -> list[str]:
    listed = ",".join(request.headers.getall("Sec-WebSocket-Protocol", []))
    return [part.strip() for part in listed.split(",")]


async def _connect(session: aiohttp.ClientSession, settings: Settings) -> aiohttp.ClientWebSocketResponse | None:
    url = f"ws://{settings.asterisk_http_host}:{settings.asterisk_http_port}/ws"
    try:
        async with asyncio.timeout(CONNECT_S):
            return await session.ws_connect(
                url,
                protocols=(PROTOCOL,),
                max_msg_size=FRAME_MAX,
                heartbeat=PING_S,
                timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_S),
            )
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        log().warning("Asterisk takes no page's phone", error=error)
        return None


async def _pass_both_ways(line: Line, asterisk: aiohttp.ClientWebSocketResponse) -> None:
    """Until either side ends, or we do. A side that does not take what it is sent is left: it holds up nobody else."""
    ways = [
        asyncio.ensure_future(_pass_on(line.browser, asterisk)),
        asyncio.ensure_future(_pass_on(asterisk, line.browser)),
        asyncio.ensure_future(line.over.wait()),
    ]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)


Side = web.WebSocketResponse | aiohttp.ClientWebSocketResponse


async def _pass_on(source: Side, target: Side) -> None:
    # One frame at a time: what the target has not taken is not read from the source.
    async for message in source:
        async with asyncio.timeout(SEND_S):
            if message.type is aiohttp.WSMsgType.TEXT:
                await target.send_str(message.data)
            elif message.type is aiohttp.WSMsgType.BINARY:
                await target.send_bytes(message.data)
            else:
                return


def _end_legs(console: Console, agent_id: int) -> None:
    """The page took its calls with it: without this each would wait for five seconds of silence to be noticed."""
    try:
        with turn(PHONES):
            console.operator.page_gone(agent_id)
    except LineFailed as error:
        log().warning("the calls of a page that is gone could not be ended; Asterisk notices", error=error)


def _has_it(console: Console, line: Line) -> bool:
    with console.database.read() as session:
        state = session.get(AgentState, line.agent_id)
        return state is not None and bool(line.page) and state.page == line.page


async def _leave_soon(console: Console, line: Line) -> None:
    if line.code != SIGNED_OUT:
        await asyncio.sleep(COMES_BACK_S)
    left = await console.in_thread(lambda: _left(console, line))
    # Not before: until now its silence counts from when it was heard last.
    console.phones.forget(line.page)
    if left:
        # A tab that was closed or has crashed is as silent as a frozen one.
        await asyncio.sleep(console.settings.page_silent_s)
        await console.in_thread(lambda: _gone(console, line))


def _left(console: Console, line: Line) -> bool:
    with console.database.write() as session:
        changed = agents.page_left(session, line.agent_id, line.page)
    if changed:
        console.nudges.tell(AGENTS_CHANGED)
    return changed


def _gone(console: Console, line: Line) -> None:
    with console.database.write() as session:
        changed = agents.page_gone(session, line.agent_id, now())
    if changed:
        console.nudges.tell(AGENTS_CHANGED)
