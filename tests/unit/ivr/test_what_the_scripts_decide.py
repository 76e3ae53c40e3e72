"""Each AGI script in front of a fake Asterisk, without a server: what it decides, keeps and tells the dialplan.

On both databases, and with the database away. What a caller hears, word for word, is in tests/integration/ivr.
"""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from hotline.calls.facts import Fact
from hotline.keys import Keys
from hotline.nudges import Nudges
from hotline.settings import Settings
from hotline.staff import states as agents
from ivr import names as prompts
from ivr import store
from ivr.call import CallerSession, IvrServices
from ivr.scripts import SCRIPTS
from ivr.session import AgiRefused, CallerGone, Session
from ivr.store import FactStore
from models import AgentStatus, CallbackSafety, Contact, Database
from recordings.spool.files import read_note
from telephony import names
from tests.fakes.asterisk_agi import FakeCall, Leaving
from tests.integration.ivr.conftest import MENU, stand_in_sounds
from tests.support.cast import Cast
from tests.support.databases import away
from tests.support.spooled import rows
from tests.support.wait import PATIENCE_S


@dataclass
class Line:
    """Runs a script for a caller over a pair of sockets."""

    settings: Settings
    house: IvrServices

    def caller(self, **facts: object) -> FakeCall:
        return FakeCall(self.settings, token="", **facts)  # type: ignore[arg-type]

    def run(self, caller: FakeCall, script: str) -> None:
        """Raises what the script raises; the server turns that into a log line."""
        theirs, ours = socket.socketpair()
        asterisk = threading.Thread(target=self._speak, args=(caller, theirs, script), daemon=True)
        asterisk.start()
        try:
            SCRIPTS[script](CallerSession(Session(ours), self.house))
        finally:
            ours.close()
            asterisk.join(PATIENCE_S)
        assert not asterisk.is_alive()

    def _speak(self, caller: FakeCall, theirs: socket.socket, script: str) -> None:
        with theirs:
            caller.speak(theirs, script)


