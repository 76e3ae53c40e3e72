"""After a call: what it was, and what comes next; what nobody has said stays on the desk until it is said."""

from datetime import timedelta

import pytest
from sqlmodel import select

from hotline.calls import conversations, wrap_ups
from hotline.calls import facts as calls
from hotline.keys import Keys
from hotline.staff import states as agents
from models import AgentState, AgentStatus, Case, CaseStatus, Contact, Database, Disposition, Draft, Note
from models.db.types import now
from tests.support.browsers import HTMX, Browser
from tests.support.cast import Cast
from tests.support.on_call import Line


@pytest.fixture
def wrapping(db: Database, keys: Keys, staff: Cast) -> Contact:
    """Alice's call is over and she wraps it up."""
    with db.write() as session:
        line = Line(session, keys)
        contact = line.answered(staff.alice)
        line.over(staff.alice, contact)
        return contact


def status(db: Database, agent_id: int | None) -> AgentStatus:
    with db.read() as session:
        return session.get_one(AgentState, agent_id).status


def said(db: Database, contact: Contact) -> Disposition | None:
    with db.read() as session:
        return session.get_one(Contact, contact.id).disposition


async def test_done_needs_to_know_what_the_call_was(
    alice: Browser, wrapping: Contact, db: Database, staff: Cast
) -> None:
    text = await alice.text("/state")
    assert "What was it?" in text
    assert "data-until" in text
    assert text.count('name="disposition"') == 7
    answer = await alice.post("/wrap-up", HTMX, call=wrapping.call, then="ready")
    assert answer.status == 422
    assert "Say first what it was." in await answer.text()
    assert status(db, staff.alice.id) is AgentStatus.WRAP_UP
    answer = await alice.post("/wrap-up", HTMX, call=wrapping.call, disposition="information")
    assert 'aria-pressed="true"' in await answer.text()
    assert status(db, staff.alice.id) is AgentStatus.WRAP_UP, "she may still be writing"
    await alice.post("/wrap-up", HTMX, call=wrapping.call, then="ready")
    assert status(db, staff.alice.id) is AgentStatus.READY
    assert said(db, wrapping) is Disposition.INFORMATION


@pytest.mark.parametrize(
    ("then", "becomes"),
    [("ready", AgentStatus.READY), ("not_ready", AgentStatus.NOT_READY), ("break:meal", AgentStatus.BREAK)],
)
async def test_what_comes_next_is_her_choice(
    then: str, becomes: AgentStatus, alice: Browser, wrapping: Contact, db: Database, staff: Cast
) -> None:
    answer = await alice.post("/wrap-up", call=wrapping.call, disposition="substantive", then=then)
    assert answer.status == 303, "a plain form does it all at once"
    assert status(db, staff.alice.id) is becomes


@pytest.mark.parametrize("disposition", ["silent", "test", "wrong_number", "abusive"])
async def test_what_a_person_says_was_no_case_closes_it(
    disposition: str, alice: Browser, wrapping: Contact, db: Database
) -> None:
    await alice.post("/wrap-up", HTMX, call=wrapping.call, disposition=disposition)
    with db.read() as session:
        assert session.get_one(Case, wrapping.case_id).status is CaseStatus.CLOSED


async def test_more_time_lets_it_last_longer(alice: Browser, wrapping: Contact, db: Database, staff: Cast) -> None:
    with db.read() as session:
        before = session.get_one(AgentState, staff.alice.id).until
    await alice.post("/wrap-up", HTMX, call=wrapping.call, more="1")
    with db.read() as session:
        after = session.get_one(AgentState, staff.alice.id).until
    assert before is not None
    assert after == before + timedelta(seconds=60)


async def test_a_call_nobody_described_is_on_the_desk_until_it_is(
    alice: Browser, bob: Browser, wrapping: Contact, db: Database, staff: Cast
) -> None:
    assert f"undescribed-{wrapping.id}" not in await alice.text("/"), "the bar asks just now"
    with db.write() as session:
        agents.end_due_wrap_ups(session, now() + timedelta(hours=1))
    assert f"undescribed-{wrapping.id}" in await alice.text("/")
    assert f"undescribed-{wrapping.id}" not in await bob.text("/")
    answer = await alice.post("/wrap-up", HTMX, call=wrapping.call, disposition="follow_up", from_desk="1")
    assert 'id="undescribed"' in await answer.text()
    assert f"undescribed-{wrapping.id}" not in await alice.text("/desk/undescribed")
    assert said(db, wrapping) is Disposition.FOLLOW_UP


