"""The bar: what she is and why, the call she has, and what may be done about it."""

from datetime import timedelta

import pytest
from sqlmodel import Session, select

from hotline.calls import facts as calls
from hotline.cases import consents
from hotline.keys import Keys
from hotline.staff import states as agents
from models import (
    Agent,
    AgentState,
    AgentStatus,
    ConsentPurpose,
    Contact,
    Conversation,
    Database,
    Party,
    PartyKind,
    Place,
    TalkRecording,
)
from models.db.types import now
from tests.support.browsers import HTMX, Browser, SignIn
from tests.support.cast import Cast
from tests.support.fake_operator import Operated
from tests.support.on_call import Line, ready


def state_of(db: Database, agent: Agent) -> AgentState:
    with db.read() as session:
        return session.get_one(AgentState, agent.id)


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (agents.MISSED, "missed a ring"),
        (agents.DECLINED, "declined a call"),
        (agents.PAGE_LOST, "page lost"),
        (agents.PAGE_BACK, "page was lost"),
    ],
)
async def test_why_she_is_not_ready_is_said_in_words(
    reason: str, words: str, alice: Browser, db: Database, staff: Cast
) -> None:
    with db.write() as session:
        agents.set_status(session, staff.alice.id, AgentStatus.NOT_READY, reason)
    text = await alice.text("/state")
    assert "Not ready" in text
    assert words in text
    assert "Choose Ready" in await alice.text("/desk/state"), "and what to do"


async def test_a_break_has_its_reason_and_shows_when_it_is_over(alice: Browser, db: Database, staff: Cast) -> None:
    answer = await alice.post("/state", HTMX, to="break", reason="meal")
    assert answer.status == 200
    text = await answer.text()
    assert "meal" in text
    assert "of 60 min" in text
    assert ">over<" not in text
    with db.write() as session:
        state = session.get_one(AgentState, staff.alice.id)
        assert (state.status, state.reason) == (AgentStatus.BREAK, "meal")
        state.since, state.until = now() - timedelta(minutes=61), now() - timedelta(minutes=1)
        session.add(state)
    assert ">over<" in await alice.text("/state")
    assert (await alice.post("/state", HTMX, to="break", reason="holiday")).status == 422
    assert (await alice.post("/state", HTMX, to="offline")).status == 200
    assert state_of(db, staff.alice).status is AgentStatus.OFFLINE


async def test_while_it_rings_the_bar_counts_the_wait_and_offers_to_answer(
    alice: Browser, db: Database, keys: Keys, staff: Cast
) -> None:
    with db.write() as session:
        contact = Line(session, keys).rings(staff.alice, "km", 25)
    text = await alice.text("/state")
    assert "Ringing" in text
    assert "Khmer" in text
    assert 'data-phone="answer"' in text
    assert "late" in text, "she has waited longer than anybody should"
    assert f'data-call="{contact.call}"' in text


async def test_declining_says_why_she_is_not_ready(alice: Browser, db: Database, keys: Keys, staff: Cast) -> None:
    with db.write() as session:
        contact = Line(session, keys).rings(staff.alice)
    await alice.post("/phone/decline", call=contact.call)
    state = state_of(db, staff.alice)
    assert (state.status, state.reason) == (AgentStatus.NOT_READY, agents.DECLINED)


async def test_declining_what_a_colleague_asks_leaves_her_ready(
    bob: Browser, db: Database, keys: Keys, staff: Cast
) -> None:
    with db.write() as session:
        line = Line(session, keys)
        contact = line.answered(staff.alice)
        ready(session, staff.bob)
        line.with_party(contact, staff.bob, place=Place.RINGING)
        agents.rings(session, staff.bob.id, contact.call, now())
    await bob.post("/phone/decline", call=contact.call)
    assert state_of(db, staff.bob).status is AgentStatus.READY


async def test_declining_a_worker_who_was_handed_to_her_is_as_with_the_queue(
    bob: Browser, db: Database, keys: Keys, staff: Cast
) -> None:
    """Her next ring would be the same call, from the queue."""
    with db.write() as session:
        contact = Line(session, keys).answered(staff.alice)
        ready(session, staff.bob)
        calls.waits_again(session, contact, now(), "my")
        agents.rings(session, staff.bob.id, contact.call, now())
    await bob.post("/phone/decline", call=contact.call)
    state = state_of(db, staff.bob)
    assert (state.status, state.reason) == (AgentStatus.NOT_READY, agents.DECLINED)


async def test_on_a_call_the_bar_has_the_case_and_what_can_be_done(
    alice: Browser, db: Database, keys: Keys, staff: Cast
) -> None:
    with db.write() as session:
        contact = Line(session, keys).answered(staff.alice)
    text = await alice.text("/state")
    assert f'data-case="/cases/{contact.case_id}"' in text
    for what in ("Hold", "Mute", "Keypad", "Transfer", "Emergency", "F8", "End"):
        assert what in text
    assert "Record" not in text, "nobody has asked her"
    assert "call-changed:" in text, "it hears of this call"


