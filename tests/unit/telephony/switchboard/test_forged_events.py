"""Events that a stranger writes: in a value of a real one, by line breaks that Asterisk passes on as they are."""

import queue
from collections.abc import Iterator

import pytest

from telephony import names
from telephony.clients.ami import BOOTED, Ami, AmiMessage, Events
from telephony.switchboard.ami_events import EventReader
from telephony.switchboard.changes.calls import Ended
from telephony.switchboard.changes.rings import Missed
from tests.fakes.ami import FakeAmi, Fields, Session
from tests.support.ami_wire import CALL, CALLER, LEG, NAMED, TRUNK, UID, dial, event
from tests.support.ports import free_port
from tests.support.wait import until

NAME = "5d1c0ffee5d1c0ff"
RINGS_IN_VAIN = "Event: AgentRingNoAnswer\r\nInterface: PJSIP/agent1\r\nQueue: my"
HANGUP = f"Event: Hangup\r\nUniqueid: {UID}\r\nLinkedid: {UID}\r\nChannel: PJSIP/trunk-00000000\r\nCause: 16"
BREAK = "\r\n\r\n"


@pytest.fixture
def asterisk() -> Iterator[FakeAmi]:
    with FakeAmi(free_port(), name=NAME) as fake:
        yield fake


@pytest.fixture
def events() -> Events:
    return queue.Queue()


@pytest.fixture
def ami(asterisk: FakeAmi, events: Events) -> Iterator[Ami]:
    client = Ami(("127.0.0.1", asterisk.port), "reader", "x", events, timeout_s=5.0, asterisk=NAME)
    client.connect()
    yield client
    client.close()


def heard(asterisk: FakeAmi, events: Events) -> list[AmiMessage]:
    """The events that were believed, up to one that comes last and is real."""
    asterisk.tell("QueueMemberStatus", {"Interface": "the last"})
    found: list[AmiMessage] = []
    while True:
        got = events.get(timeout=5)
        assert isinstance(got, AmiMessage)
        if got.get("Interface") == "the last":
            return found
        if got.event != BOOTED:
            found.append(got)


@pytest.mark.parametrize(
    "number",
    [
        f"1{BREAK}{RINGS_IN_VAIN}",
        f"1{BREAK}{HANGUP}",
        f"1{BREAK}{HANGUP}{BREAK}{RINGS_IN_VAIN}",
        f"1\r\nUniqueid: {UID}\r\nLinkedid: {UID}{BREAK}{HANGUP}\r\nSystemName: a guess",
        f"1{BREAK}{RINGS_IN_VAIN}\r\nSystemName: \r\n",
        f"1{BREAK}{HANGUP}\r\nActionID: freeline-1",
        f"1{BREAK}Response: Success\r\nActionID: freeline-2\r\nMessage: x{BREAK}{RINGS_IN_VAIN}",
    ],
)
def test_what_stands_in_a_callers_number_is_no_event(asterisk: FakeAmi, ami: Ami, events: Events, number: str) -> None:
    own = {
        "Channel": "PJSIP/trunk-00000009",
        "CallerIDNum": number,
        "Uniqueid": f"{NAME}-1.9",
        "Linkedid": f"{NAME}-1.9",
    }
    asterisk.tell("Newchannel", own)
    believed = heard(asterisk, events)
    assert [message.event for message in believed] in ([], ["Newchannel"])
    assert not [message for message in believed if f"{NAME}-" in message.get("Uniqueid")]
    assert ami.refused
    assert ami.connected


@pytest.mark.parametrize("header", ["Uniqueid", "Linkedid", "Interface", "Event", "SystemName"])
def test_an_event_in_which_a_header_comes_twice_is_refused(
    asterisk: FakeAmi, ami: Ami, events: Events, header: str
) -> None:
    asterisk.tell("Hangup", {"Channel": f"PJSIP/trunk-1\r\n{header}: {UID}\r\n{header}: {UID}", "Cause": "16"})
    assert heard(asterisk, events) == []
    assert ami.refused == 1


