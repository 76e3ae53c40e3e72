"""An agent's leg breaks off without a word: the caller is brought back, however often and in whatever state."""

from collections.abc import Callable, Iterator

import pytest

from hotline.settings import Settings
from telephony import names
from telephony.clients import ari
from telephony.softphone.phone import Phone, SoftphoneCall
from telephony.switchboard.queue_sync import queues_in
from tests.support.asterisk import AsteriskUnderTest
from tests.support.ports import free_port, rtp_range
from tests.support.scene import ALICE, BOB, SOFIA, WORKER, Stage, both_ways, header, ivr
from tests.support.wait import until

TIMES = 2


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Short patience, for the one Asterisk of all tests here."""
    return Settings(
        data=tmp_path_factory.mktemp("lost") / "data",
        sip_host="127.0.0.1",
        sip_port=free_port(),
        rtp_ports=rtp_range(),
        asterisk_http_port=free_port(),
        ami_port=free_port(),
        agi_port=free_port(),
        ring_s=4,
        come_back_s=6,
        comfort_every_s=60,
    )


@pytest.fixture(scope="module")
def asterisk(settings: Settings) -> Iterator[AsteriskUnderTest]:
    """One for the module; a leg without sound ends after a second, because each test waits for that several times."""
    with pytest.MonkeyPatch.context() as patch, AsteriskUnderTest(settings, {}) as one:
        patch.setitem(ari._DESK, "rtp_timeout", "1")
        patch.setitem(ari._ENDPOINT, "rtp_timeout_hold", "1")
        yield one


@pytest.fixture
def stage(settings: Settings, asterisk: AsteriskUnderTest) -> Iterator[Stage]:
    """People with phones; afterwards no call is left, and nobody in a queue."""
    one = Stage(settings, asterisk)
    yield one
    for member in queues_in(one.ami.list_action({"Action": "QueueStatus"})).members:
        one.ami.send_action({"Action": "QueueRemove", "Queue": member.queue, "Interface": member.interface})
    asterisk.command("channel request hangup all")
    one.nothing_left()
    one.close()


def brought_back(stage: Stage, phone: Phone, worker: SoftphoneCall, hz: int) -> SoftphoneCall:
    """The agent is rung again for the same call, answers, and talks."""
    again = phone.wait_ring()
    assert again is not None, stage.where
    assert header(again, names.KIND_HEADER) == names.KIND_BACK
    assert header(again, names.CALL_HEADER) == stage.call
    again.answer()
    both_ways((worker, WORKER), (again, hz))
    return again


def over(stage: Stage, worker: SoftphoneCall, agent: SoftphoneCall, phone: Phone) -> None:
    """The agent hangs up: that ends the call, whatever was lost before, and nobody is rung again."""
    agent.hangup()
    assert worker.wait_ended(10), stage.where
    stage.nothing_left()
    assert phone.incoming.empty()


def from_the_queue(stage: Stage) -> None:
    """Nothing is done between two losses."""


def held_and_back(stage: Stage) -> None:
    """Each time the worker was held and is back."""
    stage.operator.hold(stage.call, 1)
    stage.operator.resume(stage.call, 1)


def held(stage: Stage) -> None:
    """Each time the worker hears music when the leg breaks."""
    stage.operator.hold(stage.call, 1)


@pytest.mark.parametrize("state", [from_the_queue, held_and_back, held])
def test_a_worker_is_brought_back_each_time(stage: Stage, state: Callable[[Stage], None]) -> None:
    alice = stage.agent(1, "my")
    with ivr(stage.settings):
        worker, agent = stage.talk(alice)
        for _ in range(TIMES):
            state(stage)
            agent.vanish()
            agent = brought_back(stage, alice, worker, ALICE)
        over(stage, worker, agent, alice)


def test_a_worker_who_was_handed_over_is_brought_back_to_whom_it_was(stage: Stage) -> None:
    alice, bob = stage.agent(1, "my"), stage.agent(2)
    with ivr(stage.settings):
        worker, _ = stage.talk(alice)
        stage.operator.to_agent(stage.call, 2, "my")
        agent = bob.wait_ring()
        assert agent is not None
        agent.answer()
        both_ways((worker, WORKER), (agent, BOB))
        for _ in range(TIMES):
            agent.vanish()
            agent = brought_back(stage, bob, worker, BOB)
        over(stage, worker, agent, bob)
        assert alice.incoming.empty()


@pytest.mark.parametrize("emergency", [False, True])
def test_of_three_the_last_whose_leg_breaks_is_brought_back(stage: Stage, emergency: bool) -> None:
    """Who took the call is lost first: the worker talks on with the other, and is brought back to them."""
    alice, sofia = stage.agent(1, "my"), stage.agent(3)
    with ivr(stage.settings):
        worker, agent = stage.talk(alice)
        if emergency:
            stage.operator.call_supervisors(stage.call, 1, "5ee0", [3])
        else:
            stage.operator.call_agent(stage.call, 1, "5ee0", 3)
        other = sofia.wait_ring()
        assert other is not None
        other.answer()
        both_ways((agent, ALICE), (other, SOFIA))
        if not emergency:
            stage.operator.merge(stage.call)
        both_ways((worker, WORKER), (other, SOFIA))
        agent.vanish()
        until(lambda: stage.legs.agent(1) is None)
        agent = other
        for _ in range(TIMES):
            both_ways((worker, WORKER), (agent, SOFIA))
            agent.vanish()
            agent = brought_back(stage, sofia, worker, SOFIA)
        over(stage, worker, agent, sofia)


def test_an_agent_whose_page_breaks_once_more_while_it_rings_is_rung_again(stage: Stage) -> None:
    alice = stage.agent(1, "my")
    with ivr(stage.settings):
        worker, agent = stage.talk(alice)
        agent.vanish()
        rung = alice.wait_ring()
        assert rung is not None
        leg = next(leg for leg in stage.legs.talking if leg.agent_id == 1)
        stage.ami.send_action({"Action": "Hangup", "Channel": leg.channel, "Cause": "44"})
        over(stage, worker, brought_back(stage, alice, worker, ALICE), alice)


def test_the_next_agent_of_a_worker_who_was_lost_ends_the_call_by_hanging_up(stage: Stage) -> None:
    """How the first was lost says nothing of the second."""
    alice = stage.agent(1, "my")
    with ivr(stage.settings):
        worker, agent = stage.talk(alice)
        alice.register(0)
        agent.vanish()
        bob = stage.agent(2, "my")
        rung = bob.wait_ring()
        assert rung is not None
        rung.answer()
        both_ways((worker, WORKER), (rung, BOB))
        over(stage, worker, rung, bob)
