"""The whole switchboard on a fake Asterisk, where connections are lost and the database is locked."""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from sqlmodel import Session, select

from hotline.keys import Keys
from hotline.line import languages, lines
from hotline.settings import Settings
from hotline.staff import states as agents
from models import Agent, AgentState, AgentStatus, Contact, Database, Outcome
from telephony.asterisk.secrets import make_secrets
from telephony.switchboard.ami_events import EventReader
from telephony.switchboard.process import ALIVE, Switchboard
from tests.fakes.ami import FakeAmi
from tests.support.ami_wire import CALL, CALLER, NAMED, TRUNK
from tests.support.cast import Cast
from tests.support.databases import away, locked
from tests.support.wait import PATIENCE_S, until

HA1 = "0" * 32


@pytest.fixture
def asterisk(settings: Settings) -> Iterator[FakeAmi]:
    with FakeAmi(settings.ami_port, name=make_secrets(settings).asterisk) as fake:
        yield fake


@pytest.fixture
def start(settings: Settings, keys: Keys, staff: Cast) -> Iterator[Callable[[], Switchboard]]:
    """Starts switchboards on threads and stops them after the test."""
    make_secrets(settings)
    running: list[tuple[Switchboard, threading.Thread]] = []

    def one() -> Switchboard:
        board = Switchboard(settings)
        board.reader.timeout_s = board.actor.timeout_s = 3.0
        thread = threading.Thread(target=board.run, daemon=True)
        thread.start()
        running.append((board, thread))
        return board

    yield one
    for board, thread in running:
        board.stop()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


@pytest.fixture
def board(asterisk: FakeAmi, start: Callable[[], Switchboard]) -> Switchboard:
    """A switchboard that has connected and looked once."""
    one = start()
    looked(asterisk)
    return one


def looked(asterisk: FakeAmi, times: int = 1) -> None:
    """Wait until it has compared everything so often again."""
    before = asterisk.count("QueueStatus")
    until(lambda: asterisk.count("QueueStatus") >= before + times and "FREELINE_NO_KEY" in asterisk.globals)


def connected_and_looked(board: Switchboard) -> None:
    """Wait until a look on a connection is over; it takes a wake only after that."""
    until(lambda: board.reader.connected and board.actor.connected)
    board._wake.set()
    until(lambda: not board._wake.is_set())


def contact(db: Database, call: str = CALL) -> Contact | None:
    with db.read() as session:
        found = session.exec(select(Contact).where(Contact.call == call)).first()
        session.expunge_all()
        return found


def state(db: Database, agent: Agent) -> AgentState:
    with db.read() as session:
        found = agents.state_of(session, agent.id)
        session.expunge_all()
        return found


def change(db: Database, board: Switchboard, what: Callable[[Session], object]) -> None:
    """Change the database and nudge, as the console does (no Redis here: straight to the keeper)."""
    with db.write() as session:
        what(session)
    board._wake.set()


def a_whole_call(asterisk: FakeAmi, n: int) -> str:
    """The events of a call that is abandoned in the queue; its id."""
    channel = {"Channel": f"PJSIP/trunk-{n:08x}", "Uniqueid": f"asterisk-7.{n}", "Linkedid": f"asterisk-7.{n}"}
    named = {"FREELINE_CALL": f"call-{n}"}
    asterisk.tell("Newchannel", {**TRUNK, **channel})
    asterisk.tell("Newstate", {**CALLER, **channel}, named)
    asterisk.tell("QueueCallerJoin", {**CALLER, **channel, "Queue": "my"}, named)
    asterisk.tell("QueueCallerAbandon", {**CALLER, **channel, "Queue": "my"}, named)
    asterisk.tell("Hangup", {**CALLER, **channel, "Cause": "16"}, named)
    return f"call-{n}"


