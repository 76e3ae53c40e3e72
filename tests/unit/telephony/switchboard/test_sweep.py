import json
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlmodel import select

from hotline.callbacks import items as callbacks
from hotline.calls import conversations
from hotline.calls import facts as calls
from hotline.calls.facts import Fact, Seen
from hotline.keys import Keys
from hotline.staff import states as agents
from models import (
    AgentState,
    AgentStatus,
    Callback,
    CallbackAttempt,
    CallbackKind,
    Case,
    Contact,
    Conversation,
    Database,
    Direction,
    Outcome,
    Party,
    PartyKind,
    TalkRecording,
)
from telephony import names
from telephony.clients.cel import Trail
from telephony.switchboard.changes.calls import AgentsGone, Answered, Arrived, CallRef, Ended, LeftCall, Queued
from telephony.switchboard.changes.recording import NotRecorded
from telephony.switchboard.changes.rings import RingStarted
from telephony.switchboard.reconcile import (
    OTHERS_HAVE_S,
    AsteriskSnapshot,
    InSpool,
    Reconciliation,
    look_in,
    read_books,
    sweep,
    warn_of_long_talks,
)
from telephony.switchboard.writer import ChangeWriter
from tests.support.ami_wire import CALL, CALLER, LEG, NAMED, UID, event
from tests.support.cast import Cast
from tests.support.thailand import saw
from tests.support.wait import until

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
NOBODY = AsteriskSnapshot.of([])
TALKING = AsteriskSnapshot.of([event("CoreShowChannel", CALLER, NAMED), event("CoreShowChannel", LEG, NAMED)])


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def trail(linkedid: str = UID, ended: float | None = 61, answered_by: int | None = None) -> Trail:
    return Trail(
        linkedid,
        (0, 0),
        started_at=NOON,
        line="0800",
        answered=(answered_by, after(9)) if answered_by else None,
        ended_at=after(ended) if ended is not None else None,
        last_at=after(ended if ended is not None else 20),
    )


def swept(
    db: Database,
    ledger: ChangeWriter,
    there: AsteriskSnapshot = NOBODY,
    trails: list[Trail] | None = None,
    at: float = 600,
    noted: set[str] | None = None,
    lost_at: datetime | None = None,
    lost_agents: frozenset[int] = frozenset(),
) -> Reconciliation:
    """One sweep, written."""
    by_id = {t.linkedid: t for t in trails or []}
    with db.read() as session:
        books = read_books(session, by_id)
    lines = {"0800": "1800123456"}
    found = sweep(books, there, by_id, noted or set(), after(at), lost_at=lost_at, lost_agents=lost_agents, lines=lines)
    ledger.put(*found.changes)
    until(lambda: ledger.pending == 0)
    return found


def contacts(db: Database) -> list[Contact]:
    with db.read() as session:
        found = list(session.exec(select(Contact)))
        session.expunge_all()
        return found


def a_call(ledger: ChangeWriter, alice: int | None = None) -> None:
    call = CallRef(UID, CALL, NOON)
    ledger.put(Arrived(call, NOON), Queued(call, after(2), "my"))
    if alice is not None:
        ledger.put(Answered(call, after(5), alice))
    until(lambda: ledger.pending == 0)


def test_a_row_whose_channel_is_gone_is_closed_at_the_moment_the_records_say(
    db: Database, ledger: ChangeWriter
) -> None:
    a_call(ledger)
    swept(db, ledger, trails=[trail()])
    (row,) = contacts(db)
    assert (row.ended_at, row.outcome) == (after(61), Outcome.ABANDONED_IN_QUEUE)


def test_an_answer_that_only_the_records_saw_counts(db: Database, ledger: ChangeWriter, staff: Cast) -> None:
    a_call(ledger)
    swept(db, ledger, trails=[trail(answered_by=staff.alice.id)])
    (row,) = contacts(db)
    assert (row.outcome, row.handler_id, row.talk_s) == (Outcome.ANSWERED, staff.alice.id, 52)


