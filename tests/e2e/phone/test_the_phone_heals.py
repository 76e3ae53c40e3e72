"""What breaks under a phone is said on the screen, costs no caller, and mends itself."""

import os
import signal

from playwright.sync_api import expect

from hotline.staff import states as agents
from models import AgentStatus
from telephony.softphone.phone import Phone
from tests.e2e.phone.conftest import SitDown
from tests.support.agent_page import CALLER_HZ, MICROPHONE_HZ, caller_hears, calls
from tests.support.stack import Whole
from tests.support.wait import until


def test_a_page_that_is_loaded_again_in_a_call_is_back_in_it_by_itself(quick: Whole, sit_down: SitDown) -> None:
    """The caller hears music meanwhile; nothing is pressed."""
    alice = sit_down()
    alice.go_ready()
    alice.page.on("dialog", lambda dialog: dialog.accept())
    with Phone(quick.line) as worker, calls(worker) as call:
        alice.until_phone("ringing", 60)
        alice.press("answer")
        caller_hears(call, MICROPHONE_HZ)
        before = alice.row.call
        alice.page.reload()
        alice.until_phone("talking", 30)
        alice.hears(CALLER_HZ)
        caller_hears(call, MICROPHONE_HZ)
        assert alice.row.call == before
        assert not call.ended.is_set()


def test_a_tab_that_is_killed_cannot_be_rung_a_moment_later(sit_down: SitDown) -> None:
    """And when she opens the page again she can, without pressing anything."""
    alice = sit_down()
    alice.go_ready()
    context = alice.page.context
    alice.page.close()
    alice.until_reachable(False)
    again = sit_down(context=context)
    again.until_phone("ready")
    again.until_row(lambda row: row.reachable and row.status is AgentStatus.READY)


def test_a_console_that_dies_in_a_call_leaves_the_voices_alone(quick: Whole, sit_down: SitDown) -> None:
    """They go from the browser to Asterisk; the page says what is lost, and is back by itself."""
    alice = sit_down()
    alice.go_ready()
    with Phone(quick.line) as worker, calls(worker) as call:
        alice.until_phone("ringing", 60)
        alice.press("answer")
        caller_hears(call, MICROPHONE_HZ)
        old = quick.kill("console")
        alice.until_trouble("connection-lost")
        assert alice.phone == "talking"
        caller_hears(call, MICROPHONE_HZ)
        quick.came_back("console", old)
        until(lambda: alice.troubles == [], 40)
        alice.hears(CALLER_HZ)
        caller_hears(call, MICROPHONE_HZ)
        call.hangup()
        alice.until_phone("ready", 30)
    alice.until_reachable()


def test_a_call_that_ended_while_the_connection_was_lost_is_over_on_its_return(quick: Whole, sit_down: SitDown) -> None:
    """Nobody could tell the page; it asks."""
    alice = sit_down()
    alice.go_ready()
    with Phone(quick.line) as worker, calls(worker) as call:
        alice.until_phone("ringing", 60)
        alice.press("answer")
        alice.hears(CALLER_HZ)
        pid = quick.pid("console")
        os.kill(pid, signal.SIGSTOP)
        call.hangup()
        os.kill(pid, signal.SIGKILL)
        alice.until_phone("ready", 70)


def test_an_asterisk_that_dies_is_said_and_the_phone_registers_anew(quick: Whole, sit_down: SitDown) -> None:
    """Asterisk has forgotten the phone: the page brings a fresh secret."""
    alice = sit_down()
    alice.go_ready()
    old = quick.kill("asterisk")
    alice.until_trouble("asterisk-away")
    assert alice.phone == "connecting"
    quick.came_back("asterisk", old)
    alice.until_phone("ready", 60)
    until(lambda: alice.troubles == [])
    alice.until_reachable()
    with Phone(quick.line) as worker, calls(worker) as call:
        alice.until_phone("ringing", 60)
        alice.press("answer")
        caller_hears(call, MICROPHONE_HZ)


def test_a_page_that_falls_silent_is_not_ready_and_is_told_when_it_is_back(quick: Whole, sit_down: SitDown) -> None:
    """The browser froze it: it stays registered, and nothing would ring there."""
    alice = sit_down()
    alice.go_ready()
    alice.page.route("**/phone/heartbeat", lambda route: route.abort())
    alice.until_row(lambda row: (row.status, row.reason) == (AgentStatus.NOT_READY, agents.PAGE_LOST), 40)
    alice.page.unroute("**/phone/heartbeat")
    alice.until_row(lambda row: (row.status, row.reason) == (AgentStatus.NOT_READY, agents.PAGE_BACK))


HALF_A_TAKE_OVER = """() => fetch("/phone/credentials", {
  method: "POST", headers: { "X-CSRF": document.getElementById("phone").dataset.csrf },
}).then((answer) => answer.json())"""


def test_a_phone_that_another_page_began_to_take_and_did_not_is_registered_anew(
    quick: Whole, sit_down: SitDown
) -> None:
    """That page crashed between its two steps: this one would look ready, and nobody would believe it."""
    alice = sit_down()
    alice.go_ready()
    first = alice.row.page
    other = alice.page.evaluate(HALF_A_TAKE_OVER)["page"]
    assert alice.row.page == other != first
    alice.until_row(lambda row: row.page not in {first, other, None}, 30)
    alice.until_phone("ready")
    alice.until_row(lambda row: row.reachable)
    with Phone(quick.line) as worker, calls(worker) as call:
        alice.until_phone("ringing", 60)
        alice.press("answer")
        caller_hears(call, MICROPHONE_HZ)


HIDE = """() => {
  Object.defineProperty(document, "hidden", { configurable: true, get: () => true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


def test_a_hidden_page_with_the_phone_stays_ready(quick: Whole, sit_down: SitDown) -> None:
    """It keeps its feed, and answers on it."""
    alice = sit_down()
    alice.go_ready()
    alice.page.evaluate(HIDE)
    for _ in range(5):
        with alice.page.expect_response("**/phone/heartbeat", timeout=60_000) as answer:
            pass
        assert answer.value.status == 200
    assert alice.row.status is AgentStatus.READY


def test_a_sign_in_elsewhere_takes_the_phone_along(quick: Whole, sit_down: SitDown) -> None:
    """One sign-in at a time: the page she left shows the sign-in form, and rings no more."""
    desk = sit_down()
    desk.go_ready()
    home = sit_down()
    home.until_phone("ready")
    desk.page.wait_for_url("**/sign-in*")
    expect(desk.page.locator("form.card")).to_contain_text("You are signed out here")
    home.until_row(lambda row: row.reachable and row.status is AgentStatus.READY)
    with Phone(quick.line) as worker, calls(worker) as call:
        home.until_phone("ringing", 60)
        home.press("answer")
        caller_hears(call, MICROPHONE_HZ)


def test_signing_out_takes_the_phone_away(quick: Whole, sit_down: SitDown) -> None:
    """Nothing rings at an empty desk."""
    alice = sit_down()
    alice.go_ready()
    alice.page.click("#me summary")
    alice.page.click("#me form button")
    expect(alice.page.locator("#login")).to_be_visible()
    alice.until_row(lambda row: row.page is None and not row.reachable)
