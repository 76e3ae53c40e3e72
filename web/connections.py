"""A port of ours: who comes in must say what they want within seconds, and strangers are so many and no more.

aiohttp bounds how large a request may be, and not how long it takes to arrive: a connection that says nothing, or half a
request, or takes its answer a byte at a time, would be kept. Here strangers' connections are counted, in all and from one
address, and closed at their time. When there is no room it is the oldest that goes, so that whoever comes with a whole
request is served. A connection on which somebody signed in has spoken is no stranger's.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, cast

from aiohttp import web

HEAD_S = 10.0  # for all of a request's head, from its first byte, or from the beginning of the connection
STRANGER_S = 60.0  # from a stranger's request to the next one, its answer taken
IDLE_S = 150.0  # between two requests; longer than what a front keeps its connections for
MOST = 500
MOST_AN_ADDRESS = 100  # an office shares one, and a browser opens six
LOOK_S = 1.0
LINGER_S = 1.0  # what is still sent after a refusal is thrown away for so long, so that the refusal is read


class Guest(web.RequestHandler):
    """One connection. The door's middleware (admission.py) says when a request of it begins and ends."""

    __slots__ = ("_door", "_head_since", "_request_since", "_serving", "address", "known")

    def __init__(self, door: "Door", server: web.Server, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(
            server,
            loop=loop,
            access_log=cast(Any, None),  # aiohttp's own word for none: paths are in no log
            keepalive_timeout=IDLE_S,
            lingering_time=LINGER_S,
        )
        self._door, self.address, self.known, self._serving = door, "", False, False
        self._head_since: float | None = loop.time()
        self._request_since = loop.time()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Counted from here on."""
        super().connection_made(transport)
        self.address = str((transport.get_extra_info("peername") or ("",))[0])
        self._door.entered(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Counted no more."""
        self._door.left(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """The time of the next request's head begins with its first byte."""
        if not self._serving and self._head_since is None:
            self._head_since = asyncio.get_running_loop().time()
        super().data_received(data)

    def begins(self, *, known: bool) -> None:
        """A whole head is here."""
        self._serving, self._head_since = True, None
        self._request_since = asyncio.get_running_loop().time()
        if known:
            self.welcome()

    def ends(self) -> None:
        """The request is answered."""
        self._serving = False

    def welcome(self) -> None:
        """Somebody signed in has spoken here."""
        self.known = True
        self._door.left(self)

    def is_late(self, moment: float) -> bool:
        """Whether its time is over."""
        if self._head_since is not None:
            return moment - self._head_since > HEAD_S
        # Behind a front it is the front that waits for slow readers.
        return not self.known and not self._door.one_front and moment - self._request_since > STRANGER_S

    def throw_out(self) -> None:
        """Close it now; what it has not taken is lost."""
        if self.transport is not None:
            self.transport.abort()


class Door:
    """All connections to one port. `one_front`: they come from a proxy, so the address of a connection says nothing."""

    def __init__(self, server: web.Server, *, one_front: bool) -> None:
        self._server, self.one_front = server, one_front
        self.strangers: dict[Guest, None] = {}  # the oldest first
        self._here: dict[str, int] = {}

    def __call__(self) -> Guest:
        """What the loop makes of each connection."""
        return Guest(self, self._server, asyncio.get_running_loop())

    def entered(self, guest: Guest) -> None:
        """A new connection. When there is no room for it, the oldest of the strangers makes some."""
        crowd: list[Guest] = []
        if not self.one_front and self._here.get(guest.address, 0) >= MOST_AN_ADDRESS:
            crowd = [other for other in self.strangers if other.address == guest.address]
        elif len(self.strangers) >= MOST:
            crowd = list(self.strangers)
        if crowd:
            # It is counted no more at once: the loop tells of its end only later, and others come meanwhile.
            self.left(crowd[0])
            crowd[0].throw_out()
        self.strangers[guest] = None
        self._here[guest.address] = self._here.get(guest.address, 0) + 1

    def left(self, guest: Guest) -> None:
        """It is closed, or is no stranger's."""
        if guest not in self.strangers:
            return
        del self.strangers[guest]
        self._here[guest.address] -= 1
        if not self._here[guest.address]:
            del self._here[guest.address]

    async def watch(self) -> None:
        """Close what is late, for ever."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(LOOK_S)
            for guest in self._late(loop.time()):
                guest.throw_out()

    def _late(self, moment: float) -> list[Guest]:
        everybody = [guest for guest in self._server.connections if isinstance(guest, Guest)]
        return [guest for guest in everybody if guest.is_late(moment)]


@contextlib.asynccontextmanager
async def opened(server: web.Server, host: str, port: int, *, one_front: bool) -> AsyncIterator[Door]:
    """Serve at this address until the end. Raises OSError when it cannot be had."""
    door = Door(server, one_front=one_front)
    listening = await asyncio.get_running_loop().create_server(door, host, port, backlog=512)
    watching = asyncio.create_task(door.watch())
    try:
        yield door
    finally:
        watching.cancel()
        listening.close()