@pytest.fixture
def line(settings: Settings, db: Database, keys: Keys, staff: Cast, monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    monkeypatch.setattr(store, "ANSWER_S", PATIENCE_S)
    settings = settings.model_copy(update={"free_space_floor_mb": 0})
    stand_in_sounds(settings.sounds, MENU)
    settings.spool.mkdir(parents=True)
    sealing = Keys(keys.public, keys.index)
    yield Line(settings, IvrServices(settings, FactStore(settings, db, sealing), sealing, Nudges(settings.redis)))


@contextmanager
def as_is(_db: Database) -> Iterator[None]:
    yield


there_or_away = pytest.mark.parametrize("way", [as_is, away], ids=["there", "away"])
Way = Callable[[Database], object]


def row(db: Database, caller: FakeCall) -> Contact:
    (found,) = [one for one in rows(db, Contact) if one.call == caller.call]
    return found


def noted(line: Line, caller: FakeCall) -> set[str]:
    """The facts that lie in the spool because the database would not have them."""
    path = names.spool_note(line.settings.spool, caller.call)
    return {fact.value for fact in read_note(path.read_bytes(), caller.call).facts} if path.exists() else set()


def ready(db: Database, agent_id: int | None) -> None:
    with db.write() as s:
        agents.set_reachable(s, agent_id or 0, True)
        agents.set_status(s, agent_id or 0, AgentStatus.READY)


@there_or_away
def test_answer_keeps_the_arrival_in_the_database_or_else_in_the_spool(line: Line, db: Database, way: Way) -> None:
    caller = line.caller(variables={names.ARRIVED: "1790000000", prompts.LAST: ""})
    with way(db):  # type: ignore[attr-defined]
        line.run(caller, names.ANSWER)
    if way is as_is:
        assert row(db, caller).arrived_at.timestamp() == 1790000000
        assert noted(line, caller) == set()
    else:
        assert rows(db, Contact) == []
        note = read_note(names.spool_note(line.settings.spool, caller.call).read_bytes(), caller.call)
        assert note.arrived is not None
        assert note.arrived.timestamp() == 1790000000


def test_a_key_during_the_greeting_is_carried_into_the_menu(line: Line) -> None:
    caller = line.caller(keys={"en/opening": ["2"]})
    line.run(caller, names.ANSWER)
    assert caller.variables[prompts.TYPED] == "2"
    line.run(caller, names.CHOOSE_LANGUAGE)
    assert caller.variables[names.QUEUE] == "th"
    assert not [sound for sound in caller.played if sound.endswith("/invite")]


@there_or_away
@pytest.mark.parametrize(
    ("pressed", "language", "chosen"),
    [
        ({"my/invite": ["3"]}, "km", True),
        ({"wait": ["1"]}, "my", True),
        ({}, "en", False),
        ({"my/invite": ["9", "9", "9", "9"]}, "en", False),
        ({"en/quiet": ["0"]}, "en", False),
    ],
    ids=["a key", "a late key", "no key", "wrong keys", "0: cannot speak"],
)
def test_every_caller_comes_out_of_the_menu_with_a_language(
    line: Line, db: Database, way: Way, pressed: dict[str, list[str]], language: str, chosen: bool
) -> None:
    caller = line.caller(keys={where: list(some) for where, some in pressed.items()})
    if way is away:  # the dialplan's own menu is asked then
        caller.variables |= {names.KEY_PREFIX + str(n): code for n, code in enumerate(MENU, 1)} | {names.NO_KEY: "en"}
    with way(db):  # type: ignore[attr-defined]
        line.run(caller, names.CHOOSE_LANGUAGE)
    assert caller.variables[names.QUEUE] == caller.variables["CHANNEL(language)"] == language
    if way is away:
        assert Fact.LANGUAGE.value in noted(line, caller)
        return
    assert (row(db, caller).language, row(db, caller).key_at is not None) == (language, bool(pressed))
    again = line.caller()
    line.run(again, names.ANSWER)
    assert again.variables[prompts.LAST] == (language if chosen else "")


@pytest.mark.parametrize(("who", "way"), [("alice", names.WAY_QUEUE), ("nobody", names.WAY_MESSAGE)])
def test_a_caller_waits_only_where_somebody_speaks_the_language(
    line: Line, db: Database, staff: Cast, who: str, way: str
) -> None:
    if who == "alice":
        ready(db, staff.alice.id)
    caller = line.caller(variables={names.QUEUE: "my"})
    line.run(caller, names.ROUTE)
    assert caller.variables[names.WAY] == way


def test_without_a_database_everybody_may_be_rung_at_once(line: Line, db: Database, staff: Cast) -> None:
    ready(db, staff.alice.id)
    with_it, without = (line.caller(variables={names.QUEUE: "my", names.NO_KEY: "en"}) for _ in range(2))
    line.run(with_it, names.ROUTE)
    with away(db):
        line.run(without, names.ROUTE)
    assert with_it.variables[names.WAY] == without.variables[names.WAY] == names.WAY_QUEUE
    assert int(with_it.variables[names.MAX_PENALTY]) < int(without.variables[names.MAX_PENALTY])


@pytest.mark.parametrize(
    ("choice", "status", "number", "way"),
    [
        (names.CHOICE_CALLBACK, "", "+66812345678", names.WAY_END),
        (names.CHOICE_CALLBACK, "", "", names.WAY_MESSAGE),
        (names.CHOICE_MESSAGE, "", "+66812345678", names.WAY_MESSAGE),
        ("", "CONTINUE", "+66812345678", names.WAY_END),
        ("", "TIMEOUT", "+66812345678", names.WAY_MESSAGE),
        ("", "LEAVEEMPTY", "+66812345678", names.WAY_MESSAGE),
    ],
    ids=["call-back", "call-back, number withheld", "message", "answered", "waited too long", "all agents left"],
)
def test_after_the_queue_every_caller_gets_further(
    line: Line, db: Database, choice: str, status: str, number: str, way: str
) -> None:
    caller = line.caller(number=number, variables={names.CHOICE: choice, names.QUEUE_STATUS: status, names.QUEUE: "my"})
    line.run(caller, names.AFTER_QUEUE)
    assert caller.variables[names.WAY] == way
    owed = [one.callback_at is not None for one in rows(db, Contact)]
    assert owed == ([True] if choice == names.CHOICE_CALLBACK and number else [])


def test_a_queue_that_lets_a_caller_out_takes_them_back_three_times(line: Line, db: Database, staff: Cast) -> None:
    ready(db, staff.alice.id)
    caller = line.caller(variables={names.QUEUE_STATUS: "LEAVEEMPTY", names.QUEUE: "my"})
    ways = []
    for _ in range(4):
        line.run(caller, names.AFTER_QUEUE)
        ways.append(caller.variables[names.WAY])
    assert ways == [names.WAY_QUEUE] * 3 + [names.WAY_MESSAGE]


@pytest.mark.parametrize(
    ("pressed", "said"),
    [("1", CallbackSafety.SAFE), ("2", CallbackSafety.UNKNOWN), ("", CallbackSafety.UNKNOWN)],
)
def test_only_a_pressed_1_is_safe_after_a_message(line: Line, db: Database, pressed: str, said: CallbackSafety) -> None:
    caller = line.caller(keys={"my/safe_to_call": [pressed, pressed]}, variables={names.QUEUE: "my"})
    line.run(caller, names.LEAVE_VOICEMAIL)
    assert row(db, caller).callback_said is said
    assert row(db, caller).message_at is not None
    assert caller.recorded == names.spool_sound(line.settings.spool, caller.call)
    assert caller.variables[names.RECORDING] == names.RECORDED


def test_a_caller_whose_number_is_withheld_is_not_asked_whether_it_is_safe(line: Line) -> None:
    caller = line.caller(number="", variables={names.QUEUE: "my"})
    line.run(caller, names.LEAVE_VOICEMAIL)
    assert "my/safe_to_call" not in caller.played


@pytest.mark.parametrize("why", ["no room", "Record failed"])
def test_a_message_that_cannot_be_kept_is_said_and_marked(line: Line, db: Database, why: str) -> None:
    settings = line.settings.model_copy(update={"free_space_floor_mb": 10**9 if why == "no room" else 0})
    line.house = IvrServices(settings, line.house.memory, line.house.keys, line.house.nudges)
    caller = line.caller(record_status="ERROR", variables={names.QUEUE: "my"})
    line.run(caller, names.LEAVE_VOICEMAIL)
    assert "my/cannot_record" in caller.played
    assert row(db, caller).failed_at is not None
    assert (caller.recorded is None) is (why == "no room"), "nobody speaks in vain"


@pytest.mark.parametrize("how", list(Leaving))
def test_a_caller_who_hangs_up_while_recording_has_left_a_message(line: Line, db: Database, how: Leaving) -> None:
    caller = line.caller(keys={"my/safe_to_call": ["1"]}, variables={names.QUEUE: "my"})
    record = caller._record

    def and_leaves(options: list[str]) -> str:
        caller.leaves_after, caller.leaves_how = 0, how
        return record(options)

    caller._record = and_leaves  # type: ignore[method-assign]
    with pytest.raises(CallerGone):
        line.run(caller, names.LEAVE_VOICEMAIL)
    assert row(db, caller).message_at is not None
    assert row(db, caller).callback_said is CallbackSafety.UNKNOWN
    assert names.spool_sound(line.settings.spool, caller.call).exists()


def test_a_call_without_its_id_is_refused_and_the_net_goes_on(line: Line, db: Database) -> None:
    caller = line.caller(variables={names.CALL: "1; DROP TABLE contact"})
    with pytest.raises(AgiRefused):
        line.run(caller, names.ANSWER)
    assert rows(db, Contact) == []


def test_ping_asks_nothing(line: Line) -> None:
    caller = line.caller()
    line.run(caller, names.PING)
    assert caller.commands == []
