"""The pages on which access is asked for, confirmed and refused; and the console that puts in force what waited."""

import re
from datetime import timedelta
from pathlib import Path

from aiohttp.test_utils import TestServer
from sqlmodel import col, select

from agent_console.console import CONSOLE
from agent_console.staff import waiting_access
from models import AccessRequest, Agent, Database, Role
from models.db.types import now
from recordings.vault.trusted_clock import TrustedClock
from tests.support.browsers import Browser, SignIn
from tests.support.cast import PASSWORD, Cast

EVE = {"name": "Eve", "login": "eve", "role": "supervisor"}


def eve(db: Database) -> Agent:
    with db.read() as session:
        return session.exec(select(Agent).where(col(Agent.login) == "eve")).one()


async def test_a_new_supervisor_waits_then_gets_a_password_from_who_asked(
    adam: Browser, outsider: Browser, signed_in: SignIn, db: Database, staff: Cast
) -> None:
    """Seen on the page of people, on every supervisor's page and in the audit; confirmed, then told once."""
    sofia = signed_in(staff.sofia)
    assert "Nothing waits" in await sofia.text("/settings/requests")
    answer = await adam.post("/settings/people", **EVE)
    here = f"/settings/people/{eve(db).id}"
    assert (answer.status, answer.headers["Location"]) == (303, here)
    assert not eve(db).active
    for browser, path in ((adam, "/settings/people"), (adam, here), (sofia, "/settings/requests")):
        assert "Add Eve as supervisor" in await browser.text(path), path
    assert "waits for a second person" in await adam.text("/settings/people")
    assert 'id="told"' not in await adam.text(here)
    strip = await sofia.text("/alerts")
    assert "Add Eve as supervisor" in strip
    assert "Take note" not in strip, "what waits is decided, not put away"
    assert "/confirmation" not in await adam.text("/settings/requests"), "who asked confirms nothing"
    assert (await adam.post("/settings/requests/1/confirmation")).status == 409
    assert (await sofia.post("/settings/requests/1/confirmation")).status == 303
    assert "Add Eve" not in await sofia.text("/alerts")
    assert "confirmed" in await sofia.text("/settings/requests")
    page = await adam.text(here)
    assert "Show the password" in page
    text = await (await adam.post(f"{here}/first-password", request="1")).text()
    told = re.search(r'<code id="told">([^<]+)</code>', text)
    assert told
    assert (await adam.post(f"{here}/first-password", request="1")).status == 409
    assert (await outsider.try_sign_in("eve", told[1])).status == 303
    audit = await sofia.text("/audit")
    assert "asked for more access" in audit
    assert "confirmed access, as the second person" in audit


async def test_the_password_of_a_supervisor_is_not_one_persons_to_reset(
    adam: Browser, outsider: Browser, signed_in: SignIn, staff: Cast
) -> None:
    sofia = signed_in(staff.sofia)
    here = f"/settings/people/{staff.sofia.id}"
    assert "Ask for a new password" in await adam.text(here)
    answer = await adam.post(f"{here}/password")
    assert answer.status == 303
    assert (await sofia.get("/queue")).status == 200, "their sign-in goes on"
    assert (await outsider.try_sign_in("sofia", PASSWORD)).status == 303


async def test_whoever_oversees_can_refuse_and_agents_cannot(
    adam: Browser, bob: Browser, signed_in: SignIn, db: Database, staff: Cast
) -> None:
    await adam.post("/settings/people", **EVE)
    for act in ("confirmation", "refusal"):
        assert (await bob.post(f"/settings/requests/1/{act}")).status == 403
        assert (await adam.post(f"/settings/requests/99/{act}")).status == 404
    assert (await signed_in(staff.sofia).post("/settings/requests/1/refusal")).status == 303
    assert not eve(db).active
    assert (await adam.post("/settings/requests/1/refusal")).status == 409
    assert (await adam.post(f"/settings/people/{eve(db).id}/first-password", request="1")).status == 409
    assert (await adam.post(f"/settings/people/{eve(db).id}/first-password", request="x")).status == 404


async def test_what_waited_its_day_is_in_force_by_a_clock_that_can_be_believed(
    adam: Browser, server: TestServer, db: Database, staff: Cast, tmp_path: Path
) -> None:
    """Not in the first day of a clock, nor when it leaps a day ahead; then the day has really passed."""
    await adam.post(f"/settings/people/{staff.bob.id}", name="Bob", role="supervisor")
    console = server.app[CONSOLE]  # type: ignore[union-attr]
    with db.read() as session:
        start = session.exec(select(AccessRequest.asked_at)).one().timestamp()
    at = {"wall": start - 86_400 * 3, "steady": 0.0}
    clock = TrustedClock(tmp_path / "clock.json", lambda: at["wall"], lambda: at["steady"], lambda: "one start")

    def pass_by(wall: float, steady: float) -> int:
        at["wall"] += wall
        at["steady"] += steady
        return waiting_access.check(console, clock)

    def bob() -> Role:
        with db.read() as session:
            return session.get_one(Agent, staff.bob.id).role

    for _ in range(72):
        assert pass_by(3600, 3600) == 0
    assert pass_by(86_400 * 2, 60) == 0, "a leap is no day"
    assert bob() is Role.AGENT
    assert pass_by(-86_400 * 2, 60) == 0
    assert [pass_by(3600, 3600) for _ in range(23)] == [0] * 23
    assert bob() is Role.AGENT
    assert pass_by(3600, 3600) == 1
    assert bob() is Role.SUPERVISOR
    assert pass_by(3600, 3600) == 0
    assert at["wall"] - start >= timedelta(days=1).total_seconds(), "premise"
    assert now().timestamp() >= start, "premise"
