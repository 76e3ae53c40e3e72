"""Freeline with a trunk that calls out, a provider at its other end, and agents at their pages."""

from playwright.sync_api import Browser, expect
from sqlmodel import col, select

from hotline.nudges import AGENTS_CHANGED, Nudges
from models import AgentStatus, Case, CaseEvent, Contact, EventKind
from telephony.softphone.phone import Phone, SoftphoneCall
from tests.support.agent_page import CALLER_HZ, MICROPHONE_HZ, Seat, caller_hears, calls, near, pitch, take_seat
from tests.support.stack import Whole
from tests.support.tones import RATE_HZ
from tests.support.wait import until


class Floor:
    """Such a Freeline with its agents; `close` also checks the pages for errors."""

    def __init__(self, whole: Whole, browser: Browser, provider: Phone) -> None:
        self.whole, self.provider, self._browser = whole, provider, browser
        self.seats: list[Seat] = []

    def sit(self, login: str, ready: bool = True) -> Seat:
        seat = take_seat(self.whole, self._browser, login)
        self.seats.append(seat)
        if ready:
            seat.go_ready()
        else:
            seat.until_phone("ready")
            seat.until_reachable()
        return seat

    def answered(self, seat: Seat, worker: Phone, key: str = "1") -> SoftphoneCall:
        """Return a worker's call that this agent has answered from the page."""
        call = calls(worker, key)
        seat.until_phone("ringing", 60)
        seat.press("answer")
        seat.hears(CALLER_HZ)
        caller_hears(call, MICROPHONE_HZ)
        expect(seat.page.locator("#bar")).to_have_attribute("data-status", "on_call", timeout=60_000)
        return call

    def case(self) -> Case:
        """The one case there is."""
        [case] = self.whole.cases()
        return case

    def contact(self) -> Contact:
        [contact] = self.whole.contacts()
        return contact

    def told(self) -> list[EventKind]:
        mine = [case.id for case in self.whole.cases()]
        with self.whole.db.read() as s:
            of_them = select(CaseEvent).where(col(CaseEvent.case_id).in_(mine))
            return [e.kind for e in s.exec(of_them.order_by(col(CaseEvent.id)))]

    def told_mobiles(self) -> None:
        """Nudge the processes that sync mobiles and queues, as a change on screen does."""
        Nudges(self.whole.settings.redis).tell(AGENTS_CHANGED)

    def close(self) -> None:
        for context in {seat.page.context for seat in self.seats}:
            context.close()
        faults = [fault for seat in self.seats for fault in seat.faults]
        assert faults == [], faults


def does_not_hear(call: SoftphoneCall, hz: int, seconds: float = 2.0) -> None:
    """Check that for some seconds from now the caller does not hear this pitch."""
    start = len(call.heard)
    until(lambda: len(call.heard) - start > RATE_HZ * 2 * (seconds + 0.5))
    assert not near(pitch(call.heard[start + RATE_HZ :]), hz)


def press(seat: Seat, words: str) -> None:
    """Press a button of the bar or of the panel under it."""
    seat.page.locator("#bar, #call-card").locator(f"button:has-text('{words}')").first.click()


def wait_status(seat: Seat, status: AgentStatus) -> None:
    seat.until_row(lambda row: row.status is status)
