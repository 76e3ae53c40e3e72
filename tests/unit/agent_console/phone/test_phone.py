"""The phone's routes: who gets a secret, whose connection reaches Asterisk, and what a silent page means."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from aiohttp import ClientResponse, ClientWebSocketResponse, WSMsgType, WSServerHandshakeError, web
from aiohttp.test_utils import TestServer
from sqlmodel import select

from agent_console.console import CONSOLE, Console
from agent_console.phone import heartbeat, registry, sip_process, sip_proxy
from hotline.settings import Settings
from hotline.staff import states as agents
from models import AgentState, AgentStatus, Database
from models import SignIn as SignInRow
from models.db.types import now
from telephony.operator.ami_actions import LineFailed
from telephony.operator.operator import Operator, PhoneSecret
from tests.support.browsers import Browser, SignIn
from tests.support.cast import PASSWORD, Cast
from tests.support.wait import PATIENCE_S

SECRET = PhoneSecret("agent1", "only for this page", "freeline")


@dataclass
class Asterisk:
    """The WebSocket side of Asterisk: keeps what it hears, and says what it is told to."""

    connections: list[web.WebSocketResponse] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    callers: list[str | None] = field(default_factory=list)

    async def ws(self, request: web.Request) -> web.WebSocketResponse:
        side = web.WebSocketResponse(protocols=("sip",))
        await side.prepare(request)
        self.connections.append(side)
        self.callers.append(request.remote)
        async for message in side:
            self.heard.append(message.data)
        return side


@pytest.fixture
async def asterisk(settings: Settings) -> AsyncIterator[Asterisk]:
    """Listens where Asterisk would."""
    it = Asterisk()
    app = web.Application()
    app.router.add_get("/ws", it.ws)
    server = TestServer(app, port=settings.asterisk_http_port)
    await server.start_server()
    yield it
    await server.close()


@pytest.fixture
def dropped(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """An operator who gives secrets without Asterisk; the agents whose phones were dropped."""
    gone: list[int] = []
    monkeypatch.setattr(Operator, "new_phone", lambda _self, _agent_id: SECRET)
    monkeypatch.setattr(Operator, "drop_phone", lambda _self, agent_id: gone.append(agent_id))
    return gone


def console_of(server: TestServer) -> Console:
    return server.app[CONSOLE]  # type: ignore[union-attr,no-any-return]


async def page_of(browser: Browser) -> str:
    answer = await browser.post("/phone/credentials")
    assert answer.status == 200
    return str((await answer.json())["page"])


async def connect(
    browser: Browser, page: str, origin: str | None = "ours", protocols: tuple[str, ...] = ("sip",)
) -> ClientWebSocketResponse:
    url = browser.client.make_url(f"/phone/sip?page={page}")
    headers = {} if origin is None else {"Origin": str(url.origin()) if origin == "ours" else origin}
    return await browser.client.session.ws_connect(url, protocols=protocols, headers=headers)


async def closed(connection: ClientWebSocketResponse) -> int:
    async with asyncio.timeout(PATIENCE_S):
        while (await connection.receive()).type not in {WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.CLOSING}:
            pass
    return connection.close_code or 0


def state(db: Database, cast: Cast) -> AgentState:
    with db.read() as session:
        found = session.get(AgentState, cast.alice.id)
        return found or AgentState(agent_id=cast.alice.id)


@pytest.mark.usefixtures("dropped")
async def test_a_page_gets_servers_and_a_relay_password_that_ends_soon_after_the_sign_in(
    server: TestServer, alice: Browser, db: Database
) -> None:
    """It is made anew for each connection, and says nothing of who she is."""
    console = console_of(server)
    console.settings = console.settings.model_copy(update={"turn_urls": "turn:relay", "turn_secret": "secret"})
    [one] = (await (await alice.post("/phone/credentials")).json())["ice"]
    [two] = (await (await alice.post("/phone/credentials")).json())["ice"]
    assert one["urls"] == ["turn:relay"]
    assert one["username"] != two["username"]
    with db.read() as session:
        row = session.exec(select(SignInRow)).one()
        assert int(one["username"].partition(":")[0]) == int((row.expires_at + timedelta(hours=1)).timestamp())


@pytest.mark.usefixtures("dropped")
async def test_a_page_is_given_a_secret_and_has_the_phone_from_then_on(
    alice: Browser, db: Database, staff: Cast
) -> None:
    """It is in this one answer, which nobody keeps."""
    answer = await alice.post("/phone/credentials")
    given = await answer.json()
    assert (given["user"], given["secret"]) == (SECRET.user, SECRET.secret)
    assert answer.headers["Cache-Control"] == "no-store"
    assert state(db, staff).page == given["page"]
    assert await page_of(alice) != given["page"], "each connection has a name of its own"


async def test_without_asterisk_a_page_is_asked_to_try_again(
    alice: Browser, monkeypatch: pytest.MonkeyPatch, db: Database, staff: Cast
) -> None:
    """503, and the page does not have the phone."""

    def fails(_self: Operator, _agent_id: int) -> PhoneSecret:
        raise LineFailed("Asterisk does not answer.")

    monkeypatch.setattr(Operator, "new_phone", fails)
    assert (await alice.post("/phone/credentials")).status == 503
    assert state(db, staff).page is None


@pytest.mark.usefixtures("dropped")
async def test_frames_pass_both_ways_as_they_are(alice: Browser, asterisk: Asterisk) -> None:
    """Text and nothing else is added or taken."""
    connection = await connect(alice, await page_of(alice))
    await connection.send_str("REGISTER sip:x SIP/2.0\r\n\r\n")
    async with asyncio.timeout(PATIENCE_S):
        while not asterisk.heard:
            await asyncio.sleep(0.01)
    assert asterisk.heard == ["REGISTER sip:x SIP/2.0\r\n\r\n"]
    assert asterisk.callers == ["127.0.0.2"], "127.0.0.1 is the trunk of the demo, and needs no password"
    await asterisk.connections[0].send_str("SIP/2.0 200 OK\r\n\r\n")
    assert await connection.receive_str() == "SIP/2.0 200 OK\r\n\r\n"
    await connection.close()


@pytest.mark.parametrize(
    ("origin", "protocols", "status"),
    [
        ("https://evil.example", ("sip",), 403),
        ("null", ("sip",), 403),
        (None, ("sip",), 403),
        ("ours", (), 400),
        ("ours", ("chat",), 400),
    ],
)
@pytest.mark.usefixtures("dropped")
async def test_a_connection_of_another_site_or_of_another_kind_is_refused(
    alice: Browser, asterisk: Asterisk, origin: str | None, protocols: tuple[str, ...], status: int
) -> None:
    """A browser lets every site open one, with our cookie: only the origin tells."""
    page = await page_of(alice)
    with pytest.raises(WSServerHandshakeError) as refused:
        await connect(alice, page, origin, protocols)
    assert refused.value.status == status
    assert asterisk.connections == []


async def test_nobody_signed_out_reaches_asterisk(outsider: Browser, asterisk: Asterisk) -> None:
    """Not even with a page's name."""
    with pytest.raises(WSServerHandshakeError) as refused:
        await connect(outsider, "a" * 32)
    assert refused.value.status == 401
    assert asterisk.connections == []