def test_an_answer_nobody_told_mends_a_closed_row_and_is_looked_at_again(
    db: Database, ledger: ChangeWriter, staff: Cast
) -> None:
    a_call(ledger)
    swept(db, ledger, trails=[trail()])
    late = trail(answered_by=staff.alice.id)
    assert swept(db, ledger, trails=[late]).unsettled == [late], "until it is seen to be written"
    assert contacts(db)[0].outcome is Outcome.ANSWERED
    assert swept(db, ledger, trails=[late]) == Reconciliation([], [])


@pytest.mark.parametrize(
    ("trails", "lost_at", "ended"),
    [
        ([trail(ended=None)], None, 600),  # Asterisk died: it wrote no end, and we saw it only now
        ([trail(ended=None)], after(30), 30),  # we know when it was last heard
        ([trail(ended=None)], after(3), 20),  # but it wrote later than that
        ([], after(-100), 2),  # nothing but the row itself
        ([], None, 600),
    ],
)
def test_an_end_that_nobody_wrote_is_taken_from_the_last_sign(
    db: Database, ledger: ChangeWriter, trails: list[Trail], lost_at: datetime | None, ended: float
) -> None:
    a_call(ledger)
    swept(db, ledger, trails=trails, lost_at=lost_at)
    assert contacts(db)[0].ended_at == after(ended)


@pytest.mark.parametrize(
    ("ended", "lost_at", "dropped"),
    [
        (None, after(30), True),  # Asterisk died: the worker who was talking is owed a call
        (61, after(30), False),  # only we did not hear it: it ended like any other
        (None, None, False),  # we heard all the time, and the records are a moment behind
    ],
)
def test_a_conversation_in_which_asterisk_died_broke_off(
    db: Database,
    ledger: ChangeWriter,
    staff: Cast,
    keys: Keys,
    ended: float | None,
    lost_at: datetime | None,
    dropped: bool,
) -> None:
    a_call(ledger, staff.alice.id)
    with db.write() as session:
        saw(session, keys, CALL, Fact.ARRIVED, NOON, Seen(number="0812345678"))
    swept(db, ledger, trails=[trail(ended=ended)], lost_at=lost_at)
    (row,) = contacts(db)
    assert (row.outcome, row.dropped_at is not None) == (Outcome.ANSWERED, dropped)
    with db.read() as session:
        owed = session.exec(select(Callback.kind)).all()
    assert owed == ([CallbackKind.DROPPED] if dropped else [])


def test_a_call_that_goes_on_is_left_alone(db: Database, ledger: ChangeWriter, staff: Cast) -> None:
    a_call(ledger, staff.alice.id)
    leg = {**LEG, "Channel": f"PJSIP/agent{staff.alice.id}-1"}
    there = AsteriskSnapshot.of([event("CoreShowChannel", CALLER, NAMED), event("CoreShowChannel", leg, NAMED)])
    unfinished = trail(ended=None)
    assert swept(db, ledger, there, [unfinished]) == Reconciliation([], [unfinished])
    assert contacts(db)[0].ended_at is None


def test_an_agents_leg_alone_does_not_keep_a_call_open(db: Database, ledger: ChangeWriter) -> None:
    a_call(ledger)
    swept(db, ledger, AsteriskSnapshot.of([event("CoreShowChannel", LEG, NAMED)]), [trail()])
    assert contacts(db)[0].ended_at == after(61)


def test_a_row_without_a_linkedid_is_known_by_its_name(db: Database, ledger: ChangeWriter) -> None:
    ledger.put(Arrived(CallRef(None, CALL, NOON), NOON))
    until(lambda: ledger.pending == 0)
    assert swept(db, ledger, TALKING).changes == []
    swept(db, ledger, NOBODY, lost_at=after(-5))
    assert contacts(db)[0].ended_at == NOON


