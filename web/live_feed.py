"""The live feed: one subscription to the nudges for the whole site, fanned out to the pages. Names and ids only.

What a page hears: the names of hotline.nudges as they are, `alive` every 15 seconds, `feed-down` and `feed-up` when
Redis is lost and found, `signed-out` when its sign-in ended. It then fetches its own fragments, each authorised anew.
"""

import asyncio
import contextlib
import re
import threading
import time
from collections.abc import AsyncIterator
from functools import lru_cache
from typing import Protocol

from aiohttp import web

from hotline.log import log
from hotline.nudges import Nudges
from hotline.staff import sign_ins
from web import background
from web.routes import Open, Routes, SignedIn
from web.site import SITE

routes = Routes()
ALIVE, DOWN, UP, SIGNED_OUT = "alive", "feed-down", "feed-up", "signed-out"
BEAT_S = 15.0
TRY_AGAIN_S = 1.0
HEAR_S = 1.0
ASK_S = 5.0
BEHIND_MAX = 16 * 1024  # bytes that wait to be sent to a page, beyond what its socket holds
_NAME = re.compile(r"[a-z]+(-[a-z]+)*(:\d+)?")


class Listener(Protocol):
    """Who hears the names."""

    def receive(self, name: str) -> bool:
        """A name. False when it cannot be taken any more: then the listener is let go."""

    def end(self) -> None:
        """There will be no more names."""


class OpenPage:
    """A page that listens. The feed writes to its connection by itself, so that a page costs no task of its own at each
    name; `gone` is done when it is over. A page that does not keep up is hung up on, and comes back.
    """

    __slots__ = ("_connection", "gone", "token_sha256")

    def __init__(self, connection: asyncio.Transport, token_sha256: str) -> None:
        self._connection, self.token_sha256 = connection, token_sha256
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def receive(self, name: str) -> bool:
        """Send it on."""
        if self._connection.is_closing():
            return False
        if self._connection.get_write_buffer_size() > BEHIND_MAX:
            self._connection.abort()
            return False
        self._connection.write(_piece(name))
        return True

    def end(self) -> None:
        """Let it go."""
        if not self.gone.done():
            self.gone.set_result(None)


class Feed:
    """Who listens, and whether Redis is there."""

    def __init__(self) -> None:
        self.up = False
        self._listeners: set[Listener] = set()

    def join(self, listener: Listener) -> None:
        """Listen."""
        self._listeners.add(listener)

    def leave(self, listener: Listener) -> None:
        """Stop listening."""
        self._listeners.discard(listener)

    def pages(self) -> list[OpenPage]:
        """The pages that listen now."""
        return [listener for listener in self._listeners if isinstance(listener, OpenPage)]

    def tell(self, name: str) -> None:
        """Pass a name on to everybody; anything that is not a name and an id stays here."""
        if not _NAME.fullmatch(name):
            return
        for listener in list(self._listeners):
            if not listener.receive(name):
                self.leave(listener)
                listener.end()

    def set_up(self, up: bool) -> None:
        """Keep whether Redis is there, and say it when that changes."""
        if up is not self.up:
            self.up = up
            self.tell(UP if up else DOWN)

    def close(self) -> None:
        """Let everybody go."""
        for listener in list(self._listeners):
            self.leave(listener)
            listener.end()


FEED = web.AppKey("feed", Feed)


async def let_go(app: web.Application) -> None:
    """End every feed, so that the server can stop."""
    app[FEED].close()


async def listen(app: web.Application) -> AsyncIterator[None]:
    """Hear the nudges in a thread of their own, as long as the site is served."""
    feed, loop, stop = app[FEED], asyncio.get_running_loop(), threading.Event()
    nudges = app[SITE].nudges
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


@routes.stream("/live", Open.SIGNED_IN)
async def live(request: web.Request, signed: SignedIn) -> web.StreamResponse:
    """The feed of one page."""
    feed = request.app[FEED]
    stream = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
    stream.enable_chunked_encoding()
    await stream.prepare(request)
    up = feed.up
    try:
        # The head goes out with the first words; from here on the feed writes, in chunks as HTTP/1.1 wants them.
        await stream.write(_words(ALIVE if up else DOWN))
    except ConnectionResetError:
        return stream
    if request.transport is None:
        return stream
    page = OpenPage(request.transport, signed.token_sha256)
    if feed.up is not up:
        page.receive(UP if feed.up else DOWN)
    feed.join(page)
    try:
        await page.gone
    finally:
        feed.leave(page)
    return stream


async def run_beat(app: web.Application) -> AsyncIterator[None]:
    """Tell every page now and then that the feed lives, and those whose sign-in has ended that it has."""
    async with background.running(_beat(app)):
        yield


async def _beat(app: web.Application) -> None:
    site, feed = app[SITE], app[FEED]

    def look(tokens: set[str]) -> set[str]:
        with site.database.read() as session:
            return sign_ins.still_signed_in(session, tokens)

    while True:
        await asyncio.sleep(BEAT_S)
        pages = feed.pages()
        tokens = {page.token_sha256 for page in pages}
        try:
            signed_in = await site.in_thread(lambda tokens=tokens: look(tokens)) if tokens else set()  # type: ignore[misc]
        except Exception as error:  # noqa: BLE001  (without the beat nobody would ever be told again)
            # Nobody is told that the feed lives: after a while the pages say that they are not live.
            log().warning("the sign-ins of the pages cannot be read", error=error)
            continue
        for page in pages:
            stays = page.token_sha256 in signed_in
            if not page.receive(ALIVE if stays else SIGNED_OUT) or not stays:
                feed.leave(page)
                page.end()


def _words(name: str) -> bytes:
    comment = ": still here\n" if name == ALIVE else ""
    return f"{comment}data: {name}\n\n".encode()


@lru_cache(maxsize=64)
def _piece(name: str) -> bytes:
    words = _words(name)
    return b"%x\r\n%b\r\n" % (len(words), words)
