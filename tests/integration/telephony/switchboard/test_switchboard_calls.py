"""Calls and agents, on a real Asterisk with real phones, a real SQLite and a real Redis."""

from collections.abc import Callable

import pytest

from hotline import agents, events, languages
from hotline.settings import Settings
from models import Agent, AgentStatus, Database, Outcome
from telephony import ari, switchboard
from telephony.phone import Phone
from telephony.switchboard import Switchboard
from tests.fakes.fake_ivr import FakeIvr
from tests.integration.telephony.switchboard.parts import LINE, contacts, ended, give_secret, state, talk
from tests.stack import AsteriskUnderTest
from tests.wait import until

pytestmark = pytest.mark.usefixtures("keys")


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
    monkeypatch.setitem(ari._ENDPOINT, "rtp_timeout", "2")
    board = Switchboard(settings)
    serve(board)
    until(lambda: phone.register() == 200)
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
