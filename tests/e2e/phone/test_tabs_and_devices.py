"""One tab has the phone; and what is wrong with microphone and sound is said before a caller finds out."""

from playwright.sync_api import Page, expect

from telephony.phone import Phone
from tests.e2e.phone.conftest import SitDown
from tests.e2e.phone.seat import MICROPHONE_HZ, caller_hears, calls
from tests.e2e.whole import Whole
from tests.wait import until


def allow(page: Page, url: str, setting: str) -> None:
    """What a person sets left of the address: granted, denied or prompt."""
    cdp = page.context.new_cdp_session(page)
    cdp.send("Browser.setPermission", {"permission": {"name": "microphone"}, "setting": setting, "origin": url})


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
        second.press("take")
        second.until_trouble("other-in-call")
        assert (first.phone, second.phone) == ("talking", "elsewhere")
        caller_hears(call, MICROPHONE_HZ)


def test_a_microphone_that_is_not_allowed_is_said_with_how_to_mend_it(quick: Whole, sit_down: SitDown) -> None:
    """She is not registered either: nobody is sent to a phone that cannot answer. Allowing it mends it."""
    alice = sit_down()
    alice.until_phone("ready")
    allow(alice.page, quick.url, "denied")
    alice.until_phone("failed")
    assert alice.troubles == ["microphone-refused"]
    expect(alice.page.locator("#phone-troubles")).to_contain_text("left of the address")
    alice.until_reachable(False)
    alice.page.reload()
    alice.until_phone("failed")
    allow(alice.page, quick.url, "granted")
    alice.until_phone("ready")
    alice.until_reachable()


def test_devices_that_were_unplugged_are_said_and_the_usual_ones_used(quick: Whole, sit_down: SitDown) -> None:
    """A call can be taken all the same."""
    alice = sit_down()
    alice.until_phone("ready")
    alice.page.evaluate("for (const kind of ['microphone', 'ring']) localStorage.setItem(`freeline-${kind}`, 'gone')")
    alice.page.reload()
    alice.until_phone("ready")
    assert set(alice.troubles) == {"microphone-gone", "speaker-gone"}
    alice.go_ready()
    with Phone(quick.line) as worker, calls(worker) as call:
        alice.until_phone("ringing", 60)
        assert alice.page.evaluate("!document.getElementById('phone-ring').paused")
        alice.press("answer")
        caller_hears(call, MICROPHONE_HZ)


def test_a_page_that_nobody_has_touched_says_that_it_would_ring_in_silence(sit_down: SitDown) -> None:
    """Browsers keep it silent until the first click."""
    alice = sit_down()
    alice.until_phone("ready")
    page = alice.page.context.new_page()
    page.add_init_script(
        "AudioContext.prototype.resume = function () { return navigator.userActivation.hasBeenActive"
        " ? Object.getPrototypeOf(AudioContext.prototype).resume?.call(this) : new Promise(() => {}); };"
        "Object.defineProperty(AudioContext.prototype, 'state', { get() {"
        " return navigator.userActivation.hasBeenActive ? 'running' : 'suspended'; } });"
    )
    page.goto(alice.page.url)
    page.click("#phone button[data-phone=take]")
    page.close()


def test_a_check_of_a_phone_that_nothing_reaches_says_what_is_wrong(quick: Whole, sit_down: SitDown) -> None:
    """The check is not passed, and names the line."""
    alice = sit_down()
    alice.until_phone("ready")
    quick.kill("asterisk")
    alice.until_trouble("asterisk-away")
    alice.press("test")
    network = alice.page.locator("[data-check=network]")
    expect(network).to_have_attribute("data-result", "wrong", timeout=20_000)
    assert alice.page.locator("#phone-check").get_attribute("data-passed") == "no"
    until(lambda: alice.phone == "ready", 60)
    alice.page.click("[data-do=again]")
    expect(network).to_have_attribute("data-result", "fine", timeout=20_000)
