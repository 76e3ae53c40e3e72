"""The delays of an agent's phone and pages while strangers flood the console: `python -m bench.floods [ROOT]`.

ROOT is another checkout whose console is measured instead, to compare. The console is real; Asterisk's WebSocket is an
echo. Each flood is bounded in connections, lasts for `SECONDS` and stops by itself; all of it is on loopback.
"""

import asyncio
import contextlib
import multiprocessing
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
from aiohttp import web

from hotline.settings import ROOT
from tests.support.ports import free_port

SECONDS = 8.0
EVERY_S = 0.02
AT_ONCE = 24
HALF_OPEN = 300
PASSWORD = "correct horse battery"
SET_UP = """
import sys
from hotline import agents, languages, people
from hotline.keys import make_keys
from hotline.settings import settings
from models import Database, Role
config = settings()
config.data.mkdir(parents=True)
make_keys(config.keys)
database = Database(config.database)
database.migrate()
with database.write() as session:
    languages.seed(session, ["1800123456"], demo=True)
    agent = people.add_agent(session, "alice", "Alice", Role.AGENT, sys.argv[1])
    agents.page_took(session, agent.id, "page")
    agents.state_of(session, agent.id).reachable = True
"""
CONSOLE = (
    "import sys; from agent_console.app import main; from hotline.settings import settings; sys.exit(main(settings()))"
)
TOKEN = re.compile(r'name="csrf" value="([^"]+)"')
QUIET = (aiohttp.ClientError, OSError, TimeoutError)


async def _echo(request: web.Request) -> web.WebSocketResponse:
    side = web.WebSocketResponse(protocols=("sip",))
    await side.prepare(request)
    async for message in side:
        await side.send_str(message.data)
    return side


def asterisk(port: int) -> None:
    """An echo where Asterisk would be."""
    app = web.Application()
    app.router.add_get("/ws", _echo)
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=None)


async def _multipart(url: str) -> None:
    async with aiohttp.ClientSession() as session:
        while True:
            form = aiohttp.FormData()
            form.add_field("file", b"x" * 1_000_000, filename="f")
            with contextlib.suppress(*QUIET):
                async with session.post(f"{url}/sign-in", data=form) as answer:
                    await answer.read()


async def _sign_in(url: str) -> None:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        token = ""
        while True:
            with contextlib.suppress(*QUIET):
                if not token:
                    async with session.get(f"{url}/sign-in") as answer:
                        found = TOKEN.search(await answer.text())
                        token = found[1] if found else ""
                form = {"csrf": token, "login": f"name{time.monotonic_ns()}", "password": "wrong"}
                async with session.post(f"{url}/sign-in", data=form, allow_redirects=False) as answer:
                    await answer.read()


async def _half_open(url: str) -> None:
    port = int(url.rpartition(":")[2])
    while True:
        held = []
        for _ in range(HALF_OPEN // AT_ONCE):
            with contextlib.suppress(OSError):
                _reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(b"POST /sign-in HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\nX-Half: ")
                held.append(writer)
        await asyncio.sleep(0.5)
        for writer in held:
            writer.transport.abort()


FLOODS: dict[str, Callable[[str], Awaitable[None]]] = {
    "multipart": _multipart,
    "half-open": _half_open,
    "sign-ins": _sign_in,
}


def flood(kind: str, url: str) -> None:
    """So many at once, for a while."""

    async def run() -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SECONDS + 4):
                await asyncio.gather(*(FLOODS[kind](url) for _ in range(AT_ONCE)))

    asyncio.run(run())


async def _every(work: Callable[[], Awaitable[None]]) -> list[float]:
    """How long each took, in milliseconds, with a pause between two."""
    took, end = [], time.monotonic() + SECONDS
    while time.monotonic() < end:
        begun = time.perf_counter()
        await work()
        took.append((time.perf_counter() - begun) * 1000)
        await asyncio.sleep(EVERY_S)
    return took


