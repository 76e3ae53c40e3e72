"""Danger on screen: the case's head, its first step, and a strip on every supervisor's page."""

import pytest

from hotline.calls import facts as calls
from hotline.calls.facts import Fact, Seen
from hotline.cases import work
from hotline.keys import Keys
from models import Database
from models.db.types import now
from tests.support.browsers import HTMX, Browser, SignIn
from tests.support.cast import Cast
from tests.support.thailand import saw


@pytest.fixture
def case_id(db: Database, keys: Keys, staff: Cast) -> int:
    """A case of Alice's."""
    with db.write() as session:
        contact = saw(session, keys, "a", Fact.KEY, now(), Seen(language="my", number="0812345678"))
        calls.close(session, contact, now(), join_within_s=0, brief_s=10)
        work.claim(session, contact.case_id or 0, staff.alice)
        return contact.case_id or 0


async def test_yes_turns_the_head_red_and_stands_on_every_supervisors_page(
    alice: Browser, signed_in: SignIn, staff: Cast, case_id: int
) -> None:
    """Until one of them takes it; agents and administrators have no strip."""
    form = {"was": "", "callback": "unknown", "in_danger": "yes"}
    assert (await alice.post(f"/cases/{case_id}/safety", **form)).status == 303
    text = await alice.text(f"/cases/{case_id}")
    assert 'class="case-head danger"' in text
    assert text.index("Supervisor now") < text.index("Say what the call was")
    assert "I take it" not in text
    sofia = signed_in(staff.sofia)
    strip = await sofia.text("/dangers", **HTMX)
    assert f'href="/cases/{case_id}"' in strip
    assert "written down by Alice" in strip
    assert 'id="dangers"' in await sofia.text("/roster")
    assert "I take it" in await sofia.text(f"/cases/{case_id}")
    assert 'id="dangers"' not in await alice.text("/queue")
    assert (await alice.get("/dangers")).status == 403

    taken = await sofia.post(f"/cases/{case_id}/danger/taking", HTMX)
    assert f"/cases/{case_id}" not in await taken.text()
    again = await sofia.post(f"/cases/{case_id}/danger/taking", HTMX)
    assert again.status == 409
    assert "taken this already" in await again.text()
    text = await alice.text(f"/cases/{case_id}")
    assert 'class="case-head danger"' in text
    assert "Supervisor now" not in text
    assert "In danger: a supervisor has taken it" in text


async def test_no_is_no_danger(alice: Browser, case_id: int) -> None:
    """Nor is a question that was not asked."""
    for answer in ("no", ""):
        was = "" if answer == "no" else await reviewed(alice, case_id)
        form = {"was": was, "callback": "unknown", "in_danger": answer}
        assert (await alice.post(f"/cases/{case_id}/safety", **form)).status == 303
        assert "case-head danger" not in await alice.text(f"/cases/{case_id}")


async def reviewed(browser: Browser, case_id: int) -> str:
    text = await browser.text(f"/cases/{case_id}/safety/form", **HTMX)
    return text.partition('name="was" value="')[2].partition('"')[0]