def test_membership_is_made_equal_and_follows_changes(
    asterisk: FakeAmi, board: Switchboard, db: Database, staff: Cast
) -> None:
    alice, bob = (f"PJSIP/agent{agent.id}" for agent in (staff.alice, staff.bob))
    until(lambda: len(asterisk.members) == 5)
    assert asterisk.members["my", alice] == ["0", "1"], "not ready is paused"
    assert asterisk.members["km", bob] == ["10", "1"], "a basic speaker is a backup"
    change(db, board, lambda s: agents.choose_status(s, staff.alice, True))
    until(lambda: asterisk.members["my", alice] == ["0", "0"])
    assert asterisk.members["my", f"PJSIP/agent{staff.alice.id}"] == ["0", "0"]
    until(lambda: asterisk.members["th", alice] == ["0", "0"])
    assert asterisk.count("QueueRemove") == 0


def test_a_stranger_among_the_members_of_ours_is_removed_and_others_are_not(
    asterisk: FakeAmi, board: Switchboard
) -> None:
    asterisk.members["my", "PJSIP/agent99"] = ["0", "0"]
    asterisk.members["my", "Local/home@agents"] = ["0", "0"]
    board._wake.set()
    until(lambda: ("my", "PJSIP/agent99") not in asterisk.members)
    assert ("my", "Local/home@agents") in asterisk.members


def test_the_menu_is_set_and_a_key_that_was_taken_away_is_emptied(
    asterisk: FakeAmi, board: Switchboard, db: Database, settings: Settings
) -> None:
    assert asterisk.globals["FREELINE_KEY_1"] == "my"
    assert asterisk.globals["FREELINE_NO_KEY"] == "en"
    assert asterisk.globals["FREELINE_MENU"].split("&")[0] == str(settings.sounds / "my" / "invite")
    change(db, board, lambda s: languages.put_language(s, "my", key=None, position=1))
    until(lambda: asterisk.globals["FREELINE_KEY_1"] == "")
    until(lambda: "/my/invite" not in asterisk.globals["FREELINE_MENU"])


def test_when_asterisk_is_back_everything_is_set_again(asterisk: FakeAmi, board: Switchboard) -> None:
    until(lambda: len(asterisk.members) == 5)
    asterisk.members.clear()
    asterisk.globals.clear()
    asterisk.drop()
    until(lambda: len(asterisk.members) == 5 and "FREELINE_NO_KEY" in asterisk.globals)
    assert board.reader.connected
    assert next(asterisk.logins) >= 4


def test_it_waits_for_an_asterisk_that_is_not_there_yet(settings: Settings, start: Callable[[], Switchboard]) -> None:
    board = start()
    until(lambda: (settings.run / ALIVE).exists())
    until(lambda: "asterisk" in board._failing)
    with FakeAmi(settings.ami_port) as asterisk:
        until(lambda: len(asterisk.members) == 5)


def test_nothing_is_put_into_an_asterisk_that_has_not_loaded_everything(
    asterisk: FakeAmi, start: Callable[[], Switchboard]
) -> None:
    asterisk.booted = False
    board = start()
    connected_and_looked(board)
    assert not board.reader.booted
    assert {fields["Action"] for fields in asterisk.done} == {"Login"}
    asterisk.tell("FullyBooted")
    # Sooner than at the next look.
    until(lambda: len(asterisk.members) == 5 and "FREELINE_NO_KEY" in asterisk.globals)


def test_one_that_is_started_again_is_waited_for_again(asterisk: FakeAmi, board: Switchboard) -> None:
    until(lambda: len(asterisk.members) == 5)
    asterisk.booted = False
    asterisk.drop()
    until(lambda: not board._linked)
    connected_and_looked(board)
    assert not board.reader.booted
    asterisk.members.clear()
    for _ in range(2):
        connected_and_looked(board)
    assert asterisk.members == {}
    asterisk.tell("FullyBooted")
    until(lambda: len(asterisk.members) == 5)


def test_events_become_a_row_and_a_case(asterisk: FakeAmi, board: Switchboard, db: Database) -> None:
    assert board.reader.connected
    name = a_whole_call(asterisk, 1)
    row = until(lambda: (c := contact(db, name)) and c.ended_at and c)
    assert (row.outcome, row.queue, row.line) == (Outcome.ABANDONED_IN_QUEUE, "my", "1800123456")
    assert row.case_id is not None


