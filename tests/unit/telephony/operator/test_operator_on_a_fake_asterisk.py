"""What the operator does when somebody hangs up between two of its steps, which a real Asterisk does not do on demand."""

from collections.abc import Iterator

import pytest

from hotline.settings import Settings
from telephony import names
from telephony.asterisk.secrets import make_secrets
from telephony.operator.ami_actions import LineFailed
from telephony.operator.operator import NOT_READY, PARTY_GONE, Operator
from tests.fakes.ami import FakeAmi, Fields, Session

LEG = "c0ffee"
WORKER, LEAD, COLLEAGUE = "PJSIP/trunk-00000001", "PJSIP/agent1-00000002", "PJSIP/agent2-00000003"


@pytest.fixture
def asterisk(settings: Settings) -> Iterator[FakeAmi]:
    """A worker, Alice who leads, and Bob whom she called in, all in the room."""
    make_secrets(settings)
    with FakeAmi(settings.ami_port) as it:
        it.channels = [_in_room(WORKER, ""), _in_room(LEAD, ""), _in_room(COLLEAGUE, LEG)]
        yield it


def _in_room(channel: str, leg: str) -> tuple[Fields, Fields]:
    row = {"Channel": channel, "Context": names.CONTEXT_ROOM, "Application": "ConfBridge", "ChannelState": "6"}
    return row, {names.CALL: "a", names.LEG: leg}


@pytest.fixture
def operator(settings: Settings) -> Iterator[Operator]:
    """Acts on it."""
    it = Operator(settings.model_copy(update={"trunk_host": "127.0.0.1"}))
    yield it
    it.close()


def phone_is(asterisk: FakeAmi, *states: str) -> None:
    """What Asterisk says of her phone, one look after the other; the last for ever."""
    left = list(states)

    def look(session: Session, action: Fields) -> None:
        state = left.pop(0) if len(left) > 1 else left[0]
        session.send({"Response": "Success", "ActionID": action["ActionID"], "Value": state})

    asterisk.on["Getvar"] = look


@pytest.mark.parametrize("state", ["BUSY", "INUSE", "UNAVAILABLE", "INVALID"])
def test_a_phone_that_is_free_in_a_moment_is_waited_for(asterisk: FakeAmi, operator: Operator, state: str) -> None:
    """The call in which she tried her sound is just ending, or her phone is just coming."""
    phone_is(asterisk, state, state, "NOT_INUSE")
    operator.call_back("a", 1, "0812345678")
    assert asterisk.count("Originate") == 1


def test_a_phone_that_stays_busy_is_not_rung(asterisk: FakeAmi, operator: Operator) -> None:
    phone_is(asterisk, "BUSY")
    with pytest.raises(LineFailed, match=NOT_READY):
        operator.call_back("a", 1, "0812345678")
    assert asterisk.count("Originate") == 0


def hung_up(asterisk: FakeAmi) -> list[str]:
    return [fields["Channel"] for fields in asterisk.done if fields["Action"] == "Hangup"]


def test_who_hands_over_leaves(asterisk: FakeAmi, operator: Operator) -> None:
    operator.complete("a", 1, LEG)
    assert hung_up(asterisk) == [LEAD]


def test_who_hands_over_stays_when_the_other_hangs_up_in_that_moment(asterisk: FakeAmi, operator: Operator) -> None:
    """The worker would be alone, and her call over."""

    def bob_is_off(session: Session, action: Fields) -> None:
        asterisk.channels = asterisk.channels[:2]
        asterisk._setvar(session, action)

    asterisk.on["Setvar"] = bob_is_off
    with pytest.raises(LineFailed, match=PARTY_GONE):
        operator.complete("a", 1, LEG)
    assert hung_up(asterisk) == []
    assert asterisk.globals[names.LEAD] == LEAD, "the worker's channel follows Alice again"
