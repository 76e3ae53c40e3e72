"""Colleagues, supervisors and numbers outside in a conversation: called in, swapped, merged, left with the worker."""

from collections.abc import Iterator

import pytest

from hotline.settings import Settings
from telephony import names
from telephony.operator.operator import LineFailed
from telephony.softphone.phone import Phone, SoftphoneCall
from tests.integration.telephony.conftest import HOLD
from tests.support.asterisk import AsteriskUnderTest
from tests.support.scene import ALICE, BOB, LINE, OUTSIDE, SOFIA, WORKER, Stage, both_ways, deaf, header, ivr
from tests.support.tones import heard_tones
from tests.support.wait import until

LEG = "c0ffee"
SHELTER = "0299900011"


pytestmark = pytest.mark.one_asterisk(ring_s=4, come_back_s=4, callback_ring_s=4, comfort_every_s=60, calls_out=True)


@pytest.fixture
def provider(settings: Settings) -> Iterator[Phone]:
    """Where the trunk calls out to."""
    port = int(settings.trunk_host.partition(":")[2])
    with Phone((settings.sip_host, settings.sip_port), port=port) as phone:
        yield phone


def answered(phone: Phone) -> SoftphoneCall:
    """The next call, answered."""
    rung = phone.wait_ring()
    assert rung is not None
    rung.answer()
    return rung


def consult(stage: Stage, alice: Phone, bob: Phone) -> tuple[SoftphoneCall, SoftphoneCall, SoftphoneCall]:
    """A worker, Alice who has her, and Bob whom Alice has called in."""
    worker, agent = stage.talk(alice)
    stage.operator.call_agent(stage.call, 1, LEG, 2)
    colleague = answered(bob)
    both_ways((agent, ALICE), (colleague, BOB))
    return worker, agent, colleague


def test_a_colleague_is_asked_while_the_worker_hears_music(stage: Stage) -> None:
    alice, bob = stage.agent(1, "my"), stage.agent(2)
    with ivr(stage.settings):
        worker, agent = stage.talk(alice)
        call = stage.call
        stage.operator.call_agent(call, 1, LEG, 2)
        rung = bob.wait_ring()
        assert rung is not None
        assert header(rung, names.KIND_HEADER) == names.KIND_CONSULT
        assert header(rung, names.CALL_HEADER) == call
        until(lambda: HOLD in heard_tones(worker.heard))
        rung.answer()
        both_ways((agent, ALICE), (rung, BOB))
        deaf(worker, rung, BOB)
        party = stage.legs.party(LEG)
        assert party is not None
        assert party.agent_id == 2
        stage.operator.drop_party(call, LEG)
        assert rung.wait_ended()
        stage.operator.drop_party(call, LEG)
        stage.operator.resume(call, 1)
        both_ways((worker, WORKER), (agent, ALICE))


def test_a_colleague_who_does_not_answer_leaves_the_worker_with_her_agent(stage: Stage) -> None:
    alice, bob = stage.agent(1, "my"), stage.agent(2)
    with ivr(stage.settings):
        worker, agent = stage.talk(alice)
        call = stage.call
        stage.operator.call_agent(call, 1, LEG, 2)
        rung = bob.wait_ring()
        assert rung is not None
        assert rung.wait_ended()
        with pytest.raises(LineFailed, match="not in the call"):
            stage.operator.swap(call, LEG)
        stage.operator.resume(call, 1)
        both_ways((worker, WORKER), (agent, ALICE))


def test_a_ringing_colleague_can_be_taken_back_and_one_who_cannot_be_rung_moves_nobody(stage: Stage) -> None:
    alice, bob = stage.agent(1, "my"), stage.agent(2)
    with ivr(stage.settings):
        worker, agent = stage.talk(alice)
        with pytest.raises(LineFailed, match="cannot be rung"):
            stage.operator.call_agent(stage.call, 1, LEG, 3)
        both_ways((worker, WORKER), (agent, ALICE))
        stage.operator.call_agent(stage.call, 1, LEG, 2)
        rung = bob.wait_ring()
        assert rung is not None
        stage.operator.drop_party(stage.call, LEG)
        assert rung.wait_ended()


