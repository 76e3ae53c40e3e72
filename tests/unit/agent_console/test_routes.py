"""The route table as a whole: every route says who may use it, and means it."""

import re
from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer

from agent_console import app as console_app
from agent_console.routes import Open, Route
from hotline.permissions import ALLOWED, Permission
from models import Role
from tests.cast import Cast
from tests.unit.agent_console.conftest import Browser, SignIn

ROOM = Path(console_app.__file__).parent
ROUTES = console_app.all_routes()
PUBLIC = {("GET", "/alive"), ("GET", "/sign-in"), ("POST", "/sign-in")}


def address(route: Route) -> str:
    return re.sub(r"\{[^}]+\}", "1", route.path)


def named(route: Route) -> str:
    return f"{route.method} {route.path}"


def test_every_route_that_is_served_is_in_the_table_and_names_its_permission(server: TestServer) -> None:
    """A handler that came in another way would have no guard."""
    for served in server.app.router.routes():  # type: ignore[union-attr]
        path = served.resource.canonical if served.resource else ""
        if path == "/static":
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


@pytest.mark.parametrize("route", [r for r in ROUTES if r.guarded is not Open.PUBLIC], ids=named)
async def test_an_outsider_is_sent_to_sign_in(route: Route, outsider: Browser) -> None:
    """Whatever she asks for."""
    answer = await (outsider.post if route.method == "POST" else outsider.get)(address(route))
    assert answer.status == (401 if route.keeps else 303)
    assert "/sign-in" in answer.headers.get("Location", answer.headers.get("HX-Redirect", ""))


@pytest.mark.parametrize("route", [r for r in ROUTES if isinstance(r.guarded, Permission)], ids=named)
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
async def test_a_form_without_its_token_is_refused(route: Route, signed_in: SignIn, staff: Cast) -> None:
    """The cookie alone is not enough to change anything."""
    who = staff.adam if route.guarded in ALLOWED[Role.ADMINISTRATOR] else staff.sofia
    browser = signed_in(who)
    for token in ("", "x" * 32):
        browser.csrf = token
        answer = await browser.post(address(route))
        assert answer.status == 403, (route.path, answer.status)


@pytest.mark.parametrize("path", sorted({r.path for r in ROUTES}))
async def test_a_wrong_method_is_told_what_is_right(path: str, alice: Browser) -> None:
    """405 with the methods that the path takes."""
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
    for template in (ROOM / "templates").rglob("*.html"):
        found = bad.search(template.read_text())
        assert found is None, f"{template.name}: {found[0]}"


def test_every_file_of_the_room_is_short() -> None:
    """None past 400 lines, vendored files aside."""
    for file in ROOM.rglob("*"):
        if file.suffix in {".py", ".html", ".css", ".js"} and "vendor" not in file.parts:
            assert len(file.read_text().splitlines()) <= 400, file.name
