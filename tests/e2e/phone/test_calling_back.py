"""Calling a worker back from the page: her telephone rings through the trunk, and what came of it is kept."""

import uuid
from collections.abc import Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import expect
from sqlmodel import col, select

from hotline.calls import facts as calls
from hotline.calls.facts import Fact, Seen
from hotline.intake import safety_form
from hotline.keys import load_keys
from hotline.nudges import CALLBACKS_CHANGED, Nudges
from models import Agent, AgentStatus, AttemptOutcome, Callback, CallbackAttempt, CallbackEnd, CallbackSafety, Contact
from models.db.types import now
from telephony.softphone.phone import Phone
from tests.e2e.phone.conftest import SitDown
from tests.support.agent_page import CALLER_HZ, MICROPHONE_HZ, Seat, caller_hears
from tests.support.stack import Whole
from tests.support.thailand import saw
from tests.support.tones import tone
from tests.support.wait import until

HERS = "0876500011"


@pytest.fixture
def provider(quick: Whole) -> Iterator[Phone]:
    """The telephone of the worker, behind the trunk."""
    with Phone(quick.line, port=int(quick.settings.trunk_host.partition(":")[2])) as phone:
        yield phone


@pytest.fixture
def callback_id(quick: Whole) -> int:
    """A worker who left the queue and said that a call is safe at any hour."""
    keys, at = load_keys(quick.settings.keys, may_open=True), now() - timedelta(hours=3)
    missed = f"missed-{uuid.uuid4()}"
    with quick.db.write() as s:
        saw(s, keys, missed, Fact.ARRIVED, at, Seen(linkedid=missed, number=HERS))
        contact = saw(s, keys, missed, Fact.KEY, at, Seen(language="my"))
        saw(s, keys, missed, Fact.QUEUED, at, Seen(queue="my"))
        calls.close(s, contact, at + timedelta(minutes=1), join_within_s=900, brief_s=10)
        bob = s.exec(select(Agent).where(col(Agent.login) == "bob")).one()
        said = {"callback": CallbackSafety.SAFE, "window": "00:00-00:00", "cover_phrase": "Clinic appointment"}
        safety_form.set_safety(s, contact.case_id or 0, bob, **said)
        found = s.exec(select(Callback)).one().id
    Nudges(quick.settings.redis).tell(CALLBACKS_CHANGED)
    return found


def item(quick: Whole, callback_id: int) -> Callback:
    with quick.db.read() as s:
        return s.get_one(Callback, callback_id)


def attempt(quick: Whole) -> CallbackAttempt:
    with quick.db.read() as s:
        return s.exec(select(CallbackAttempt)).one()


def our_call(quick: Whole) -> Contact:
    with quick.db.read() as s:
        return s.get_one(Contact, attempt(quick).contact_id)


def sit_ready(sit_down: SitDown) -> Seat:
    """Alice, ready, at the page of call-backs."""
    alice = sit_down()
    alice.go_ready()
    expect(alice.page.locator("#callbacks-count")).to_contain_text("1")
    alice.page.click("#nav a[href='/callbacks']")
    return alice


def test_a_worker_is_called_back_and_talks_with_the_agent(
    quick: Whole, sit_down: SitDown, provider: Phone, callback_id: int
) -> None:
    """Asked once, two tones, one key; then nothing is owed any more, and her number was on no page."""
    alice = sit_ready(sit_down)
    page = alice.page
    page.locator("summary", has_text="Call the worker").click()
    expect(page.locator(".calling[open] [data-first]")).to_be_focused()
    page.keyboard.press("Enter")
    worker = provider.wait_ring()
    assert worker is not None
    assert worker.invite is not None
    assert f"sip:+66{HERS[1:]}@" in worker.invite.first
    expect(page.get_by_text("How did it go?").first).to_be_visible()
    expect(page.get_by_text("Clinic appointment").first).to_be_visible()
    assert HERS[1:] not in page.content().replace(" ", "")
    worker.answer()
    worker.say(tone(CALLER_HZ, 60))
    alice.hears(CALLER_HZ, 20)
    caller_hears(worker, MICROPHONE_HZ, 20)
    alice.until_row(lambda row: row.status is AgentStatus.ON_CALL)
    # The case is beside her phone by now, and the same panel with it.
    expect(page.locator("#callback")).to_contain_text("How did it go?")
    page.locator("main h1").click()
    page.keyboard.press("y")
    until(lambda: item(quick, callback_id).end is CallbackEnd.REACHED)
    alice.press("end")
    assert worker.wait_ended()
    until(lambda: our_call(quick).ended_at is not None)
    assert our_call(quick).answered_at is not None
    expect(page.locator("#callbacks-count")).to_contain_text("0")


def test_a_worker_who_does_not_answer_counts_by_itself(
    quick: Whole, sit_down: SitDown, provider: Phone, callback_id: int
) -> None:
    """Nobody has to say so; she stands under Later, with one dot, and is not called again now."""
    alice = sit_ready(sit_down)
    alice.page.locator("summary", has_text="Call the worker").click()
    expect(alice.page.locator(".calling[open] [data-first]")).to_be_focused()
    alice.page.keyboard.press("Enter")
    worker = provider.wait_ring()
    assert worker is not None
    until(lambda: attempt(quick).outcome is AttemptOutcome.NOBODY, 40)
    assert item(quick, callback_id).due_at > now() + timedelta(hours=1)
    alice.until_phone("ready")
    alice.page.click("#nav a[href='/callbacks']")
    expect(alice.page.locator("#callbacks")).to_contain_text("Opens")
    expect(alice.page.get_by_text("Call the worker")).to_have_count(0)
