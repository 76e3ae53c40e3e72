"""An agent's page through the front: signed in over https, its phone registered, a real call taken and heard."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from ops.place_call import wait_for_voice
from tests.e2e.compose.stack import Stack
from tests.support.agent_page import CALLER_HZ, HEARD, MICROPHONE_HZ, caller_hears, chirping, near, press
from tests.support.cast import PASSWORD
from tests.support.tones import tone
from tests.support.wait import until

pytestmark = pytest.mark.timeout(2400)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chirping(tmp_path_factory.mktemp("microphone")) as chromium:
        yield chromium


@pytest.fixture
def emma(stack: Stack, browser: Browser) -> Iterator[Page]:
    """An agent at her desk, whose browser has taken the trial's own certificate."""
    stack.hire("emma", "agent", "en:native")
    context = browser.new_context(ignore_https_errors=True)
    page = context.new_page()
    page.set_default_timeout(20_000)
    page.goto(f"https://localhost:{stack.https_port}/")
    page.fill("#login", "emma")
    page.fill("#password", PASSWORD)
    page.click("button.primary")
    page.wait_for_url(lambda url: "/sign-in" not in url)
    yield page
    context.close()


def until_phone(page: Page, state: str, within_s: float = 30) -> None:
    until(lambda: page.evaluate("document.documentElement.dataset.phone") == state, within_s)


def test_a_page_takes_a_call_through_the_front(stack: Stack, emma: Page) -> None:
    until_phone(emma, "ready")
    emma.locator("#bar form", has=emma.locator("[name=to][value=ready]")).locator("button").first.click()
    expect(emma.locator("[data-check=network]")).to_contain_text("sound goes both ways", timeout=30_000)
    emma.click("#phone-check .anyway")
    with stack.phone() as phone:
        call = phone.call("1800123456", "0812345678")
        assert call.wait_answered()
        assert wait_for_voice(call, 60)
        call.press("6")
        call.say(tone(CALLER_HZ, 90))
        until_phone(emma, "ringing", 60)
        press(emma, "answer")
        until_phone(emma, "talking")
        until(lambda: near(float(emma.evaluate(HEARD)), CALLER_HZ), 15)
        caller_hears(call, MICROPHONE_HZ, 15)
        call.hangup()
    until_phone(emma, "ready")
