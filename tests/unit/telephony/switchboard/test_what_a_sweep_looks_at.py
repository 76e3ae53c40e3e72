"""What a sweep reads of the database and of Asterisk, and how near in time two halves of a call are to be."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from models import AgentState, AgentStatus, Contact, Conversation, Database, Direction, Party, PartyKind
from telephony import names
from telephony.clients.cel import Trail
from telephony.switchboard.changes.calls import (
    AgentsGone,
    Answered,
    Arrived,
    CallRef,
    Change,
    Dropped,
    Ended,
    Failed,
    LeftCall,
    PartyGone,
)
from telephony.switchboard.reconcile import (
    AsteriskSnapshot,
    DatabaseSnapshot,
    read_books,
    sweep,
    warn_of_long_talks,
)
from tests.support.ami_wire import event
from tests.support.cast import Cast

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
NOBODY = AsteriskSnapshot.of([])
LINES = {"0800": "1800123456"}


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def trail(linkedid: str = "1.1", call: str | None = None, **values: Any) -> Trail:
    """A call of forty seconds from noon on."""
    values = {"started_at": NOON, "ended_at": after(40), "last_at": after(40)} | values
    return Trail(linkedid, (0, 0), line="0800", call=call, **values)


def swept(
    books: DatabaseSnapshot,
    *trails: Trail,
    there: AsteriskSnapshot = NOBODY,
    at: float = 600,
    spool: Sequence[datetime] = (),
    lost_agents: frozenset[int] = frozenset(),
) -> list[Change]:
    by_id = {one.linkedid: one for one in trails}
    return sweep(books, there, by_id, set(), after(at), lines=LINES, unmet=spool, lost_agents=lost_agents).changes


def books(**values: Any) -> DatabaseSnapshot:
    return DatabaseSnapshot(**({"open_calls": [], "held": [], "known": {}, "talks": [], "parties": []} | values))


def read(db: Database, *trails: Trail) -> DatabaseSnapshot:
    with db.read() as session:
        return read_books(session, {one.linkedid: one for one in trails})


def leg(endpoint: str, uniqueid: str, *, first: bool = False) -> dict[str, str]:
    linkedid = uniqueid if first else "0.1"
    return {"Channel": f"PJSIP/{endpoint}-00000001", "Uniqueid": uniqueid, "Linkedid": linkedid}


def arrived(changes: list[Change]) -> list[str | None]:
    """The own ids of the calls that are written from the records, None for one that has none."""
    return [change.call.call for change in changes if isinstance(change, Arrived)]


def test_each_of_very_many_calls_is_known_by_its_linkedid_or_by_its_own_id(db: Database) -> None:
    """However many the records show: one that is not found is written a second time."""
    trails = [trail(f"1.{n:04}", f"call {n}") for n in range(1101)]
    some = (0, 1, 498, 499, 500, 501, 999, 1000, 1001, 1100)
    with db.write() as session:
        for n in some:
            session.add(Contact(call=f"linkedid:1.{n:04}", linkedid=f"1.{n:04}", arrived_at=NOON))
        session.add(Contact(call="call 7", arrived_at=NOON))
        session.add(Contact(call="call of nobody", linkedid="2.1", arrived_at=NOON))
    assert sorted(read(db, *trails).known) == sorted(f"1.{n:04}" for n in (*some, 7))


@pytest.mark.parametrize("ended", [{}, {"ended_at": None}])
@pytest.mark.parametrize(("after_s", "near"), [(-16, False), (-15, True), (0, True), (55, True), (56, False)])
def test_what_was_written_within_a_quarter_of_a_minute_of_a_call_is_of_that_call(
    db: Database, after_s: float, near: bool, ended: dict[str, None]
) -> None:
    """A row or a file that tells no Linkedid, and a record that tells no id: the clocks of both differ a little. Without an
    end the call lasted until its last sign."""
    with db.write() as session:
        session.add(Contact(call="a row", arrived_at=after(after_s), ended_at=after(after_s + 9)))
    one = trail(**ended)
    assert arrived(swept(read(db, one), one)) == ["a row" if near else None]
    assert arrived(swept(books(), one, spool=[after(after_s)])) == ([] if near else [None])


@pytest.mark.parametrize(
    "values",
    [
        {"direction": Direction.OUTBOUND},
        {"linkedid": "9.9"},
        {"call": "named"},
        {"arrived_at": NOON - timedelta(hours=1)},
        {"arrived_at": NOON + timedelta(hours=1)},
    ],
)
def test_a_row_that_is_another_calls_is_not_taken_for_a_record_without_an_id(
    db: Database, values: dict[str, Any]
) -> None:
    """One that we made, one whose Linkedid is known, one that another record names, and one of another hour."""
    with db.write() as session:
        session.add(Contact(**{"call": "a row", "arrived_at": NOON, "ended_at": after(9)} | values))
    trails = [trail("1.1", "named"), trail("1.2")]
    assert None in arrived(swept(read(db, *trails), *trails))


def test_a_row_is_taken_for_one_record_only_the_earliest_first(db: Database) -> None:
    with db.write() as session:
        for name, at in (("late", 5), ("early", 2)):
            session.add(Contact(call=name, arrived_at=after(at), ended_at=after(9)))
    trails = [trail("1.1"), trail("1.2"), trail("1.3")]
    assert arrived(swept(read(db, *trails), *trails)) == ["early", "late", None]


def test_a_record_that_tells_not_even_when_the_call_began_spoils_no_sweep(db: Database) -> None:
    """A full disk took its first rows."""
    torn = [trail("1.1", started_at=None), trail("1.2", "named", started_at=None)]
    assert read(db, *torn).unmet == []
    assert arrived(swept(read(db, *torn), *torn)) == [None, "named"]


@pytest.mark.parametrize(
    ("waited_s", "written"), [(119, False), (120, False), (121, True), (-120, False), (-121, True)]
)
def test_who_was_there_has_two_minutes_to_write_a_call_before_its_records_alone_make_the_row(
    waited_s: float, written: bool
) -> None:
    """From its end, or from the last that was heard of it. An end that lies ahead is one by a clock that was set back."""
    assert bool(swept(books(), trail(), at=40 + waited_s)) is written
    assert bool(swept(books(), trail(ended_at=None), at=40 + waited_s)) is written


def test_a_call_that_the_records_alone_tell_of_ended_when_they_say() -> None:
    """At its end; else when the last was heard of it."""
    for told in (trail(last_at=after(55)), trail(ended_at=None)):
        (ended,) = [change for change in swept(books(), told) if isinstance(change, Ended)]
        assert ended == Ended(CallRef("1.1", None, NOON, "1800123456"), after(40))


@pytest.mark.parametrize(("since_s", "gone"), [(9, False), (10, False), (11, True)])
def test_who_is_called_in_has_ten_seconds_to_be_there(since_s: float, gone: bool) -> None:
    party = Party(leg="c0ffee", call="a", kind=PartyKind.OUTSIDE, since=after(600 - since_s))
    assert swept(books(parties=[party])) == ([PartyGone(CallRef(None, "a"), "c0ffee", after(600))] if gone else [])


@pytest.mark.parametrize(
    ("status", "held"), [(s, s in {AgentStatus.ON_CALL, AgentStatus.RINGING}) for s in AgentStatus]
)
def test_only_who_rings_or_talks_is_held_by_a_call(db: Database, staff: Cast, status: AgentStatus, held: bool) -> None:
    alice = staff.alice.id
    with db.write() as session:
        session.merge(AgentState(agent_id=alice, status=status, call="gone"))
    changes = swept(read(db))
    assert changes == ([LeftCall(alice, "gone", after(600))] if held else [])


def test_a_conversation_goes_on_while_an_agent_is_in_it_or_is_waited_for() -> None:
    """A worker's own leg is no agent's, and neither is an agent of another call."""
    talk = Conversation(call="a", agent_id=1)
    worker = event("CoreShowChannel", leg("trunk", "7.1", first=True), {names.CALL: "a"})
    hers = event("CoreShowChannel", leg("agent1", "7.2"), {names.CALL: "a"})
    elsewhere = event("CoreShowChannel", leg("agent1", "7.3"), {names.CALL: "b"})
    over = [AgentsGone("a", after(600), waits=False)]
    assert swept(books(talks=[talk]), there=AsteriskSnapshot.of([worker, hers])) == []
    assert swept(books(talks=[talk]), there=AsteriskSnapshot.of([worker, elsewhere])) == over
    assert swept(books(talks=[talk]), there=AsteriskSnapshot.of([worker]), lost_agents=frozenset([1])) == []
    assert swept(books(talks=[talk]), there=AsteriskSnapshot.of([worker]), lost_agents=frozenset([2])) == over


def test_each_channel_is_told_for_what_it_is() -> None:
    """Workers, agents, those who were called in, and who waits in a queue; of one without an id only that it is there."""
    rows = [
        (leg("trunk", "1.1", first=True), {names.CALL: "a"}),
        (leg("trunk", "1.2", first=True) | {"Application": "Queue"}, {names.CALL: "b"}),
        (leg("trunk", "1.3", first=True) | {"Application": "Queue"}, {}),
        (leg("trunk", "1.4") | {"Application": "Queue"}, {names.CALL: "a", names.LEG: "c0ffee"}),
        (leg("trunk", "1.5"), {names.CALL: "ours", names.LEG: names.LEG_WORKER}),
        (leg("agent1", "1.6", first=True), {names.CALL: "rings"}),
        (leg("agent2", "1.7"), {names.CALL: "a"}),
        (leg("agent3", "1.8", first=True), {}),
        (leg("recorder", "1.9"), {names.CALL: "a", names.LEG: names.LEG_RECORDER}),
    ]
    assert AsteriskSnapshot.of([event("CoreShowChannel", *row) for row in rows]) == AsteriskSnapshot(
        uniqueids=frozenset(f"1.{n}" for n in range(1, 10)),
        workers=frozenset({"a", "b", "ours"}),
        agents=frozenset({(1, "rings"), (2, "a"), (3, "")}),
        callers_back=frozenset({"rings"}),
        parties=frozenset({"c0ffee"}),
        queues=frozenset({"b", ""}),
    )


@pytest.mark.parametrize(("talked_s", "told"), [(7 * 600 - 1, 0), (7 * 600, 0), (7 * 600 + 1, 1)])
def test_a_conversation_is_told_of_in_the_log_ten_minutes_before_its_limit(
    talked_s: float, told: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once; one that nobody answered has none."""
    talks = [Contact(id=1, call="a", arrived_at=NOON, answered_at=NOON), Contact(id=2, call="b", arrived_at=NOON)]
    warned: set[int] = set()
    for _ in range(2):
        warn_of_long_talks(books(open_calls=talks), 8 * 600, after(talked_s), warned)
    assert len(warned) == told
    assert capsys.readouterr().out.count("limit") == told


