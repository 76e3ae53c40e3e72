"""Acts on a conversation: only who leads may act, nothing is kept of what failed, and the case follows the call."""

import asyncio
import threading
from collections.abc import Callable

import pytest
from aiohttp import ClientResponse
from sqlmodel import select

from agent_console import asterisk_limit
from hotline.calls import conversations
from hotline.calls import facts as calls
from hotline.keys import Keys
from hotline.referrals import directory
from models import (
    AuditEntry,
    Callback,
    CallbackKind,
    Case,
    Contact,
    Conversation,
    Database,
    EntryKind,
    Party,
    PartyKind,
    Place,
)
from models.db.types import now
from tests.support.browsers import HTMX, Browser
from tests.support.cast import Cast
from tests.support.fake_operator import Operated
from tests.support.on_call import Line, ready
from tests.support.thailand import THAI
from tests.support.wait import PATIENCE_S

BAR = HTMX | {"HX-Target": "bar"}
SHELTER = "+6621234567"
ACTS = ["hold", "resume", "end", "consult", "transfer", "swap", "merge", "return", "complete", "emergency", "record",
        "record/stop"]  # fmt: skip
InCall = Callable[..., Contact]


@pytest.fixture
def in_call(db: Database, keys: Keys, staff: Cast) -> InCall:
    """Alice talks with a worker; with a party when one is named."""

    def make(party: str = "", **where: Place) -> Contact:
        with db.write() as session:
            line = Line(session, keys)
            contact = line.answered(staff.alice)
            ready(session, staff.bob)
            if party:
                line.with_party(contact, getattr(staff, party, None), **where)  # type: ignore[arg-type]
            return contact

    return make


@pytest.fixture
def shelter(db: Database, keys: Keys, staff: Cast) -> int:
    """A number of the directory."""
    with db.write() as session:
        entry = directory.add(
            session,
            keys,
            staff.sofia,
            name="Baan Ruam",
            kind=EntryKind.SHELTER,
            number=SHELTER,
            language="th",
            numbering=THAI,
        )
        return entry.id


def talk_of(db: Database, contact: Contact) -> Conversation | None:
    with db.read() as session:
        return session.get(Conversation, contact.call)


def parties(db: Database) -> list[Party]:
    with db.read() as session:
        return list(session.exec(select(Party)))


@pytest.mark.parametrize("act", ACTS)
async def test_nobody_but_who_leads_acts_on_a_call(
    act: str, bob: Browser, in_call: InCall, db: Database, operated: Operated
) -> None:
    """A form that was forged for a colleague's call is refused, and so is one for a call that is over."""
    contact = in_call()
    answer = await bob.post(f"/phone/calls/{contact.call}/{act}", HTMX, leg="ab" * 8, language="th", agent="1")
    assert answer.status == 409
    assert "Somebody else has this call now." in await answer.text()
    assert (await bob.post(f"/phone/calls/none/{act}")).status == 404
    assert operated.acts == []
    talk = talk_of(db, contact)
    assert talk is not None
    assert (talk.place, talk.emergency_at) == (Place.ROOM, None)


@pytest.mark.parametrize("act", ["swap", "merge", "complete", "hold", "transfer", "return"])
async def test_who_was_asked_in_does_not_lead(act: str, bob: Browser, in_call: InCall, operated: Operated) -> None:
    contact = in_call("bob")
    answer = await bob.post(f"/phone/calls/{contact.call}/{act}", HTMX, leg="ab" * 8, language="th", agent="1")
    assert answer.status == 409
    assert operated.acts == []


async def test_hold_and_resume_are_kept_after_they_are_done(
    alice: Browser, in_call: InCall, db: Database, staff: Cast, operated: Operated
) -> None:
    contact = in_call()
    text = await (await alice.post(f"/phone/calls/{contact.call}/hold", BAR)).text()
    assert "The worker waits with music" in text
    assert "Resume" in text
    assert talk_of(db, contact).place is Place.HELD  # type: ignore[union-attr]
    text = await (await alice.post(f"/phone/calls/{contact.call}/resume", BAR)).text()
    assert "waits with music" not in text
    me = staff.alice.id
    assert operated.acts == [("hold", contact.call, me), ("resume", contact.call, me)]


async def test_what_failed_is_said_under_the_bar_and_not_pretended(
    alice: Browser, in_call: InCall, db: Database, operated: Operated
) -> None:
    contact = in_call()
    operated.fails = True
    answer = await alice.post(f"/phone/calls/{contact.call}/hold", BAR)
    assert answer.status == 409
    assert answer.headers["HX-Retarget"] == "#bar-said"
    assert "Asterisk does not answer. Nothing was changed; try again." in await answer.text()
    assert talk_of(db, contact).place is Place.ROOM  # type: ignore[union-attr]
    answer = await alice.post(f"/phone/calls/{contact.call}/swap", BAR, leg="gone")
    assert answer.headers["HX-Retarget"] == "#bar-said", "also when whoever was called in has gone"


