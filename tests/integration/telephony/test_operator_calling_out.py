"""Calls that we make: back to a worker, and to an agent's mobile. And what nobody may find of their numbers later."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hotline.settings import Settings
from telephony import names
from telephony.operator.operator import LineFailed
from telephony.softphone.phone import Phone, SoftphoneCall
from tests.integration.telephony.conftest import HOLD, TERMS
from tests.support.scene import ALICE, BOB, LINE, NUMBER, OUTSIDE, WORKER, Stage, both_ways, header, hears, ivr
from tests.support.tones import heard_tones, write_tone
from tests.support.wait import until

CALL = "6f0e8f4c-3f0b-4d8e-9a55-0c8f0f6b7a10"
HERS = "0876500011"
MOBILE = "+66876500022"
SHELTER = "0876500033"
PRESS_1 = 2800


pytestmark = pytest.mark.one_asterisk(
    ring_s=4, come_back_s=4, callback_ring_s=4, mobile_ring_s=15, comfort_every_s=60, calls_out=True
)


@pytest.fixture
def provider(settings: Settings) -> Iterator[Phone]:
    """Where the trunk calls out to."""
    port = int(settings.trunk_host.partition(":")[2])
    with Phone((settings.sip_host, settings.sip_port), port=port) as phone:
        yield phone


def call_back(stage: Stage, alice: Phone, provider: Phone, language: str = "my") -> tuple[SoftphoneCall, SoftphoneCall]:
    """Alice calls a worker, who has answered: the worker's side and hers."""
    stage.operator.call_back(CALL, 1, HERS, language)
    agent = alice.wait_ring()
    assert agent is not None
    assert header(agent, names.KIND_HEADER) == names.KIND_CALL_BACK
    assert header(agent, names.CALL_HEADER) == CALL
    agent.answer()
    worker = provider.wait_ring()
    assert worker is not None
    worker.answer()
    both_ways((worker, WORKER), (agent, ALICE))
    return worker, agent


def test_an_agent_calls_a_worker_from_her_own_phone_under_the_lines_number(stage: Stage, provider: Phone) -> None:
    alice = stage.agent(1, "my")
    worker, agent = call_back(stage, alice, provider)
    assert worker.invite is not None
    assert f"sip:{HERS}@" in worker.invite.first
    assert worker.invite.get("From").partition(";")[0] == f"<sip:{LINE}@127.0.0.1>"
    assert "X-Freeline" not in worker.invite.to_bytes().decode()
    assert HERS not in agent.invite.to_bytes().decode()  # type: ignore[union-attr]
    found = stage.legs.worker
    assert found is not None
    assert found.leg == names.LEG_WORKER
    assert stage.call == CALL
    agent.hangup()
    assert worker.wait_ended(), stage.where
    stage.nothing_left()


def test_a_worker_called_back_is_held_and_brought_back_and_can_hang_up(stage: Stage, provider: Phone) -> None:
    alice = stage.agent(1, "my")
    worker, agent = call_back(stage, alice, provider)
    start = len(worker.heard)
    stage.operator.hold(CALL, 1)
    until(lambda: HOLD in heard_tones(worker.heard[start:]))
    stage.operator.resume(CALL, 1)
    both_ways((worker, WORKER), (agent, ALICE))
    worker.hangup()
    assert agent.wait_ended()
    stage.nothing_left()


@pytest.mark.parametrize("moved", [False, True])
def test_a_worker_called_back_whose_agent_breaks_off_is_brought_back_to_her(
    stage: Stage, provider: Phone, moved: bool
) -> None:
    alice = stage.agent(1, "my")
    worker, agent = call_back(stage, alice, provider)
    if moved:
        stage.operator.hold(CALL, 1)
        stage.operator.resume(CALL, 1)
        both_ways((worker, WORKER), (agent, ALICE))
    stage.break_off(1)
    again = alice.wait_ring()
    assert again is not None
    assert HERS not in again.invite.to_bytes().decode()  # type: ignore[union-attr]
    again.answer()
    both_ways((worker, WORKER), (again, ALICE))
    again.hangup()
    assert worker.wait_ended(), stage.where
    stage.nothing_left()