@pytest.mark.parametrize(
    ("values", "there", "goes_on"),
    [
        ({"linkedid": "1.1"}, {"uniqueids": {"1.1"}}, True),
        ({"linkedid": "1.1"}, {"workers": {"a"}}, True),
        ({"linkedid": None}, {"workers": {"a"}}, True),
        ({"linkedid": None}, {"uniqueids": {"1.1"}, "workers": {"b"}}, False),
        ({"linkedid": "1.1"}, {"callers_back": {"a"}, "parties": {"a"}, "queues": {"a"}, "uniqueids": {"1.2"}}, False),
        ({"direction": Direction.OUTBOUND, "linkedid": "1.1"}, {"uniqueids": {"1.1"}}, False),
        ({"direction": Direction.OUTBOUND}, {"callers_back": {"a"}}, True),
        ({"direction": Direction.OUTBOUND}, {"workers": {"a"}}, True),
        ({"direction": Direction.OUTBOUND, "answered_at": NOON}, {"workers": {"a"}}, True),
        ({"direction": Direction.OUTBOUND, "answered_at": NOON}, {"callers_back": {"a"}}, False),
    ],
)
def test_a_call_goes_on_while_its_worker_is_there(
    values: dict[str, Any], there: dict[str, set[str]], goes_on: bool
) -> None:
    """By the call's own id, or by its first channel before Asterisk has said that. One that we make goes on while it rings;
    once the worker was reached, the agent's leg alone is no call."""
    contact = Contact(**{"call": "a", "arrived_at": NOON} | values)
    no_channels: dict[str, Any] = {"uniqueids": frozenset(), "workers": frozenset(), "agents": frozenset()}
    now = AsteriskSnapshot(**no_channels | {name: frozenset(ids) for name, ids in there.items()})
    assert now.has(contact) is goes_on
    ended = [change for change in swept(books(open_calls=[contact]), there=now) if isinstance(change, Ended)]
    assert bool(ended) is not goes_on


