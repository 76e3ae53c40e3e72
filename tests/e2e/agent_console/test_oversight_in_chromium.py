"""A supervisor's page in a real browser tells of mass reading while it happens, and takes the second person's word."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import expect
from sqlmodel import col, select

from hotline.cases import work
from hotline.nudges import ALERTS_CHANGED
from hotline.settings import Settings
from hotline.staff import access_requests
from models import AccessRequest, Agent, Callback, Case, Database, Role
from models.db.types import now
from tests.e2e.agent_console.conftest import OpenScreen, Served
from tests.support.cast import Cast


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """For the console's own process: two cases of others within an hour are usual."""
    monkeypatch.setenv("FREELINE_CASES_AN_HOUR", "2")
    yield


def cases_of_bob(db: Database, staff: Cast) -> list[int]:
    with db.write() as session:
        found = session.exec(select(Case.id).where(col(Case.owner_id).is_(None)).order_by(col(Case.id))).all()
        for case_id in found:
            work.claim(session, case_id or 0, session.get_one(Agent, staff.bob.id))
        for item in session.exec(select(Callback)):
            # A call-back that is due is never held up.
            item.due_at = now() + timedelta(hours=2)
            session.add(item)
    return [case_id or 0 for case_id in found]


def test_a_supervisor_sees_who_reads_too_much_and_takes_note(
    few: None, served: Served, screen_of: OpenScreen, staff: Cast
) -> None:
    """Live, on whatever page is open, without a reload; for the agent a page that says when to go on."""
    theirs = cases_of_bob(served.db, staff)
    sofia, alice = screen_of("sofia"), screen_of("alice")
    page = sofia.open("/roster")
    page.evaluate("window.notReloaded = true")
    for case_id in theirs[:2]:
        alice.open(f"/cases/{case_id}")
    expect(page.locator("#alerts .alert")).to_have_count(0)
    link = alice.page.goto(f"{alice.url}/cases/{theirs[2]}")
    assert link is not None
    assert link.status == 429
    expect(alice.page.locator("h1")).to_have_text("Slow down")
    expect(page.locator("#alerts .alert")).to_contain_text("Alice looked at 3 cases of others within the hour")
    page.locator("#alerts .alert button").click()
    expect(page.locator("#alerts .alert")).to_have_count(0)
    assert page.evaluate("window.notReloaded")
    assert sofia.faults + alice.faults == []


def test_the_second_person_confirms_from_the_strip(
    served: Served, screen_of: OpenScreen, staff: Cast, settings: Settings
) -> None:
    """From the alert to the request, and it is in force; the strip is gone."""
    with served.db.write() as session:
        adam = session.get_one(Agent, staff.adam.id)
        access_requests.change(session, staff.alice.id, "Alice", Role.SUPERVISOR, {}, adam, settings)
    sofia = screen_of("sofia")
    page = sofia.open("/")
    served.nudges.tell(ALERTS_CHANGED)
    page.get_by_role("link", name="Look and decide").click()
    expect(page.locator(".request")).to_contain_text("Make Alice supervisor")
    page.get_by_role("button", name="Confirm").click()
    expect(page.locator("#said")).to_contain_text("in force")
    expect(page.locator("#alerts .alert")).to_have_count(0)
    with served.db.read() as session:
        assert session.get_one(Agent, staff.alice.id).role is Role.SUPERVISOR
        assert session.exec(select(AccessRequest)).one().ended_by_id == staff.sofia.id
    assert sofia.faults == []
