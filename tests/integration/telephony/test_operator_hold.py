"""Hold and what can become of it: the worker is brought back, and never left in music."""

from collections.abc import Callable
from pathlib import Path

import pytest

from hotline.settings import Settings
from telephony import names
from telephony.asterisk import render
from telephony.operator.operator import LineFailed, Operator
from tests.integration.telephony.conftest import HOLD, TERMS
from tests.support.asterisk import AsteriskUnderTest
from tests.support.scene import ALICE, BOB, LINE, WORKER, Stage, both_ways, deaf, header, ivr
from tests.support.tones import heard_tones, tone, write_tone
from tests.support.wait import until

PLEASE_HOLD = 2900


pytestmark = pytest.mark.one_asterisk(ring_s=4, come_back_s=4, comfort_every_s=60)


def test_a_held_worker_hears_music_and_comes_back_to_her_agent(stage: Stage) -> None:
    alice = stage.agent(1, "my")
    with ivr(stage.settings):
        worker, agent = stage.talk(alice)
        both_ways((worker, WORKER), (agent, ALICE))
        call = stage.call
        stage.operator.hold(call, 1)
        start = len(worker.heard)
        until(lambda: HOLD in heard_tones(worker.heard[start:]))
        deaf(worker, agent, ALICE)
        deaf(agent, worker, WORKER)
        stage.operator.hold(call, 1)
        stage.operator.resume(call, 1)
        both_ways((worker, WORKER), (agent, ALICE))
        stage.operator.resume(call, 1)
        stage.operator.hold(call, 1)
        stage.operator.resume(call, 1)
        both_ways((worker, WORKER), (agent, ALICE))
        agent.hangup()
        assert worker.wait_ended(), "she hung up: the conversation is over"
        stage.nothing_left()
        assert alice.wait_ring(2) is None


def test_a_worker_whose_agent_breaks_off_in_the_room_is_brought_back_to_her(stage: Stage) -> None:
    alice = stage.agent(1, "my")
    with ivr(stage.settings):
        worker, agent = stage.talk(alice)
        stage.operator.hold(stage.call, 1)
        stage.operator.resume(stage.call, 1)
        both_ways((worker, WORKER), (agent, ALICE))
        stage.break_off(1)
        again = alice.wait_ring()
        assert again is not None, "the same agent is rung again"
        assert header(again, names.KIND_HEADER) == names.KIND_BACK
        assert header(again, names.CALL_HEADER) == stage.call
        again.answer()
        both_ways((worker, WORKER), (again, ALICE))
        stage.operator.hold(stage.call, 1)
        stage.operator.resume(stage.call, 1)
        both_ways((worker, WORKER), (again, ALICE))
        stage.operator.end(stage.call)
        assert worker.wait_ended(), stage.where
        assert again.wait_ended()
        stage.nothing_left()


def test_a_held_worker_whose_agent_breaks_off_hears_why_and_goes_to_the_head_of_the_queue(
    stage: Stage, sounds: Path
) -> None:
    write_tone(sounds / "my" / "please_hold.sln", PLEASE_HOLD)
    alice = stage.agent(1, "my")
    with ivr(stage.settings):
        worker, _ = stage.talk(alice)
        bob = stage.agent(2, "my")
        busy = bob.call(names.ECHO_TEST)
        assert busy.wait_answered()
        stage.operator.hold(stage.call, 1)
        first = stage.call
        alice.register(0)
        earlier = stage.caller().call(LINE)
        until(lambda: "has 1 calls" in stage.asterisk.command("queue show my"))
        leg = stage.legs_of(first).agent(1)
        assert leg is not None
        stage.ami.send_action({"Action": "Hangup", "Channel": leg.channel, "Cause": "44"})
        until(lambda: PLEASE_HOLD in heard_tones(worker.heard))
        until(lambda: "has 2 calls" in stage.asterisk.command("queue show my"), 20)
        busy.hangup()
        rung = bob.wait_ring()
        assert rung is not None
        assert header(rung, names.CALL_HEADER) == first, "she goes before somebody who came while she talked"
        rung.answer()
        both_ways((worker, WORKER), (rung, BOB))
        assert not earlier.ended.is_set()


@pytest.mark.parametrize("held", [True, False])
def test_an_agent_who_hangs_up_in_the_room_ends_it_and_is_not_rung_again(stage: Stage, held: bool) -> None:
    alice = stage.agent(1, "my")
    with ivr(stage.settings):
        worker, agent = stage.talk(alice)
        stage.operator.hold(stage.call, 1)
        if not held:
            stage.operator.resume(stage.call, 1)
            both_ways((worker, WORKER), (agent, ALICE))
        agent.hangup()
        assert worker.wait_ended(), stage.where
        assert alice.wait_ring(2) is None
        stage.nothing_left()