def open_call(**values: Any) -> Contact:
    return Contact(**{"id": 1, "call": "a", "linkedid": "1.1", "arrived_at": NOON} | values)


@pytest.mark.parametrize(
    ("signs", "told", "lost_s", "ended_s"),
    [
        ({}, {"ended_at": after(40), "last_at": after(90)}, 200, 40),
        ({}, {"ended_at": None, "last_at": after(90)}, None, 600),
        ({}, {"ended_at": None, "last_at": after(90)}, 30, 90),
        ({}, {"ended_at": None, "last_at": after(20)}, 30, 30),
        ({}, {"ended_at": None, "last_at": None}, 30, 30),
        ({"message_at": after(50)}, {"ended_at": None, "last_at": after(20)}, 30, 50),
        ({"message_at": after(700)}, {"ended_at": None, "last_at": after(20)}, 30, 600),
    ],
)
def test_a_call_whose_channel_is_gone_ended_at_the_end_that_was_recorded_else_at_its_last_sign(
    signs: dict[str, Any], told: dict[str, Any], lost_s: float | None, ended_s: float
) -> None:
    """What was seen of it, what the records tell, and when Asterisk was last heard. Never later than now."""
    one, by_id = open_call(**signs), {"1.1": trail(**told)}
    known = books(open_calls=[one], known={"1.1": one})
    lost_at = None if lost_s is None else after(lost_s)
    found = sweep(known, NOBODY, by_id, set(), after(600), lines=LINES, lost_at=lost_at)
    assert found.changes == [Ended(CallRef("1.1", "a", NOON), after(ended_s))]
    assert found.unsettled == list(by_id.values())


