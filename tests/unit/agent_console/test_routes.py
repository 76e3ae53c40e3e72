"""The route table as a whole: every route says who may use it, and means it."""

import re
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestServer

from agent_console import app as console_app
from hotline.keys import Keys, load_keys, make_keys
from hotline.permissions import ALLOWED, Permission
from hotline.settings import Settings
from models import Database, Role
from tests.conftest import fresh_database, settings_in
from tests.support import cast as cast_of_people
from tests.support.browsers import HTMX, Browser, SignIn, browsers
from tests.support.cast import Cast
from web.routes import Open, Route

ROOM = Path(console_app.__file__).parent
ROUTES = console_app.all_routes()
PUBLIC = {("GET", "/alive"), ("GET", "/sign-in"), ("POST", "/sign-in")}

in_one_loop = pytest.mark.asyncio(loop_scope="module")


# Four hundred requests that are refused change nothing, so they share one console.


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return settings_in(tmp_path_factory.mktemp("routes"))


@pytest.fixture(scope="module")
def keys(settings: Settings) -> Keys:
    make_keys(settings.keys)
    return load_keys(settings.keys, may_open=True)


@pytest.fixture(scope="module")
def db(settings: Settings, database: str, request: pytest.FixtureRequest) -> Iterator[Database]:
    with fresh_database(settings, database, request, hired=True) as db:
        yield db


@pytest.fixture(scope="module")
def staff(db: Database) -> Cast:
    with db.read() as session:
        return cast_of_people.find(session)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(settings: Settings, keys: Keys, staff: Cast) -> AsyncIterator[TestServer]:
    it = TestServer(console_app.make_app(settings))
    await it.start_server()
    yield it
    await it.close()


@pytest_asyncio.fixture(loop_scope="module")
async def new_browser(server: TestServer) -> AsyncIterator[Callable[[], Browser]]:
    async with browsers(server) as make:
        yield make


def address(route: Route) -> str:
    return re.sub(r"\{[^}]+\}", "1", route.path)


def named(route: Route) -> str:
    return f"{route.method} {route.path}"


def test_every_route_that_is_served_is_in_the_table_and_names_its_permission(server: TestServer) -> None:
    """A handler that came in another way would have no guard."""
    for served in server.app.router.routes():  # type: ignore[union-attr]
        path = served.resource.canonical if served.resource else ""
        if path == "/static" or (served.method, path) in {("POST", old) for old in console_app.MOVED}:
            continue
        route = getattr(served.handler, "route", None)
        assert isinstance(route, Route), f"{served.method} {path} has no guard"
        assert isinstance(route.guarded, (Permission, Open))


def test_only_the_known_routes_are_public() -> None:
    """Adding one is a decision that this list shows."""
    assert {(r.method, r.path) for r in ROUTES if r.guarded is Open.PUBLIC} == PUBLIC


def test_every_route_has_one_place_in_the_table() -> None:
    """The second of two would never be reached."""
    assert len({(r.method, r.path) for r in ROUTES}) == len(ROUTES)


@pytest.mark.parametrize(("old", "new"), console_app.MOVED.items())
@in_one_loop
async def test_a_form_of_the_version_before_is_sent_on_to_its_new_address(
    old: str, new: str, new_browser: Callable[[], Browser]
) -> None:
    """An open page has the old addresses; the guard stands at the new one. An id with a newline ends no header."""
    outsider = new_browser()
    answer = await outsider.post(old.replace("{id}", "7"))
    assert (answer.status, answer.headers["Location"]) == (308, new.replace("{id}", "7"))
    answer = await outsider.post(old.replace("{id}", "7%0D%0AX-Forged:%201"))
    assert "X-Forged" not in answer.headers
    assert any((r.method, r.path) == ("POST", new) for r in ROUTES)


