"""A page that is loaded again in a call is back in it, however often; and can rejoin one that went on without it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from models import AgentStatus
from telephony.softphone.phone import Phone
from tests.e2e.conftest import hire_before_start
from tests.support.agent_page import CALLER_HZ, MICROPHONE_HZ, Seat, caller_hears, calls, take_seat
from tests.support.stack import Whole
from tests.support.wait import until


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory, quick_sounds: Path) -> Iterator[Whole]:
    """One Freeline for both tests, on SQLite: what is looked at is the page and Asterisk."""
    it = Whole(tmp_path_factory.mktemp("reloads") / "data", quick_sounds)
    try:
        hire_before_start(it)
        yield it.start()
    finally:
        it.stop()


@contextmanager
def at_the_page(line: Whole, browser: Browser, login: str) -> Iterator[Seat]:
    """An agent, ready, whose page may be left in a call without asking."""
    seat = take_seat(line, browser, login)
    seat.page.on("dialog", lambda dialog: dialog.accept())
    seat.go_ready()
    yield seat
    seat.page.context.close()
    assert seat.faults == []


def test_a_page_that_is_loaded_again_twice_in_a_call_is_back_in_it_each_time(line: Whole, browser: Browser) -> None:
    with at_the_page(line, browser, "alice") as alice, Phone(line.line) as worker, calls(worker) as call:
        alice.until_phone("ringing", 60)
        alice.press("answer")
        caller_hears(call, MICROPHONE_HZ)
        before = alice.row.call
        for _ in range(2):
            alice.page.reload()
            alice.until_phone("talking", 30)
            alice.hears(CALLER_HZ)
            caller_hears(call, MICROPHONE_HZ)
        assert alice.row.call == before
        assert not call.ended.is_set()
        alice.press("end")
        assert call.wait_ended(10), "what was lost before is no reason to ring them once more"
        alice.until_row(lambda row: row.status is AgentStatus.WRAP_UP)


def test_an_agent_who_loads_the_page_while_a_supervisor_helps_can_rejoin(line: Whole, browser: Browser) -> None:
    """The worker talks on with the supervisor; the agent comes back when they press it, and can speak."""
    with (
        at_the_page(line, browser, "bob") as bob,
        line.phone_of("sofia") as sofia,
        Phone(line.line) as worker,
        calls(worker, "2") as call,
    ):
        bob.until_phone("ringing", 60)
        bob.press("answer")
        caller_hears(call, MICROPHONE_HZ)
        expect(bob.page.locator("#bar")).to_have_attribute("data-status", "on_call", timeout=15_000)
        bob.page.locator("#bar button.alarm").click()
        helper = sofia.wait_ring()
        assert helper is not None
        helper.answer()
        until(lambda: len(helper.heard) > 16_000)
        bob.page.reload()
        rejoin = bob.page.locator("#bar button:has-text('Rejoin')")
        expect(rejoin).to_be_visible(timeout=20_000)
        bob.until_phone("ready")
        rejoin.click()
        bob.until_phone("talking")
        bob.hears(CALLER_HZ)
        caller_hears(call, MICROPHONE_HZ)
        assert not helper.ended.is_set()