@pytest.mark.parametrize(
    ("talks", "lost", "told", "dropped"),
    [
        (True, True, {"ended_at": None}, True),
        (True, True, {}, False),
        (True, False, {"ended_at": None}, False),
        (False, True, {"ended_at": None}, False),
        (True, True, None, False),
    ],
)
def test_a_conversation_dropped_only_when_asterisk_was_lost_in_it_and_recorded_no_end(
    talks: bool, lost: bool, told: dict[str, Any] | None, dropped: bool
) -> None:
    """Without a record nobody knows how it ended. It dropped before it ended."""
    one = open_call()
    by_id = {} if told is None else {"1.1": trail(**told)}
    talk = Conversation(call="a" if talks else "b", agent_id=1)
    known = books(open_calls=[one], known={"1.1": one}, talks=[talk])
    changes = sweep(
        known, NOBODY, by_id, set(), after(600), lines=LINES, lost_at=after(50) if lost else None, lost_agents={1}
    ).changes
    assert [type(change) for change in changes] == ([Dropped] if dropped else []) + [Ended]


@pytest.mark.parametrize(
    ("row", "line", "noted", "channel", "written", "again"),
    [
        (False, "0800", set(), False, True, True),
        (False, "0800", {"1.1"}, False, False, True),
        (False, "0800", {"own"}, False, False, True),
        (False, "0800", {"other"}, False, True, True),
        (False, "0800", set(), True, False, True),
        (False, "0999", set(), False, False, False),
        (False, None, set(), False, False, False),
        (True, "0800", set(), False, False, True),
        (True, "0999", set(), False, False, True),
    ],
)
def test_only_a_call_on_a_line_of_ours_that_is_over_and_that_nobody_wrote_is_written_from_its_records(
    row: bool, line: str | None, noted: set[str], channel: bool, written: bool, again: bool
) -> None:
    """What waits in the spool, is still there or has a row is looked at again; what is no call of ours is not."""
    one = trail("1.1", "own")
    one.line = line
    there = AsteriskSnapshot.of([event("CoreShowChannel", leg("trunk", "1.1"))]) if channel else NOBODY
    known = books(known={"1.1": open_call()} if row else {})
    found = sweep(known, there, {"1.1": one}, noted, after(600), lines=LINES)
    assert arrived(found.changes) == (["own"] if written else [])
    assert found.unsettled == ([one] if again else [])


