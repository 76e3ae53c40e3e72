"""What somebody who is not signed in can do to the console: lock nobody out, send little, hold up nobody."""

import asyncio
import re
import threading
from collections.abc import Callable

import pytest
from aiohttp import ClientResponse, FormData
from aiohttp.test_utils import TestServer

from agent_console.console import CONSOLE
from agent_console.staff import hashing, sign_in
from hotline import throttle
from hotline.staff import people
from models import Database
from tests.support.browsers import TOKEN, Browser
from tests.support.cast import PASSWORD, Cast
from web import bodies, strangers

NEW = "another long password"
OFFICE, STREET = "198.51.100.7", "203.0.113.9"


@pytest.fixture
def behind_a_proxy(server: TestServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a test can say where a request comes from."""
    monkeypatch.setattr(server.app[CONSOLE].settings, "behind_proxy", True)  # type: ignore[union-attr]


def at(browser: Browser, address: str) -> Browser:
    browser.client.session.headers["X-Forwarded-For"] = address
    return browser


async def wrong(browser: Browser, logins: list[str]) -> list[str]:
    """Guess at these names, from one page, as a program would."""
    found = TOKEN.search(await browser.text("/sign-in"))
    assert found
    said = []
    for login in logins:
        form = {"csrf": found[1], "login": login, "password": "a wrong password"}
        answer = await browser.client.post("/sign-in", data=form, allow_redirects=False)
        said.append(await answer.text())
    return said


@pytest.fixture
def no_brake(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long the brake delays is tested in hotline; here it would only take the time."""
    monkeypatch.setattr(throttle, "BRAKE_MOST_S", 0.0)
    monkeypatch.setattr(people, "_nobody", people._hasher.hash("nobody's"))  # as quick as the others' in tests


@pytest.mark.usefixtures("behind_a_proxy", "no_brake")
async def test_fifty_wrong_tries_at_a_name_lock_nobody_out(new_browser: Callable[[], Browser]) -> None:
    """From as many places as the guesser likes; the person herself signs in with a browser that was never here."""
    guesser = new_browser()
    for n in range(60):
        await wrong(at(guesser, f"203.0.{n}.9"), ["alice"])
    assert (await at(new_browser(), OFFICE).try_sign_in("alice", PASSWORD)).status == 303


@pytest.mark.usefixtures("behind_a_proxy", "no_brake")
async def test_bad_names_from_one_address_lock_no_office_out(new_browser: Callable[[], Browser]) -> None:
    """A whole office shares an address with whoever sits there and guesses."""
    await wrong(at(new_browser(), OFFICE), [f"name{n}" for n in range(40)])
    assert (await at(new_browser(), OFFICE).try_sign_in("alice", PASSWORD)).status == 303


@pytest.mark.usefixtures("behind_a_proxy")
async def test_guesses_at_a_name_are_stopped_for_their_whole_network(new_browser: Callable[[], Browser]) -> None:
    """/24 and /64: who has one address there has its neighbours too."""
    for n in range(5):
        [said] = await wrong(at(new_browser(), f"203.0.113.{n}"), ["alice"])
        assert "do not fit together" in said
    answer = await at(new_browser(), STREET).try_sign_in("alice", PASSWORD)
    assert answer.status == 422
    assert "Too many failed sign-ins" in await answer.text()
    assert (await at(new_browser(), STREET).try_sign_in("bob", PASSWORD)).status == 303


@pytest.mark.usefixtures("behind_a_proxy", "no_brake")
async def test_a_browser_that_a_person_used_before_is_never_held_up(new_browser: Callable[[], Browser]) -> None:
    """Whatever others do at their name, even from their own network; with another name it is a stranger's browser."""
    known = at(new_browser(), OFFICE)
    assert (await known.try_sign_in("alice", PASSWORD)).status == 303
    known.csrf = TOKEN.search(await known.text("/account/password"))[1]  # type: ignore[index]
    assert (await known.post("/sign-out")).status == 303
    await wrong(at(new_browser(), OFFICE), ["alice", "bob"] * 8)
    assert "Too many" in await (await known.try_sign_in("bob", PASSWORD)).text()
    assert (await known.try_sign_in("alice", PASSWORD)).status == 303


@pytest.mark.usefixtures("behind_a_proxy")
async def test_a_new_password_makes_every_browser_a_stranger_but_the_one_it_was_chosen_in(
    new_browser: Callable[[], Browser],
) -> None:
    """A browser that was stolen must not stay free of the throttle."""
    old, mine = at(new_browser(), OFFICE), at(new_browser(), OFFICE)
    assert (await old.try_sign_in("alice", PASSWORD)).status == 303
    assert (await mine.try_sign_in("alice", PASSWORD)).status == 303
    mine.csrf = TOKEN.search(await mine.text("/account/password"))[1]  # type: ignore[index]
    assert (await mine.post("/account/password", old=PASSWORD, new=NEW, again=NEW)).status == 303
    await wrong(at(new_browser(), OFFICE), ["alice"] * 6)
    assert "Too many" in await (await old.try_sign_in("alice", NEW)).text()
    assert (await mine.try_sign_in("alice", NEW)).status == 303


async def test_what_marks_a_known_browser_is_for_the_server_only_and_kept_hashed(
    outsider: Browser, db: Database, staff: Cast
) -> None:
    """A stolen table gives nobody a known browser, and a made-up mark is none."""
    answer = await outsider.try_sign_in("alice", PASSWORD)
    cookie = next(h for h in answer.headers.getall("Set-Cookie") if h.startswith("freeline_browser="))
    assert all(flag in cookie for flag in ("HttpOnly", "SameSite=Lax", "Path=/"))
    mark = re.match(r"freeline_browser=([^;]+)", cookie)
    assert mark
    with db.engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT * FROM known_browser").all()
    assert len(rows) == 1
    assert not any(part in repr(rows) for part in mark[1].split("."))


async def test_an_unknown_name_takes_the_same_work_and_the_same_words(
    server: TestServer, outsider: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One password is hashed either way, and after five tries the answer is the same as well."""
    console, verified = server.app[CONSOLE], []  # type: ignore[union-attr]
    verify = console.hashing.verify
    monkeypatch.setattr(console.hashing, "verify", lambda *a: verified.append(a[0][:9]) or verify(*a))
    strip = re.compile(r'(value|content|data-now)="[^"]*"')
    known = [strip.sub("", said) for said in await wrong(outsider, ["alice"] * 6)]
    unknown = [strip.sub("", said) for said in await wrong(outsider, ["nobody-of-this-name"] * 6)]
    assert known == unknown
    assert verified == ["$argon2id"] * 10


@pytest.mark.parametrize("path", ["/sign-in", "/queue", "/nothing-here", "/account/password"])
@pytest.mark.parametrize("cookie", ["", "a token that was never given"])
async def test_a_stranger_sends_no_more_than_sixteen_kilobytes(outsider: Browser, path: str, cookie: str) -> None:
    """413 and the connection closed, whatever the page; a cookie that opens nothing changes nothing."""
    headers = {"Cookie": f"freeline_session={cookie}"} if cookie else {}
    answer = await outsider.client.post(path, data={"login": "x" * 17_000}, headers=headers, allow_redirects=False)
    assert (answer.status, answer.headers["Connection"]) == (413, "close")


async def test_a_strangers_body_of_unknown_length_is_read_no_further(outsider: Browser) -> None:
    """Chunks say nothing of how many there will be."""
    sent = 0

    async def body():  # type: ignore[no-untyped-def]
        nonlocal sent
        for _ in range(4000):
            sent += 1
            yield b"x" * 1024

    try:
        answer = await outsider.client.post(
            "/sign-in", data=body(), headers={"Content-Type": "application/x-www-form-urlencoded"}
        )
        assert (answer.status, answer.headers["Connection"]) == (413, "close")
    except ConnectionResetError:
        assert sent < 4000
    assert (await outsider.get("/sign-in")).status == 200


@pytest.mark.parametrize("size", [1, 1_000_000])
async def test_a_form_in_parts_is_read_from_nobody(outsider: Browser, alice: Browser, size: int) -> None:
    """Reading one holds up the loop, and no page of ours sends one."""
    for browser in (outsider, alice):
        form = FormData({"csrf": browser.csrf, "to": "ready"})
        form.add_field("file", b"x" * size, filename="f")
        answer: ClientResponse = await browser.client.post("/sign-in", data=form, allow_redirects=False)
        assert (answer.status, answer.headers["Connection"]) in {(415, "close"), (413, "close")}


async def test_somebody_signed_in_may_send_a_long_note_also_after_a_restart(alice: Browser, server: TestServer) -> None:
    """The console then knows nobody yet, and asks the database."""
    answer = await alice.client.post("/state", data={"csrf": alice.csrf, "to": "nonsense", "x": "y" * 60_000})
    assert answer.status == 422


async def test_a_body_that_drips_is_left(
    outsider: Browser, server: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """408; who is on a slow line needs less time than that for sixteen kilobytes."""
    monkeypatch.setattr(bodies, "STRANGER_S", 0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    kind = b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\nx"
    writer.write(b"POST /sign-in HTTP/1.1\r\nHost: x\r\n" + kind)
    async with asyncio.timeout(10):
        said = await reader.read(12)
    writer.close()
    assert said == b"HTTP/1.1 408"


@pytest.mark.usefixtures("behind_a_proxy")
async def test_who_signed_in_there_before_comes_in_when_strangers_hold_every_place(
    server: TestServer, new_browser: Callable[[], Browser]
) -> None:
    """Each holds its place by sending half of a form; their own address is full, and so is the console."""
    known, new = at(new_browser(), OFFICE), at(new_browser(), OFFICE)
    assert (await known.try_sign_in("alice", PASSWORD)).status == 303
    known.csrf = TOKEN.search(await known.text("/account/password"))[1]  # type: ignore[index]
    assert (await known.post("/sign-out")).status == 303
    held = server.app[CONSOLE].strangers  # type: ignore[union-attr]
    left = [held.enter(OFFICE) for _ in range(strangers.INSIDE_MOST_AN_ADDRESS)]
    left += [held.enter(f"203.0.113.{n}") for n in range(strangers.INSIDE_MOST - len(left))]
    assert (await new.get("/sign-in")).status == 503
    assert (await known.try_sign_in("alice", PASSWORD)).status == 303
    for leave in left:
        leave()
    assert (held.inside, held.browsers) == ({}, {})
    assert (await new.get("/sign-in")).status == 200


async def test_a_flood_of_sign_ins_is_told_to_wait_and_pages_go_on(
    server: TestServer, new_browser: Callable[[], Browser], alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hashing has its own few threads and a bounded queue: over it 503 with a time to come back."""
    console = server.app[CONSOLE]  # type: ignore[union-attr]
    hashed = threading.Event()

    def slow(_stored: str, _password: str) -> bool:
        hashed.wait(30)
        return False

    monkeypatch.setattr(hashing, "_verify", slow)
    browser = new_browser()
    found = TOKEN.search(await browser.text("/sign-in"))
    assert found
    tries = [
        asyncio.ensure_future(
            browser.client.post(
                "/sign-in", data={"csrf": found[1], "login": f"n{n}", "password": "x"}, allow_redirects=False
            )
        )
        for n in range(40)
    ]
    try:
        async with asyncio.timeout(30):
            first, _rest = await asyncio.wait(tries, return_when=asyncio.FIRST_COMPLETED)
            answer = first.pop().result()
            assert answer.status == 503
            assert int(answer.headers["Retry-After"]) > 0
            for _ in range(20):
                assert (await alice.get("/queue")).status == 200, "pages have threads of their own"
    finally:
        hashed.set()
        answers = await asyncio.gather(*tries)
    assert {a.status for a in answers} == {422, 503}
    assert console.hashing.waiting == 0


async def test_strangers_have_few_threads_of_their_own(
    server: TestServer, outsider: Browser, alice: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many ask for the sign-in page at once, an agent's page is drawn meanwhile."""
    drawn, begun = threading.Event(), threading.Semaphore(0)

    def slow(_next: str) -> str:
        begun.release()
        drawn.wait(30)
        return ""

    monkeypatch.setattr(sign_in, "own_path", slow)
    assert (await alice.get("/queue")).status == 200
    asked = [asyncio.ensure_future(outsider.get("/sign-in")) for _ in range(60)]
    try:
        assert await asyncio.to_thread(begun.acquire, timeout=20)
        async with asyncio.timeout(20):
            for _ in range(5):
                assert (await alice.get("/queue")).status == 200
    finally:
        drawn.set()
        answers = await asyncio.gather(*asked)
    assert {a.status for a in answers} <= {200, 503}
