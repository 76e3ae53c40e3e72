"""A call around the page: the card while it rings, the case beside the phone, one key for what it was, and the thumb.

The states are written as the switchboard would; a phone in the page is tested elsewhere.
"""

import re

import pytest
from playwright.sync_api import Page, expect
from sqlmodel import select

from hotline.calls.facts import Fact, Seen
from hotline.nudges import AGENTS_CHANGED, QUEUE_CHANGED
from hotline.staff import states as agents
from models import AgentState, AgentStatus, Contact, Conversation, Disposition, Draft, Place
from models.db.types import now
from tests.e2e.agent_console.conftest import OpenScreen, Served
from tests.support import on_call
from tests.support.on_call import Line, person
from tests.support.thailand import saw
from tests.support.wait import until

PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}


def tell(served: Served) -> None:
    served.nudges.tell(AGENTS_CHANGED, QUEUE_CHANGED)


def rings(served: Served) -> Contact:
    """Alice's phone rings with a telephone that has an open case."""
    with served.db.write() as session:
        line, alice = Line(session, served.keys), person(session, "alice")
        on_call.known_caller(line, alice)
        contact = line.rings(alice)
    tell(served)
    return contact


def answered(served: Served, who: str = "alice", number: str = "0899990001") -> Contact:
    """She talks with a worker."""
    with served.db.write() as session:
        contact = Line(session, served.keys, number).answered(person(session, who))
    tell(served)
    return contact


def answers(served: Served, contact: Contact) -> int:
    """Alice takes the call that rings; the id of its case."""
    with served.db.write() as session:
        alice, ringing = person(session, "alice"), session.get_one(Contact, contact.id)
        saw(session, served.keys, ringing.call, Fact.ANSWERED, now(), Seen(handler_id=alice.id))
        Line(session, served.keys).has(alice, ringing)
        case_id = ringing.case_id or 0
    tell(served)
    return case_id


def over(served: Served, contact: Contact) -> None:
    with served.db.write() as session:
        Line(session, served.keys).over(person(session, "alice"), session.get_one(Contact, contact.id))
    tell(served)


def state(served: Served) -> AgentStatus:
    with served.db.read() as session:
        return session.get_one(AgentState, person(session, "alice").id).status


def in_page(page: Page, what: str) -> None:
    """As if the phone of this page were ringing or talking."""
    page.evaluate(
        """(what) => {
          const root = document.documentElement;
          const set = () => { if (root.dataset.phone !== what) root.dataset.phone = what; };
          window.asIf?.disconnect();
          window.asIf = new MutationObserver(set);
          window.asIf.observe(root, { attributeFilter: ["data-phone"] });
          set();
        }""",
        what,
    )


def test_the_card_comes_by_itself_shows_what_is_known_and_goes_with_the_ring(
    served: Served, screen_of: OpenScreen
) -> None:
    screen = screen_of("alice")
    page = screen.open("/cases")
    contact = rings(served)
    card = page.locator("#pop")
    expect(card).to_contain_text("Passport held, gate locked at night")
    expect(card).to_contain_text("in danger now")
    expect(card).to_contain_text("Clinic appointment")
    expect(card.locator(".wait")).to_have_text(re.compile(r"^0:\d\d$"))
    page.get_by_role("link", name="Roster").click()
    expect(page).to_have_url(re.compile("/roster$"))
    expect(card).to_contain_text("A call for you"), "it stands outside the page below it"
    with served.db.write() as session:
        agents.stopped_ringing(session, person(session, "alice").id, contact.call, now())
    tell(served)
    expect(card).to_be_empty()
    assert screen.faults == []


def test_the_card_comes_with_the_phones_own_ring_before_the_server_knows(served: Served, screen_of: OpenScreen) -> None:
    """Ctrl+Enter answers, also while she types."""
    screen = screen_of("alice")
    page = screen.open("/cases")
    with served.db.write() as session:
        contact = Line(session, served.keys).waits()
    in_page(page, "ringing")
    page.evaluate(
        """(call) => {
          window.pressed = [];
          const note = (e) => window.pressed.push(e.target.closest("[data-phone]")?.dataset.phone);
          document.addEventListener("click", note, true);
          document.body.dispatchEvent(new CustomEvent("phone-rings", { bubbles: true, detail: { call, kind: "queue" } }));
        }""",
        contact.call,
    )
    # The bar does not say yet that it rings: the card stays.
    served.nudges.tell(AGENTS_CHANGED)
    expect(page.locator("#pop")).to_contain_text("first call")
    page.locator("input[type=search]").focus()
    page.keyboard.press("Control+Enter")
    assert page.evaluate("window.pressed") == ["answer"]
    page.evaluate("document.body.dispatchEvent(new CustomEvent('phone-ended', { bubbles: true }))")
    expect(page.locator("#pop")).to_be_empty()
    assert screen.faults == []