@pytest.mark.parametrize("route", [r for r in ROUTES if r.guarded is not Open.PUBLIC], ids=named)
@in_one_loop
async def test_an_outsider_is_sent_to_sign_in(route: Route, new_browser: Callable[[], Browser]) -> None:
    """Whatever they ask for."""
    outsider = new_browser()
    answer = await (outsider.post if route.method == "POST" else outsider.get)(address(route))
    assert answer.status == (401 if route.stream else 303)
    assert "/sign-in" in answer.headers.get("Location", answer.headers.get("HX-Redirect", ""))


@pytest.mark.parametrize("route", [r for r in ROUTES if isinstance(r.guarded, Permission)], ids=named)
@in_one_loop
async def test_who_lacks_the_permission_is_refused(route: Route, signed_in: SignIn, staff: Cast) -> None:
    """For each route, somebody whose role does not allow it; there must be one for this test to mean anything."""
    who = {Role.AGENT: staff.alice, Role.SUPERVISOR: staff.sofia, Role.ADMINISTRATOR: staff.adam}
    lacking = [who[role] for role in Role if route.guarded not in ALLOWED[role]]
    if route.guarded is Permission.SEE_ROSTER:
        assert not lacking, "everybody may see the roster"
        return
    assert lacking
    for person in lacking:
        browser = signed_in(person)
        answer = await (browser.post if route.method == "POST" else browser.get)(address(route))
        assert answer.status == 403, f"{person.login} was let through"


@pytest.mark.parametrize("route", [r for r in ROUTES if r.method == "POST"], ids=named)
@in_one_loop
async def test_a_form_without_its_token_is_refused(route: Route, signed_in: SignIn, staff: Cast) -> None:
    """The cookie alone is not enough to change anything."""
    who = staff.adam if route.guarded in ALLOWED[Role.ADMINISTRATOR] else staff.sofia
    browser = signed_in(who)
    for token in ("", "x" * 32):
        browser.csrf = token
        answer = await browser.post(address(route))
        assert answer.status == 403, (route.path, answer.status)


@pytest.mark.parametrize("route", [r for r in ROUTES if "{" in r.path], ids=named)
@in_one_loop
async def test_what_is_gone_is_said_and_is_no_fault(route: Route, signed_in: SignIn, staff: Cast) -> None:
    """An object that a colleague removed, or an id that never was: a page that says so, for htmx a line."""
    who = staff.adam if route.guarded in ALLOWED[Role.ADMINISTRATOR] else staff.sofia
    for gone in ("999", "0", "x", "9" * 30):
        browser = signed_in(who)
        path = re.sub(r"\{[^}]+\}", gone, route.path)
        for headers in ({}, HTMX):
            ask = browser.post(path, headers) if route.method == "POST" else browser.get(path, **headers)
            answer = await ask
            assert answer.status < 500, (route.method, path, answer.status)


@pytest.mark.parametrize("path", sorted({r.path for r in ROUTES}))
@in_one_loop
async def test_a_wrong_method_is_told_what_is_right(path: str, signed_in: SignIn, staff: Cast) -> None:
    """405 with the methods that the path takes."""
    alice = signed_in(staff.alice)
    methods = {r.method for r in ROUTES if r.path == path}
    answer = await alice.client.request("DELETE", re.sub(r"\{[^}]+\}", "1", path))
    assert answer.status == 405
    assert methods <= set(answer.headers["Allow"].split(","))
    assert "This cannot be done here" in await answer.text()


def test_no_template_holds_a_script_a_style_or_a_handler_of_its_own() -> None:
    """The content policy would block it, and somebody would weaken the policy."""
    bad = re.compile(
        r"<style|\sstyle=|<script(?![^>]*\ssrc=)|\son[a-z]+=|javascript:|hx-on|hx-vals=.js:", re.IGNORECASE
    )
    templates = list(ROOM.rglob("*.html"))
    assert len(templates) > 80
    for template in templates:
        found = bad.search(template.read_text())
        assert found is None, f"{template.name}: {found[0]}"


def test_every_file_of_the_room_is_short() -> None:
    """None past 400 lines, vendored files aside."""
    for file in ROOM.rglob("*"):
        if file.suffix in {".py", ".html", ".css", ".js"} and "vendor" not in file.parts:
            assert len(file.read_text().splitlines()) <= 400, file.name