@pytest.mark.usefixtures("dropped")
async def test_a_page_that_has_the_phone_no_more_is_told_so(alice: Browser, asterisk: Asterisk) -> None:
    """With a code that the page understands."""
    old = await page_of(alice)
    await page_of(alice)
    assert await closed(await connect(alice, old)) == registry.TAKEN
    assert asterisk.connections == []


@pytest.mark.usefixtures("dropped")
async def test_a_newer_connection_closes_the_older(
    alice: Browser, asterisk: Asterisk, db: Database, staff: Cast
) -> None:
    """And the older, when it goes, takes nothing from the newer."""
    first = await connect(alice, await page_of(alice))
    page = await page_of(alice)
    second = await connect(alice, page)
    assert await closed(first) == registry.TAKEN
    await second.send_str("still here")
    async with asyncio.timeout(PATIENCE_S):
        while "still here" not in asterisk.heard:
            await asyncio.sleep(0.01)
    assert state(db, staff).page == page
    await second.close()


@pytest.mark.usefixtures("dropped")
async def test_when_asterisk_goes_the_page_is_asked_to_come_back(
    alice: Browser, asterisk: Asterisk, db: Database, staff: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1012; and when it does not come soon, she has no phone."""
    monkeypatch.setattr(sip_proxy, "COMES_BACK_S", 0.1)
    connection = await connect(alice, await page_of(alice))
    async with asyncio.timeout(PATIENCE_S):
        while not asterisk.connections:
            await asyncio.sleep(0.01)
    await asterisk.connections[0].close()
    assert await closed(connection) == registry.AGAIN
    async with asyncio.timeout(PATIENCE_S):
        while state(db, staff).page is not None:
            await asyncio.sleep(0.01)


@pytest.mark.usefixtures("dropped")
async def test_an_asterisk_that_is_not_there_is_no_reason_to_give_up(alice: Browser) -> None:
    """The same code."""
    assert await closed(await connect(alice, await page_of(alice))) == registry.AGAIN


@pytest.mark.usefixtures("dropped", "asterisk")
async def test_a_frame_that_is_far_too_large_ends_the_connection(alice: Browser) -> None:
    """SIP has none of this size."""
    connection = await connect(alice, await page_of(alice))
    await connection.send_str("x" * (sip_process.FRAME_MAX + 1))
    assert await closed(connection) == 1009


@pytest.mark.usefixtures("asterisk")
async def test_signing_out_ends_the_connection_and_the_phone(
    alice: Browser, dropped: list[int], db: Database, staff: Cast
) -> None:
    """At once; and she is off duty, so that nothing rings when she opens a page again."""
    connection = await connect(alice, await page_of(alice))
    make_ready(db, staff)
    assert (await alice.post("/sign-out")).status == 303
    assert state(db, staff).status is AgentStatus.OFFLINE
    assert await closed(connection) == registry.SIGNED_OUT
    assert dropped == [staff.alice.id]
    assert state(db, staff).page is None


@pytest.mark.usefixtures("asterisk", "dropped")
async def test_signing_in_elsewhere_ends_the_connection(alice: Browser, outsider: Browser) -> None:
    """One person, one place."""
    connection = await connect(alice, await page_of(alice))
    assert (await outsider.try_sign_in("alice", PASSWORD)).status == 303
    assert await closed(connection) == registry.SIGNED_OUT


@pytest.mark.usefixtures("asterisk", "dropped")
async def test_a_sign_in_that_ended_otherwise_ends_the_connection_at_the_next_beat(
    alice: Browser, signed_in: SignIn, staff: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as by another console, or by its time."""
    monkeypatch.setattr(heartbeat, "BEAT_S", 0.1)
    connection = await connect(alice, await page_of(alice))
    signed_in(staff.alice)
    assert await closed(connection) == registry.SIGNED_OUT


async def test_no_transaction_is_open_while_asterisk_is_asked(
    server: TestServer, alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A read that stays open for seconds holds up the database's housekeeping, and on PostgreSQL a connection."""
    console, used = console_of(server), []

    def asked(_operator: Operator, _agent_id: int) -> PhoneSecret:
        used.append(console.database.engine.pool.checkedout())  # type: ignore[attr-defined]
        return SECRET

    monkeypatch.setattr(Operator, "new_phone", asked)
    monkeypatch.setattr(Operator, "drop_phone", asked)
    await page_of(alice)
    await alice.post("/sign-out")
    assert used == [0, 0]


@pytest.mark.parametrize("status", [AgentStatus.ON_CALL, AgentStatus.WRAP_UP, AgentStatus.READY])
async def test_a_sign_in_does_not_run_out_under_a_call(
    server: TestServer, alice: Browser, db: Database, staff: Cast, status: AgentStatus
) -> None:
    """The call would be cut off, and its page gone; without one it ends at its time."""
    with db.write() as session:
        agents.set_status(session, staff.alice.id, status, call="c")
        mine = session.exec(select(SignInRow).where(SignInRow.agent_id == staff.alice.id)).one()
        mine.expires_at = now() + timedelta(minutes=1)
    heartbeat._look(console_of(server), [])
    with db.read() as session:
        mine = session.exec(select(SignInRow).where(SignInRow.agent_id == staff.alice.id)).one()
    assert (mine.expires_at > now() + timedelta(minutes=10)) is (status is not AgentStatus.READY)
    assert (await alice.get("/state")).status == 200


@pytest.mark.usefixtures("asterisk", "dropped")
async def test_the_beat_goes_on_after_an_error_that_nobody_thought_of(
    alice: Browser, signed_in: SignIn, staff: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it a frozen page would stay ready."""
    look, failures = heartbeat._look, ["once"]

    def first_fails(console: Console, lines: list[registry.Line]) -> object:
        if failures:
            raise RuntimeError(failures.pop())
        return look(console, lines)

    monkeypatch.setattr(heartbeat, "_look", first_fails)
    monkeypatch.setattr(heartbeat, "BEAT_S", 0.1)
    connection = await connect(alice, await page_of(alice))
    signed_in(staff.alice)
    assert await closed(connection) == registry.SIGNED_OUT
    assert failures == []


async def here(browser: Browser, page: str) -> bool:
    answer: ClientResponse = await browser.post("/phone/heartbeat", page=page)
    assert answer.status == 200
    return bool((await answer.json())["yours"])


def make_ready(db: Database, cast: Cast) -> None:
    with db.write() as session:
        agents.set_status(session, cast.alice.id, AgentStatus.READY)


@pytest.mark.usefixtures("dropped")
async def test_a_silent_page_is_not_ready_and_one_that_speaks_again_is_told(
    server: TestServer, alice: Browser, db: Database, staff: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """She stays not ready until she says so herself."""
    console = console_of(server)
    page = await page_of(alice)
    make_ready(db, staff)
    heartbeat._look(console, [])
    assert state(db, staff).status is AgentStatus.READY, "it was heard a moment ago"
    long_ago = registry.clock() - 3600
    console.phones.turning_since = long_ago
    monkeypatch.setattr(registry.Phones, "silent_s", lambda _self, _page: console.settings.page_silent_s + 1.0)
    heartbeat._look(console, [])
    now = state(db, staff)
    assert (now.status, now.reason) == (AgentStatus.NOT_READY, agents.PAGE_LOST)
    assert await here(alice, page)
    now = state(db, staff)
    assert (now.status, now.reason) == (AgentStatus.NOT_READY, agents.PAGE_BACK)


@pytest.mark.usefixtures("asterisk", "dropped")
async def test_who_closed_her_page_is_not_ready_and_is_told_when_she_opens_one_again(
    server: TestServer, alice: Browser, db: Database, staff: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the page that she opens days later is rung before she has looked at it."""
    monkeypatch.setattr(sip_proxy, "COMES_BACK_S", 0.05)
    console_of(server).settings.page_silent_s = 0
    connection = await connect(alice, await page_of(alice))
    make_ready(db, staff)
    await connection.close()
    async with asyncio.timeout(PATIENCE_S):
        while state(db, staff).reason != agents.PAGE_LOST:
            await asyncio.sleep(0.05)
    assert state(db, staff).status is AgentStatus.NOT_READY
    await page_of(alice)
    assert state(db, staff).reason == agents.PAGE_BACK


@pytest.mark.usefixtures("dropped")
async def test_a_console_that_was_held_up_itself_blames_no_page(
    server: TestServer, alice: Browser, db: Database, staff: Cast
) -> None:
    """It heard nobody, because it did not listen."""
    console = console_of(server)
    page = await page_of(alice)
    make_ready(db, staff)
    console.phones._heard[page] = registry.clock() - 3600
    console.phones.turning_since = registry.clock()
    heartbeat._look(console, [])
    assert state(db, staff).status is AgentStatus.READY
    console.phones.turning_since -= 3600
    heartbeat._look(console, [])
    assert state(db, staff).status is AgentStatus.NOT_READY


@pytest.mark.usefixtures("dropped")
async def test_the_word_of_a_page_that_has_the_phone_no_more_does_not_count(alice: Browser) -> None:
    """Nor that of one that never had it."""
    old = await page_of(alice)
    page = await page_of(alice)
    assert not await here(alice, old)
    assert not await here(alice, "")
    assert await here(alice, page)


@pytest.mark.usefixtures("dropped", "asterisk")
async def test_a_phone_that_asterisk_does_not_know_is_made_to_come_again(
    server: TestServer, alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its page believes that it is registered; the switchboard says that it is not."""
    console = console_of(server)
    await connect(alice, await page_of(alice))
    async with asyncio.timeout(PATIENCE_S):
        while not console.phones.lines():
            await asyncio.sleep(0.01)
    [line] = console.phones.lines()
    assert heartbeat._look(console, [line]) == ([], []), "it may still be registering"
    line.since -= heartbeat.REACHABLE_WITHIN_S + 1
    assert heartbeat._look(console, [line]) == ([], [line])


@pytest.mark.parametrize(
    ("headers", "behind_proxy", "secure", "expected"),
    [
        ({"Origin": "http://a.example", "Host": "a.example"}, False, False, True),
        ({"Origin": "https://a.example", "Host": "A.example"}, False, True, True),
        ({"Origin": "http://a.example", "Host": "a.example"}, False, True, False),
        ({"Origin": "https://a.example:444", "Host": "a.example"}, False, True, False),
        ({"Origin": "https://a.example", "Host": "10.0.0.2", "X-Forwarded-Host": "a.example"}, True, True, True),
        ({"Origin": "https://a.example", "Host": "10.0.0.2", "X-Forwarded-Host": "a.example"}, False, True, False),
        ({"Origin": "https://a.example", "Host": "a.example", "Sec-Fetch-Site": "cross-site"}, False, True, False),
        ({"Host": "a.example"}, False, False, False),
    ],
)
def test_only_our_own_origin_is_ours(
    settings: Settings, headers: dict[str, str], behind_proxy: bool, secure: bool, expected: bool
) -> None:
    """Behind a front of our own, the name that it was asked for counts too."""
    from aiohttp.test_utils import make_mocked_request

    asked = make_mocked_request("GET", "/phone/sip", headers=headers)
    known = settings.model_copy(update={"behind_proxy": behind_proxy, "secure_cookies": secure})
    assert sip_proxy.from_us(asked, known) is expected
