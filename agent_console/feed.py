"""The live feed: one subscription to the nudges for the whole console, fanned out to the pages. Names and ids only.

What a page hears: the names of hotline.events as they are, `alive` every 15 seconds, `feed-down` and `feed-up` when
Redis is lost and found, `signed-out` when its sign-in ended. It then fetches its own fragments, each authorised anew.
"""

import asyncio
import contextlib
import re
import threading
import time
from collections.abc import AsyncIterator

from aiohttp import web

from agent_console.console import CONSOLE
from agent_console.routes import Open, Routes, Signed
from hotline import sign_ins
from hotline.events import Nudges

routes = Routes()
ALIVE, DOWN, UP, SIGNED_OUT = "alive", "feed-down", "feed-up", "signed-out"
BEAT_S = 15.0
TRY_AGAIN_S = 1.0
HEAR_S = 1.0
ASK_S = 5.0
WAITING_MAX = 100
_NAME = re.compile(r"[a-z]+(-[a-z]+)*(:\d+)?")


class Feed:
    """The pages that listen, each with a bounded queue. A page that does not keep up is let go and comes back."""

    def __init__(self) -> None:
        self.up = False
        self._pages: set[asyncio.Queue[str | None]] = set()

    def join(self) -> asyncio.Queue[str | None]:
        """Listen. The queue ends with None."""
        page: asyncio.Queue[str | None] = asyncio.Queue(WAITING_MAX + 1)
        self._pages.add(page)
        return page

    def leave(self, page: asyncio.Queue[str | None]) -> None:
        """Stop listening."""
        self._pages.discard(page)

    def tell(self, name: str) -> None:
        """Pass a name on to every page; anything that is not a name and an id stays here."""
        if not _NAME.fullmatch(name):
            return
        for page in list(self._pages):
            if page.qsize() >= WAITING_MAX:
                self.leave(page)
                page.put_nowait(None)
            else:
                page.put_nowait(name)

    def set_up(self, up: bool) -> None:
        """Keep whether Redis is there, and say it when that changes."""
        if up is not self.up:
            self.up = up
            self.tell(UP if up else DOWN)

    def close(self) -> None:
        """Let every page go."""
        for page in list(self._pages):
            self.leave(page)
            page.put_nowait(None)


FEED = web.AppKey("feed", Feed)


async def let_go(app: web.Application) -> None:
    """End every feed, so that the server can stop."""
    app[FEED].close()


async def hear(app: web.Application) -> AsyncIterator[None]:
    """Hear the nudges in a thread of their own, as long as the console runs."""
    feed, loop, stop = app[FEED], asyncio.get_running_loop(), threading.Event()
    nudges = app[CONSOLE].nudges
    thread = threading.Thread(target=_listen, args=(nudges, feed, loop, stop), name="feed", daemon=True)
    thread.start()
    yield
    stop.set()


def _listen(nudges: Nudges, feed: Feed, loop: asyncio.AbstractEventLoop, stop: threading.Event) -> None:
    # A loop that is closed cannot be called any more; then nobody listens either.
    with contextlib.suppress(RuntimeError):
        while not stop.is_set():
            if nudges.there():
                _pass_on(nudges, feed, loop, stop)
            loop.call_soon_threadsafe(feed.set_up, False)
            stop.wait(TRY_AGAIN_S)


def _pass_on(nudges: Nudges, feed: Feed, loop: asyncio.AbstractEventLoop, stop: threading.Event) -> None:
    """Until Redis is lost. One that hangs says nothing, like one with no news: so it is asked now and then."""
    asked_at = time.monotonic()
    for name in nudges.hear(HEAR_S):
        if stop.is_set():
            return
        if not feed.up:
            loop.call_soon_threadsafe(feed.set_up, True)
        if name:
            loop.call_soon_threadsafe(feed.tell, name)
        if time.monotonic() - asked_at > ASK_S:
            if not nudges.there():
                return
            asked_at = time.monotonic()


@routes.keep("/live", Open.SIGNED_IN)
async def live(request: web.Request, signed: Signed) -> web.StreamResponse:
    """The feed of one page."""
    feed = request.app[FEED]
    stream = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
    await stream.prepare(request)
    page = feed.join()
    loop = asyncio.get_running_loop()
    try:
        await _say(stream, ALIVE if feed.up else DOWN)
        beat_at = loop.time() + BEAT_S
        while True:
            try:
                name = await asyncio.wait_for(page.get(), max(0.0, beat_at - loop.time()))
            except TimeoutError:
                name = ALIVE if await _still_signed_in(request, signed) else SIGNED_OUT
                beat_at = loop.time() + BEAT_S
            if name is None:
                break
            await _say(stream, name)
            if name == SIGNED_OUT:
                break
    except ConnectionResetError:
        pass
    finally:
        feed.leave(page)
    return stream


async def _say(stream: web.StreamResponse, name: str) -> None:
    comment = ": still here\n" if name == ALIVE else ""
    await stream.write(f"{comment}data: {name}\n\n".encode())


async def _still_signed_in(request: web.Request, signed: Signed) -> bool:
    console = request.app[CONSOLE]

    def look() -> bool:
        with console.database.read() as session:
            return sign_ins.find_hashed(session, signed.token_sha256) is not None

    return await console.in_thread(look)
