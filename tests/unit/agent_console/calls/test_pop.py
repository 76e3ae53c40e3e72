"""The card of a call that rings: what is known, what must not be said, and the number only by a click that is audited."""

from sqlmodel import select

from hotline.calls import conversations
from hotline.calls import facts as calls
from hotline.cases import identity
from hotline.keys import Keys
from hotline.settings import Settings
from hotline.staff import states as agents
from models import AuditEntry, Caller, CaseEvent, Contact, Database, EventKind, PartyKind, Place
from models.db.types import now
from tests.support.browsers import HTMX, Browser, SignIn
from tests.support.cast import Cast
from tests.support.on_call import Line, known_caller, ready

NUMBER = "0899990001"
SHOWN = "+66 89 999 0001"


async def test_a_first_call_says_so_and_how_long_she_has_waited(
    alice: Browser, db: Database, keys: Keys, staff: Cast
) -> None:
    with db.write() as session:
        contact = Line(session, keys).rings(staff.alice, "km", 12)
    text = await alice.text(f"/phone/calls/{contact.call}", **HTMX)
    for what in ("Khmer", "first call", "Worker hotline", "data-since", 'data-phone="answer"', "data-answer"):
        assert what in text
    assert "999 0001" not in text


async def test_a_known_telephone_shows_its_open_case_and_what_must_be_minded(
    alice: Browser, db: Database, keys: Keys, staff: Cast
) -> None:
    with db.write() as session:
        line = Line(session, keys)
        before = known_caller(line, staff.bob)
        contact = line.rings(staff.alice)
    text = await alice.text(f"/phone/calls/{contact.call}", **HTMX)
    for what in (
        "called once before", "Passport held, gate locked at night", f"/cases/{before.case_id}", "in danger now",
        "cannot talk freely", "the employer&#39;s phone", "near: a foreman", "Clinic appointment", "never call back",
        "need not be the same person",
    ):  # fmt: skip
        assert what in text or what.replace("&#39;", "'") in text, what


async def test_a_withheld_number_is_said_and_cannot_be_asked_for(
    alice: Browser, db: Database, keys: Keys, staff: Cast
) -> None:
    with db.write() as session:
        contact = Line(session, keys, None).rings(staff.alice)
    text = await alice.text(f"/phone/calls/{contact.call}", **HTMX)
    assert "number withheld" in text
    assert "show, audited" not in text
    assert (await alice.post(f"/phone/calls/{contact.call}/number", HTMX)).status == 404


async def test_the_number_is_shown_once_to_who_asks_and_it_is_audited(
    alice: Browser, db: Database, keys: Keys, staff: Cast
) -> None:
    with db.write() as session:
        contact = Line(session, keys).rings(staff.alice)
    here = f"/phone/calls/{contact.call}"
    assert SHOWN in await (await alice.post(f"{here}/number", HTMX)).text()
    assert SHOWN not in await alice.text(here, **HTMX)
    with db.read() as session:
        noted = session.exec(select(AuditEntry).where(AuditEntry.act == "number_shown")).one()
        assert (noted.by_id, noted.subject) == (staff.alice.id, f"contact:{contact.id}")


async def test_once_there_is_a_case_its_timeline_tells_that_the_number_was_shown(
    db: Database, keys: Keys, staff: Cast, settings: Settings
) -> None:
    with db.write() as session:
        contact = Line(session, keys).answered(staff.alice)
        assert identity.show_number_of_call(session, keys, contact, staff.alice, settings) == SHOWN
        told = session.exec(select(CaseEvent).where(CaseEvent.case_id == contact.case_id)).all()
        assert EventKind.NUMBER_SHOWN in {event.kind for event in told}
        assert session.get_one(Caller, contact.caller_id).number_sealed != NUMBER.encode()


async def test_the_card_is_empty_when_the_ring_is_over(alice: Browser, db: Database, keys: Keys, staff: Cast) -> None:
    """She answered, somebody else did, or the caller hung up."""
    empty = '<div id="pop"></div>'
    with db.write() as session:
        line = Line(session, keys)
        mine = line.answered(staff.alice)
        bobs = Line(session, keys, "0899990002").answered(staff.bob)
        gone = Line(session, keys, "0899990003").waits()
        calls.close(session, gone, now(), join_within_s=900, brief_s=10)
    for contact in (mine, bobs, gone):
        assert (await alice.text(f"/phone/calls/{contact.call}", **HTMX)).strip() == empty
    assert (await alice.get("/phone/calls/none")).status == 404


async def test_a_call_that_a_colleague_asks_about_or_hands_over_says_who(
    bob: Browser, db: Database, keys: Keys, staff: Cast
) -> None:
    with db.write() as session:
        line = Line(session, keys)
        contact = line.answered(staff.alice)
        ready(session, staff.bob)
    here = f"/phone/calls/{contact.call}"
    assert "Alice hands you a call" in await bob.text(f"{here}?kind=transfer", **HTMX)
    with db.write() as session:
        Line(session, keys).with_party(session.get_one(Contact, contact.id), staff.bob, place=Place.RINGING)
    text = await bob.text(here, **HTMX)
    assert "Alice asks you about a call" in text
    assert f"/cases/{contact.case_id}" in text


async def test_an_emergency_rings_as_one(signed_in: SignIn, db: Database, keys: Keys, staff: Cast) -> None:
    with db.write() as session:
        contact = Line(session, keys).answered(staff.alice)
        conversations.emergency(session, contact.call, staff.alice, now())
        conversations.add_party(session, contact.call, "leg", PartyKind.SUPERVISOR, now())
        agents.set_reachable(session, staff.sofia.id, True)
    text = await signed_in(staff.sofia).text(f"/phone/calls/{contact.call}?kind=emergency", **HTMX)
    assert "Emergency: Alice asks for you" in text


async def test_an_administrator_sees_no_call(adam: Browser) -> None:
    """The callers are none of her business."""
    assert (await adam.get("/phone/calls/any")).status == 403