async def test_a_colleagues_call_and_a_call_that_goes_on_are_not_hers_to_describe(
    bob: Browser, alice: Browser, wrapping: Contact, db: Database, keys: Keys, staff: Cast
) -> None:
    assert (await bob.post("/wrap-up", HTMX, call=wrapping.call, disposition="silent")).status == 409
    assert (await bob.post("/wrap-up", HTMX, call="none", disposition="silent")).status == 404
    assert (await bob.post("/wrap-up", HTMX, call=wrapping.call, disposition="nonsense")).status == 422
    with db.write() as session:
        going = Line(session, keys, "0899990002").answered(staff.alice)
    assert (await alice.post("/wrap-up", HTMX, call=going.call, disposition="silent")).status == 409
    assert said(db, wrapping) is None


async def test_a_stale_form_describes_its_own_call_and_leaves_the_next_alone(
    alice: Browser, wrapping: Contact, db: Database, keys: Keys, staff: Cast
) -> None:
    """Her wrap-up ended by itself and the next call has come when she presses Done."""
    with db.write() as session:
        agents.finish_wrap_up(session, staff.alice.id)
        Line(session, keys, "0899990002").answered(staff.alice)
    answer = await alice.post("/wrap-up", HTMX, call=wrapping.call, disposition="information", then="break:meal")
    assert answer.status == 200
    assert said(db, wrapping) is Disposition.INFORMATION
    assert status(db, staff.alice.id) is AgentStatus.ON_CALL


async def test_who_had_the_call_last_says_what_it_was(alice: Browser, db: Database, keys: Keys, staff: Cast) -> None:
    """Alice handed the worker to Bob: nothing is asked of her, while it goes on and after."""
    with db.write() as session:
        line = Line(session, keys)
        contact = line.answered(staff.alice)
        conversations.hand_to(session, contact.call, staff.bob.id, now())
        agents.off_call(session, staff.alice.id, now(), 120)
    assert "goes on without you" in await alice.text("/state")
    with db.write() as session:
        line = Line(session, keys)
        contact = session.get_one(Contact, contact.id)
        conversations.end(session, contact.call)
        calls.close(session, contact, now(), join_within_s=900, brief_s=10)
        assert wrap_ups.undescribed(session, staff.alice, now()) == []
        [(found, _case)] = wrap_ups.undescribed(session, staff.bob, now())
        assert found.id == contact.id
    answer = await alice.post("/wrap-up", HTMX, call=contact.call, then="ready")
    assert answer.status == 200
    assert status(db, staff.alice.id) is AgentStatus.READY


async def test_a_note_is_kept_as_it_is_typed_and_gone_when_it_is_saved(
    alice: Browser, bob: Browser, wrapping: Contact, db: Database
) -> None:
    here = f"/cases/{wrapping.case_id}"
    answer = await alice.post(f"{here}/draft", text="The gate is locked at night <b>")
    assert answer.status == 200
    kept = await answer.text()
    text = await alice.text(here)
    assert "The gate is locked at night &lt;b&gt;" in text
    assert f"Draft kept {kept}" in text
    assert "The gate is locked" not in await bob.text(here), "it is hers alone"
    assert await (await alice.post(f"{here}/draft", text="  ")).text() == "", "emptied, it is thrown away"
    await alice.post(f"{here}/draft", text="The gate is locked at night")
    await alice.post(f"{here}/notes", HTMX, text="The gate is locked at night")
    with db.read() as session:
        assert session.exec(select(Draft)).all() == []
        assert session.exec(select(Note)).one().text == "The gate is locked at night"
    assert (await alice.post(f"{here}/draft", text="x" * 20_001)).status == 422
    assert (await alice.post("/cases/9999/draft", text="x")).status == 404