def test_on_the_answer_the_case_opens_once_ready_to_type(served: Served, screen_of: OpenScreen) -> None:
    screen = screen_of("alice")
    page = screen.open("/queue")
    page.evaluate("window.notReloaded = true")
    contact = rings(served)
    expect(page.locator("#pop")).to_contain_text("A call for you")
    case_id = answers(served, contact)
    expect(page).to_have_url(re.compile(rf"/cases/{case_id}$"))
    expect(page.locator("#note-text")).to_be_focused()
    expect(page.locator("#pop")).to_be_empty()
    expect(page.locator("#bar .on-call .clock")).to_have_text(re.compile(r"^0:\d\d$"))
    page.keyboard.type("She cannot leave the dormitory")
    page.get_by_role("link", name="Queue").click()
    expect(page.get_by_role("heading", name="Unclaimed cases")).to_be_visible()
    tell(served)
    with page.expect_response("**/state"):
        tell(served)
    expect(page).to_have_url(re.compile("/queue$"))
    assert page.evaluate("window.notReloaded")
    assert screen.faults == []


def test_what_is_half_typed_elsewhere_is_not_thrown_away(served: Served, screen_of: OpenScreen) -> None:
    """The case is one click away, and the line says why it did not open."""
    screen = screen_of("alice")
    page = screen.open("/account/password")
    page.fill("#old", "half typed")
    contact = answered(served)
    expect(page.locator("#bar-said")).to_contain_text("not saved")
    assert page.input_value("#old") == "half typed"
    page.locator("#bar-said a").click()
    expect(page).to_have_url(re.compile(rf"/cases/{contact.case_id}$"))
    assert screen.faults == []


def test_a_note_outlives_its_page(served: Served, screen_of: OpenScreen) -> None:
    """Kept as it is typed, also when she leaves within the second; shown again on return; gone when it is saved."""
    screen = screen_of("alice")
    contact = answered(served)
    page = screen.open(f"/cases/{contact.case_id}")
    page.locator("#note-text").press_sequentially("The gate is locked at night")
    expect(page.locator("[data-draft-said]")).to_have_text(re.compile(r"Draft kept \d\d:\d\d"))
    page.locator("#note-text").press_sequentially(", and")
    page.get_by_role("link", name="Queue").click()
    expect(page.get_by_role("heading", name="Unclaimed cases")).to_be_visible()
    page.go_back()
    expect(page.locator("#note-text")).to_have_value("The gate is locked at night, and")
    expect(page.locator("[data-draft-said]")).to_contain_text("Draft kept")
    page.get_by_role("button", name="Add the note").click()
    expect(page.locator("#notes")).to_contain_text("The gate is locked at night, and")
    expect(page.locator("#note-text")).to_have_value("")

    def drafts() -> int:
        with served.db.read() as session:
            return len(session.exec(select(Draft)).all())

    until(lambda: drafts() == 0)
    assert screen.faults == []


def test_the_wrap_up_is_done_by_keys_and_counts_down(served: Served, screen_of: OpenScreen) -> None:
    screen = screen_of("alice")
    contact = answered(served)
    page = screen.open("/queue")
    over(served, contact)
    clock = page.locator("#bar [data-until]")
    expect(clock).to_have_text(re.compile(r"^1:\d\d$"))
    first = clock.inner_text()
    until(lambda: clock.inner_text() < first)
    page.locator("main").focus()
    page.keyboard.press("r")
    expect(page.locator("#bar")).to_contain_text("Say first what it was.")
    assert state(served) is AgentStatus.WRAP_UP
    page.keyboard.press("3")
    expect(page.locator("#bar .chosen")).to_contain_text("Follow-up")
    page.keyboard.press("r")
    expect(page.locator("#bar")).to_contain_text("Ready")
    until(lambda: state(served) is AgentStatus.READY)
    with served.db.read() as session:
        assert session.get_one(Contact, contact.id).disposition is Disposition.FOLLOW_UP
    assert screen.faults == []


