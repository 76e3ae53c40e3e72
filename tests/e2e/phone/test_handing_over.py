"""A call and more than two people: held, asked about, handed over, helped. Real pages, a real caller, sound both ways."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import APIResponse, Route, expect
from sqlmodel import col, select

from hotline.keys import load_keys
from hotline.referrals import directory
from hotline.staff import states as agents
from models import Agent, AgentStatus, EntryKind, EventKind, Outcome
from telephony.softphone.phone import Phone
from tests.support import shared_stack as shared
from tests.support.agent_page import CALLER_HZ, MICROPHONE_HZ, caller_hears, near, pitch
from tests.support.floor import Floor, does_not_hear, press, wait_status
from tests.support.stack import Whole
from tests.support.thailand import THAI
from tests.support.tones import RATE_HZ, tone
from tests.support.wait import until

INTERPRETER_HZ = 1300
INTERPRETER = "022345678"


@pytest.fixture
def quick(tmp_path: Path, quick_sounds: Path, empty_database: str) -> Iterator[Whole]:
    """A Freeline for each test: with one for the module, Bob's second call in it was seen to fail."""
    it = shared.start(tmp_path, quick_sounds, empty_database)
    yield it
    it.stop()


def test_a_worker_on_hold_hears_music_and_then_her_agent_again(floor: Floor) -> None:
    alice = floor.sit("alice")
    with Phone(floor.whole.line) as worker:
        call = floor.answered(alice, worker)
        press(alice, "Hold")
        expect(alice.page.locator("#bar")).to_contain_text("waits with music")
        does_not_hear(call, MICROPHONE_HZ)
        press(alice, "Resume")
        caller_hears(call, MICROPHONE_HZ)
        alice.hears(CALLER_HZ)
        alice.press("end")
        assert call.wait_ended()
    wait_status(alice, AgentStatus.WRAP_UP)


def test_a_colleague_is_asked_joins_and_takes_the_call_over_with_its_case(floor: Floor) -> None:
    alice, bob = floor.sit("alice"), floor.sit("bob")
    with Phone(floor.whole.line) as worker:
        call = floor.answered(alice, worker)
        press(alice, "Transfer")
        alice.page.locator("#call-card li", has_text="Bob").get_by_role("button", name="Ask").click()
        bob.until_phone("ringing")
        expect(bob.page.locator("#pop")).to_contain_text("Alice asks you about a call")
        bob.press("answer")
        bob.hears(MICROPHONE_HZ)
        does_not_hear(call, MICROPHONE_HZ)
        expect(alice.page.locator("#bar")).to_contain_text("You talk with Bob")
        press(alice, "Swap")
        caller_hears(call, MICROPHONE_HZ)
        alice.hears(CALLER_HZ)
        press(alice, "All together")
        bob.hears(CALLER_HZ)
        expect(alice.page.locator("#bar")).to_contain_text("talk together")
        press(alice, "Hand over to Bob")
        wait_status(alice, AgentStatus.WRAP_UP)
        alice.until_phone("ready")
        bob.hears(CALLER_HZ)
        caller_hears(call, MICROPHONE_HZ)
        until(lambda: floor.case().owner_id == bob.row.agent_id)
        bob.page.wait_for_url(f"**/cases/{floor.case().id}", timeout=60_000)
        bob.press("end")
        assert call.wait_ended()
    wait_status(bob, AgentStatus.WRAP_UP)
    until(lambda: floor.contact().outcome is Outcome.ANSWERED)
    assert floor.contact().handler_id == alice.row.agent_id
    assert EventKind.TRANSFERRED in floor.told()


def test_a_colleague_who_was_asked_is_sent_away_and_the_worker_is_back(floor: Floor) -> None:
    alice, bob = floor.sit("alice"), floor.sit("bob")
    with Phone(floor.whole.line) as worker:
        call = floor.answered(alice, worker)
        press(alice, "Transfer")
        alice.page.locator("#call-card li", has_text="Bob").get_by_role("button", name="Ask").click()
        bob.until_phone("ringing")
        bob.press("answer")
        bob.hears(MICROPHONE_HZ)
        press(alice, "Send Bob away")
        bob.until_phone("ready")
        caller_hears(call, MICROPHONE_HZ)
        alice.hears(CALLER_HZ)
        assert floor.case().owner_id == alice.row.agent_id
        alice.press("end")
        assert call.wait_ended()