async def test_recording_is_offered_only_while_she_agreed_and_is_seen_while_it_runs(
    alice: Browser, db: Database, keys: Keys, staff: Cast, operated: Operated
) -> None:
    with db.write() as session:
        contact = Line(session, keys).answered(staff.alice)
    here = f"/phone/calls/{contact.call}"
    assert (await alice.post(f"{here}/record", HTMX)).status == 409
    assert operated.acts == []
    with db.write() as session:
        consents.give(
            session, contact.case_id or 0, contact.id, ConsentPurpose.RECORDING, staff.alice, "my",
            consents.SCRIPT_VERSION,
        )  # fmt: skip
    assert ">Record" in await alice.text("/state")
    answer = await alice.post(f"{here}/record", HTMX)
    assert 'class="recording"' in await answer.text()
    assert operated.acts == [("start_recording", contact.call)]
    answer = await alice.post(f"{here}/record/stop", HTMX)
    assert 'class="recording"' not in await answer.text()
    with db.read() as session:
        assert session.get_one(Contact, contact.id).recording is TalkRecording.CONSENTED


async def test_a_recorder_that_started_while_she_took_her_consent_back_is_stopped(
    alice: Browser, db: Database, keys: Keys, staff: Cast, operated: Operated,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Her word comes after the last look and before it is kept that it runs: nobody else knows of this recorder."""
    with db.write() as session:
        contact = Line(session, keys).answered(staff.alice)
        case_id, purpose = contact.case_id or 0, ConsentPurpose.RECORDING
        consents.give(session, case_id, contact.id, purpose, staff.alice, "my", consents.SCRIPT_VERSION)
    looks, may_record = iter((False, True)), consents.may_record

    def then_she_takes_it_back(session: Session, of: Contact) -> bool:
        may = may_record(session, of)
        if next(looks, False):
            with db.write() as another:
                consents.withdraw(another, case_id, purpose, staff.alice)
        return may

    monkeypatch.setattr(consents, "may_record", then_she_takes_it_back)
    answer = await alice.post(f"/phone/calls/{contact.call}/record", HTMX)
    assert answer.status == 409
    assert operated.acts == [("start_recording", contact.call), ("stop_recording", contact.call)]
    with db.read() as session:
        assert session.get_one(Contact, contact.id).recording is TalkRecording.OFF


async def test_who_was_asked_in_sees_who_asked_and_can_only_leave(
    bob: Browser, db: Database, keys: Keys, staff: Cast
) -> None:
    with db.write() as session:
        line = Line(session, keys)
        line.with_party(line.answered(staff.alice), staff.bob)
    text = await bob.text("/state")
    assert "Alice has this call and asked you in" in text
    assert "Leave" in text
    for what in ("Hold", "Transfer", "Emergency"):
        assert f">{what}" not in text


async def test_an_emergency_is_on_every_supervisors_page_and_on_nobody_elses(
    alice: Browser, bob: Browser, signed_in: SignIn, db: Database, keys: Keys, staff: Cast,
    operated: Operated,
) -> None:  # fmt: skip
    sofia = signed_in(staff.sofia)
    with db.write() as session:
        contact = Line(session, keys).answered(staff.alice)
    assert "Emergency" not in await sofia.text("/phone/emergencies")
    answer = await alice.post(f"/phone/calls/{contact.call}/emergency", HTMX)
    assert "phone rings now; all of them see it" in await answer.text()
    assert operated.acts == [], "nobody's phone is there"
    text = await sofia.text("/phone/emergencies")
    assert "Alice asks for a supervisor" in text
    assert f"/cases/{contact.case_id}" in text
    assert "nobody has answered" in text
    assert (await bob.get("/phone/emergencies")).status == 403
    assert "emergency" in await sofia.text("/desk/people")
    with db.write() as session:
        agents.set_reachable(session, staff.sofia.id, True)
    answer = await alice.post(f"/phone/calls/{contact.call}/emergency", HTMX)
    assert "Supervisors are being rung" in await answer.text()
    assert [(name, rest[-1]) for name, *rest in operated.acts] == [("call_supervisors", [staff.sofia.id])]
    with db.write() as session:
        party = session.exec(select(Party)).one()
        assert party.kind is PartyKind.SUPERVISOR
        party.place, party.agent_id = Place.ROOM, staff.sofia.id
        session.add(party)
    assert "Sofia is with them" in await sofia.text("/phone/emergencies")
    assert "Sofia is in the call with you" in await alice.text("/state")
    with db.write() as session:
        agents.on_call(session, staff.sofia.id, contact.call, now())
    hers = await sofia.text("/state")
    assert "Alice has this call and asked you in" in hers
    assert "Emergency" not in hers, "she is there: nobody else is to be rung"
    with db.read() as session:
        assert session.get_one(Conversation, contact.call).emergency_at is not None


async def test_an_emergency_that_cannot_ring_says_so_and_is_asked_for_all_the_same(
    alice: Browser, signed_in: SignIn, db: Database, keys: Keys, staff: Cast, operated: Operated
) -> None:
    with db.write() as session:
        contact = Line(session, keys).answered(staff.alice)
        agents.set_reachable(session, staff.sofia.id, True)
    operated.fails = True
    answer = await alice.post(f"/phone/calls/{contact.call}/emergency", HTMX)
    assert answer.status == 200
    assert "phone rings now; all of them see it" in await answer.text()
    assert "Alice asks for" in await signed_in(staff.sofia).text("/phone/emergencies")
