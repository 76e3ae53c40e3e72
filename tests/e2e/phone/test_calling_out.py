"""An agent at home takes a call on her mobile; a conversation is recorded with consent. The whole of it, for real."""

from datetime import time

from playwright.sync_api import expect
from sqlmodel import col, select

from hotline.keys import load_keys
from hotline.roster import shifts
from hotline.staff import mobiles
from models import (
    Agent,
    AgentStatus,
    Contact,
    Recording,
    RecordingKind,
)
from ops.place_call import wait_for_voice
from telephony.softphone.phone import Phone
from tests.e2e.test_line import assert_nothing_personal
from tests.support.agent_page import MICROPHONE_HZ, caller_hears, calls
from tests.support.floor import Floor, press, wait_status
from tests.support.thailand import THAI
from tests.support.tones import tone
from tests.support.wait import until

NUMBER = "0812345678"
MOBILE = "0898765432"


def test_an_agent_at_home_takes_a_call_on_her_mobile_with_1(floor: Floor) -> None:
    keys = load_keys(floor.whole.settings.keys, may_open=True)
    with floor.whole.db.write() as s:
        bob = s.exec(select(Agent).where(col(Agent.login) == "bob")).one()
        mobiles.set_mobile(s, keys, bob.id, MOBILE, by_id=None, numbering=THAI)
        for weekday in range(7):
            shifts.add_shift(s, bob.id, weekday=weekday, starts=time(0), ends=time(0), at_home=True)
    floor.told_mobiles()
    with Phone(floor.whole.line) as worker:
        call = calls(worker, "2", NUMBER)
        rung = floor.provider.wait_ring()
        assert rung is not None, "her mobile did not ring"
        rung.answer()
        assert wait_for_voice(rung, 60)
        rung.press("1")
        rung.say(tone(MICROPHONE_HZ, 30))
        caller_hears(call, MICROPHONE_HZ, 20)
        contact = until(lambda: [c for c in floor.whole.contacts() if c.answered_at], 10)[0]
        assert contact.handler_id == bob.id
        rung.hangup()
        assert call.wait_ended()
    assert_nothing_personal(floor.whole, ["812345678", "898765432"])


def test_a_conversation_is_recorded_only_with_consent_and_ends_in_the_vault(floor: Floor) -> None:
    alice = floor.sit("alice")
    with Phone(floor.whole.line) as worker:
        call = floor.answered(alice, worker)
        alice.page.wait_for_url("**/cases/*", timeout=60_000)
        expect(alice.page.locator("#bar").get_by_role("button", name="Record")).to_have_count(0)
        alice.page.get_by_role("button", name="The worker said yes").first.click()
        press(alice, "Record")
        expect(alice.page.locator("#bar .recording")).to_be_visible(timeout=60_000)
        spool = floor.whole.settings.spool
        until(lambda: any(f.stat().st_size > 2 * 16_000 for f in spool.glob("*.sln")), 20)
        alice.page.locator("#bar .recording button").click()
        expect(alice.page.locator("#bar .recording")).to_have_count(0)
        alice.press("end")
        assert call.wait_ended()
    wait_status(alice, AgentStatus.WRAP_UP)

    def kept() -> list[Recording]:
        with floor.whole.db.read() as s:
            return list(s.exec(select(Recording)))

    [recording] = until(kept, 20)
    assert recording.kind is RecordingKind.CONVERSATION
    assert recording.duration_s > 0.5
    assert list(floor.whole.settings.spool.iterdir()) == []
    [contact] = floor.whole.contacts()
    assert isinstance(contact, Contact)
    expect(alice.page.locator("#main")).to_contain_text("Conversation", timeout=60_000)