@pytest.mark.parametrize(
    ("row", "told", "late"),
    [
        ({}, {}, []),
        ({}, {"answered": (1, after(9))}, [Answered]),
        ({"answered_at": NOON}, {"answered": (1, after(9))}, []),
        ({}, {"failed_at": after(9)}, [Failed]),
        ({"failed_at": NOON}, {"failed_at": after(9)}, []),
        ({}, {"failed_at": after(9), "answered": (1, after(9))}, [Answered, Failed]),
    ],
)
def test_what_the_records_know_better_of_a_call_that_is_over_is_told_until_it_is_written(
    row: dict[str, Any], told: dict[str, Any], late: list[type[Change]]
) -> None:
    """Then there is nothing more to see in them."""
    one = trail(**told)
    found = sweep(
        books(known={"1.1": open_call(ended_at=after(40), **row)}), NOBODY, {"1.1": one}, set(), after(600), lines=LINES
    )
    assert [type(change) for change in found.changes] == late
    assert found.unsettled == ([one] if late else [])


def test_an_answer_of_the_records_is_one_that_was_and_not_one_that_is() -> None:
    """The agent is not put into a conversation by it. Also of a call that nobody wrote."""
    told = trail(answered=(7, after(9)), failed_at=after(12))
    changes = swept(books(), told)
    assert [type(change) for change in changes] == [Arrived, Answered, Failed, Ended]
    call = CallRef("1.1", None, NOON, "1800123456")
    assert changes[1] == Answered(call, after(9), 7, still=False)
    assert changes[2] == Failed(call, after(12))
    one = open_call()
    assert swept(books(open_calls=[one], known={"1.1": one}), told)[0] == Answered(
        CallRef("1.1", "a", NOON), after(9), 7, still=False
    )


def test_a_call_without_a_linkedid_ended_when_its_own_records_say_and_not_those_of_another() -> None:
    """They name it."""
    one, other = open_call(id=2, linkedid=None), open_call(id=1, call="b", linkedid="1.0", ended_at=after(5))
    by_id = {"1.0": trail("1.0", "b", ended_at=after(5)), "1.1": trail("1.1", "a")}
    known = books(open_calls=[one], known={"1.0": other, "1.1": one})
    assert sweep(known, NOBODY, by_id, set(), after(600), lines=LINES).changes == [
        Ended(CallRef(None, "a", NOON), after(40))
    ]
