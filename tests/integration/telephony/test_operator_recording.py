"""A conversation is recorded when the worker has agreed, and only what she herself is part of."""

from pathlib import Path

import pytest

from telephony import names
from telephony.operator.operator import LineFailed
from tests.integration.telephony.conftest import HOLD
from tests.support.scene import ALICE, BOB, WORKER, Stage, both_ways, hears, ivr, say
from tests.support.tones import heard_tones
from tests.support.wait import until

pytestmark = pytest.mark.one_asterisk(ring_s=4, come_back_s=4, comfort_every_s=60)


def grown(path: Path) -> None:
    """Wait until half a second more is written, so that what was said is in it."""
    until(path.exists)
    size = path.stat().st_size
    until(lambda: path.stat().st_size > size + 8000)


def test_both_sides_are_recorded_until_it_is_stopped_and_nobody_hears_a_sign(stage: Stage) -> None:
    alice = stage.agent(1, "my")
    with ivr(stage.settings):
        worker, agent = stage.talk(alice)
        both_ways((worker, WORKER), (agent, ALICE))
        call = stage.call
        starts = len(worker.heard), len(agent.heard)
        stage.operator.start_recording(call)
        stage.operator.start_recording(call)
        first = names.spool_talk(stage.settings.spool, call, 1)
        until(first.exists)
        both_ways((worker, WORKER), (agent, ALICE))
        grown(first)
        stage.operator.stop_recording(call)
        stage.operator.stop_recording(call)
        until(lambda: stage.legs.recorder is None)
        assert set(heard_tones(first.read_bytes())) == {WORKER, ALICE}
        both_ways((worker, WORKER), (agent, ALICE))
        stage.operator.start_recording(call)
        second = names.spool_talk(stage.settings.spool, call, 2)
        grown(second)
        worker.hangup()
        assert agent.wait_ended()
        stage.nothing_left()
        assert set(heard_tones(worker.heard[starts[0] :])) == {ALICE}
        assert set(heard_tones(agent.heard[starts[1] :])) == {WORKER}
    assert sorted(path.name for path in stage.settings.spool.glob("*.sln")) == [first.name, second.name]
    assert {path.stat().st_mode & 0o777 for path in stage.settings.spool.iterdir()} == {0o600}


def test_what_is_said_while_the_worker_is_held_is_not_recorded(stage: Stage) -> None:
    alice, bob = stage.agent(1, "my"), stage.agent(2)
    with ivr(stage.settings):
        worker, agent = stage.talk(alice)
        call = stage.call
        stage.operator.start_recording(call)
        first = names.spool_talk(stage.settings.spool, call, 1)
        grown(first)
        stage.operator.call_agent(call, 1, "c0ffee", 2)
        colleague = bob.wait_ring()
        assert colleague is not None
        colleague.answer()
        hears(agent, colleague, BOB)
        assert stage.legs.recorder is None
        stage.operator.swap(call, "c0ffee")
        second = names.spool_talk(stage.settings.spool, call, 2)
        grown(second)
        both_ways((worker, WORKER), (agent, ALICE))
        grown(second)
        stage.operator.end(call)
        stage.nothing_left()
        assert WORKER in heard_tones(second.read_bytes())
        for path in (first, second):
            assert not {BOB, HOLD} & set(heard_tones(path.read_bytes()))


def test_a_recording_ends_when_the_agents_line_breaks(stage: Stage) -> None:
    alice = stage.agent(1, "my")
    with ivr(stage.settings):
        worker, _ = stage.talk(alice)
        stage.operator.start_recording(stage.call)
        grown(names.spool_talk(stage.settings.spool, stage.call, 1))
        stage.break_off(1)
        again = alice.wait_ring()
        assert again is not None
        again.answer()
        both_ways((worker, WORKER), (again, ALICE))
        assert stage.legs.recorder is None
        stage.operator.hold(stage.call, 1)
        stage.operator.resume(stage.call, 1)
        assert stage.legs.recorder is None, "it does not begin again by itself"
        stage.operator.start_recording(stage.call)
        grown(names.spool_talk(stage.settings.spool, stage.call, 2))


def test_a_recording_of_a_worker_who_left_ends_though_the_agents_talk_on(stage: Stage) -> None:
    alice, bob = stage.agent(1, "my"), stage.agent(2)
    with ivr(stage.settings):
        worker, agent = stage.talk(alice)
        call = stage.call
        stage.operator.call_agent(call, 1, "c0ffee", 2)
        colleague = bob.wait_ring()
        assert colleague is not None
        colleague.answer()
        hears(agent, colleague, BOB)
        stage.operator.merge(call)
        stage.operator.start_recording(call)
        grown(names.spool_talk(stage.settings.spool, call, 1))
        worker.hangup()
        until(lambda: stage.legs.recorder is None)
        say(colleague, BOB)
        both_ways((agent, ALICE), (colleague, BOB))
        agent.hangup()
        assert colleague.wait_ended()
        stage.nothing_left()


def test_a_disk_that_is_nearly_full_refuses_and_nobody_is_moved(stage: Stage) -> None:
    alice = stage.agent(1, "my")
    with ivr(stage.settings):
        worker, agent = stage.talk(alice)
        stage.operator.settings = stage.settings.model_copy(update={"free_space_floor_mb": 10**9})
        with pytest.raises(LineFailed, match="disk"):
            stage.operator.start_recording(stage.call)
        both_ways((worker, WORKER), (agent, ALICE))