def test_a_colleague_who_does_not_answer_is_named_and_one_who_was_given_up_is_not(floor: Floor) -> None:
    alice, bob = floor.sit("alice"), floor.sit("bob")
    said = alice.page.locator("#bar-said")
    with Phone(floor.whole.line) as worker:
        call = floor.answered(alice, worker)
        for ends in (lambda: bob.press("decline"), lambda: press(alice, "Stop calling")):
            press(alice, "Transfer")
            alice.page.locator("#call-card li", has_text="Bob").get_by_role("button", name="Ask").click()
            bob.until_phone("ringing")
            expect(alice.page.locator("#bar")).to_contain_text("Calling Bob")
            expect(said).to_be_empty()
            ends()
            bob.until_phone("ready")
            expect(alice.page.locator("#bar")).not_to_contain_text("Calling Bob")
            if "Resume" in alice.page.locator("#bar").inner_text():
                expect(said).to_contain_text("Bob did not answer.")
                press(alice, "Resume")
            caller_hears(call, MICROPHONE_HZ)
        expect(said).to_be_empty()
        alice.press("end")
        assert call.wait_ended()


@pytest.mark.parametrize("refused", [False, True], ids=["done", "refused"])
def test_an_answer_to_a_button_that_is_gone_meanwhile_makes_no_second_bar(floor: Floor, refused: bool) -> None:
    """'Stop calling' is on its way while the bar is drawn without it: it was done, or she declined before it came."""
    alice, bob = floor.sit("alice"), floor.sit("bob")
    held: list[tuple[Route, APIResponse | None]] = []

    def hold(route: Route) -> None:
        held.append((route, None if refused else route.fetch()))

    alice.page.route("**/phone/calls/*/return", hold)
    with Phone(floor.whole.line) as worker:
        call = floor.answered(alice, worker)
        press(alice, "Transfer")
        alice.page.locator("#call-card li", has_text="Bob").get_by_role("button", name="Ask").click()
        bob.until_phone("ringing")
        press(alice, "Stop calling")
        if refused:
            bob.press("decline")
        bars = alice.page.locator("#bar")
        expect(bars).not_to_contain_text("Calling Bob")
        ((route, answer),) = held
        with alice.page.expect_response("**/phone/calls/*/return"):
            route.fulfill(response=answer) if answer else route.continue_()
        if refused:
            expect(alice.page.locator("#bar-said")).to_contain_text("is not in the call any more")
            press(alice, "Resume")
        caller_hears(call, MICROPHONE_HZ)
        expect(bars).to_have_count(1)
        alice.press("end")
        assert call.wait_ended()


def test_a_call_is_handed_to_another_languages_queue_and_comes_first_there(floor: Floor) -> None:
    alice, bob = floor.sit("alice"), floor.sit("bob")
    with Phone(floor.whole.line) as worker:
        call = floor.answered(alice, worker)
        press(alice, "Transfer")
        alice.page.locator("#call-card li", has_text="ไทย").get_by_role("button", name="Hand over").click()
        bob.until_phone("ringing", 60)
        wait_status(alice, AgentStatus.WRAP_UP)
        bob.press("answer")
        bob.hears(CALLER_HZ)
        caller_hears(call, MICROPHONE_HZ)
        until(lambda: floor.case().owner_id == bob.row.agent_id)
        bob.press("end")
        assert call.wait_ended()
    assert len(floor.whole.contacts()) == 1


def test_a_call_is_handed_to_one_agent_without_asking(floor: Floor) -> None:
    alice, bob = floor.sit("alice"), floor.sit("bob")
    with Phone(floor.whole.line) as worker:
        call = floor.answered(alice, worker)
        press(alice, "Transfer")
        alice.page.locator("#call-card li", has_text="Bob").get_by_role("button", name="Hand over").click()
        bob.until_phone("ringing", 30)
        bob.press("answer")
        bob.hears(CALLER_HZ)
        caller_hears(call, MICROPHONE_HZ)
        wait_status(bob, AgentStatus.ON_CALL)
        call.hangup()
    wait_status(bob, AgentStatus.WRAP_UP)