def test_an_id_without_the_name_is_no_channels(asterisk: FakeAmi, ami: Ami, events: Events) -> None:
    asterisk.tell("Hangup", {"Channel": "PJSIP/trunk-1\r\nUniqueid: 1795364862.15\r\nLinkedid: 1795364862.15"})
    assert heard(asterisk, events) == []


def test_a_real_event_is_believed(asterisk: FakeAmi, ami: Ami, events: Events) -> None:
    asterisk.tell("Newchannel", {"Uniqueid": f"{NAME}-1.9", "Linkedid": f"{NAME}-1.9"}, NAMED)
    assert [message.event for message in heard(asterisk, events)] == ["Newchannel"]
    assert ami.refused == 0


def test_a_row_of_a_list_cannot_be_forged(asterisk: FakeAmi, ami: Ami) -> None:
    def rows(session: Session, action: Fields) -> None:
        mark = action["ActionID"]
        head = {"Event": "CoreShowChannel", "ActionID": mark, "Channel": "PJSIP/trunk-00000001"}
        forged = f"1{BREAK}Event: CoreShowChannel\r\nActionID: freeline-2\r\nUniqueid: {UID}"
        session.list(action, [({**head, "CallerIDNum": forged, "Uniqueid": f"{NAME}-1.1"}, {})])
        session.list(action, [({**head, "CallerIDNum": f"1\r\nUniqueid: {UID}", "Uniqueid": f"{NAME}-1.2"}, {})])

    asterisk.on["CoreShowChannels"] = rows
    found = ami.list_action({"Action": "CoreShowChannels"})
    assert UID not in {row.get("Uniqueid") for row in found}
    until(lambda: ami.refused)


def known() -> EventReader:
    """Notices of one call that waits while agent 1's phone rings."""
    notices = EventReader({"1800123456": "1800123456"})
    notices.changes(event("Newchannel", TRUNK))
    notices.changes(event("Newstate", CALLER, NAMED))
    notices.changes(event("QueueCallerJoin", {**CALLER, "Queue": "my"}, NAMED))
    notices.changes(dial("DialBegin", CALLER, LEG))
    return notices


IN_VAIN = {**CALLER, "Interface": "PJSIP/agent1", "Queue": "my"}


def test_a_ring_in_vain_of_a_call_that_waits_counts() -> None:
    changes = known().changes(event("AgentRingNoAnswer", IN_VAIN, NAMED))
    assert [type(change) for change in changes] == [Missed]


@pytest.mark.parametrize(
    ("headers", "variables"),
    [
        ({"Interface": "PJSIP/agent1", "Queue": "my"}, {}),
        ({"Interface": "PJSIP/agent1", "Queue": "my"}, NAMED),
        ({**IN_VAIN, "Uniqueid": "another", "Linkedid": "another"}, {names.CALL: "another"}),
        ({**IN_VAIN, "Uniqueid": "another"}, NAMED),
        ({**IN_VAIN, "Interface": "PJSIP/agent2"}, NAMED),
        ({**IN_VAIN, "Interface": "PJSIP/trunk"}, NAMED),
    ],
)
def test_a_ring_in_vain_that_was_not_heard_to_ring_changes_nothing(
    headers: dict[str, str], variables: dict[str, str]
) -> None:
    changes = known().changes(event("AgentRingNoAnswer", headers, variables))
    assert not [change for change in changes if isinstance(change, Missed)]


@pytest.mark.parametrize(
    "name", ["Hangup", "AgentConnect", "QueueCallerJoin", "BridgeEnter", "MusicOnHoldStart", "DialEnd"]
)
def test_an_event_of_a_channel_that_is_not_known_and_names_no_call_changes_nothing(name: str) -> None:
    headers = {"Channel": "PJSIP/trunk-00000007", "Uniqueid": "another", "Linkedid": "another", "Context": "held"}
    forged = event(name, {**headers, "Interface": "PJSIP/agent1", "Queue": "my", "DialStatus": "ANSWER", "Cause": "16"})
    changes = known().changes(forged)
    assert [change for change in changes if not isinstance(change, Ended) or change.call.call == CALL] == []