def test_an_agent_whose_call_is_gone_is_free_unless_her_caller_waits_for_her(
    db: Database, ledger: ChangeWriter, staff: Cast
) -> None:
    alice = staff.alice.id
    a_call(ledger, alice)
    caller_alone = AsteriskSnapshot.of([event("CoreShowChannel", CALLER, NAMED)])
    assert swept(db, ledger, caller_alone, lost_agents=frozenset([alice])).changes == []
    found = swept(db, ledger, caller_alone)
    assert found.changes == [LeftCall(alice, CALL, after(600)), AgentsGone(CALL, after(600), waits=False)]
    with db.read() as session:
        state = session.get(AgentState, alice)
        assert state is not None
        assert state.status is AgentStatus.WRAP_UP
        assert session.exec(select(Conversation)).all() == []


def test_an_agent_whose_phone_rings_no_more_is_ready_again(db: Database, ledger: ChangeWriter, staff: Cast) -> None:
    alice = staff.alice.id
    a_call(ledger)
    with db.write() as session:
        agents.set_status(session, alice, AgentStatus.READY)
    ledger.put(RingStarted(alice, CALL, after(3)))
    until(lambda: ledger.pending == 0)
    leg = {**LEG, "Channel": f"PJSIP/agent{alice}-1", "ChannelState": "5"}
    ringing = AsteriskSnapshot.of([event("CoreShowChannel", CALLER, NAMED), event("CoreShowChannel", leg, NAMED)])
    assert swept(db, ledger, ringing).changes == []
    swept(db, ledger, AsteriskSnapshot.of([event("CoreShowChannel", CALLER, NAMED)]))
    with db.read() as session:
        assert agents.state_of(session, alice).status is AgentStatus.READY


def test_another_call_of_hers_does_not_hold_her_in_one_that_is_gone(
    db: Database, ledger: ChangeWriter, staff: Cast
) -> None:
    alice = staff.alice.id
    a_call(ledger, alice)
    leg = {**LEG, "Channel": f"PJSIP/agent{alice}-1"}
    echo = AsteriskSnapshot.of([event("CoreShowChannel", CALLER, NAMED), event("CoreShowChannel", leg)])
    assert LeftCall(alice, CALL, after(600)) in swept(db, ledger, echo).changes


def test_a_worker_whom_nobody_has_any_more_waits_again_if_she_is_in_a_queue(
    db: Database, ledger: ChangeWriter, staff: Cast
) -> None:
    a_call(ledger, staff.alice.id)
    swept(db, ledger, AsteriskSnapshot.of([event("CoreShowChannel", {**CALLER, "Application": "Queue"}, NAMED)]))
    (row,) = contacts(db)
    assert row.waits_again_at == after(600)
    with db.read() as session:
        assert [c.id for c in calls.waiting(session)] == [row.id]


def test_a_party_without_a_leg_is_gone_and_one_who_is_just_called_in_is_not(
    db: Database, ledger: ChangeWriter, staff: Cast
) -> None:
    a_call(ledger, staff.alice.id)
    with db.write() as session:
        for leg, since in (("there", after(0)), ("rings", after(0)), ("gone", after(0)), ("new", after(595))):
            conversations.add_party(session, CALL, leg, PartyKind.OUTSIDE, since)
    hers = {**LEG, "Channel": f"PJSIP/agent{staff.alice.id}-1"}
    party = {**LEG, "Channel": "PJSIP/trunk-00000009", "Uniqueid": "9.9"}
    summons = {"Channel": "Local/call@summon-00000001;1", "Uniqueid": "rings", "Linkedid": "rings"}
    rows = [(CALLER, NAMED), (hers, NAMED), (party, {**NAMED, names.LEG: "there"}), (summons, {})]
    swept(db, ledger, AsteriskSnapshot.of([event("CoreShowChannel", *row) for row in rows]))
    with db.read() as session:
        assert set(session.exec(select(Party.leg)).all()) == {"there", "rings", "new"}


OUT = {"Channel": "PJSIP/agent1-00000001", "Uniqueid": "8.1", "Linkedid": "8.1"}
WORKER = {"Channel": "PJSIP/trunk-00000002", "Uniqueid": "8.2", "Linkedid": "8.1"}
OUR_CALL = {names.CALL: "ours"}


