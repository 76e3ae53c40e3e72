"""The agents' SIP has a process of its own: what holds up the console does not hold it up."""

import asyncio
import gc
import os
import signal
import threading
from collections.abc import Iterator

import pytest
from aiohttp import ClientSession, WSCloseCode, WSMsgType, web
from aiohttp.test_utils import TestServer

from agent_console.console import CONSOLE
from agent_console.phone import sip_proxy
from agent_console.phone.sip_process import LEFT
from agent_console.phone.sip_proxy import CARRIER
from hotline.settings import Settings
from telephony.operator.operator import Operator, PhoneSecret
from tests.support.browsers import Browser
from tests.support.wait import PATIENCE_S
from web.guard import SESSION

ROUNDS = 50


class Elsewhere:
    """A page and an Asterisk that answers what it hears, in a thread with a loop of their own."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._loop = settings, asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.do(self._listen())

    def do(self, work):  # type: ignore[no-untyped-def]
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _listen(self) -> None:
        async def echo(request: web.Request) -> web.WebSocketResponse:
            side = web.WebSocketResponse(protocols=("sip",))
            await side.prepare(request)
            async for message in side:
                await side.send_str(message.data)
            return side

        app = web.Application()
        app.router.add_get("/ws", echo)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._settings.asterisk_http_port).start()

    async def connect(self, url: str, token: str) -> None:
        self._session = ClientSession(cookies={SESSION: token})
        self._line = await self._session.ws_connect(url, protocols=("sip",), headers={"Origin": url.split("/phone")[0]})

    async def rounds(self, many: int) -> list[str]:
        heard = []
        for n in range(many):
            await self._line.send_str(f"OPTIONS {n}")
            heard.append(await self._line.receive_str(timeout=10))
        return heard

    async def ended(self) -> bool:
        message = await self._line.receive(timeout=10)
        return message.type in {WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.ERROR}

    async def hang_up(self, code: int) -> None:
        await self._line.close(code=code)

    async def leave(self) -> None:
        await self._session.close()
        await self._runner.cleanup()

    def close(self) -> None:
        self.do(self.leave())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()


@pytest.fixture
def elsewhere(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Elsewhere]:
    monkeypatch.setattr(Operator, "new_phone", lambda *_: PhoneSecret("agent1", "secret", "freeline"))
    it = Elsewhere(settings)
    yield it
    it.close()


async def connect(elsewhere: Elsewhere, browser: Browser) -> None:
    page = (await (await browser.post("/phone/credentials")).json())["page"]
    url = str(browser.client.make_url(f"/phone/sip?page={page}"))
    token = next(c.value for c in browser.client.session.cookie_jar if c.key == SESSION)
    await asyncio.to_thread(elsewhere.do, elsewhere.connect(url, token))


async def test_while_the_console_does_nothing_at_all_the_phones_go_on(alice: Browser, elsewhere: Elsewhere) -> None:
    """Its event loop stands still until fifty messages have gone there and back."""
    await connect(elsewhere, alice)
    heard = elsewhere.do(elsewhere.rounds(ROUNDS))  # waits on the loop of the console, which serves nobody meanwhile
    assert heard == [f"OPTIONS {n}" for n in range(ROUNDS)]


async def test_the_process_can_die_and_the_phones_come_back(
    server: TestServer, alice: Browser, elsewhere: Elsewhere
) -> None:
    """The page sees its connection end, connects again, and a new process carries it."""
    await connect(elsewhere, alice)
    carrier = server.app[CARRIER]  # type: ignore[union-attr]
    first = carrier.pid
    os.kill(first, signal.SIGKILL)
    assert await asyncio.to_thread(elsewhere.do, elsewhere.ended())
    await connect(elsewhere, alice)
    assert carrier.pid != first
    assert await asyncio.to_thread(elsewhere.do, elsewhere.rounds(1)) == ["OPTIONS 0"]


@pytest.mark.parametrize(("code", "ended"), [(LEFT, [1]), (WSCloseCode.GOING_AWAY, []), (WSCloseCode.OK, [])])
async def test_only_a_page_that_says_so_takes_its_calls_with_it(
    server: TestServer,
    alice: Browser,
    elsewhere: Elsewhere,
    monkeypatch: pytest.MonkeyPatch,
    code: int,
    ended: list[int],
) -> None:
    """A front that is reloaded says 1001 for every page at once: their conversations go on."""
    gone: list[int] = []
    monkeypatch.setattr(Operator, "page_gone", lambda _self, _agent_id: gone.append(1))
    await connect(elsewhere, alice)
    await asyncio.to_thread(elsewhere.do, elsewhere.hang_up(code))
    async with asyncio.timeout(PATIENCE_S):
        while server.app[CONSOLE].phones.lines():  # type: ignore[union-attr]
            await asyncio.sleep(0.01)
    assert gone == ended


async def test_a_process_that_hangs_is_begun_anew(
    server: TestServer, alice: Browser, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody else looks at it, and without it no page can be rung. The first look comes after five seconds."""
    await connect(elsewhere, alice)
    carrier = server.app[CARRIER]  # type: ignore[union-attr]
    first = carrier.pid
    os.kill(first, signal.SIGSTOP)
    with monkeypatch.context() as soon:
        soon.setattr(sip_proxy, "ASK_S", 0.1)
        soon.setattr(sip_proxy, "HUNG_S", 0.1)
        async with asyncio.timeout(PATIENCE_S):
            while carrier.pid == first:
                await asyncio.sleep(0.01)
    assert await asyncio.to_thread(elsewhere.do, elsewhere.ended())
    await connect(elsewhere, alice)
    assert await asyncio.to_thread(elsewhere.do, elsewhere.rounds(1)) == ["OPTIONS 0"]


async def test_one_that_turns_is_let_be(server: TestServer, alice: Browser, elsewhere: Elsewhere) -> None:
    """It answers when it is asked."""
    await connect(elsewhere, alice)
    carrier = server.app[CARRIER]  # type: ignore[union-attr]
    carrier._socket.send(b'{"ask": true}')
    async with asyncio.timeout(PATIENCE_S):
        await carrier._turns.wait()
    assert await asyncio.to_thread(elsewhere.do, elsewhere.rounds(1)) == ["OPTIONS 0"]


async def test_the_browsers_connection_is_the_other_processs_alone(
    server: TestServer, alice: Browser, elsewhere: Elsewhere
) -> None:
    """The console keeps no descriptor and no connection of it."""
    held = len(server.runner.server.connections)  # type: ignore[union-attr]
    await connect(elsewhere, alice)
    gc.collect()
    async with asyncio.timeout(10):
        while len(server.runner.server.connections) > max(held, 1):  # type: ignore[union-attr]
            await asyncio.sleep(0.01)
    assert await asyncio.to_thread(elsewhere.do, elsewhere.rounds(3)) == ["OPTIONS 0", "OPTIONS 1", "OPTIONS 2"]