@pytest.mark.parametrize("held", [True, False])
def test_a_worker_who_hangs_up_ends_it_for_her_agent(stage: Stage, held: bool) -> None:
    alice = stage.agent(1, "my")
    with ivr(stage.settings):
        worker, agent = stage.talk(alice)
        stage.operator.hold(stage.call, 1)
        if not held:
            stage.operator.resume(stage.call, 1)
            both_ways((worker, WORKER), (agent, ALICE))
        worker.hangup()
        assert agent.wait_ended()
        stage.nothing_left()
        again, _ = stage.talk(alice)
        assert not again.ended.is_set(), "she is rung for the next caller"


def test_the_operator_ends_a_conversation_for_all_and_nobody_is_rung_again(stage: Stage) -> None:
    alice = stage.agent(1, "my")
    with ivr(stage.settings):
        for held in (None, True, False):
            worker, agent = stage.talk(alice)
            call = stage.call
            if held is not None:
                stage.operator.hold(call, 1)
            if held is False:
                stage.operator.resume(call, 1)
            stage.operator.end(call)
            assert worker.wait_ended(), stage.where
            assert agent.wait_ended()
            stage.nothing_left()
            stage.operator.end(call)
        assert alice.wait_ring(2) is None


def test_a_long_conversation_in_the_room_is_looked_after_and_not_disturbed(
    settings: Settings, start_asterisk: Callable[[Settings], AsteriskUnderTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(render, "ROOM_LOOK_S", 2)
    stage = Stage(settings, start_asterisk(settings))
    alice = stage.agent(1, "my")
    with ivr(stage.settings):
        worker, agent = stage.talk(alice)
        stage.operator.hold(stage.call, 1)
        stage.operator.resume(stage.call, 1)
        both_ways((worker, WORKER), (agent, ALICE))
        start = len(worker.heard)
        agent.say(tone(ALICE, 7.0))
        assert agent.wait_said()
        assert heard_tones(worker.heard[start:]) == [ALICE]
        both_ways((worker, WORKER), (agent, ALICE))
        stage.operator.end(stage.call)
        stage.nothing_left()
    stage.close()


def test_a_worker_at_the_absolute_limit_goes_on_to_a_message_and_her_agent_is_free(
    settings: Settings, start_asterisk: Callable[[Settings], AsteriskUnderTest]
) -> None:
    short = settings.model_copy(update={"limit_talking_s": 6})
    stage = Stage(short, start_asterisk(short))
    alice = stage.agent(1, "my")
    with ivr(stage.settings):
        worker, agent = stage.talk(alice)
        stage.operator.hold(stage.call, 1)
        stage.operator.resume(stage.call, 1)
        assert agent.wait_ended()
        until(lambda: TERMS["my"] in heard_tones(worker.heard))
    stage.close()


def test_a_phone_can_move_no_call_by_itself(stage: Stage) -> None:
    alice = stage.agent(1, "my")
    with ivr(stage.settings):
        worker, agent = stage.talk(alice)
        stage.operator.hold(stage.call, 1)
        stage.operator.resume(stage.call, 1)
        both_ways((worker, WORKER), (agent, ALICE))
        agent.cseq += 1
        refer = alice.request("REFER", agent.target, agent)
        refer.headers.append(("Refer-To", f"<sip:{names.EXTENSION_WORKER}@127.0.0.1>"))
        answer = alice._ask(refer, agent.call_id)
        assert answer is not None
        assert answer.status >= 400
        both_ways((worker, WORKER), (agent, ALICE))


def test_an_act_on_a_call_that_is_over_says_so(stage: Stage) -> None:
    alice = stage.agent(1, "my")
    with ivr(stage.settings):
        worker, agent = stage.talk(alice)
        call = stage.call
        with pytest.raises(LineFailed, match="not in this call"):
            stage.operator.hold(call, 2)
        worker.hangup()
        agent.wait_ended()
        until(lambda: stage.asterisk.channels == 0)  # until then somebody has just left
        for act in (stage.operator.hold, stage.operator.resume):
            with pytest.raises(LineFailed, match="over"):
                act(call, 1)
    with pytest.raises(LineFailed, match="over"):
        stage.operator.merge("nothing-like-it")
    with pytest.raises(ValueError, match="not allowed"):
        stage.operator.end("x,y")


@pytest.mark.own_asterisk
def test_without_asterisk_the_operator_says_so_and_comes_back_by_itself(
    settings: Settings, asterisk: AsteriskUnderTest
) -> None:
    operator = Operator(settings)
    operator.end("c0ffee")
    asterisk.stop()
    with pytest.raises(LineFailed, match="does not answer"):
        operator.end("c0ffee")
    asterisk.start()
    operator.end("c0ffee")
    operator.close()