def test_a_worker_called_back_whose_agent_stays_away_is_served_by_another(stage: Stage, provider: Phone) -> None:
    alice, bob = stage.agent(1), stage.agent(2, "my")
    with ivr(stage.settings):
        worker, _ = call_back(stage, alice, provider)
        alice.register(0)
        stage.break_off(1)
        rung = bob.wait_ring()
        assert rung is not None
        rung.answer()
        both_ways((worker, WORKER), (rung, BOB))


def test_a_worker_called_back_is_handed_over(stage: Stage, provider: Phone) -> None:
    alice = stage.agent(1)
    with ivr(stage.settings):
        worker, agent = call_back(stage, alice, provider)
        stage.operator.to_queue(CALL, "th")
        assert agent.wait_ended()
        until(lambda: TERMS["th"] in heard_tones(worker.heard))


@pytest.mark.parametrize("how", ["silent", "busy", "agent gives up", "agent is silent"])
def test_a_call_back_that_reaches_nobody_ends_for_all(stage: Stage, provider: Phone, how: str) -> None:
    alice = stage.agent(1)
    stage.operator.call_back(CALL, 1, HERS)
    agent = alice.wait_ring()
    assert agent is not None
    if how == "agent is silent":
        assert agent.wait_ended()
    else:
        agent.answer()
        rung = provider.wait_ring()
        assert rung is not None
        if how == "busy":
            rung.reject()
        if how == "agent gives up":
            agent.hangup()
            assert rung.wait_ended()
        assert agent.wait_ended()
    stage.nothing_left()
    assert provider.wait_ring(0.5) is None


def test_an_agent_whose_phone_is_not_there_calls_nobody(stage: Stage, provider: Phone) -> None:
    with pytest.raises(LineFailed, match="not ready"):
        stage.operator.call_back(CALL, 1, HERS)
    assert provider.wait_ring(0.5) is None


def test_a_phone_that_registers_in_the_moment_of_the_call_is_waited_for(stage: Stage, provider: Phone) -> None:
    alice = stage.agent(1)
    assert alice.register(0) == 200
    state = {"Action": "Getvar", "Variable": f"DEVICE_STATE({names.agent_interface(1)})"}
    until(lambda: stage.ami.send_action(state).get("Value") == "UNAVAILABLE")
    later = threading.Timer(0.5, alice.register)
    later.start()
    try:
        stage.operator.call_back(CALL, 1, HERS)
    finally:
        later.join()
    rung = alice.wait_ring()
    assert rung is not None
    rung.answer()
    assert provider.wait_ring() is not None


def mobile_rings(stage: Stage, provider: Phone, sounds: Path) -> tuple[SoftphoneCall, SoftphoneCall]:
    """A worker who waits, and the mobile of the one agent, answered: both sides."""
    write_tone(sounds / "my" / "mobile_call.sln", PRESS_1)
    stage.operator.set_mobile(1, MOBILE)
    stage.join(names.mobile_interface(1), "my")
    worker = stage.caller().call(LINE, from_number=NUMBER)
    rung = provider.wait_ring()
    assert rung is not None
    rung.answer()
    until(lambda: PRESS_1 in heard_tones(rung.heard))
    return worker, rung


def test_a_mobile_takes_the_call_with_1_and_its_owner_can_hold_and_end_it(
    stage: Stage, provider: Phone, sounds: Path
) -> None:
    with ivr(stage.settings):
        worker, mobile = mobile_rings(stage, provider, sounds)
        assert mobile.invite is not None
        text = mobile.invite.to_bytes().decode()
        assert f"sip:{MOBILE}@" in mobile.invite.first
        assert mobile.invite.get("From").partition(";")[0] == f"<sip:{LINE}@127.0.0.1>"
        assert NUMBER not in text
        assert "X-Freeline" not in text
        mobile.press("1")
        both_ways((worker, WORKER), (mobile, ALICE))
        call = stage.call
        stage.operator.hold(call, 1)
        start = len(worker.heard)
        until(lambda: HOLD in heard_tones(worker.heard[start:]))
        stage.operator.resume(call, 1)
        both_ways((worker, WORKER), (mobile, ALICE))
        mobile.hangup()
        assert worker.wait_ended(), stage.where
        stage.nothing_left()