class _Phone:
    """A page's connection; one that is lost is opened again, as the page does."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session, self._url, self.lost = session, url, 0
        self._line: aiohttp.ClientWebSocketResponse | None = None

    async def ring(self) -> None:
        """A message there and back."""
        while True:
            try:
                if self._line is None:
                    self._line = await self._session.ws_connect(
                        f"{self._url}/phone/sip?page=page", protocols=("sip",), headers={"Origin": self._url}
                    )
                await self._line.send_str("OPTIONS sip:agent1 SIP/2.0")
                await self._line.receive_str(timeout=60)
            except (*QUIET, TypeError):
                self._line, self.lost = None, self.lost + 1
                await asyncio.sleep(EVERY_S)
            else:
                return

    async def close(self) -> None:
        """Hang up."""
        if self._line is not None:
            await self._line.close()


async def measure(url: str) -> None:
    """Sign in, connect the phone, and time both under each flood."""
    async with aiohttp.ClientSession(
        cookie_jar=aiohttp.CookieJar(unsafe=True), timeout=aiohttp.ClientTimeout(total=120)
    ) as session:
        async with session.get(f"{url}/sign-in") as answer:
            found = TOKEN.search(await answer.text())
        form = {"csrf": found[1] if found else "", "login": "alice", "password": PASSWORD}
        async with session.post(f"{url}/sign-in", data=form) as answer:
            answer.raise_for_status()
        phone = _Phone(session, url)

        async def page() -> None:
            async with session.get(f"{url}/queue") as answer:
                answer.raise_for_status()
                await answer.read()

        for kind in ("nothing", *FLOODS):
            attacker = multiprocessing.get_context("spawn").Process(target=flood, args=(kind, url), daemon=True)
            if kind != "nothing":
                attacker.start()
                await asyncio.sleep(3)
            lost, rings_and_pages = phone.lost, await asyncio.gather(_every(phone.ring), _every(page))
            if kind != "nothing":
                await asyncio.to_thread(attacker.join)
            rings, pages = rings_and_pages
            say(kind, "phone", rings, f"lost {phone.lost - lost}")
            say(kind, "page", pages)
        await phone.close()


def say(kind: str, what: str, took: list[float], more: str = "") -> None:
    """One line of the table."""
    ranked = sorted(took)

    def at(share: float) -> float:
        return ranked[min(len(ranked) - 1, int(len(ranked) * share))]

    figures = f"p50 {at(0.5):8.1f} ms  p99 {at(0.99):8.1f} ms  max {ranked[-1]:8.1f} ms"
    print(f"{kind:10} {what:6} n={len(took):4}  {figures}  {more}", flush=True)


def main() -> None:
    """Set up, measure, and take everything down."""
    root = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT
    with tempfile.TemporaryDirectory() as folder:
        port, echo_port = free_port(), free_port()
        environment = os.environ | {
            "FREELINE_DATA": f"{folder}/data",
            "FREELINE_CONSOLE_PORT": str(port),
            "FREELINE_ASTERISK_HTTP_PORT": str(echo_port),
        }
        subprocess.run([sys.executable, "-c", SET_UP, PASSWORD], cwd=root, env=environment, check=True)
        echo = multiprocessing.get_context("spawn").Process(target=asterisk, args=(echo_port,), daemon=True)
        echo.start()
        console = subprocess.Popen(
            [sys.executable, "-c", CONSOLE], cwd=root, env=environment, stderr=subprocess.DEVNULL
        )
        try:
            asyncio.run(_when_ready(f"http://127.0.0.1:{port}"))
        finally:
            console.terminate()
            console.wait(15)
            echo.terminate()


async def _when_ready(url: str) -> None:
    async with aiohttp.ClientSession() as session, asyncio.timeout(180):
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get(f"{url}/alive") as answer:
                    if answer.status == 200:
                        break
            await asyncio.sleep(0.1)
    await measure(url)


if __name__ == "__main__":
    main()
