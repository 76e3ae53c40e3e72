"""Calls and agents, on a real Asterisk with real phones, a real SQLite and a real Redis."""

import re
from collections.abc import Callable

import pytest
from sqlmodel import select

from hotline import nudges as events
from hotline.line import languages
from hotline.settings import Settings
from hotline.staff import states as agents
from models import Agent, AgentStateChange, AgentStatus, Conversation, Database, Outcome
from telephony.clients import ari
from telephony.operator.operator import Operator
from telephony.softphone.phone import Phone
from telephony.switchboard import process as switchboard
from telephony.switchboard.process import Switchboard
from tests.fakes.fake_ivr import FakeIvr
from tests.support.asterisk import AsteriskUnderTest
from tests.support.cast import Cast
from tests.support.switchboard_floor import LINE, contacts, ended, give_secret, state, talk
from tests.support.wait import until

pytestmark = [pytest.mark.usefixtures("keys"), pytest.mark.one_asterisk(ring_s=3, wrap_up_s=1)]


def test_a_call_answered_by_a_registered_phone_is_answered_and_has_its_handler(
    board: Switchboard, ivr: FakeIvr, db: Database, alice: Agent, phone: Phone, caller: Phone
) -> None:
    assert not state(db, alice).reachable
    assert phone.register() == 200
    until(lambda: state(db, alice).reachable)
    _, ring = talk(db, caller, phone)
    assert state(db, alice).status is AgentStatus.ON_CALL
    assert state(db, alice).call == contacts(db)[0].call
    ring.hangup()
    row = until(lambda: ended(db))
    assert (row.outcome, row.handler_id, row.queue, row.line) == (Outcome.ANSWERED, alice.id, "my", LINE)
    assert row.arrived_at <= (row.queued_at or row.arrived_at) <= (row.answered_at or row.arrived_at)
    until(lambda: state(db, alice).status is AgentStatus.READY)


def test_the_next_caller_waits_for_an_agent_who_is_on_a_call(
    board: Switchboard, ivr: FakeIvr, db: Database, alice: Agent, phone: Phone, caller: Phone
) -> None:
    assert phone.register() == 200
    _, ring = talk(db, caller, phone)
    second = caller.call(LINE, from_number="0899999999")
    until(lambda: len(contacts(db)) == 2 and contacts(db)[1].queued_at)
    looks = board.settings.run / switchboard.ALIVE
    board._wake.set()
    until(lambda: looks.exists() and not board._wake.is_set())
    assert phone.wait_ring(2.5) is None, "one call at a time"
    assert not second.ended.is_set(), "she is busy, not away: the caller keeps her place"
    ring.hangup()
    next_ring = phone.wait_ring()
    assert next_ring is not None
    next_ring.answer()
    until(lambda: contacts(db)[1].answered_at)
    second.hangup()
    until(lambda: contacts(db)[1].outcome is Outcome.ANSWERED)


def test_a_caller_who_hangs_up_while_it_rings_has_abandoned_and_nobody_missed_it(
    board: Switchboard, ivr: FakeIvr, db: Database, alice: Agent, phone: Phone, caller: Phone
) -> None:
    assert phone.register() == 200
    call = caller.call(LINE)
    assert phone.wait_ring() is not None
    assert call.wait_answered()
    call.hangup()
    row = until(lambda: ended(db))
    assert row.outcome is Outcome.ABANDONED_IN_QUEUE
    assert state(db, alice).status is AgentStatus.READY


def test_a_ring_nobody_answers_makes_her_not_ready_and_pauses_her_phone(
    board: Switchboard,
    ivr: FakeIvr,
    db: Database,
    alice: Agent,
    phone: Phone,
    caller: Phone,
    asterisk: AsteriskUnderTest,
) -> None:
    assert phone.register() == 200
    caller.call(LINE)
    until(lambda: state(db, alice).status is AgentStatus.NOT_READY)
    assert state(db, alice).reason == agents.MISSED
    until(lambda: "(paused" in asterisk.command("queue show my"))


def test_a_new_secret_replaces_the_old_one_and_who_has_left_cannot_register(
    board: Switchboard, db: Database, alice: Agent, settings: Settings, phone: Phone, asterisk: AsteriskUnderTest
) -> None:
    assert phone.register() == 200
    with db.write() as session:
        give_secret(alice, "another secret")
        session.add(alice)
    board._wake.set()
    with Phone((settings.sip_host, settings.sip_port), user=alice.sip_name, secret="another secret") as new:
        until(lambda: new.register() == 200)
        assert phone.register() == 401
        with db.write() as session:
            alice.active = False
            session.add(alice)
        board._wake.set()
        until(lambda: new.register() in {401, 403})
    until(lambda: f"agent{alice.id}" not in asterisk.command("pjsip show endpoints"))
    until(lambda: f"agent{alice.id}" not in asterisk.command("queue show"))
    until(lambda: not state(db, alice).reachable)