def test_one_key_brings_a_supervisor_into_the_call(floor: Floor) -> None:
    alice, sofia = floor.sit("alice"), floor.sit("sofia", ready=False)
    with Phone(floor.whole.line) as worker:
        call = floor.answered(alice, worker)
        alice.page.locator("#note-text").first.focus()
        alice.page.keyboard.press("F8")
        expect(sofia.page.locator("#emergencies")).to_contain_text("Alice asks for a supervisor", timeout=60_000)
        sofia.until_phone("ringing")
        caller_hears(call, MICROPHONE_HZ)
        sofia.press("answer")
        sofia.hears(CALLER_HZ)
        alice.hears(CALLER_HZ)
        expect(alice.page.locator("#bar")).to_contain_text("Sofia is in the call with you")
        expect(sofia.page.locator("#bar")).to_contain_text("Alice has this call and asked you in")
        expect(sofia.page.locator("#bar")).not_to_contain_text("No supervisor")
        sofia.press("end")
        sofia.until_phone("ready")
        caller_hears(call, MICROPHONE_HZ)
        alice.press("end")
        assert call.wait_ended()
    assert EventKind.EMERGENCY in floor.told()
    expect(sofia.page.locator("#emergencies")).not_to_contain_text("Alice", timeout=60_000)


def test_an_interpreter_of_the_directory_is_called_in_and_all_three_talk(floor: Floor) -> None:
    with floor.whole.db.write() as s:
        sofia = s.exec(select(Agent).where(col(Agent.login) == "sofia")).one()
        keys = load_keys(floor.whole.settings.keys, may_open=True)
        directory.add(
            s, keys, sofia, name="Interpreter on call", kind=EntryKind.INTERPRETER, number=INTERPRETER, language="my",
            numbering=THAI,
        )  # fmt: skip
    alice = floor.sit("alice")
    with Phone(floor.whole.line) as worker:
        call = floor.answered(alice, worker)
        press(alice, "Transfer")
        alice.page.locator("#call-card li", has_text="Interpreter on call").get_by_role("button").click()
        alice.page.locator("#call-card").get_by_role("button", name="Call Interpreter on call").click()
        rung = floor.provider.wait_ring()
        assert rung is not None, "nobody was called"
        assert f"sip:{INTERPRETER}@" in str(rung.invite and rung.invite.first).replace("+662", "02")
        rung.answer()
        rung.say(tone(INTERPRETER_HZ, 60))
        alice.hears(INTERPRETER_HZ)
        does_not_hear(call, INTERPRETER_HZ)
        press(alice, "All together")
        until(
            lambda: (
                near(pitch(rung.heard[-RATE_HZ * 2 :]), CALLER_HZ)
                or near(pitch(rung.heard[-RATE_HZ * 2 :]), MICROPHONE_HZ)
            )
        )
        caller_hears(call, INTERPRETER_HZ)
        press(alice, "Send Interpreter on call away")
        assert rung.wait_ended()
        caller_hears(call, MICROPHONE_HZ)
        alice.press("end")
        assert call.wait_ended()
    log = (floor.whole.settings.run / "freeline.log").read_text()
    assert INTERPRETER[1:] not in log


def test_after_the_call_one_key_says_what_it_was_and_she_is_ready_again(floor: Floor) -> None:
    alice = floor.sit("alice")
    with Phone(floor.whole.line) as worker:
        call = floor.answered(alice, worker)
        alice.page.wait_for_url(f"**/cases/{floor.case().id}", timeout=60_000)
        alice.page.locator("#note-text").first.fill("Her pay is two months late.")
        expect(alice.page.locator("#main")).to_contain_text("kept", timeout=60_000)
        call.hangup()
        wait_status(alice, AgentStatus.WRAP_UP)
    expect(alice.page.locator("#bar")).to_have_attribute("data-status", "wrap_up", timeout=60_000)
    press(alice, "Done, ready")
    expect(alice.page.locator("#bar [role=alert]")).to_be_visible()
    assert alice.row.status is AgentStatus.WRAP_UP, "what the call was must be said first"
    alice.page.locator("#main h1, #main h2").first.click()
    alice.page.keyboard.press("1")
    until(lambda: floor.contact().disposition is not None)
    alice.page.keyboard.press("r")
    wait_status(alice, AgentStatus.READY)
    assert agents.MISSED not in {alice.row.reason}
