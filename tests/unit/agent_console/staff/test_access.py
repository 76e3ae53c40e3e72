"""Signing in and out, and what guards a session."""

import asyncio
import re
from collections.abc import Callable

import pytest
from aiohttp.test_utils import TestServer
from sqlmodel import col, select

from agent_console.console import CONSOLE
from agent_console.staff import sign_in_log
from hotline.settings import Settings
from hotline.staff import people, sign_ins
from hotline.staff import states as agents
from hotline.throttle import TRIES, Attempt, Throttle
from models import Agent, AgentStatus, Database, SignIn
from models.db.types import now
from tests.support.browsers import BOOSTED, HTMX, Browser
from tests.support.browsers import SignIn as SignInAs
from tests.support.cast import PASSWORD, Cast
from web.client_address import address_of
from web.guard import SESSION
from web.request import own_path

NEW = "another long password"


def session_cookie(answer: object) -> str:
    return next(h for h in answer.headers.getall("Set-Cookie") if h.startswith(SESSION))  # type: ignore[attr-defined]


async def test_the_right_password_leads_to_the_desk(outsider: Browser) -> None:
    """And the top bar knows who it is."""
    answer = await outsider.try_sign_in("alice", PASSWORD)
    assert (answer.status, answer.headers["Location"]) == (303, "/")
    assert "Alice" in await outsider.text("/")


async def test_an_administrator_starts_at_the_settings(outsider: Browser) -> None:
    """She has no permission for cases, so there is no desk for her."""
    assert (await outsider.try_sign_in("adam", PASSWORD)).headers["Location"] == "/settings"
    assert (await outsider.get("/")).headers["Location"] == "/settings"
    assert (await outsider.get("/queue")).status == 403


async def test_the_cookie_is_for_the_server_only_and_the_table_holds_its_hash(outsider: Browser, db: Database) -> None:
    """A script cannot read it, another site cannot send it, a stolen table opens nothing."""
    cookie = session_cookie(await outsider.try_sign_in("alice", PASSWORD))
    assert all(flag in cookie for flag in ("HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=57600"))
    assert "Secure" not in cookie
    token = cookie.split("=", 1)[1].split(";")[0]
    with db.read() as session:
        row = session.exec(select(SignIn)).one()
        assert row.token_sha256 == sign_ins.sha256(token)
        assert token not in repr(row)