def test_an_emergency_by_one_key_while_she_types_reaches_the_supervisors_screens(
    served: Served, screen_of: OpenScreen
) -> None:
    sofia = screen_of("sofia").open("/cases")
    screen = screen_of("alice")
    contact = answered(served)
    page = screen.open(f"/cases/{contact.case_id}")
    page.locator("#note-text").focus()
    page.keyboard.press("F8")
    expect(page.locator(".red-strip")).to_contain_text("No supervisor's phone rings now")
    expect(sofia.locator("#emergencies")).to_contain_text("Alice asks for a supervisor")
    sofia.locator("#emergencies a").click()
    expect(sofia).to_have_url(re.compile(rf"/cases/{contact.case_id}$"))
    assert screen.faults == []


def test_an_exclamation_mark_is_an_emergency_only_when_no_field_has_focus(
    served: Served, screen_of: OpenScreen
) -> None:
    contact = answered(served)
    page = screen_of("alice").open(f"/cases/{contact.case_id}")
    page.locator("#note-text").press_sequentially("help!")
    expect(page.locator("[data-draft-said]")).to_contain_text("Draft kept")
    with served.db.read() as session:
        assert session.get_one(Conversation, contact.call).emergency_at is None
    page.locator("main").focus()
    page.keyboard.press("!")
    expect(page.locator(".red-strip")).to_be_visible()


def test_what_asterisk_refuses_is_said_under_the_bar_and_nothing_is_pretended(
    served: Served, screen_of: OpenScreen
) -> None:
    """No Asterisk runs here."""
    screen = screen_of("alice")
    contact = answered(served)
    page = screen.open(f"/cases/{contact.case_id}")
    page.get_by_role("button", name="Hold").click()
    expect(page.locator("#bar-said")).to_contain_text("Asterisk does not answer")
    expect(page.get_by_role("button", name="Hold")).to_be_visible()
    with served.db.read() as session:
        assert session.get_one(Conversation, contact.call).place is Place.ROOM
    assert screen.faults == []


def test_the_choices_of_a_transfer_open_and_close_by_keys(served: Served, screen_of: OpenScreen) -> None:
    contact = answered(served)
    page = screen_of("alice").open(f"/cases/{contact.case_id}")
    page.locator("main").focus()
    page.keyboard.press("x")
    card = page.locator("#call-card")
    expect(card).to_contain_text("Transfer or call in")
    expect(card).to_contain_text("On a call")
    page.keyboard.press("Escape")
    expect(card).to_be_empty()
    page.locator("main").focus()
    page.keyboard.press("x")
    expect(card).to_contain_text("Queues")
    over(served, contact)
    expect(card).to_be_empty()


@pytest.mark.parametrize("where", ["/queue", "case", "/"])
def test_a_call_is_under_the_thumb_and_nothing_is_wider_than_a_phone(
    where: str, served: Served, screen_of: OpenScreen
) -> None:
    """390 px: ringing, in the call with somebody called in, in an emergency, and wrapping up."""
    screen = screen_of("alice", **PHONE)
    page = screen.open("/queue" if where == "case" else where)

    def fits() -> None:
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    contact = rings(served)
    in_page(page, "ringing")
    answer = page.locator("#pop").get_by_role("button", name="Answer")
    expect(answer).to_be_visible()
    box = answer.bounding_box()
    assert box is not None
    assert box["height"] >= 44
    assert box["y"] + box["height"] <= 844
    fits()
    case_id = answers(served, contact)
    in_page(page, "talking")
    expect(page).to_have_url(re.compile(rf"/cases/{case_id}$"))
    if where != "case":
        page = screen.open(where)
        in_page(page, "talking")
    with served.db.write() as session:
        Line(session, served.keys).with_party(session.get_one(Contact, contact.id), person(session, "bob"))
    tell(served)
    expect(page.locator(".strip")).to_contain_text("You talk with Bob")
    end = page.locator("#bar").get_by_role("button", name="End", exact=True).and_(page.locator(":visible"))
    box = end.bounding_box()
    assert box is not None
    assert box["y"] > 600, "at the bottom edge"
    assert box["height"] >= 44
    fits()
    over(served, contact)
    expect(page.locator(".wrap-strip")).to_be_visible()
    fits()
    assert screen.faults == []