async def test_end_ends_it_for_all_but_who_was_asked_in_only_leaves(
    alice: Browser, bob: Browser, in_call: InCall, operated: Operated
) -> None:
    contact = in_call("bob")
    await bob.post(f"/phone/calls/{contact.call}/end")
    assert operated.acts == [("drop_party", contact.call, "ab" * 8)]
    await alice.post(f"/phone/calls/{contact.call}/end")
    assert operated.acts[1:] == [("end", contact.call)]


async def test_the_choices_say_who_is_ready_and_what_colleagues_do(
    alice: Browser, in_call: InCall, shelter: int
) -> None:
    contact = in_call()
    text = await alice.text(f"/phone/calls/{contact.call}/transfer", **HTMX)
    assert "1 ready" in text, "Bob, for Thai"
    assert "1 backup" in text, "Bob, for Khmer"
    assert "nobody ready" in text
    assert "Bob" in text
    assert "Sofia" not in text, "who is off duty is only counted: queues and directory must be in view"
    assert "1 more is off duty" in text
    assert "Baan Ruam" in text
    assert "1234567" not in text.replace(" ", ""), "the number is on no page"
    assert "Alice" not in text


async def test_a_colleague_is_asked_while_the_worker_hears_music(
    alice: Browser, in_call: InCall, db: Database, staff: Cast, operated: Operated
) -> None:
    contact = in_call()
    here = f"/phone/calls/{contact.call}"
    text = await (await alice.post(f"{here}/consult", BAR, agent=str(staff.bob.id))).text()
    assert "Calling Bob" in text
    [(name, call, lead, leg, agent)] = operated.acts
    assert (name, call, lead, agent) == ("call_agent", contact.call, staff.alice.id, staff.bob.id)
    [party] = parties(db)
    assert (party.leg, party.kind, party.place) == (leg, PartyKind.AGENT, Place.RINGING)
    assert talk_of(db, contact).place is Place.HELD  # type: ignore[union-attr]
    answer = await alice.post(f"{here}/consult", BAR, agent=str(staff.bob.id))
    assert "Somebody is called in already" in await answer.text()
    assert "Stop calling" in text
    await alice.post(f"{here}/return", BAR, leg=leg)
    assert [name for name, *_ in operated.acts] == ["call_agent", "drop_party", "resume"]
    assert parties(db) == []


async def test_who_cannot_be_rung_is_not_called(
    alice: Browser, in_call: InCall, staff: Cast, operated: Operated
) -> None:
    """No phone, oneself, nobody at all."""
    here = f"/phone/calls/{in_call().call}"
    for who, status in ((staff.sofia.id, 409), (staff.alice.id, 404), ("9999", 404), ("x", 404)):
        assert (await alice.post(f"{here}/consult", agent=str(who))).status == status
        assert (await alice.post(f"{here}/transfer", agent=str(who))).status == status
    assert (await alice.post(f"{here}/transfer", language="xx")).status == 422
    assert operated.acts == []


async def test_swap_merge_and_send_away(alice: Browser, in_call: InCall, db: Database, operated: Operated) -> None:
    contact = in_call("bob")
    here, leg = f"/phone/calls/{contact.call}", "ab" * 8

    def places() -> tuple[Place, Place]:
        talk = talk_of(db, contact)
        assert talk is not None
        return talk.place, parties(db)[0].place

    text = await (await alice.post(f"{here}/swap", BAR, leg=leg)).text()
    assert "You talk with the worker" in text
    assert "Bob waits with music" in text
    assert places() == (Place.ROOM, Place.HELD)
    await alice.post(f"{here}/swap", BAR, leg=leg)
    assert places() == (Place.HELD, Place.ROOM)
    text = await (await alice.post(f"{here}/merge", BAR, leg=leg)).text()
    assert "You, the worker and Bob talk together" in text
    assert places() == (Place.ROOM, Place.ROOM)
    assert [name for name, *_ in operated.acts] == ["swap", "swap", "merge"]


async def test_the_case_follows_a_call_that_is_handed_over(
    alice: Browser, in_call: InCall, db: Database, staff: Cast, operated: Operated
) -> None:
    contact = in_call("bob")
    await alice.post(f"/phone/calls/{contact.call}/complete", BAR, leg="ab" * 8)
    assert operated.acts == [("complete", contact.call, staff.alice.id, "ab" * 8)]
    with db.read() as session:
        assert session.get_one(Conversation, contact.call).agent_id == staff.bob.id
        assert session.get_one(Case, contact.case_id).owner_id == staff.bob.id
    assert (await alice.post(f"/phone/calls/{contact.call}/hold")).status == 409, "it is Bob's now"


async def test_handed_to_a_queue_she_waits_again_and_whoever_takes_her_takes_the_case(
    alice: Browser, in_call: InCall, db: Database, operated: Operated
) -> None:
    contact = in_call()
    await alice.post(f"/phone/calls/{contact.call}/transfer", BAR, language="th")
    assert operated.acts == [("to_queue", contact.call, "th")]
    with db.read() as session:
        kept = session.get_one(Contact, contact.id)
        assert kept.waits_again_at is not None
        assert kept.queue == "th"
        assert session.get_one(Case, contact.case_id).owner_id is None
    assert talk_of(db, contact) is None


