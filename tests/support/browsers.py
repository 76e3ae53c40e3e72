"""The console in front of a real database, and people with browsers of their own."""

import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from aiohttp import ClientResponse, CookieJar
from aiohttp.test_utils import TestClient, TestServer

from agent_console import app as console_app
from agent_console.console import CONSOLE
from hotline.keys import Keys
from hotline.settings import Settings
from hotline.staff import sign_ins
from models import Agent, Database
from tests.support.cast import Cast
from tests.support.fake_operator import Operated
from tests.support.wait import until
from web.guard import SESSION

TOKEN = re.compile(r'name="csrf" value="([^"]+)"')
HTMX = {"HX-Request": "true"}
BOOSTED = {"HX-Request": "true", "HX-Boosted": "true", "HX-Target": "main"}


@dataclass
class Browser:
    """One browser; `csrf` is the token of its session."""

    client: TestClient  # type: ignore[type-arg]
    csrf: str = ""

    async def get(self, path: str, **headers: str) -> ClientResponse:
        """Fetch a page without following where it sends us."""
        return await self.client.get(path, allow_redirects=False, headers=headers)

    async def text(self, path: str, **headers: str) -> str:
        """A page's text; it must be there."""
        answer = await self.get(path, **headers)
        assert answer.status == 200, (path, answer.status)
        return await answer.text()

    async def post(self, path: str, _headers: dict[str, str] | None = None, **form: str) -> ClientResponse:
        """Send a form with the session's token."""
        data = {"csrf": self.csrf} | form
        return await self.client.post(path, data=data, allow_redirects=False, headers=_headers or {})

    async def try_sign_in(self, login: str, password: str, **form: str) -> ClientResponse:
        """Sign in as a person does, by the form."""
        found = TOKEN.search(await self.text("/sign-in"))
        assert found
        data = {"csrf": found[1], "login": login, "password": password} | form
        return await self.client.post("/sign-in", data=data, allow_redirects=False)


@pytest.fixture
async def server(settings: Settings, keys: Keys, staff: Cast) -> AsyncIterator[TestServer]:
    """The console, serving; its people are hired and its keys made."""
    it = TestServer(console_app.make_app(settings))
    await it.start_server()
    yield it
    await it.close()


@pytest.fixture
async def operated(server: TestServer) -> Operated:
    """What the console asks of Asterisk, kept instead of done."""
    it = Operated()
    server.app[CONSOLE].operator = it  # type: ignore[assignment, union-attr]
    return it


@pytest.fixture
async def new_browser(server: TestServer) -> AsyncIterator[Callable[[], Browser]]:
    """Makes browsers that share nothing."""
    async with browsers(server) as make:
        yield make


@asynccontextmanager
async def browsers(server: TestServer) -> AsyncIterator[Callable[[], Browser]]:
    """Makes browsers that share nothing, and closes them."""
    opened: list[TestClient] = []  # type: ignore[type-arg]

    def make() -> Browser:
        client = TestClient(server, cookie_jar=CookieJar(unsafe=True))
        opened.append(client)
        return Browser(client)

    yield make
    for client in opened:
        await client.session.close()


SignIn = Callable[[Agent], Browser]


@pytest.fixture
def signed_in(new_browser: Callable[[], Browser], db: Database, keys: Keys) -> SignIn:
    """Gives a person a browser in which she is signed in."""

    def sign_in(agent: Agent) -> Browser:
        with db.write() as session:
            granted = sign_ins.grant(session, session.get_one(Agent, agent.id), 12)
        browser = new_browser()
        browser.client.session.cookie_jar.update_cookies({SESSION: granted.token})
        browser.csrf = granted.csrf
        return browser

    return sign_in


@pytest.fixture
async def outsider(new_browser: Callable[[], Browser]) -> Browser:
    """Somebody who is not signed in."""
    return new_browser()


@pytest.fixture
async def alice(signed_in: SignIn, staff: Cast) -> Browser:
    """Alice, an agent, signed in."""
    return signed_in(staff.alice)


@pytest.fixture
async def bob(signed_in: SignIn, staff: Cast) -> Browser:
    """Bob, an agent, signed in."""
    return signed_in(staff.bob)


@pytest.fixture
async def adam(signed_in: SignIn, staff: Cast) -> Browser:
    """Adam, the administrator, signed in."""
    return signed_in(staff.adam)


@pytest.fixture
def redis(settings: Settings) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Starts a redis-server on the settings' own socket; it can be ended and started again."""
    settings.run.mkdir(parents=True, exist_ok=True)
    started: list[subprocess.Popen[bytes]] = []
    program = shutil.which("redis-server")
    assert program

    def start() -> subprocess.Popen[bytes]:
        socket = settings.run / "redis.sock"
        process = subprocess.Popen(
            [program, "--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no"],
            stdout=subprocess.DEVNULL,
        )
        started.append(process)
        until(lambda: socket.exists() and process.poll() is None)
        return process

    yield start
    for process in started:
        process.terminate()
        process.wait()


Post = Callable[..., Awaitable[ClientResponse]]