def a_call_back(db: Database, alice: int) -> None:
    """As the console makes it before it rings."""
    with db.write() as session:
        row = Contact(call="ours", direction=Direction.OUTBOUND, arrived_at=NOON, linkedid="8.1", handler_id=alice)
        case = Case(opened_at=NOON)
        session.add_all([row, case])
        session.flush()
        row.case_id = case.id


def test_a_call_back_goes_on_while_it_rings_and_while_the_worker_is_there(
    db: Database, ledger: ChangeWriter, staff: Cast
) -> None:
    a_call_back(db, staff.alice.id)
    rings = AsteriskSnapshot.of([event("CoreShowChannel", OUT, OUR_CALL)])
    assert swept(db, ledger, rings).changes == []
    ledger.put(Answered(CallRef("8.1", "ours", ours=True), after(9), staff.alice.id))
    talking = AsteriskSnapshot.of([event("CoreShowChannel", WORKER, {**OUR_CALL, names.LEG: names.LEG_WORKER})])
    swept(db, ledger, talking)
    assert contacts(db)[0].ended_at is None
    swept(db, ledger, rings)
    assert contacts(db)[0].outcome is Outcome.ANSWERED, "she was reached, and her own leg is gone"


@pytest.mark.parametrize("linkedid", [None, "8.1"])
@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("looks_after_s", [-29, 0, 29, 30, 600])
def test_a_call_that_the_console_wrote_down_has_a_moment_to_begin(
    db: Database, ledger: ChangeWriter, direction: Direction, linkedid: str | None, looks_after_s: float
) -> None:
    """Only one that goes out, that Asterisk never had, and that is young by a clock which may have been set back."""
    with db.write() as session:
        session.add(Contact(call="ours", direction=direction, arrived_at=NOON, linkedid=linkedid))
    swept(db, ledger, at=looks_after_s)
    about_to_ring = direction is Direction.OUTBOUND and linkedid is None and abs(looks_after_s) < 30
    assert (contacts(db)[0].ended_at is None) is about_to_ring


def test_a_call_back_that_ended_unseen_is_judged_by_the_records_and_makes_no_case(
    db: Database, ledger: ChangeWriter, staff: Cast
) -> None:
    a_call_back(db, staff.alice.id)
    reached = trail("8.1", answered_by=staff.alice.id)
    reached.line = None
    swept(db, ledger, trails=[reached])
    (row,) = contacts(db)
    assert (row.outcome, row.talk_s) == (Outcome.ANSWERED, 52)
    with db.read() as session:
        assert session.exec(select(Case.id)).all() == [row.case_id]


def test_a_call_back_that_nobody_answered_was_not_reached(db: Database, ledger: ChangeWriter, staff: Cast) -> None:
    a_call_back(db, staff.alice.id)
    swept(db, ledger, NOBODY)
    assert contacts(db)[0].outcome is Outcome.NOT_REACHED


@pytest.mark.parametrize(("dialled", "tries"), [(True, 1), (False, 0)])
def test_an_agents_own_phone_that_rang_in_vain_is_no_try_of_the_worker(
    db: Database, ledger: ChangeWriter, staff: Cast, keys: Keys, dialled: bool, tries: int
) -> None:
    alice = staff.alice.id
    with db.write() as session:
        missed = saw(session, keys, "a", Fact.KEY, NOON, Seen(language="my", number="0812345678"))
        calls.close(session, missed, after(30), join_within_s=0, brief_s=10)
        item = callbacks.note_call(session, missed, after(30))
        assert item is not None
        row = Contact(
            call="ours", direction=Direction.OUTBOUND, arrived_at=after(60), handler_id=alice, case_id=missed.case_id
        )
        session.add(row)
        session.flush()
        session.add(CallbackAttempt(callback_id=item.id, contact_id=row.id, by_id=alice, at=after(60)))
        item.attempts = 1
    ledger.put(Ended(CallRef("8.1", "ours", ours=True), after(80), dialled=dialled))
    until(lambda: ledger.pending == 0)
    with db.read() as session:
        kept = session.get_one(Callback, item.id)
        assert (kept.attempts, kept.due_at > after(80)) == (tries, dialled)
        assert session.get_one(Contact, row.id).outcome is Outcome.NOT_REACHED