def test_swapping_and_merging(stage: Stage) -> None:
    alice, bob = stage.agent(1, "my"), stage.agent(2)
    with ivr(stage.settings):
        worker, agent, colleague = consult(stage, alice, bob)
        call = stage.call
        stage.operator.swap(call, LEG)
        both_ways((agent, ALICE), (worker, WORKER))
        deaf(colleague, agent, ALICE)
        stage.operator.swap(call, LEG)
        both_ways((agent, ALICE), (colleague, BOB))
        deaf(worker, agent, ALICE)
        stage.operator.swap(call, LEG)
        stage.operator.merge(call)
        both_ways((agent, ALICE), (worker, WORKER))
        both_ways((colleague, BOB), (worker, WORKER))
        both_ways((colleague, BOB), (agent, ALICE))
        stage.operator.end(call)
        for one in (worker, agent, colleague):
            assert one.wait_ended()
        stage.nothing_left()


@pytest.mark.parametrize("swapped", [False, True])
def test_the_worker_is_left_with_the_colleague_who_is_rung_again_when_her_line_breaks(
    stage: Stage, swapped: bool
) -> None:
    alice, bob = stage.agent(1, "my"), stage.agent(2)
    with ivr(stage.settings):
        worker, agent, colleague = consult(stage, alice, bob)
        if swapped:
            stage.operator.swap(stage.call, LEG)
        stage.operator.complete(stage.call, 1, LEG)
        assert agent.wait_ended()
        both_ways((worker, WORKER), (colleague, BOB))
        stage.operator.hold(stage.call, 2)
        stage.operator.resume(stage.call, 2)
        both_ways((worker, WORKER), (colleague, BOB))
        stage.break_off(2)
        again = answered(bob)
        both_ways((worker, WORKER), (again, BOB))
        again.hangup()
        assert worker.wait_ended(), stage.where
        assert alice.wait_ring(1) is None


def test_an_agent_who_breaks_off_while_she_asks_a_colleague_leaves_the_worker_with_the_colleague(stage: Stage) -> None:
    alice, bob = stage.agent(1, "my"), stage.agent(2)
    with ivr(stage.settings):
        worker, _, colleague = consult(stage, alice, bob)
        stage.break_off(1)
        both_ways((worker, WORKER), (colleague, BOB))


def test_an_agent_who_breaks_off_with_her_worker_frees_the_colleague_who_is_held(stage: Stage) -> None:
    alice, bob = stage.agent(1, "my"), stage.agent(2)
    with ivr(stage.settings):
        worker, _, colleague = consult(stage, alice, bob)
        stage.operator.swap(stage.call, LEG)
        stage.break_off(1)
        assert colleague.wait_ended()
        again = answered(alice)
        both_ways((worker, WORKER), (again, ALICE))


def test_a_number_outside_is_called_with_the_lines_number_and_no_name(stage: Stage, provider: Phone) -> None:
    alice = stage.agent(1, "my")
    with ivr(stage.settings):
        worker, agent = stage.talk(alice)
        call = stage.call
        stage.operator.call_outside(call, 1, LEG, SHELTER)
        rung = provider.wait_ring()
        assert rung is not None
        assert rung.invite is not None
        assert f"sip:{SHELTER}@" in rung.invite.first
        assert rung.invite.get("From").partition(";")[0] == f"<sip:{LINE}@127.0.0.1>"
        text = rung.invite.to_bytes().decode()
        assert "0812345678" not in text
        assert "X-Freeline" not in text
        rung.answer()
        both_ways((agent, ALICE), (rung, OUTSIDE))
        deaf(worker, rung, OUTSIDE)
        stage.operator.merge(call)
        both_ways((worker, WORKER), (rung, OUTSIDE))
        stage.operator.start_recording(call)
        assert stage.legs.recorder is not None
        stage.operator.complete(call, 1, LEG)
        assert agent.wait_ended()
        assert stage.legs.recorder is None, "nobody of ours is there to see that it is recorded"
        both_ways((worker, WORKER), (rung, OUTSIDE))
        rung.hangup()
        assert worker.wait_ended(), stage.where
        stage.nothing_left()


def test_when_the_agent_leaves_a_conversation_of_three_the_number_outside_goes_too(
    stage: Stage, provider: Phone
) -> None:
    alice = stage.agent(1, "my")
    with ivr(stage.settings):
        worker, agent = stage.talk(alice)
        stage.operator.call_outside(stage.call, 1, LEG, SHELTER)
        outside = answered(provider)
        stage.operator.merge(stage.call)
        both_ways((worker, WORKER), (outside, OUTSIDE))
        agent.hangup()
        assert outside.wait_ended()
        assert worker.wait_ended(), stage.where
        stage.nothing_left()


