"""A worker is handed over to a queue or to an agent, and always reaches a person or a message."""

import pytest

from telephony import names
from tests.integration.telephony.conftest import HOLD, TERMS, TONE
from tests.support.scene import ALICE, BOB, LINE, NUMBER, WORKER, Stage, both_ways, header, ivr
from tests.support.tones import heard_tones
from tests.support.wait import until

pytestmark = pytest.mark.one_asterisk(ring_s=4, come_back_s=4, comfort_every_s=60, mobile_ring_s=120)


@pytest.mark.parametrize("before", ["talking", "held", "in the room"])
def test_a_worker_handed_to_a_queue_goes_before_all_who_wait_in_it(stage: Stage, before: str) -> None:
    alice, bob = stage.agent(1, "my"), stage.agent(2, "th")
    asked: list[str] = []
    with ivr(stage.settings, {"th": "queue"}, heard=asked) as server:
        worker, agent = stage.talk(alice)
        call = stage.call
        busy = bob.call(names.ECHO_TEST)
        assert busy.wait_answered()
        choose = server.scripts["choose_language"]

        def thai(line: object) -> None:
            line.put("FREELINE_QUEUE", "th")  # type: ignore[attr-defined]
            line.done()  # type: ignore[attr-defined]

        server.scripts = {**server.scripts, "choose_language": thai}
        earlier = stage.caller().call(LINE)
        until(lambda: "has 1 calls" in stage.asterisk.command("queue show th"))
        server.scripts = {**server.scripts, "choose_language": choose}
        if before != "talking":
            stage.operator.hold(call, 1)
        if before == "in the room":
            stage.operator.resume(call, 1)
            both_ways((worker, WORKER), (agent, ALICE))
        stage.operator.to_queue(call, "th")
        assert agent.wait_ended()
        until(lambda: "has 2 calls" in stage.asterisk.command("queue show th"))
        until(lambda: HOLD in heard_tones(worker.heard))
        busy.hangup()
        rung = bob.wait_ring()
        assert rung is not None
        assert header(rung, names.CALL_HEADER) == call
        assert NUMBER not in rung.invite.to_bytes().decode()  # type: ignore[union-attr]
        rung.answer()
        both_ways((worker, WORKER), (rung, BOB))
        assert asked == ["my", "th", "th"]
        assert not earlier.ended.is_set()
        rung.hangup()
        assert worker.wait_ended(), "an old agent's end must not be taken for a new one's, nor the other way round"


def test_a_worker_handed_to_a_queue_in_which_nobody_is_leaves_a_message(stage: Stage) -> None:
    alice = stage.agent(1, "my")
    with ivr(stage.settings):
        worker, _ = stage.talk(alice)
        stage.operator.to_queue(stage.call, "th")
        until(lambda: TERMS["th"] in heard_tones(worker.heard) and TONE in heard_tones(worker.heard))
        worker.hangup()
        stage.nothing_left()


def test_with_ivr_down_a_worker_handed_over_still_leaves_a_message(stage: Stage) -> None:
    alice = stage.agent(1, "my")
    with ivr(stage.settings) as server:
        worker, _ = stage.talk(alice)
        server.die()
        stage.operator.to_queue(stage.call, "th")
        until(lambda: TERMS["th"] in heard_tones(worker.heard))


def test_a_worker_handed_to_an_agent_hears_music_and_then_her(stage: Stage) -> None:
    alice, bob = stage.agent(1, "my"), stage.agent(2)
    with ivr(stage.settings):
        worker, agent = stage.talk(alice)
        call = stage.call
        stage.operator.to_agent(call, 2, "my")
        assert agent.wait_ended()
        rung = bob.wait_ring()
        assert rung is not None
        assert header(rung, names.KIND_HEADER) == names.KIND_TRANSFER
        assert header(rung, names.CALL_HEADER) == call
        assert NUMBER not in rung.invite.to_bytes().decode()  # type: ignore[union-attr]
        until(lambda: HOLD in heard_tones(worker.heard))
        rung.answer()
        both_ways((worker, WORKER), (rung, BOB))
        stage.operator.hold(call, 2)
        stage.operator.resume(call, 2)
        both_ways((worker, WORKER), (rung, BOB))
        stage.break_off(2)
        again = bob.wait_ring()
        assert again is not None, "the one who has her now is rung again, not who had her first"
        again.answer()
        both_ways((worker, WORKER), (again, BOB))
        again.hangup()
        assert worker.wait_ended(), stage.where


@pytest.mark.parametrize("how", ["silent", "declines", "not there"])
def test_a_worker_whom_an_agent_does_not_take_goes_to_the_queue(stage: Stage, how: str) -> None:
    alice = stage.agent(1, "my")
    bob = stage.agent(2) if how != "not there" else None
    with ivr(stage.settings):
        worker, agent = stage.talk(alice)
        call = stage.call
        stage.operator.to_agent(call, 2, "my")
        assert agent.wait_ended()
        if bob is not None:
            rung = bob.wait_ring()
            assert rung is not None
            if how == "declines":
                rung.reject()
        again = alice.wait_ring()
        assert again is not None
        assert header(again, names.KIND_HEADER) == names.KIND_QUEUE
        again.answer()
        both_ways((worker, WORKER), (again, ALICE))


def test_an_agents_phone_stops_after_its_time_and_one_who_answers_talks_on(stage: Stage) -> None:
    alice = stage.agent(1, "my")
    with ivr(stage.settings):
        worker = stage.caller().call(LINE)
        missed = alice.wait_ring()
        assert missed is not None
        assert missed.wait_ended(60), "not the long time of a mobile"
        again = alice.wait_ring()
        assert again is not None
        again.answer()
        until(lambda: len(again.heard) > 8000 * 2 * (stage.settings.ring_s + 2))
        both_ways((worker, WORKER), (again, ALICE))
