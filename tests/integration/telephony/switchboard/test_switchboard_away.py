"""Asterisk, the switchboard or the database is away for a while, and nothing is lost."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlmodel import select

from hotline.keys import Keys
from hotline.settings import Settings
from models import Agent, AgentStatus, Case, Database, Outcome
from telephony import names
from telephony.softphone.phone import Phone
from telephony.switchboard.changes.calls import Answered
from telephony.switchboard.process import Switchboard
from tests.fakes.fake_ivr import FakeIvr
from tests.support.asterisk import AsteriskUnderTest
from tests.support.databases import locked
from tests.support.scene import header
from tests.support.switchboard_floor import (
    LINE,
    Process,
    cel_end,
    contacts,
    ended,
    pending,
    phones_on_disk,
    state,
    talk,
)
from tests.support.wait import until

pytestmark = [pytest.mark.usefixtures("keys"), pytest.mark.one_asterisk(ring_s=3, wrap_up_s=1)]


@pytest.mark.own_asterisk
def test_phones_queues_and_menu_are_back_after_asterisk_has_crashed(
    board: Switchboard, ivr: FakeIvr, db: Database, alice: Agent, phone: Phone, asterisk: AsteriskUnderTest
) -> None:
    assert phone.register() == 200
    until(lambda: state(db, alice).reachable)
    began = time.monotonic()
    with asterisk.phone() as first:
        talk(db, first, phone)
        asterisk.kill()
        until(lambda: not board.reader.connected)
        asterisk.start()
    row = until(lambda: ended(db), within_s=30)
    assert row.outcome is Outcome.ANSWERED
    assert row.talk_s is not None
    assert row.talk_s <= time.monotonic() - began
    until(lambda: state(db, alice).status is AgentStatus.READY)
    until(lambda: phone.register() == 200)
    until(lambda: "(Not in use)" in asterisk.command("queue show my"))
    with asterisk.phone() as again:
        _, ring = talk(db, again, phone)
        ring.hangup()
    until(lambda: len(contacts(db)) == 2 and contacts(db)[1].outcome is Outcome.ANSWERED)
    assert "FREELINE_KEY_7=ko" in asterisk.command("dialplan show globals")


@pytest.mark.own_asterisk
def test_a_phone_that_registered_before_a_crash_rings_soon_after_it_on_a_slow_asterisk_too(
    board: Switchboard,
    db: Database,
    alice: Agent,
    phone: Phone,
    asterisk: AsteriskUnderTest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert phone.register() == 200
    until(lambda: state(db, alice).reachable)
    until(lambda: phones_on_disk(asterisk) == 1)
    asterisk.kill()
    until(lambda: not board.reader.connected)
    ask = board.ari._ask

    def slowly(method: str, kind: str, *rest: Any, **more: Any) -> bytes:
        answer = ask(method, kind, *rest, **more)
        if method == "PUT":
            time.sleep(1.2)  # Asterisk asks the phones that it remembers within one second
        return answer

    monkeypatch.setattr(board.ari, "_ask", slowly)
    asterisk.start()
    until(lambda: "(Not in use)" in asterisk.command("queue show my"))
    until(lambda: state(db, alice).reachable)


def test_a_database_locked_for_ten_seconds_loses_nothing(
    board: Switchboard, ivr: FakeIvr, db: Database, alice: Agent, phone: Phone, caller: Phone
) -> None:
    assert phone.register() == 200
    until(lambda: state(db, alice).reachable)
    with locked(db):
        over = time.monotonic() + 10
        for nth in (1, 2, 3):
            call = caller.call(LINE)
            ring = phone.wait_ring()
            assert ring is not None
            ring.answer()
            assert call.wait_answered()

            def answered(times: int = nth) -> bool:
                return sum(isinstance(change, Answered) for change in pending(board)) >= times

            until(answered)  # one who hangs up before the queue has given her the caller has not had her
            ring.hangup()
            assert call.wait_ended()
        until(lambda: time.monotonic() > over)
    until(lambda: len(contacts(db)) == 3 and all(c.outcome is Outcome.ANSWERED for c in contacts(db)), within_s=30)
    with db.read() as session:
        assert len(session.exec(select(Case.id)).all()) == 3
    until(lambda: state(db, alice).status is AgentStatus.READY)


def test_a_call_that_ends_while_the_switchboard_is_dead_is_closed_when_it_is_back(
    launch: Callable[[], Process],
    settings: Settings,
    asterisk: AsteriskUnderTest,
    ivr: FakeIvr,
    db: Database,
    alice: Agent,
    phone: Phone,
    caller: Phone,
) -> None:
    first = launch()
    until(lambda: phone.register() == 200, within_s=30)
    until(lambda: "(Not in use)" in asterisk.command("queue show my"))
    call, _ = talk(db, caller, phone)
    first.kill()
    call.hangup()
    until(lambda: asterisk.channels == 0)
    before = cel_end(asterisk.cel)
    assert contacts(db)[0].ended_at is None
    assert state(db, alice).status is AgentStatus.ON_CALL
    second = launch()
    row = until(lambda: ended(db), within_s=30)
    assert (row.outcome, row.handler_id) == (Outcome.ANSWERED, alice.id)
    assert row.ended_at is not None
    assert abs(row.ended_at.timestamp() - before) < 0.01, "it ended when Asterisk wrote that it did"
    until(lambda: state(db, alice).status is AgentStatus.READY)
    assert f"{alice.sip_name}/sip:" in asterisk.command("pjsip show contacts"), "her phone was not taken away"
    assert state(db, alice).reachable
    assert second.stop() == 0


def test_a_call_that_came_and_went_while_the_switchboard_was_dead_has_its_answer_and_its_handler(
    launch: Callable[[], Process],
    serve: Callable[[Switchboard], None],
    settings: Settings,
    asterisk: AsteriskUnderTest,
    ivr: FakeIvr,
    db: Database,
    alice: Agent,
    phone: Phone,
    caller: Phone,
    keys: Keys,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = launch()
    until(lambda: phone.register() == 200, within_s=30)
    until(lambda: "(Not in use)" in asterisk.command("queue show my"))
    first.kill()
    call = caller.call(LINE)
    ring = phone.wait_ring()
    assert ring is not None
    ring.answer()
    assert call.wait_answered()
    until(lambda: "BRIDGE_ENTER" in asterisk.cel.read_text())
    ring.hangup()
    until(lambda: asterisk.channels == 0)
    assert contacts(db) == [], "nobody wrote it: ivr is a fake here"
    monkeypatch.setattr("telephony.switchboard.reconcile.OTHERS_HAVE_S", 0)
    serve(Switchboard(settings))
    row = until(lambda: ended(db))
    assert (row.outcome, row.handler_id, row.line) == (Outcome.ANSWERED, alice.id, LINE)
    assert row.call == header(ring, names.CALL_HEADER), "the record names the call"


@pytest.mark.own_asterisk
def test_asterisk_goes_on_in_a_new_file_when_the_records_are_set_aside(
    serve: Callable[[Switchboard], None],
    settings: Settings,
    asterisk: AsteriskUnderTest,
    ivr: FakeIvr,
    db: Database,
    alice: Agent,
    caller: Phone,
) -> None:
    board = Switchboard(settings)
    board.cel.set_aside_at = 1
    serve(board)
    until(lambda: board._swept_at)

    def set_aside() -> bool:
        board._swept_at = 0.0
        board._wake.set()
        return not asterisk.cel.exists()

    for n in (1, 2, 3):
        call = caller.call(LINE)
        assert call.wait_answered()
        call.hangup()
        until(lambda n=n: len(found := contacts(db)) == n and found[-1].outcome)
        until(set_aside)
    assert len(contacts(db)) == 3
