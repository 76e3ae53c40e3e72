"""One tab has the phone; and what is wrong with microphone and sound is said before a caller finds out."""

import signal
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from telephony.softphone.phone import Phone
from tests.e2e.phone.conftest import SitDown
from tests.support.agent_page import MICROPHONE_HZ, caller_hears, calls, take_seat
from tests.support.stack import Whole
from tests.support.wait import until


def test_a_second_tab_says_so_and_takes_the_phone_when_asked(sit_down: SitDown) -> None:
    """Two phones of one agent would ring twice and answer once."""
    first = sit_down()
    first.until_phone("ready")
    second = sit_down(context=first.page.context)
    second.until_phone("elsewhere")
    expect(second.page.locator("#phone")).to_contain_text("Phone in another tab")
    second.press("take")
    second.until_phone("ready")
    first.until_phone("elsewhere")
    second.page.close()
    first.until_phone("ready")
    first.until_reachable()


def test_a_tab_in_a_call_does_not_let_go(quick: Whole, sit_down: SitDown) -> None:
    """The other says why."""
    first = sit_down()
    first.go_ready()
    second = sit_down(context=first.page.context)
    second.until_phone("elsewhere")
    with Phone(quick.line) as worker, calls(worker) as call:
        first.until_phone("ringing", 60)
        first.press("answer")
        caller_hears(call, MICROPHONE_HZ)
        # Where the call is shown there is no such button; an older tab may still have it.
        second.page.evaluate("document.querySelector('button[data-phone=take]').click()")
        second.until_trouble("other-in-call")
        assert (first.phone, second.phone) == ("talking", "elsewhere")
        caller_hears(call, MICROPHONE_HZ)


LOCKED = """async () => {
  const main = document.querySelector("script[src*='phone/main']").src;
  return (await import(new URL("page.js", main))).has("sound-locked");
}"""


@pytest.fixture
def asking_browser(browser: Browser) -> Iterator[Browser]:
    """A browser that has a microphone and gives it to nobody before it is told to."""
    chromium = browser.browser_type.launch(
        executable_path="/usr/bin/chromium",
        args=["--no-sandbox", "--disable-gpu", "--no-first-run", "--use-fake-device-for-media-stream"],
    )
    yield chromium
    chromium.close()


def test_a_microphone_that_is_not_allowed_is_said_with_how_to_mend_it(quick: Whole, asking_browser: Browser) -> None:
    """She is not registered either: nobody is sent to a phone that cannot answer. Allowing it mends it."""
    alice = take_seat(quick, asking_browser)
    alice.until_phone("failed")
    assert alice.troubles == ["microphone-refused"]
    expect(alice.page.locator("#phone-troubles")).to_contain_text("left of the address")
    assert not alice.row.reachable
    alice.press("test")
    expect(alice.page.locator("[data-check=microphone]")).to_contain_text("left of the address")
    expect(alice.page.locator("[data-check=network]")).to_contain_text("without a microphone", timeout=60_000)
    alice.page.click("#phone-check [data-do=close]")
    alice.page.context.grant_permissions(["microphone"])
    alice.until_phone("ready")
    assert alice.troubles == []
    alice.until_reachable()
    alice.page.context.clear_permissions()
    alice.until_phone("failed")
    alice.until_reachable(False)


def test_devices_that_were_unplugged_are_said_and_the_usual_ones_used(quick: Whole, sit_down: SitDown) -> None:
    """A call can be taken all the same."""
    alice = sit_down()
    alice.until_phone("ready")
    alice.page.evaluate("for (const kind of ['microphone', 'ring']) localStorage.setItem(`freeline-${kind}`, 'gone')")
    alice.page.reload()
    alice.until_phone("ready")
    # A page that was only loaded again may be silent until it is touched, and says that as well until then.
    assert {"microphone-gone", "speaker-gone"} <= set(alice.troubles)
    alice.go_ready()
    until(lambda: set(alice.troubles) == {"microphone-gone", "speaker-gone"})
    with Phone(quick.line) as worker, calls(worker) as call:
        alice.until_phone("ringing", 60)
        assert alice.page.evaluate("!document.getElementById('phone-ring').paused")
        alice.press("answer")
        caller_hears(call, MICROPHONE_HZ)


def test_a_page_that_nobody_has_touched_says_that_it_would_ring_in_silence(sit_down: SitDown) -> None:
    """Browsers keep it silent until the first click."""
    first = sit_down()
    first.until_phone("ready")
    second = sit_down(context=first.page.context)
    second.until_phone("elsewhere")
    until(lambda: second.page.evaluate(LOCKED))
    assert second.troubles == [], "nothing rings in this tab"
    first.page.close()
    second.until_phone("ready")
    second.until_trouble("sound-locked")
    second.page.mouse.click(400, 700)
    until(lambda: second.troubles == [])


def test_a_check_of_a_phone_that_nothing_answers_says_what_is_wrong(quick: Whole, sit_down: SitDown) -> None:
    """The exchange hangs: the page believes that it is registered, and the test call shows that it is of no use."""
    alice = sit_down()
    alice.until_phone("ready")
    alice.press("test")
    network = alice.page.locator("[data-check=network]")
    expect(network).to_have_attribute("data-result", "fine", timeout=60_000)
    quick.kill("asterisk", signal.SIGSTOP)
    alice.page.click("[data-do=again]")
    expect(network).to_have_attribute("data-result", "wrong", timeout=60_000)
    expect(network).to_contain_text("was not answered")
    assert alice.page.locator("#phone-check").get_attribute("data-passed") == "no"
    quick.kill("asterisk", signal.SIGCONT)
    alice.page.click("[data-do=again]")
    expect(network).to_have_attribute("data-result", "fine", timeout=60_000)