async def test_under_tls_the_cookie_is_secure(
    server: TestServer, outsider: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So it never travels in the clear."""
    monkeypatch.setattr(server.app[CONSOLE].settings, "secure_cookies", True)
    answer = await outsider.client.get("/sign-in")
    assert "Secure" in answer.headers["Set-Cookie"]
    assert "Strict-Transport-Security" in answer.headers


@pytest.mark.parametrize(
    ("login", "password"), [("alice", "not her password"), ("nobody", PASSWORD), ("charlie", PASSWORD), ("", "")]
)
async def test_a_failed_sign_in_keeps_the_name_and_not_the_password(
    outsider: Browser, login: str, password: str
) -> None:
    """422, the same words whether the name is unknown, left, or the password is wrong."""
    answer = await outsider.try_sign_in(login, password)
    text = await answer.text()
    assert answer.status == 422
    assert "do not fit together" in text
    assert f'name="login" type="text" value="{login}"' in text
    assert not password or password not in text
    assert (await outsider.get("/")).status == 303


async def test_a_typed_name_is_escaped(outsider: Browser) -> None:
    """It comes back in an attribute."""
    text = await (await outsider.try_sign_in('"><script>alert(1)</script>', "x")).text()
    assert "<script>alert" not in text
    assert "&#34;&gt;&lt;script&gt;" in text


async def test_five_failures_make_the_sixth_wait_even_with_the_right_password(outsider: Browser) -> None:
    """The wait is told in minutes."""
    for _ in range(TRIES):
        assert "do not fit" in await (await outsider.try_sign_in("alice", "wrong")).text()
    answer = await outsider.try_sign_in("alice", PASSWORD)
    assert answer.status == 422
    assert "Too many failed sign-ins. Try again in 15 minutes." in await answer.text()
    assert (await outsider.try_sign_in("bob", PASSWORD)).status == 303, "another person is not held up"


async def test_many_attempts_at_once_do_not_slip_through(outsider: Browser) -> None:
    """Each is counted before its password is looked at."""
    answers = await asyncio.gather(*(outsider.try_sign_in("alice", "wrong") for _ in range(12)))
    looked_at = ["do not fit" in await a.text() for a in answers]
    assert sum(looked_at) <= TRIES


@pytest.mark.parametrize(("behind", "counted"), [(True, ["198.51.100.7"]), (False, ["127.0.0.1"])])
async def test_a_proxy_is_believed_only_when_a_setting_says_that_there_is_one(
    server: TestServer, outsider: Browser, monkeypatch: pytest.MonkeyPatch, behind: bool, counted: list[str]
) -> None:
    """And then only the address that the proxy itself wrote, the last."""
    seen: list[str] = []
    monkeypatch.setattr(server.app[CONSOLE].settings, "behind_proxy", behind)
    begin = Throttle.begin

    def told(throttle: Throttle, login: str, address: str, browser: str = "") -> Attempt:
        seen.append(address)
        return begin(throttle, login, address, browser)

    monkeypatch.setattr(Throttle, "begin", told)
    outsider.client.session.headers["X-Forwarded-For"] = "10.9.8.7, 198.51.100.7:4431"
    await outsider.try_sign_in("alice", "wrong")
    assert seen == counted


@pytest.mark.parametrize(
    ("remote", "forwarded", "address"),
    [
        ("127.0.0.1", [], "127.0.0.1"),
        ("127.0.0.1", ["1.1.1.1", "2.2.2.2"], "2.2.2.2"),
        ("127.0.0.1", ["1.1.1.1, <script>"], "127.0.0.1"),
        ("127.0.0.1", ["[2001:db8:1:2:3::4]:443"], "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::9", [], "2001:db8:1:2::/64"),
        ("::ffff:10.0.0.1", [], "10.0.0.1"),
        ("fe80::1%eth0", [], "fe80::/64"),
        (None, ["  "], ""),
    ],
)
def test_an_address_is_read_in_one_spelling(remote: str | None, forwarded: list[str], address: str) -> None:
    """Else one browser would count as many."""
    assert address_of(remote, forwarded, behind_proxy=True) == address


async def test_neither_login_nor_address_is_kept_in_the_clear(
    server: TestServer, outsider: Browser, settings: Settings
) -> None:
    """Of who failed, nothing but how often."""
    await outsider.try_sign_in("somebody-else", "wrong")
    sign_in_log.write(server.app[CONSOLE], all_of_them=True)
    raw = b"".join(p.read_bytes() for p in settings.data.glob("freeline.db*"))
    assert b"somebody-else" not in raw


async def test_a_sign_in_ends_the_one_that_this_browser_had(outsider: Browser, db: Database) -> None:
    """On a shared computer the colleague before is signed out."""
    for login in ("alice", "bob"):
        assert (await outsider.try_sign_in(login, PASSWORD)).status == 303
    with db.read() as session:
        ended = {row.agent_id: row.ended_at is not None for row in session.exec(select(SignIn))}
    assert list(ended.values()) == [True, False]


async def test_the_sign_in_form_needs_its_token(outsider: Browser) -> None:
    """Else another site could sign a person in as somebody else."""
    answer = await outsider.client.post("/sign-in", data={"login": "alice", "password": PASSWORD, "csrf": ""})
    assert answer.status == 403


async def test_a_form_from_another_site_is_refused_even_with_the_token(alice: Browser) -> None:
    """The browser itself says where it comes from."""
    answer = await alice.post("/state", {"Sec-Fetch-Site": "cross-site"}, to="ready")
    assert answer.status == 403


async def test_one_persons_token_does_not_fit_another(alice: Browser, bob: Browser) -> None:
    """The token belongs to the session."""
    alice.csrf = bob.csrf
    assert (await alice.post("/state", to="ready")).status == 403


async def test_after_signing_out_the_old_cookie_opens_nothing(alice: Browser) -> None:
    """The row has ended, whoever kept the token."""
    token = next(c.value for c in alice.client.session.cookie_jar if c.key == SESSION)
    assert (await alice.post("/sign-out")).headers["Location"] == "/sign-in"
    alice.client.session.cookie_jar.update_cookies({SESSION: token})
    assert (await alice.get("/")).status == 303


async def test_an_expired_sign_in_opens_nothing(alice: Browser, db: Database) -> None:
    """It ends by itself."""
    assert (await alice.get("/")).status == 200
    with db.write() as session:
        session.exec(select(SignIn)).one().expires_at = now()
    assert (await alice.get("/")).status == 303


async def test_who_leaves_is_out_at_once(alice: Browser, db: Database, staff: Cast) -> None:
    """An account that is switched off ends every page."""
    with db.write() as session:
        session.get_one(Agent, staff.alice.id).active = False
    assert (await alice.get("/queue")).status == 303


async def test_a_fragment_of_somebody_signed_out_sends_the_whole_browser(outsider: Browser) -> None:
    """401 with HX-Redirect, so that no piece of a page shows a sign-in form."""
    for headers in (HTMX, BOOSTED):
        answer = await outsider.get("/queue/waiting", **headers)
        assert (answer.status, answer.headers["HX-Redirect"]) == (401, "/sign-in")


async def test_sign_in_leads_back_to_the_page_that_was_asked_for(outsider: Browser) -> None:
    """But only to a page of ours."""
    assert (await outsider.get("/queue")).headers["Location"] == "/sign-in?next=/queue"
    assert (await outsider.try_sign_in("alice", PASSWORD, next="/queue")).headers["Location"] == "/queue"


@pytest.mark.parametrize(
    "there",
    ["https://evil.example", "//evil.example", "/\\evil.example", "evil", "javascript:x", "/a\r\nX: y", "\\\\e"],
)
def test_a_way_back_that_leads_elsewhere_is_dropped(there: str) -> None:
    """A sign-in page must not send anybody to another site."""
    assert own_path(there) == ""


async def test_a_given_password_is_changed_before_anything_else(outsider: Browser, db: Database, staff: Cast) -> None:
    """Every page leads to the form until it is done."""
    with db.write() as session:
        people.set_password(session, session.get_one(Agent, staff.alice.id), NEW, by_id=None, must_change=True)
    assert (await outsider.try_sign_in("alice", NEW)).headers["Location"] == "/account/password"
    assert (await outsider.get("/queue")).headers["Location"] == "/account/password"
    found = re.search(r'name="csrf" value="([^"]+)"', await outsider.text("/account/password"))
    assert found
    outsider.csrf = found[1]
    answer = await outsider.post("/account/password", old=NEW, new=PASSWORD, again=PASSWORD)
    assert (answer.status, answer.headers["Location"]) == (303, "/")
    assert "Your password is changed." in await outsider.text("/")


async def test_nothing_fetches_itself_while_a_password_is_chosen(
    signed_in: SignInAs, db: Database, staff: Cast
) -> None:
    """It would be sent back to this very form, and take away what was typed."""
    alice = signed_in(staff.alice)
    with db.write() as session:
        session.get_one(Agent, staff.alice.id).must_change_password = True
    text = await alice.text("/account/password")
    assert 'data-live="none"' in text
    assert "hx-get" not in text
    assert 'action="/sign-out"' in text


async def test_signing_in_ends_the_sign_in_elsewhere(alice: Browser, outsider: Browser) -> None:
    """One person is at one place: her phone rings there and nowhere else."""
    assert (await alice.get("/")).status == 200
    assert (await outsider.try_sign_in("alice", PASSWORD)).status == 303
    assert (await alice.get("/")).status == 303
    assert (await outsider.get("/")).status == 200


async def test_a_new_password_ends_the_sign_in_that_it_replaces(
    alice: Browser, new_browser: Callable[[], Browser]
) -> None:
    """This browser goes on with a new cookie; whoever copied the old one does not."""
    thief = new_browser()
    thief.client.session.cookie_jar.update_cookies({c.key: c.value for c in alice.client.session.cookie_jar})
    assert (await thief.get("/")).status == 200
    assert (await alice.post("/account/password", old=PASSWORD, new=NEW, again=NEW)).status == 303
    assert (await alice.get("/")).status == 200
    assert (await thief.get("/")).status == 303


@pytest.mark.parametrize("status", [AgentStatus.RINGING, AgentStatus.ON_CALL])
async def test_a_new_password_is_refused_in_a_call_which_it_would_cut(
    alice: Browser, db: Database, staff: Cast, status: AgentStatus
) -> None:
    """The phone's line hangs on the sign-in that ends."""
    with db.write() as session:
        agents.set_status(session, staff.alice.id, status, call="a")
    answer = await alice.post("/account/password", old=PASSWORD, new=NEW, again=NEW)
    assert answer.status == 409
    assert "You are in a call" in await answer.text()
    with db.write() as session:
        agents.set_status(session, staff.alice.id, AgentStatus.WRAP_UP, call="a")
    assert (await alice.post("/account/password", old=PASSWORD, new=NEW, again=NEW)).status == 303


@pytest.mark.parametrize(
    ("old", "new", "again", "field"),
    [
        ("wrong", NEW, NEW, "old"),
        (PASSWORD, NEW, NEW + "!", "again"),
        (PASSWORD, "short", "short", "new"),
        (PASSWORD, PASSWORD, PASSWORD, "new"),
    ],
)
async def test_a_password_that_will_not_do_is_said_at_its_field(
    alice: Browser, old: str, new: str, again: str, field: str
) -> None:
    """422, and nothing changed."""
    answer = await alice.post("/account/password", old=old, new=new, again=again)
    assert answer.status == 422
    assert f'id="{field}-wrong"' in await answer.text()
    assert (await alice.get("/")).status == 200


async def test_a_phone_secret_is_shown_once(alice: Browser, db: Database, staff: Cast) -> None:
    """Only its digest is kept."""
    text = await (await alice.post("/account/phone")).text()
    found = re.search(r'<code id="secret">([^<]+)</code>', text)
    assert found
    assert found[1] not in await alice.text("/account")
    with db.read() as session:
        agent = session.exec(select(Agent).where(col(Agent.id) == staff.alice.id)).one()
        assert agent.phone_secret_ha1
        assert found[1] not in agent.phone_secret_ha1


async def test_the_screen_is_kept_in_this_browser(alice: Browser, new_browser: Callable[[], Browser]) -> None:
    """Dark, and no letter keys."""
    assert (await alice.post("/account/screen", screen_language="en", theme="dark")).status == 303
    text = await alice.text("/queue")
    assert 'data-theme="dark"' in text
    assert 'data-keys="off"' in text
    assert (await alice.post("/account/screen", screen_language="tlh")).status == 422
