"""A call in the page: it rings, is answered, is heard on both sides, and survives what an agent does beside it."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from models import AgentStatus
from telephony.softphone.phone import Phone
from tests.e2e.phone.conftest import SitDown
from tests.support.agent_page import CALLER_HZ, MICROPHONE_HZ, Seat, asterisk, caller_hears, calls, pitch
from tests.support.databases import on_both
from tests.support.stack import Whole
from tests.support.wait import until


def by_key_while_typing(seat: Seat) -> None:
    seat.page.click("#nav a[href='/cases']")
    seat.page.locator("main input:visible").first.fill("half a word")
    seat.page.keyboard.press("Control+Enter")


ANSWERS: dict[str, Callable[[Seat], None]] = {
    "a click": lambda seat: seat.press("answer"),
    "Ctrl+Enter while something is typed": by_key_while_typing,
}


def test_the_page_registers_and_the_agent_can_be_rung_once_she_is_ready(sit_down: SitDown) -> None:
    """Without a secret to copy, and without a program beside the browser."""
    alice = sit_down()
    alice.until_phone("ready")
    alice.until_reachable()
    assert alice.row.status is not AgentStatus.READY
    assert alice.row.page
    assert alice.troubles == []


def test_ready_without_a_check_asks_for_one_and_the_check_finds_everything_fine(sit_down: SitDown) -> None:
    """Microphone, sound and network; then she is ready with one click."""
    alice = sit_down()
    page = alice.page
    alice.until_phone("ready")
    alice.press_ready()
    expect(page.locator("#phone-check")).to_be_visible()
    assert alice.row.status is not AgentStatus.READY
    expect(page.locator("[data-check=microphone]")).to_have_attribute("data-result", "fine")
    expect(page.locator("[data-check=network]")).to_have_attribute("data-result", "fine")
    expect(page.locator("[data-check=network]")).to_contain_text("sound goes both ways")
    expect(page.locator("#phone-check .go")).to_be_hidden()
    page.click("[data-do=tone]")
    page.click("[data-do=heard]")
    expect(page.locator("#phone-check .go")).to_be_focused()
    page.keyboard.press("Enter")
    alice.until_row(lambda row: row.status is AgentStatus.READY)
    expect(page.locator("#phone")).to_contain_text("Phone checked")
    page.click("#nav a[href='/queue']")
    expect(page.locator("#phone")).to_contain_text("Phone checked")


@pytest.mark.parametrize("way", ANSWERS)
def test_a_real_caller_is_answered_and_heard_on_both_sides(quick: Whole, sit_down: SitDown, way: str) -> None:
    """Proved by tones: the caller hums, the microphone chirps."""
    alice = sit_down()
    alice.go_ready()
    rung: list[dict[str, str]] = []
    alice.page.expose_function("noteRing", lambda detail: rung.append(detail))
    alice.page.evaluate("document.body.addEventListener('phone-rings', (event) => window.noteRing(event.detail))")
    with Phone(quick.line) as worker, calls(worker) as call:
        alice.until_phone("ringing", 60)
        assert alice.page.evaluate("!document.getElementById('phone-ring').paused")
        ANSWERS[way](alice)
        alice.until_phone("talking")
        alice.hears(CALLER_HZ)
        caller_hears(call, MICROPHONE_HZ)
        assert alice.page.evaluate("document.getElementById('phone-ring').paused")
        alice.until_row(lambda row: row.status is AgentStatus.ON_CALL)
        assert rung == [{"call": alice.row.call, "kind": "queue"}]
        alice.press("end")
        assert call.wait_ended()
    alice.until_phone("ready")


def test_other_pages_mute_and_keys_leave_the_call_alone(quick: Whole, sit_down: SitDown) -> None:
    """The phone stands outside what is swapped."""
    alice = sit_down()
    alice.go_ready()
    with Phone(quick.line) as worker, calls(worker) as call:
        alice.until_phone("ringing", 60)
        alice.press("answer")
        # The case opens by itself at the answer, also over a page that was asked for a moment before.
        alice.page.wait_for_url("**/cases/*")
        caller_hears(call, MICROPHONE_HZ)
        for path in ("/queue", "/cases", "/roster", "/"):
            alice.page.click(f"#nav a[href='{path}']")
            alice.page.wait_for_url(quick.url + path)
        alice.hears(CALLER_HZ)
        alice.press("mute")
        expect(alice.page.locator("html")).to_have_attribute("data-muted", "")
        expect(alice.page.locator("#top").get_by_text("Muted").locator("visible=true").first).to_be_visible()
        until(lambda: pitch(call.heard[-16000:]) == 0)
        alice.hears(CALLER_HZ)
        alice.press("mute")
        caller_hears(call, MICROPHONE_HZ)
        alice.press("keypad")
        alice.page.click("#phone-keys button[value='4']")
        alice.page.keyboard.press("#")
        expect(alice.page.locator("#phone-pressed")).to_have_text("4#")
        until(lambda: call.audio.pressed == "4#")
        call.hangup()
        alice.until_phone("ready")
        assert alice.troubles == []


def test_a_key_of_the_call_is_never_taken_by_the_page_under_it(quick: Whole, sit_down: SitDown) -> None:
    """The case has keys of its own, and shows them."""
    alice = sit_down()
    alice.go_ready()
    with Phone(quick.line) as worker, calls(worker):
        alice.until_phone("ringing", 60)
        alice.press("answer")
        alice.until_phone("talking")
        alice.page.wait_for_url("**/cases/*", timeout=60_000)
        shown = alice.page.locator("#bar [data-key]:visible, #main [data-key]:visible")
        keys = shown.evaluate_all("(all) => all.map((e) => e.dataset.key)")
        assert {"m", "h", "d", "x", "u"} <= set(keys)
        assert len(keys) == len(set(keys)), "no key means two things"
        alice.page.evaluate("document.activeElement.blur()")
        alice.page.keyboard.press("m")
        expect(alice.page.locator("html")).to_have_attribute("data-muted", "")
        alice.page.evaluate("document.activeElement.blur()")
        alice.page.keyboard.press("u")
        expect(alice.page.locator("#move .pop-body")).to_be_visible()


def test_a_caller_who_hangs_up_ends_the_call_in_the_page(quick: Whole, sit_down: SitDown) -> None:
    """Also while it still rings."""
    alice = sit_down()
    alice.go_ready()
    with Phone(quick.line) as worker:
        call = calls(worker)
        alice.until_phone("ringing", 60)
        call.hangup()
        alice.until_phone("ready")
        assert alice.page.evaluate("document.getElementById('phone-ring').paused")


@on_both
def test_a_declined_call_stops_ringing_and_the_caller_waits_on(quick: Whole, sit_down: SitDown) -> None:
    """She is not lost: the queue looks for somebody else."""
    alice = sit_down()
    alice.go_ready()
    with Phone(quick.line) as worker, calls(worker) as call:
        alice.until_phone("ringing", 60)
        alice.press("decline")
        alice.until_phone("ready")
        assert not call.ended.is_set()


def test_leaving_the_page_in_a_call_asks_first(quick: Whole, sit_down: SitDown) -> None:
    """And staying keeps the call."""
    alice = sit_down()
    alice.go_ready()
    asked: list[str] = []
    alice.page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    with Phone(quick.line) as worker, calls(worker) as call:
        alice.until_phone("ringing", 60)
        alice.press("answer")
        caller_hears(call, MICROPHONE_HZ)
        alice.page.evaluate("location.assign('/account')")
        until(lambda: (alice.page.wait_for_timeout(50), asked)[1] == ["beforeunload"])
        assert alice.phone == "talking"
        caller_hears(call, MICROPHONE_HZ)


def test_a_second_call_is_refused_while_one_goes_on(quick: Whole, sit_down: SitDown) -> None:
    """The page has one call; the first is not touched."""
    alice = sit_down()
    alice.go_ready()
    with Phone(quick.line) as worker, calls(worker) as call:
        alice.until_phone("ringing", 60)
        alice.press("answer")
        alice.hears(CALLER_HZ)
        asterisk(quick, f"channel originate PJSIP/agent{alice.row.agent_id} application Echo")
        until(lambda: asterisk(quick, "core show channels count").startswith("2 active channels"))
        assert alice.phone == "talking"
        alice.hears(CALLER_HZ)
        assert not call.ended.is_set()


def test_a_caller_whose_sound_stops_is_said(quick: Whole, sit_down: SitDown) -> None:
    """'No sound is arriving', and it goes away when it comes again."""
    alice = sit_down()
    alice.go_ready()
    with Phone(quick.line) as worker, calls(worker) as call:
        alice.until_phone("ringing", 60)
        alice.press("answer")
        alice.hears(CALLER_HZ)
        assert alice.troubles == []
        call.audio.send_nothing = True
        alice.until_trouble("no-sound")
        call.audio.send_nothing = False
        until(lambda: alice.troubles == [])