def test_an_agent_whose_phone_breaks_off_is_kept_for_her_caller_and_talks_to_her_again(
    serve: Callable[[Switchboard], None],
    settings: Settings,
    asterisk: AsteriskUnderTest,
    ivr: FakeIvr,
    db: Database,
    alice: Agent,
    phone: Phone,
    caller: Phone,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(ari._DESK, "rtp_timeout", "2")
    board = Switchboard(settings)
    serve(board)
    until(lambda: phone.register() == 200)
    until(lambda: alice.sip_name in asterisk.command("queue show my"))
    call, ring = talk(db, caller, phone)
    ring.vanish()
    until(lambda: board.notices.lost_agents(switchboard.now()), within_s=20)
    assert state(db, alice).status is AgentStatus.ON_CALL
    back = phone.wait_ring()
    assert back is not None
    back.answer()
    until(lambda: not board.notices.lost_agents(switchboard.now()))
    assert state(db, alice).status is AgentStatus.ON_CALL
    call.hangup()
    row = until(lambda: ended(db))
    assert row.outcome is Outcome.ANSWERED
    until(lambda: state(db, alice).status is AgentStatus.READY)


def test_a_nudge_is_enough_to_pause_her_and_to_change_the_menu(
    redis: None,
    board: Switchboard,
    db: Database,
    alice: Agent,
    asterisk: AsteriskUnderTest,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(switchboard, "LOOK_EVERY_S", 600.0)
    nudges = events.Nudges(settings.redis)
    until(lambda: nudges._redis.pubsub_numsub(events.CHANNEL)[0][1] == 1)
    board._wake.set()
    until(lambda: not board._wake.is_set())  # from here on it waits for nudges alone
    with db.write() as session:
        agents.choose_status(session, alice, False)
        languages.put_language(session, "my", key="9", position=1)
    nudges.tell(events.AGENTS_CHANGED, events.MENU_CHANGED)
    until(lambda: "(paused" in asterisk.command("queue show my"))
    until(lambda: "FREELINE_KEY_9=my" in asterisk.command("dialplan show globals"))


def test_an_agent_wraps_up_before_she_is_rung_again(
    board: Switchboard, ivr: FakeIvr, db: Database, alice: Agent, phone: Phone, caller: Phone
) -> None:
    assert phone.register() == 200
    _, ring = talk(db, caller, phone)
    with db.read() as session:
        assert (led := session.get(Conversation, contacts(db)[0].call)) is not None
        assert led.agent_id == alice.id
    second = caller.call(LINE, from_number="0899999999")
    until(lambda: len(contacts(db)) == 2 and contacts(db)[1].queued_at)
    ring.hangup()
    until(lambda: state(db, alice).status is AgentStatus.WRAP_UP)
    until(lambda: state(db, alice).status is AgentStatus.RINGING)
    with db.read() as session:
        did = session.exec(select(AgentStateChange.status).where(AgentStateChange.agent_id == alice.id)).all()
    assert did[-4:] == [AgentStatus.ON_CALL, AgentStatus.WRAP_UP, AgentStatus.READY, AgentStatus.RINGING]
    assert not second.ended.is_set()


def test_a_phone_in_a_browser_is_the_consoles_until_its_page_is_gone(
    board: Switchboard,
    db: Database,
    alice: Agent,
    staff: Cast,
    settings: Settings,
    phone: Phone,
    asterisk: AsteriskUnderTest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(switchboard, "PAGE_GONE_S", 0.5)
    bob, operator = staff.bob, Operator(settings)
    assert phone.register() == 200
    for agent in (alice, bob):
        operator.new_phone(agent.id)
        with db.write() as session:
            agents.page_took(session, agent.id, "a page")

    def is_a_browsers(agent: Agent) -> bool:
        shown = asterisk.command(f"pjsip show endpoint {agent.sip_name}")
        return bool(re.search(r"webrtc +: yes", shown))

    until(lambda: [board._pushed.get(a.id) for a in (alice, bob)] == [switchboard.BROWSER] * 2)
    board._wake.set()
    until(lambda: not board._wake.is_set())
    assert is_a_browsers(alice)
    assert is_a_browsers(bob)
    assert phone.register() == 401, "her softphone's secret is none while a page has her phone"

    for agent in (alice, bob):
        with db.write() as session:
            agents.page_left(session, agent.id)

    def softphone_again() -> bool:
        board._wake.set()
        return phone.register() == 200

    until(softphone_again)
    until(lambda: not is_a_browsers(alice))
    until(lambda: bob.sip_name not in asterisk.command("pjsip show endpoints"))
    with db.write() as session:
        agents.page_took(session, alice.id, "another page")
        alice.active = False
        session.add(alice)
    board._wake.set()
    until(lambda: alice.sip_name not in asterisk.command("pjsip show endpoints"))
    operator.close()