async def test_the_case_is_let_go_although_the_switchboard_saw_the_queue_first(
    alice: Browser, in_call: InCall, db: Database, operated: Operated
) -> None:
    contact = in_call()

    def seen_first(*_what: object) -> None:
        with db.write() as session:
            assert conversations.end(session, contact.call)
            calls.waits_again(session, session.get_one(Contact, contact.id), now(), "th")

    operated.to_queue = seen_first  # type: ignore[attr-defined]
    await alice.post(f"/phone/calls/{contact.call}/transfer", BAR, language="th")
    with db.read() as session:
        assert session.get_one(Case, contact.case_id).owner_id is None


async def test_handed_to_a_queue_a_colleague_who_has_her_already_keeps_her(
    alice: Browser, in_call: InCall, db: Database, staff: Cast, keys: Keys, operated: Operated
) -> None:
    contact = in_call()

    def taken_at_once(*_what: object) -> None:
        with db.write() as session:
            conversations.end(session, contact.call)
            Line(session, keys).has(staff.bob, session.get_one(Contact, contact.id))

    operated.to_queue = taken_at_once  # type: ignore[attr-defined]
    await alice.post(f"/phone/calls/{contact.call}/transfer", BAR, language="th")
    assert talk_of(db, contact).agent_id == staff.bob.id  # type: ignore[union-attr]
    with db.read() as session:
        assert session.get_one(Contact, contact.id).waits_again_at is None


async def test_handed_to_a_colleague_without_asking(
    alice: Browser, in_call: InCall, staff: Cast, operated: Operated
) -> None:
    contact = in_call()
    await alice.post(f"/phone/calls/{contact.call}/transfer", BAR, agent=str(staff.bob.id))
    assert operated.acts == [("to_agent", contact.call, staff.bob.id, "my")]


@pytest.mark.parametrize("taken", [False, True])
@pytest.mark.usefixtures("operated")
async def test_who_gives_up_while_a_colleague_is_rung_for_her_is_owed_a_call(
    alice: Browser, in_call: InCall, db: Database, staff: Cast, keys: Keys, taken: bool
) -> None:
    contact = in_call()
    await alice.post(f"/phone/calls/{contact.call}/transfer", BAR, agent=str(staff.bob.id))
    with db.write() as session:
        line, row = Line(session, keys), session.get_one(Contact, contact.id)
        if taken:
            line.has(staff.bob, row)
        line.over(staff.bob if taken else staff.alice, row)
        owed = [(item.contact_id, item.kind) for item in session.exec(select(Callback))]
        assert owed == ([] if taken else [(contact.id, CallbackKind.MISSED)])


async def test_a_number_of_the_directory_is_called_only_after_it_was_confirmed(
    alice: Browser, in_call: InCall, shelter: int, db: Database, staff: Cast, operated: Operated
) -> None:
    """The step before says whom, and that the worker stays on the line; the call is audited."""
    contact = in_call()
    here = f"/phone/calls/{contact.call}"
    assert (await alice.post(f"{here}/consult", BAR, entry=str(shelter))).status == 409
    assert operated.acts == []
    text = await alice.text(f"{here}/transfer?entry={shelter}", **HTMX)
    assert "Call Baan Ruam?" in text
    assert "hears music until you come back" in text
    text = await (await alice.post(f"{here}/consult", BAR, entry=str(shelter), sure="yes")).text()
    assert "Calling Baan Ruam" in text
    assert "1234567" not in text
    [(name, call, lead, leg, number)] = operated.acts
    assert (name, call, lead, number) == ("call_outside", contact.call, staff.alice.id, SHELTER)
    with db.read() as session:
        assert session.exec(select(AuditEntry).where(AuditEntry.act == "directory_called")).one()
        party = session.get_one(Party, leg)
        assert (party.kind, party.entry_id) == (PartyKind.OUTSIDE, shelter)


async def test_an_asterisk_that_hangs_leaves_the_pages_their_threads(
    alice: Browser, in_call: InCall, operated: Operated, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of eight impatient clicks three wait for it, the others are told to try again, and a page is drawn meanwhile."""
    contact, answers = in_call(), threading.Event()
    monkeypatch.setattr(operated, "hold", lambda *_: answers.wait(PATIENCE_S), raising=False)
    monkeypatch.setattr(asterisk_limit, "TURN_S", 0.2)
    clicks = {asyncio.create_task(alice.post(f"/phone/calls/{contact.call}/hold")) for _ in range(8)}
    try:
        told: set[asyncio.Task[ClientResponse]] = set()
        async with asyncio.timeout(PATIENCE_S):
            while len(told) < 5:
                await asyncio.wait(clicks - told, timeout=1, return_when=asyncio.FIRST_COMPLETED)
                told = {click for click in clicks if click.done()}
            assert "Hold" in await alice.text("/state")
        assert {click.result().status for click in told} == {503}
        assert "slow to answer" in await told.pop().result().text()
        by_the_bar = await alice.post(f"/phone/calls/{contact.call}/hold", BAR)
        assert by_the_bar.status == 409
        assert by_the_bar.headers["HX-Retarget"] == "#bar-said"
    finally:
        answers.set()
        await asyncio.wait(clicks)
