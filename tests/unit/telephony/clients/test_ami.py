import queue
import threading
from collections.abc import Iterator

import pytest

from telephony.clients.ami import BOOTED, Ami, AmiLost, AmiRefused, Events
from tests.fakes.ami import FakeAmi, Fields, Session
from tests.support.ports import free_port
from tests.support.wait import PATIENCE_S, until

PASSWORD = "open sesame"


@pytest.fixture
def asterisk() -> Iterator[FakeAmi]:
    with FakeAmi(free_port(), PASSWORD) as fake:
        yield fake


@pytest.fixture
def events() -> Events:
    return queue.Queue()


@pytest.fixture
def ami(asterisk: FakeAmi, events: Events) -> Iterator[Ami]:
    client = Ami(("127.0.0.1", asterisk.port), "reader", PASSWORD, events, timeout_s=5.0)
    client.connect()
    yield client
    client.close()


def heard(events: Events) -> str:
    """The next event by its name, past the one that every connection begins with."""
    event = events.get(timeout=PATIENCE_S)
    name = event.event if event is not None and not isinstance(event, list) else "lost"
    return heard(events) if name == BOOTED else name


def test_an_answer_goes_to_the_action_that_asked_whatever_their_order(asterisk: FakeAmi, ami: Ami) -> None:
    held: list[tuple[Session, Fields]] = []

    def answer_in_reverse(session: Session, action: Fields) -> None:
        held.append((session, action))
        if len(held) == 3:
            for waiting, late in reversed(held):
                waiting.send({"Response": "Success", "ActionID": late["ActionID"], "Value": late["Variable"]})

    asterisk.on["Getvar"] = answer_in_reverse
    got: dict[str, str] = {}

    def ask(name: str) -> None:
        got[name] = ami.send_action({"Action": "Getvar", "Variable": name}).get("Value")

    threads = [threading.Thread(target=ask, args=(name,)) for name in ("first", "second", "third")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert got == {"first": "first", "second": "second", "third": "third"}


def test_a_list_holds_its_own_rows_and_events_between_them_go_to_the_events(
    asterisk: FakeAmi, ami: Ami, events: Events
) -> None:
    def list_with_an_event_inside(session: Session, action: Fields) -> None:
        mark = {"ActionID": action["ActionID"]}
        session.send({"Response": "Success", "EventList": "start", **mark})
        session.send({"Event": "QueueMember", "Queue": "my", **mark})
        session.send({"Event": "Hangup"})
        session.send({"Event": "QueueMember", "Queue": "th", **mark})
        session.send({"Event": "QueueStatusComplete", "EventList": "Complete", **mark})

    asterisk.on["QueueStatus"] = list_with_an_event_inside
    rows = ami.list_action({"Action": "QueueStatus"})
    assert [row.get("Queue") for row in rows] == ["my", "th"]
    assert heard(events) == "Hangup"


def test_an_empty_list_is_empty_and_not_an_error(ami: Ami) -> None:
    assert ami.list_action({"Action": "CoreShowChannels"}) == []


def test_a_refusal_raises_with_what_asterisk_said(asterisk: FakeAmi, ami: Ami) -> None:
    asterisk.on["CoreShowChannels"] = asterisk.refuse
    with pytest.raises(AmiRefused, match="Permission denied"):
        ami.list_action({"Action": "CoreShowChannels"})
    assert ami.connected


def test_a_wrong_password_is_refused_and_leaves_no_connection(asterisk: FakeAmi) -> None:
    client = Ami(("127.0.0.1", asterisk.port), "reader", "wrong")
    with pytest.raises(AmiRefused):
        client.connect()
    assert not client.connected


def test_an_account_without_a_queue_asks_for_no_events(asterisk: FakeAmi) -> None:
    client = Ami(("127.0.0.1", asterisk.port), "actor", PASSWORD)
    client.connect()
    assert asterisk.done[-1]["Events"] == "off"
    client.close()


@pytest.mark.parametrize("bad", ["my\r\nAction: Originate", "my\nX: y", "my\0", "my\r"])
@pytest.mark.parametrize("place", ["name", "value"])
def test_a_line_break_never_becomes_a_second_action(asterisk: FakeAmi, ami: Ami, bad: str, place: str) -> None:
    before = len(asterisk.done)
    fields = {"Action": "Setvar", "Variable": bad} if place == "value" else {"Action": "Setvar", bad: "x"}
    with pytest.raises(ValueError, match="line break"):
        ami.send_action(fields)
    ami.send_action({"Action": "Ping"})
    assert [fields["Action"] for fields in asterisk.done[before:]] == ["Ping"]


def test_who_waits_when_the_connection_is_lost_is_told_and_can_connect_again(
    asterisk: FakeAmi, ami: Ami, events: Events
) -> None:
    asterisk.on["Ping"] = lambda _session, _action: asterisk.drop()
    with pytest.raises(AmiLost):
        ami.send_action({"Action": "Ping"})
    assert heard(events) == "lost"
    with pytest.raises(AmiLost):
        ami.send_action({"Action": "CoreShowChannels"})
    del asterisk.on["Ping"]
    ami.connect()
    ami.send_action({"Action": "Ping"})
    asterisk.tell("Hangup")
    assert heard(events) == "Hangup"


def test_each_connection_is_told_for_itself_that_all_is_loaded(asterisk: FakeAmi, ami: Ami) -> None:
    until(lambda: ami.booted)
    asterisk.booted = False
    asterisk.drop()
    until(lambda: not ami.connected)
    assert not ami.booted
    ami.connect()
    ami.send_action({"Action": "Ping"})
    assert not ami.booted
    asterisk.tell(BOOTED)
    until(lambda: ami.booted)


def test_an_asterisk_that_is_silent_is_lost_after_its_time(asterisk: FakeAmi, events: Events) -> None:
    asterisk.on["Ping"] = lambda _session, _action: None
    client = Ami(("127.0.0.1", asterisk.port), "reader", PASSWORD, events, timeout_s=0.2)
    client.connect()
    with pytest.raises(AmiLost, match="Ping"):
        client.send_action({"Action": "Ping"})
    assert not client.connected
    assert heard(events) == "lost"


def test_something_else_on_the_port_is_not_taken_for_asterisk(
    asterisk: FakeAmi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Session, "raw", lambda self, _packet: self.connection.sendall(b"220 mail ready\r\n"))
    with pytest.raises(AmiLost, match="not Asterisk"):
        Ami(("127.0.0.1", asterisk.port), "reader", PASSWORD).connect()


def test_nobody_on_the_port_is_a_lost_connection() -> None:
    with pytest.raises(AmiLost):
        Ami(("127.0.0.1", free_port()), "reader", PASSWORD).connect()


def test_variables_are_those_of_the_first_channel_and_keep_their_equals_signs(
    asterisk: FakeAmi, ami: Ami, events: Events
) -> None:
    until(lambda: ami.booted)
    events.get(timeout=PATIENCE_S)
    headers = {
        "Channel": "PJSIP/trunk-1",
        "DestChanVariable": "FREELINE_CALL=another",
        "ChanVariable(PJSIP/trunk-1)": "FREELINE_CALL=one more",
        "LocalOneChanVariable": "FREELINE_CALL=and another",
    }
    asterisk.tell("Newstate", headers, {"FREELINE_CALL": "a=b", "EMPTY": ""})
    event = events.get(timeout=PATIENCE_S)
    assert event is not None
    assert not isinstance(event, list)
    assert event.variables == {"FREELINE_CALL": "a=b", "EMPTY": ""}
    assert event.dest_variables == {"FREELINE_CALL": "another"}
    assert event.get("Channel") == "PJSIP/trunk-1"
    assert event.get("NoSuchHeader") == ""


def test_a_reader_that_stumbles_ends_the_connection_and_is_not_deaf(
    asterisk: FakeAmi, ami: Ami, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ami.connected

    def stumble(_self: Ami, _message: object) -> None:
        raise AttributeError("a mistake")

    monkeypatch.setattr(Ami, "_deliver", stumble)
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    asterisk.tell("Newstate")
    assert events.get(timeout=PATIENCE_S) is None
    assert not ami.connected


def test_bad_bytes_and_lines_that_are_no_headers_do_not_end_the_reading(
    asterisk: FakeAmi, ami: Ami, events: Events
) -> None:
    session = until(lambda: next((s for s in asterisk.sessions if s.hears_events), None))
    session.raw(b"Event: Newstate\r\nCallerIDName: \xff\xfe\r\n\r\n")
    session.raw(b"no header at all\r\n\r\n\r\n")
    assert heard(events) == "Newstate"
    asterisk.tell("Hangup")
    assert heard(events) == "Hangup"
    assert ami.send_action({"Action": "Ping"}).get("Response") == "Success"