def test_a_mobile_that_hangs_up_in_the_simplest_call_ends_it(stage: Stage, provider: Phone, sounds: Path) -> None:
    with ivr(stage.settings):
        worker, mobile = mobile_rings(stage, provider, sounds)
        mobile.press("1")
        both_ways((worker, WORKER), (mobile, ALICE))
        mobile.hangup()
        assert worker.wait_ended(), stage.where
        stage.nothing_left()


def test_a_mailbox_that_answers_a_mobile_takes_no_call(stage: Stage, provider: Phone, sounds: Path) -> None:
    with ivr(stage.settings):
        worker, mobile = mobile_rings(stage, provider, sounds)
        assert mobile.wait_ended()
        assert not worker.ended.is_set()
        assert ALICE not in heard_tones(worker.heard)


def test_a_caller_who_gives_up_leaves_no_mobile_ringing_or_asking(stage: Stage, provider: Phone, sounds: Path) -> None:
    with ivr(stage.settings):
        worker, mobile = mobile_rings(stage, provider, sounds)
        worker.hangup()
        assert mobile.wait_ended()
        stage.nothing_left()


@pytest.mark.own_asterisk
def test_which_mobiles_asterisk_knows_and_that_a_restart_forgets_them(stage: Stage) -> None:
    assert stage.operator.mobiles_missing([1, 2]) == {1, 2}
    stage.operator.set_mobile(1, MOBILE)
    stage.asterisk.command("dialplan reload")
    assert stage.operator.mobiles_missing([1, 2]) == {2}
    stage.operator.set_mobile(1, None)
    assert stage.operator.mobiles_missing([1]) == {1}
    stage.operator.set_mobile(1, MOBILE)
    stage.asterisk.stop()
    stage.asterisk.start()
    assert stage.operator.mobiles_missing([1]) == {1}


def test_no_number_that_was_called_is_in_a_file_or_a_files_name(stage: Stage, provider: Phone, sounds: Path) -> None:
    alice, bob = stage.agent(1), stage.agent(2)
    worker, agent = call_back(stage, alice, provider)
    stage.operator.call_outside(CALL, 1, "c0ffee", SHELTER)
    outside = provider.wait_ring()
    assert outside is not None
    outside.answer()
    both_ways((agent, ALICE), (outside, OUTSIDE))
    stage.operator.merge(CALL)
    hears(worker, outside, OUTSIDE)
    stage.operator.start_recording(CALL)
    stage.operator.to_agent(CALL, 2, "my")
    rung = bob.wait_ring()
    assert rung is not None
    stage.operator.end(CALL)
    stage.nothing_left()
    with ivr(stage.settings):
        _, mobile = mobile_rings(stage, provider, sounds)
        mobile.press("1")
        until(lambda: stage.legs.agent(1))
        mobile.hangup()
        stage.nothing_left()
    # What fails is told too, and a log loves to tell it.
    provider.close()
    stage.operator.call_back(CALL, 1, HERS)
    agent = alice.wait_ring()
    assert agent is not None
    agent.answer()
    assert agent.wait_ended()
    stage.nothing_left()
    until(lambda: stage.asterisk.cel.exists() and "LINKEDID_END" in stage.asterisk.cel.read_text())
    files = [path for path in stage.settings.data.rglob("*") if path.is_file()]
    for number in (HERS, MOBILE, SHELTER, NUMBER):
        digits = number.lstrip("+").encode()
        assert [path for path in files if digits in path.read_bytes() or digits.decode() in path.name] == []