@pytest.mark.parametrize("waits", [False, True])
def test_a_recording_that_ended_with_the_room_is_not_said_to_run(
    db: Database, ledger: ChangeWriter, staff: Cast, waits: bool
) -> None:
    a_call(ledger, staff.alice.id)
    with db.write() as session:
        session.exec(select(Contact)).one().recording = TalkRecording.RUNNING
    call = CallRef(UID, CALL, NOON)
    ledger.put(Queued(call, after(9), "my") if waits else NotRecorded(call, after(9)))
    until(lambda: ledger.pending == 0)
    assert contacts(db)[0].recording is TalkRecording.CONSENTED


def test_a_call_that_nobody_wrote_becomes_exactly_one_case(db: Database, ledger: ChangeWriter, staff: Cast) -> None:
    for _ in range(3):
        swept(db, ledger, trails=[trail(answered_by=staff.bob.id)])
    (row,) = contacts(db)
    assert (row.call, row.line) == (f"linkedid:{UID}", "1800123456")
    assert (row.outcome, row.duration_s, row.handler_id) == (Outcome.ANSWERED, 61, staff.bob.id)
    with db.read() as session:
        assert len(session.exec(select(Case.id)).all()) == 1


def test_the_others_have_their_time_to_write_it_first(db: Database, ledger: ChangeWriter) -> None:
    assert swept(db, ledger, trails=[trail()], at=61 + OTHERS_HAVE_S - 1).unsettled
    assert contacts(db) == []


def test_a_call_that_waits_in_the_spool_is_left_to_the_transcriber(db: Database, ledger: ChangeWriter) -> None:
    assert swept(db, ledger, trails=[trail()], noted={UID}).unsettled
    assert contacts(db) == []


def test_a_call_that_is_still_there_is_not_written_from_the_records(db: Database, ledger: ChangeWriter) -> None:
    assert swept(db, ledger, TALKING, trails=[trail(ended=None)]).changes == []


def test_a_clock_that_was_set_back_does_not_hide_a_call(db: Database, ledger: ChangeWriter) -> None:
    swept(db, ledger, trails=[trail()], at=-3600)
    (row,) = contacts(db)
    assert row.duration_s == 61


def test_a_call_that_went_out_is_no_call_that_came_in(db: Database, ledger: ChangeWriter) -> None:
    out = trail()
    out.line = "s"
    assert swept(db, ledger, trails=[out]) == Reconciliation([], [])


def test_notes_in_the_spool_name_their_calls_however_torn_they_are(tmp_path: Path) -> None:
    a, b, c, d = (str(uuid.UUID(int=n)) for n in range(4))
    (tmp_path / f"{a}.call").write_text(json.dumps({"call": "a", "linkedid": "1.1"}) + '\n{"call": "a", "ended"')
    (tmp_path / f"{b}.call").write_text("rubbish\n[1]\n")
    (tmp_path / f"{c}.call").write_bytes(b"\xff\xfe\n")
    (tmp_path / f"{d}.sln").write_bytes(b"\0\0")
    (tmp_path / "stranger.call").write_bytes(b"\0\0")
    found = look_in(tmp_path)
    assert found.noted == {"1.1", a, b, c}
    assert len(found.unmet) == 3, "b, c and d tell no Linkedid"
    assert look_in(tmp_path / "not there") == InSpool(set(), [])


def test_a_long_conversation_is_told_of_once(
    db: Database, ledger: ChangeWriter, staff: Cast, capsys: pytest.CaptureFixture[str]
) -> None:
    a_call(ledger, staff.alice.id)
    warned: set[int] = set()
    with db.read() as session:
        books = read_books(session, {})
    for seconds in (3600, 4 * 3600 - 605, 4 * 3600 - 500, 4 * 3600 - 400):
        warn_of_long_talks(books, 4 * 3600, after(seconds), warned)
    assert capsys.readouterr().out.count("a conversation") == 1