def test_an_event_that_breaks_its_handler_does_not_stop_the_next(
    asterisk: FakeAmi, board: Switchboard, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert board.reader.connected

    def broken(self: EventReader, event: object) -> list[object]:
        raise KeyError("a mistake")

    monkeypatch.setitem(board.notices._kinds, "QueueCallerJoin", lambda event: broken(board.notices, event))
    name = a_whole_call(asterisk, 2)
    row = until(lambda: (c := contact(db, name)) and c.ended_at and c)
    assert row.outcome is Outcome.ABANDONED_IN_MENU, "what the broken handler had to say is missing, no more"


def test_five_hundred_events_while_the_database_is_locked_lose_nothing_and_nothing_else_stops(
    asterisk: FakeAmi, board: Switchboard, db: Database, settings: Settings
) -> None:
    until(lambda: len(asterisk.members) == 5)
    with locked(db):
        names = [a_whole_call(asterisk, n) for n in range(100)]
        until(lambda: board.writer.stuck and board.events.empty())
        asterisk.members.clear()
        beat = (settings.run / ALIVE).stat().st_mtime_ns
        until(lambda: len(asterisk.members) == 5)
        until(lambda: (settings.run / ALIVE).stat().st_mtime_ns > beat)
        assert all(contact(db, name) is None for name in names[:3])
    rows = [until(lambda name=name: (c := contact(db, name)) and c.ended_at and c) for name in names]
    assert {row.outcome for row in rows} == {Outcome.ABANDONED_IN_QUEUE}
    assert len({row.case_id for row in rows}) == 100
    arrivals = [row.arrived_at for row in rows]
    assert arrivals == sorted(arrivals)


def test_a_database_that_cannot_be_read_changes_nothing_in_asterisk(
    asterisk: FakeAmi, board: Switchboard, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    until(lambda: len(asterisk.members) == 5)
    members, menu = dict(asterisk.members), dict(asterisk.globals)
    with away(board.db):
        board._wake.set()
        until(lambda: {"phones", "queues", "menu"} <= board._failing.keys())
        assert (asterisk.members, asterisk.globals) == (members, menu)
    board._wake.set()
    until(lambda: not board._failing.keys() & {"queues", "menu"})
    assert (asterisk.members, asterisk.globals) == (members, menu)


def test_phones_that_can_be_rung_are_known_at_once_and_on_the_next_look(
    asterisk: FakeAmi, board: Switchboard, db: Database, staff: Cast
) -> None:
    alice, sofia = staff.alice, staff.sofia

    def give_phones(session: Session) -> None:
        alice.phone_secret_ha1 = sofia.phone_secret_ha1 = HA1
        session.add_all([alice, sofia])

    change(db, board, give_phones)
    asterisk.devices[f"PJSIP/agent{sofia.id}"] = "NOT_INUSE"
    board._wake.set()
    until(lambda: state(db, sofia).reachable)
    asterisk.devices[f"PJSIP/agent{alice.id}"] = "NOT_INUSE"
    asterisk.tell("QueueMemberStatus", {"Queue": "my", "Interface": f"PJSIP/agent{alice.id}", "Status": "1"})
    until(lambda: state(db, alice).reachable)
    asterisk.devices[f"PJSIP/agent{sofia.id}"] = "UNAVAILABLE"
    board._wake.set()
    until(lambda: not state(db, sofia).reachable)
    assert state(db, alice).reachable


def test_a_call_in_progress_is_taken_over_after_a_restart_of_the_switchboard(
    asterisk: FakeAmi, start: Callable[[], Switchboard], db: Database, staff: Cast
) -> None:
    alice = staff.alice
    leg = {
        "Channel": f"PJSIP/agent{alice.id}-00000001",
        "Uniqueid": "asterisk-1.2",
        "Linkedid": CALLER["Linkedid"],
        "BridgeId": "b",
    }
    asterisk.channels = [({**CALLER, "Duration": "00:01:00", "BridgeId": "b"}, NAMED), (leg, NAMED)]
    start()
    row = until(lambda: (c := contact(db)) and c.answered_at and c)
    assert row.handler_id == alice.id
    assert state(db, alice).status is AgentStatus.ON_CALL
    asterisk.channels = []
    asterisk.tell("Hangup", {**leg, "ChannelState": "6", "Cause": "16"}, NAMED)
    asterisk.tell("Hangup", {**CALLER, "Cause": "16"}, NAMED)
    until(lambda: (c := contact(db)) and c.outcome is Outcome.ANSWERED)
    assert state(db, alice).status is AgentStatus.WRAP_UP


def test_a_call_that_ended_while_nobody_listened_is_closed_on_return(
    asterisk: FakeAmi, board: Switchboard, db: Database
) -> None:
    assert board.reader.connected
    asterisk.channels = [(CALLER, NAMED)]
    asterisk.tell("Newchannel", TRUNK)
    asterisk.tell("Newstate", CALLER, NAMED)
    until(lambda: contact(db))
    asterisk.channels = []
    asterisk.drop()
    until(lambda: (c := contact(db)) and c.outcome is Outcome.ABANDONED_IN_MENU)


def test_a_call_on_a_line_added_on_screen_is_found_in_the_records_like_any_other(
    asterisk: FakeAmi, board: Switchboard, db: Database
) -> None:
    with db.write() as session:
        lines.add_line(session, "1800999888", "Second line", toll_free=True, by_id=None)
    board.cel.path.parent.mkdir(parents=True, exist_ok=True)
    ids = {"UniqueID": "9.1", "LinkedID": "9.1", "ChanName": "PJSIP/trunk-00000009", "Exten": "1800999888"}
    began = time.time() - 400
    rows = [
        {"EventType": "CHAN_START", "EventTime": began, **ids},
        {"EventType": "CHAN_END", "EventTime": began + 30, **ids},
    ]
    board.cel.path.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def swept() -> bool:
        # Again each time: a sweep that had begun before the records were written would be the last for a minute.
        board._swept_at = 0.0
        board._wake.set()
        return contact(db, "linkedid:9.1") is not None

    until(swept)
    found = contact(db, "linkedid:9.1")
    assert found is not None
    assert found.line == "1800999888"


def test_an_agent_held_by_a_call_that_is_gone_is_freed_on_return(
    asterisk: FakeAmi, board: Switchboard, db: Database, staff: Cast
) -> None:
    bob = staff.bob
    change(db, board, lambda s: agents.on_call(s, bob.id, "gone", agents.now()))
    asterisk.drop()
    until(lambda: state(db, bob).status is AgentStatus.WRAP_UP)


def test_a_phone_is_not_pushed_while_asterisks_http_server_is_away_and_the_rest_goes_on(
    asterisk: FakeAmi, board: Switchboard, db: Database, staff: Cast
) -> None:
    def give_a_phone(session: Session) -> None:
        staff.alice.phone_secret_ha1 = HA1
        session.add(staff.alice)
        agents.choose_status(session, staff.alice, True)

    change(db, board, give_a_phone)
    until(lambda: "phones" in board._failing)
    until(lambda: asterisk.members["my", f"PJSIP/agent{staff.alice.id}"] == ["0", "0"])


def test_the_beat_stops_when_a_thread_has_died(asterisk: FakeAmi, board: Switchboard, settings: Settings) -> None:
    until(lambda: (settings.run / ALIVE).exists())
    board.writer.stop(within_s=1)
    os.utime(settings.run / ALIVE, (1, 1))
    quiet_until = time.monotonic() + 2.5  # more than two beats
    until(lambda: time.monotonic() > quiet_until)
    assert (settings.run / ALIVE).stat().st_mtime == 1


def test_nothing_of_a_caller_is_in_the_log(
    asterisk: FakeAmi, board: Switchboard, db: Database, capfd: pytest.CaptureFixture[str]
) -> None:
    name = a_whole_call(asterisk, 3)
    until(lambda: (c := contact(db, name)) and c.ended_at)
    board.events.put([object()])  # type: ignore[list-item]
    asterisk.drop()
    looked(asterisk)
    out, err = capfd.readouterr()
    assert "connected to Asterisk" in out + err
    assert "0812345678" not in out + err
