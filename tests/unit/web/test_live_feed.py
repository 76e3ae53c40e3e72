"""The live feed: names and ids only, and the truth about whether it is live."""

import asyncio
import signal
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestServer
from sqlmodel import col, select

from agent_console.phone.heartbeat import ARE_YOU_THERE
from hotline import nudges
from hotline.nudges import Nudges
from hotline.settings import Settings
from models import Database, SignIn
from models.db.types import now
from tests.support.browsers import Browser
from tests.support.cast import Cast
from tests.support.wait import PATIENCE_S
from web import live_feed as feed_module
from web.live_feed import FEED, Feed, OpenPage

StartRedis = Callable[[], "subprocess.Popen[bytes]"]


@asynccontextmanager
async def listening(browser: Browser) -> AsyncIterator[ClientResponse]:
    async with browser.client.get("/live") as stream:
        assert stream.status == 200
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        yield stream


async def next_name(stream: ClientResponse, within_s: float = PATIENCE_S) -> str:
    async with asyncio.timeout(within_s):
        while True:
            line = (await stream.content.readline()).decode().rstrip("\n")
            if line == f"data: {ARE_YOU_THERE}":
                continue  # asked every few seconds, for the page that has a phone
            if line.startswith("data: "):
                return line.removeprefix("data: ")
            assert line == "" or line.startswith(":"), f"the feed said more than a name: {line!r}"


async def until_name(stream: ClientResponse, wanted: str) -> list[str]:
    heard = []
    while not heard or heard[-1] != wanted:
        heard.append(await next_name(stream))
    return heard


async def up(stream: ClientResponse) -> None:
    """The feed may start before Redis was heard; then it says so, and corrects itself."""
    if await next_name(stream) == feed_module.DOWN:
        await until_name(stream, feed_module.UP)


async def test_a_nudge_reaches_every_page_as_its_name_and_nothing_else(
    redis: StartRedis, settings: Settings, alice: Browser, bob: Browser
) -> None:
    """What is no name and id stays behind."""
    redis()
    async with listening(alice) as first, listening(bob) as second:
        for stream in (first, second):
            await up(stream)
        teller = Nudges(settings.redis)
        await asyncio.to_thread(teller.tell, "a caller: 0812345678", "data: x\n\nevil", nudges.case_changed(7))
        for stream in (first, second):
            assert await next_name(stream) == "case-changed:7"


async def test_a_page_is_told_when_redis_is_lost_and_found(redis: StartRedis, alice: Browser) -> None:
    """So that it says 'not live' instead of showing old news."""
    process = redis()
    async with listening(alice) as stream:
        await up(stream)
        process.terminate()
        process.wait()
        assert await next_name(stream) == feed_module.DOWN
        redis()
        assert await next_name(stream) == feed_module.UP


async def test_a_redis_that_hangs_is_noticed_too(redis: StartRedis, alice: Browser) -> None:
    """It says as little as one with no news."""
    process = redis()
    async with listening(alice) as stream:
        await up(stream)
        process.send_signal(signal.SIGSTOP)
        try:
            assert await next_name(stream, 20.0) == feed_module.DOWN
        finally:
            process.send_signal(signal.SIGCONT)
        assert await next_name(stream) == feed_module.UP


async def test_without_redis_the_feed_says_so_at_once(alice: Browser) -> None:
    """The first thing a page hears is whether it is live."""
    async with listening(alice) as stream:
        assert await next_name(stream) == feed_module.DOWN


@pytest.fixture
def quick_beat(monkeypatch: pytest.MonkeyPatch) -> None:
    """A heart that beats many times a second."""
    monkeypatch.setattr(feed_module, "BEAT_S", 0.05)


@pytest.mark.usefixtures("quick_beat")
class TestTheHeart:
    """What every page hears now and then."""

    @pytest.fixture
    async def two(self, quick_beat: None, alice: Browser, bob: Browser) -> tuple[Browser, Browser]:
        """Two pages, at a console whose heart beats quickly."""
        return alice, bob

    async def test_it_beats_and_notices_that_one_sign_in_ended(
        self, two: tuple[Browser, Browser], db: Database, staff: Cast
    ) -> None:
        """A page of somebody signed out is closed by the next beat; the others go on."""
        async with listening(two[0]) as first, listening(two[1]) as second:
            await until_name(first, feed_module.ALIVE)
            with db.write() as session:
                hers = col(SignIn.agent_id) == staff.alice.id
                session.exec(select(SignIn).where(hers)).one().ended_at = now()
            assert (await until_name(first, feed_module.SIGNED_OUT))[-1] == feed_module.SIGNED_OUT
            assert (await first.content.read()).strip() == b""
            await next_name(second)
            assert await next_name(second) == feed_module.ALIVE


class Wire(asyncio.Transport):
    """A connection whose other end does not read, or has gone."""

    def __init__(self, behind: int = 0, *, closing: bool = False) -> None:
        super().__init__()
        self.behind, self.closing, self.sent, self.hung_up = behind, closing, b"", False

    def is_closing(self) -> bool:
        return self.closing

    def get_write_buffer_size(self) -> int:
        return self.behind

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += data

    def abort(self) -> None:
        self.hung_up = True


async def test_a_page_that_does_not_keep_up_is_let_go() -> None:
    """What waits for it is bounded; it comes back and fetches everything. The others hear on."""
    feed = Feed()
    wires = Wire(), Wire(feed_module.BEHIND_MAX + 1), Wire(closing=True)
    pages = [OpenPage(wire, "") for wire in wires]
    for page in pages:
        feed.join(page)
    feed.tell("case-changed:7")
    assert [page.gone.done() for page in pages] == [False, True, True]
    assert [wire.hung_up for wire in wires] == [False, True, False]
    assert [bool(wire.sent) for wire in wires] == [True, False, False]
    assert feed.pages() == pages[:1]


async def test_stopping_the_console_ends_every_feed(server: TestServer, alice: Browser) -> None:
    """Else it would not stop while a page is open."""
    async with listening(alice) as stream:
        await next_name(stream)
        server.app[FEED].close()  # type: ignore[union-attr]
        assert (await stream.content.read()).strip() == b""


class Heard:
    """A listener that keeps what it hears."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def receive(self, name: str) -> bool:
        self.names.append(name)
        return True

    def end(self) -> None:
        self.names.append("")


@pytest.mark.parametrize("name", ["queue-changed", "case-changed:12", "alive"])
def test_what_may_pass(name: str) -> None:
    """Names, and names with an id."""
    feed, heard = Feed(), Heard()
    feed.join(heard)
    feed.tell(name)
    assert heard.names == [name]


@pytest.mark.parametrize(
    "name", ["", "Alice", "case-changed:", "case-changed:1 2", "0812345678", "x\ndata: y", "a:1:2"]
)
def test_what_may_not(name: str) -> None:
    """Anything else."""
    feed, heard = Feed(), Heard()
    feed.join(heard)
    feed.tell(name)
    assert heard.names == []
