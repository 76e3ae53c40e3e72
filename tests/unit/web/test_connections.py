"""Connections that say nothing, or half of it: closed at their time, and never in the way of anybody. By real sockets."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import structlog
from aiohttp.test_utils import TestServer

from hotline.log import start_log
from tests.support.browsers import Browser
from tests.support.ports import free_port
from web import connections
from web.connections import Door
from web.guard import SESSION

HALF = b"GET /sign-in HTTP/1.1\r\nHost: x\r\nX-Slow: "
WHOLE = b"GET /sign-in HTTP/1.1\r\nHost: x\r\n\r\n"
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Street:
    """The way to the door."""

    def __init__(self, it: Door, port: int) -> None:
        self.door, self.port = it, port
        self.opened: list[Connection] = []

    async def connect(self, says: bytes = b"") -> Connection:
        connection = await asyncio.open_connection("127.0.0.1", self.port)
        self.opened.append(connection)
        connection[1].write(says)
        return connection


@pytest.fixture
async def street(server: TestServer) -> AsyncIterator[Street]:
    port = free_port()
    assert server.runner.server
    async with connections.opened(server.runner.server, "127.0.0.1", port, one_front=False) as it:
        street = Street(it, port)
        yield street
        for _reader, writer in street.opened:
            writer.close()


async def closed(connection: Connection) -> bytes:
    """What is said before the end; there must be one."""
    async with asyncio.timeout(20):
        try:
            return await connection[0].read()
        except ConnectionResetError:
            return b""


async def answered(connection: Connection) -> bytes:
    async with asyncio.timeout(20):
        return await connection[0].readuntil(b"\r\n")


@pytest.mark.parametrize("says", [b"", b"GET /x", HALF])
async def test_a_request_that_does_not_come_is_not_waited_for(
    street: Street, monkeypatch: pytest.MonkeyPatch, says: bytes
) -> None:
    """Nor when a byte comes now and then: its time runs from the first."""
    monkeypatch.setattr(connections, "HEAD_S", 0.3)
    monkeypatch.setattr(connections, "LOOK_S", 0.05)
    connection = await street.connect(says)

    async def drip() -> None:
        while True:
            connection[1].write(b"x" if says else b"")
            await asyncio.sleep(0.02)

    dripping = asyncio.create_task(drip())
    assert await closed(connection) == b""
    dripping.cancel()
    assert not street.door.strangers


async def test_the_second_request_of_a_connection_is_not_waited_for_either(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two a browser may think; once it has begun to speak its time runs."""
    monkeypatch.setattr(connections, "LOOK_S", 0.05)
    connection = await street.connect(WHOLE)
    assert await answered(connection) == b"HTTP/1.1 200 OK\r\n"
    monkeypatch.setattr(connections, "HEAD_S", 0.3)
    connection[1].write(HALF)
    await closed(connection)


async def test_half_open_requests_are_in_nobodys_way(
    street: Street, alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is room for ten strangers; fifty come, and half of them ask for nothing. The oldest go."""
    monkeypatch.setattr(connections, "MOST", 10)
    first = await street.connect(HALF)
    for _ in range(50):
        await street.connect(HALF)
    assert await closed(first) == b""
    assert len(street.door.strangers) == 10
    assert await answered(await street.connect(WHOLE)) == b"HTTP/1.1 200 OK\r\n"
    token = next(c.value for c in alice.client.session.cookie_jar if c.key == SESSION)
    assert await answered(await street.connect(_asks("/queue", token))) == b"HTTP/1.1 200 OK\r\n"


async def test_one_address_has_not_all_the_room(street: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MOST_AN_ADDRESS", 5)
    for _ in range(30):
        await street.connect(HALF)
    assert await answered(await street.connect(WHOLE)) == b"HTTP/1.1 200 OK\r\n"
    assert len(street.door.strangers) == 5


async def test_a_connection_of_somebody_signed_in_is_never_thrown_out(
    street: Street, alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither to make room nor for its age."""
    monkeypatch.setattr(connections, "MOST", 3)
    monkeypatch.setattr(connections, "STRANGER_S", 0.2)
    monkeypatch.setattr(connections, "LOOK_S", 0.05)
    assert (await alice.get("/queue")).status == 200  # the guard has met them
    token = next(c.value for c in alice.client.session.cookie_jar if c.key == SESSION)
    theirs = await street.connect(_asks("/live", token))
    assert await answered(theirs) == b"HTTP/1.1 200 OK\r\n"
    stranger = await street.connect(WHOLE)
    assert await answered(stranger) == b"HTTP/1.1 200 OK\r\n"
    for _ in range(20):
        await street.connect(HALF)
    await closed(stranger)
    assert not theirs[0].at_eof()
    assert not theirs[1].is_closing()


async def test_half_a_form_leaves_no_word_in_the_log(street: Street, capfd: pytest.CaptureFixture[str]) -> None:
    """A stranger who sends many of them would fill the disk."""
    start_log("console")
    try:
        for _ in range(5):
            head = b"POST /sign-in HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n"
            _reader, writer = await street.connect(
                head + b"Content-Type: application/x-www-form-urlencoded\r\n\r\nlogin=a"
            )
            await writer.drain()
            writer.transport.abort()
        async with asyncio.timeout(20):
            while street.door.strangers:
                await asyncio.sleep(0.01)
        assert await answered(await street.connect(WHOLE)) == b"HTTP/1.1 200 OK\r\n"
    finally:
        structlog.reset_defaults()
    lines = capfd.readouterr().err.splitlines()
    assert [line for line in lines if "level=info" not in line] == []


def _asks(path: str, token: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\nCookie: {SESSION}={token}\r\n\r\n".encode()