def test_an_agent_who_asks_for_help_outside_talks_on_when_the_worker_has_gone(stage: Stage, provider: Phone) -> None:
    alice = stage.agent(1, "my")
    with ivr(stage.settings):
        worker, agent = stage.talk(alice)
        call = stage.call
        stage.operator.call_outside(call, 1, LEG, SHELTER)
        outside = answered(provider)
        both_ways((agent, ALICE), (outside, OUTSIDE))
        worker.hangup()
        until(lambda: stage.legs.worker is None)
        both_ways((agent, ALICE), (outside, OUTSIDE))
        outside.hangup()
        assert agent.wait_ended()
        stage.nothing_left()


def test_somebody_outside_who_answers_when_all_have_gone_is_not_left_in_silence(stage: Stage, provider: Phone) -> None:
    alice = stage.agent(1, "my")
    with ivr(stage.settings):
        worker, agent = stage.talk(alice)
        stage.operator.call_outside(stage.call, 1, LEG, SHELTER)
        rung = provider.wait_ring()
        assert rung is not None
        worker.hangup()
        assert agent.wait_ended()
        rung.answer()
        assert rung.wait_ended()
        stage.nothing_left()


def test_what_is_no_number_is_never_dialled(stage: Stage) -> None:
    alice = stage.agent(1, "my")
    with ivr(stage.settings):
        stage.talk(alice)
        for number in ("", "0812345678@evil", "${SHELL(id)}", "0812 345", "+", "911&PJSIP/agent2", "1" * 30):
            with pytest.raises(ValueError, match="not allowed"):
                stage.operator.call_outside(stage.call, 1, LEG, number)
            with pytest.raises(ValueError, match="not allowed"):
                stage.operator.call_back("c0ffee", 1, number)
            with pytest.raises(ValueError, match="not allowed"):
                stage.operator.set_mobile(1, number)


def test_the_first_supervisor_to_answer_joins_and_the_worker_never_hears_music(stage: Stage) -> None:
    alice, sofia, adam = stage.agent(1, "my"), stage.agent(3), stage.agent(4)
    with ivr(stage.settings):
        worker, agent = stage.talk(alice)
        call = stage.call
        stage.operator.call_supervisors(call, 1, LEG, [3, 4, 9])
        rung, other = sofia.wait_ring(), adam.wait_ring()
        assert rung is not None
        assert other is not None
        for one in (rung, other):
            assert header(one, names.KIND_HEADER) == names.KIND_EMERGENCY
            assert header(one, names.CALL_HEADER) == call
        both_ways((worker, WORKER), (agent, ALICE))
        rung.answer()
        assert other.wait_ended()
        both_ways((worker, WORKER), (rung, SOFIA))
        both_ways((agent, ALICE), (rung, SOFIA))
        both_ways((worker, WORKER), (agent, ALICE))
        party = until(lambda: stage.legs.party(LEG))
        assert party.agent_id == 3
        assert HOLD not in heard_tones(worker.heard)[1:]
        agent.hangup()
        both_ways((worker, WORKER), (rung, SOFIA))
        rung.hangup()
        assert worker.wait_ended(), stage.where
        stage.nothing_left()


def test_no_supervisor_answers_and_a_call_for_one_is_taken_back(stage: Stage) -> None:
    alice, sofia = stage.agent(1, "my"), stage.agent(3)
    with ivr(stage.settings):
        worker, agent = stage.talk(alice)
        with pytest.raises(LineFailed, match="cannot be rung"):
            stage.operator.call_supervisors(stage.call, 1, LEG, [8, 9])
        stage.operator.call_supervisors(stage.call, 1, LEG, [3])
        rung = sofia.wait_ring()
        assert rung is not None
        assert rung.wait_ended()
        both_ways((worker, WORKER), (agent, ALICE))
        stage.operator.call_supervisors(stage.call, 1, "beef", [3])
        rung = sofia.wait_ring()
        assert rung is not None
        stage.operator.drop_party(stage.call, "beef")
        assert rung.wait_ended()
        both_ways((worker, WORKER), (agent, ALICE))


def test_without_a_trunk_nobody_outside_is_called(stage: Stage, asterisk: AsteriskUnderTest) -> None:
    stage.operator.settings = stage.settings.model_copy(update={"trunk_host": ""})
    with pytest.raises(LineFailed, match="no trunk"):
        stage.operator.call_outside("c0ffee", 1, LEG, SHELTER)
    with pytest.raises(LineFailed, match="no trunk"):
        stage.operator.call_back("c0ffee", 1, SHELTER)
    assert asterisk.channels == 0
