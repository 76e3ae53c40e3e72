"""The process that carries the SIP of all agents' pages, and nothing else: no page, no flood and no collector holds it up.

The console checks who asks, and hands over the browser's socket with the head of its request (sip_proxy.py). From then on
the connection is this process's own. It holds no key, no settings and no database; it ends with the console.
"""

import asyncio
import contextlib
import functools
import gc
import json
import socket
import sys
from collections.abc import Callable
from typing import Any

import aiohttp
from aiohttp import web

from hotline.log import log, start_log

PROTOCOL = "sip"
FRAME_MAX = 64 * 1024  # an offer with all its candidates is a tenth of this
# A request's head is at most two of these, with the words round it; one message of our own socket holds it.
MESSAGE_MAX = 128 * 1024
CONNECT_S = 5.0
SEND_S = 10.0
PING_S = 10.0
CLOSE_S = 2.0
AGAIN = 1012
# What a page says when it is left or loaded again. Not the protocol's own 1001: a front says that of all pages at once when
# it is reloaded, and their voices go on.
LEFT = 4003
# Where we come from when Asterisk is on this machine. In the demo 127.0.0.1 is the trunk, which needs no password: from
# there a page could send INVITEs as if a worker called.
OURSELVES = "127.0.0.2"

Side = web.WebSocketResponse | aiohttp.ClientWebSocketResponse


def to_asterisk(host: str) -> aiohttp.ClientSession:
    """A client whose address is never that of the demo's trunk: what names no endpoint with a secret is refused."""
    here = host == "localhost" or host.startswith("127.")
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(local_addr=(OURSELVES, 0) if here else None))


class Carrier:
    """The lines that are open. `tell` gives the console a word: {"closed": number, "left": whether the page was left}."""

    def __init__(self, host: str, port: int, tell: Callable[[dict[str, Any]], None]) -> None:
        self._url, self._tell = f"ws://{host}:{port}/ws", tell
        self._asterisk = to_asterisk(host)
        self._ends: dict[int, asyncio.Future[int]] = {}

    async def open(self, number: int, head: bytes, browser: socket.socket) -> None:
        """Serve a browser whose request the console has read and let through."""
        loop = asyncio.get_running_loop()
        self._ends[number] = loop.create_future()
        server = web.Server(functools.partial(self._serve, number))
        try:
            browser.setblocking(False)
            _transport, protocol = await loop.connect_accepted_socket(server, browser)
            protocol.data_received(head)
        except OSError:
            self._over(number)

    def end(self, number: int, code: int) -> None:
        """Close a line, with a code that the page understands."""
        end = self._ends.get(number)
        if end is not None and not end.done():
            end.set_result(code)

    async def _serve(self, number: int, request: web.BaseRequest) -> web.StreamResponse:
        browser: web.WebSocketResponse = web.WebSocketResponse(
            protocols=(PROTOCOL,), max_msg_size=FRAME_MAX, heartbeat=PING_S, timeout=CLOSE_S, compress=False
        )
        code = AGAIN
        try:
            asterisk = await self._connect()
            try:
                await browser.prepare(request)
                if asterisk is not None:
                    code = await self._pass_both_ways(number, browser, asterisk)
                left = browser.close_code == LEFT
                await browser.close(code=code)
                # Before Asterisk is let go, which may take its time: a caller waits for the page that comes back.
                self._over(number, left=left)
            finally:
                if asterisk is not None:
                    await asterisk.close()
        finally:
            self._over(number)
        return browser

    def _over(self, number: int, *, left: bool = False) -> None:
        if self._ends.pop(number, None) is not None:
            self._tell({"closed": number, "left": left})

    async def _connect(self) -> aiohttp.ClientWebSocketResponse | None:
        try:
            async with asyncio.timeout(CONNECT_S):
                return await self._asterisk.ws_connect(
                    self._url,
                    protocols=(PROTOCOL,),
                    max_msg_size=FRAME_MAX,
                    heartbeat=PING_S,
                    timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_S),
                )
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            log().warning("Asterisk takes no page's phone", error=error)
            return None

    async def _pass_both_ways(self, number: int, browser: Side, asterisk: Side) -> int:
        """Until either side ends, or the console ends it. A side that does not take what it is sent is left."""
        end = self._ends[number]
        ways: list[asyncio.Future[Any]] = [
            asyncio.ensure_future(_pass_on(browser, asterisk)),
            asyncio.ensure_future(_pass_on(asterisk, browser)),
        ]
        try:
            await asyncio.wait({*ways, end}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
        return end.result() if end.done() else AGAIN


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


async def _run(console: socket.socket, host: str, port: int) -> None:
    loop, over = asyncio.get_running_loop(), asyncio.Event()

    def tell(word: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):
            console.send(json.dumps(word).encode())

    carrier, opening = Carrier(host, port, tell), set[asyncio.Task[None]]()

    def hear() -> None:
        try:
            message, descriptors, _flags, _address = socket.recv_fds(console, MESSAGE_MAX, 1)
        except BlockingIOError:
            return
        except OSError:
            message, descriptors = b"", []
        if not message:
            over.set()  # the console is gone
            return
        word = json.loads(message)
        if "ask" in word:
            tell({"turns": True})
        elif "end" in word:
            carrier.end(word["end"], word["code"])
        elif descriptors:
            browser = socket.socket(fileno=descriptors[0])
            task = loop.create_task(carrier.open(word["open"], word["head"].encode("latin-1"), browser))
            opening.add(task)
            task.add_done_callback(opening.discard)

    console.setblocking(False)
    loop.add_reader(console, hear)
    tell({"ready": True})
    gc.collect()
    gc.freeze()
    await over.wait()


def main() -> None:
    """Serve what comes through the socket whose number is given, and reach Asterisk at this host and port."""
    start_log("console")
    descriptor, host, port = sys.argv[1:4]
    with socket.socket(fileno=int(descriptor)) as console:
        asyncio.run(_run(console, host, int(port)))


if __name__ == "__main__":
    main()
