"""The list of call-backs: who may be called now first, why the others not, and when they may."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlmodel import Session, select

from hotline.callbacks import board as callback_board
from hotline.callbacks import items as callbacks
from hotline.calls import facts as calls
from hotline.calls.facts import Fact, Seen
from hotline.errors import NotAllowed
from hotline.keys import Keys
from hotline.safety.gate import Reason
from hotline.settings import Settings
from models import (
    AttemptOutcome,
    Callback,
    CallbackAttempt,
    CallbackEnd,
    CallbackKind,
    CallbackSafety,
    Caller,
    Case,
    CaseStatus,
    Contact,
    Database,
    Direction,
    Safety,
)
from tests.support.cast import Cast
from tests.support.thailand import saw

BANGKOK = ZoneInfo("Asia/Bangkok")
AT = datetime(2026, 11, 23, 10, tzinfo=BANGKOK)
SAFE, UNKNOWN, UNSAFE = CallbackSafety.SAFE, CallbackSafety.UNKNOWN, CallbackSafety.UNSAFE


def owe(
    s: Session, keys: Keys, n: int, callback: CallbackSafety, window: str = "08:00-20:00", *facts: Fact
) -> Callback:
    at = AT - timedelta(minutes=60 - n)
    name, number = f"c{n}", f"081234567{n}"
    saw(s, keys, name, Fact.ARRIVED, at, Seen(linkedid=name, number=number))
    contact = saw(s, keys, name, Fact.KEY, at, Seen(language="my"))
    for fact in facts:
        saw(s, keys, name, fact, at)
    calls.close(s, contact, at, join_within_s=900, brief_s=10)
    item = callbacks.note_call(s, contact, at)
    assert item is not None
    safety = s.get_one(Safety, item.case_id)
    safety.callback, safety.window, safety.reviewed_at = callback, window, AT - timedelta(days=1)
    s.add(safety)
    s.flush()
    return item


def test_who_may_be_called_now_comes_first(db: Database, staff: Cast, keys: Keys, settings: Settings) -> None:
    with db.write() as s:
        unknown = owe(s, keys, 1, UNKNOWN)
        evening = owe(s, keys, 2, SAFE, "19:00-21:00")
        later = owe(s, keys, 3, SAFE, "11:00-12:00")
        abandoned = owe(s, keys, 4, SAFE)
        asked = owe(s, keys, 5, SAFE, "08:00-20:00", Fact.CALLBACK)
        unsafe = owe(s, keys, 6, UNSAFE)
        rows = callback_board.board(s, AT, settings, staff.alice)
        assert [row.callback_id for row in rows] == [
            item.id for item in (asked, abandoned, later, evening, unknown, unsafe)
        ]
        assert [row.refusal.code if row.refusal else None for row in rows] == [
            None,
            None,
            Reason.OUTSIDE_WINDOW,
            Reason.OUTSIDE_WINDOW,
            Reason.UNKNOWN,
            Reason.UNSAFE,
        ]
        assert rows[0].kind is CallbackKind.REQUESTED
        assert (rows[0].language, rows[0].calls, rows[0].since, rows[0].attempts) == ("my", 1, asked.created_at, 0)
        assert rows[0].reference.startswith("C-")  # type: ignore[union-attr]
        assert (rows[0].opens_at, rows[2].opens_at) == (AT, AT + timedelta(hours=1))
        assert rows[4].opens_at is None
        assert callback_board.count_due(s, AT, settings, staff.alice) == 2
        assert callback_board.count_open(s, staff.alice) == 6


def test_a_lock_is_the_others_reason_and_ones_own_mark(
    db: Database, staff: Cast, keys: Keys, settings: Settings
) -> None:
    with db.write() as s:
        item = owe(s, keys, 1, SAFE)
        callbacks.take(s, item.id, staff.alice, AT)
        [hers] = callback_board.board(s, AT, settings, staff.alice)
        [his] = callback_board.board(s, AT, settings, staff.bob)
        assert (hers.refusal, hers.mine, hers.owner) == (None, True, "Alice")
        assert his.refusal is not None
        assert (his.refusal.code, his.mine, his.owner) == (Reason.LOCKED_BY_OTHER, False, "Alice")
        assert "Alice" in his.refusal.sentence
        assert callback_board.count_due(s, AT, settings, staff.bob) == 0
        after = AT + callbacks.LOCK
        assert callback_board.row(s, item, after, settings, staff.bob).refusal is None


def test_what_has_ended_is_not_in_the_list(db: Database, staff: Cast, keys: Keys, settings: Settings) -> None:
    with db.write() as s:
        item = owe(s, keys, 1, SAFE)
        callbacks.close_item(s, item.id, staff.alice, "she came by", AT)
        assert callback_board.board(s, AT, settings, staff.alice) == []
        assert callback_board.count_due(s, AT, settings, staff.alice) == 0


def test_many_unknown_ones_never_hide_one_that_may_be_called(
    db: Database, staff: Cast, keys: Keys, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callback_board, "MOST", 3)
    with db.write() as s:
        for n in range(1, 6):
            owe(s, keys, n, UNKNOWN)
        safe = owe(s, keys, 6, SAFE)
        rows = callback_board.board(s, AT, settings, staff.alice)
        assert (len(rows), rows[0].callback_id) == (3, safe.id)


def test_the_list_takes_a_handful_of_queries_however_long_it_is(
    db: Database, staff: Cast, keys: Keys, settings: Settings
) -> None:
    from sqlalchemy import event

    asked: list[str] = []
    event.listen(db.engine, "before_cursor_execute", lambda *args: asked.append(args[2]))
    with db.write() as s:
        counts = []
        for n in range(1, 8):
            owe(s, keys, n, SAFE)
            s.expire_all()
            asked.clear()
            callback_board.board(s, AT, settings, staff.alice)
            counts.append(len(asked))
    assert counts[1] == counts[-1], counts


def test_who_may_not_call_back_sees_no_list(db: Database, staff: Cast, keys: Keys, settings: Settings) -> None:
    with db.write() as s:
        owe(s, keys, 1, SAFE)
        assert s.exec(select(Contact)).one().caller_id is not None
        for outsider in (staff.adam, staff.charlie):
            with pytest.raises(NotAllowed):
                callback_board.board(s, AT, settings, outsider)
            assert callback_board.count_due(s, AT, settings, outsider) == 0


def test_a_row_shows_what_an_agent_needs_before_they_dial(
    db: Database, staff: Cast, keys: Keys, settings: Settings
) -> None:
    """What the case is about, what is safe and until when, how often it was tried, and who works on it now."""
    with db.write() as s:
        item = owe(s, keys, 1, SAFE)
        case, safety = s.get_one(Case, item.case_id), s.get_one(Safety, item.case_id)
        case.level, case.summary = "P1", "wages"
        safety.message, safety.cover_phrase, safety.phone_owner, safety.in_danger = "neutral", "a parcel", "own", True
        item.calls, item.attempts, item.for_supervisor_at = 3, 2, AT
        callbacks.take(s, item.id, staff.bob, AT)
        row = callback_board.row(s, item, AT, settings, staff.sofia)
        assert (row.callback_id, row.case_id, row.reference) == (item.id, case.id, case.reference)
        assert (row.level, row.summary, row.kind, row.language) == ("P1", "wages", CallbackKind.ABANDONED, "my")
        assert (row.calls, row.attempts, row.for_supervisor) == (3, 2, True)
        assert (row.since, row.due_at) == (item.created_at, item.due_at)
        assert (row.safety, row.window, row.reviewed_at) == (SAFE, "08:00-20:00", safety.reviewed_at)
        assert (row.may_leave_message, row.cover_phrase, row.phone_owner) == (True, "a parcel", "own")
        assert (row.in_danger, row.owner, row.mine, row.locked_until) == (True, "Bob", False, AT + callbacks.LOCK)
        free = callback_board.row(s, item, AT + callbacks.LOCK, settings, staff.bob)
        assert (free.owner, free.mine, free.locked_until) == (None, False, None)


def test_one_of_which_nothing_is_known_is_in_the_list_and_not_called(
    db: Database, staff: Cast, keys: Keys, settings: Settings
) -> None:
    """Nobody has written anything about what is safe: that is no reason to lose who waits."""
    with db.write() as s:
        item = owe(s, keys, 1, SAFE)
        s.delete(s.get_one(Safety, item.case_id))
        s.flush()
        [row] = callback_board.board(s, AT, settings, staff.alice)
        assert row.refusal is not None
        assert (row.callback_id, row.refusal.code, row.safety) == (item.id, Reason.UNKNOWN, UNKNOWN)
        assert (row.window, row.may_leave_message, row.in_danger, row.for_supervisor) == (None, False, False, False)
        assert callback_board.count_due(s, AT, settings, staff.alice) == 0
        assert callback_board.count_open(s, staff.alice) == 1


def test_one_is_counted_from_the_moment_on_at_which_it_is_due_for_this_reader(
    db: Database, staff: Cast, keys: Keys, settings: Settings
) -> None:
    """Used-up tries are a supervisor's to decide; what has ended or is not due is nobody's."""
    with db.write() as s:
        item = owe(s, keys, 1, SAFE)
        for due_at, due in ((AT, 1), (AT + timedelta(seconds=1), 0), (AT - timedelta(hours=1), 1)):
            item.due_at = due_at
            s.flush()
            assert callback_board.count_due(s, AT, settings, staff.alice) == due
        item.attempts = settings.callback_tries
        s.flush()
        counts = [callback_board.count_due(s, AT, settings, who) for who in (staff.alice, staff.sofia)]
        assert counts == [0, 1]
        [row] = callback_board.board(s, AT, settings, staff.sofia)
        assert row.refusal is None
        callbacks.end(s, item, CallbackEnd.CLOSED, AT)
        assert callback_board.count_due(s, AT, settings, staff.sofia) == 0
        assert callback_board.count_open(s, staff.alice) == 0


def test_those_who_may_be_called_come_by_how_pressing_and_how_old_they_are(
    db: Database, staff: Cast, keys: Keys, settings: Settings
) -> None:
    """The kind goes before the wait, the wait before the order in which they were written."""
    with db.write() as s:
        items = [owe(s, keys, n, SAFE) for n in range(1, 6)]
        kinds = (CallbackKind.ABANDONED, CallbackKind.MISSED, CallbackKind.MISSED, CallbackKind.MISSED)
        for item, kind, minutes in zip(items, kinds, (9, 1, 2, 2), strict=False):
            item.kind, item.created_at = kind, AT - timedelta(minutes=minutes)
        items[4].kind, items[4].created_at = CallbackKind.REQUESTED, AT - timedelta(minutes=1)
        s.flush()
        rows = callback_board.board(s, AT, settings, staff.alice)
        assert [row.callback_id for row in rows] == [items[n].id for n in (4, 2, 3, 1, 0)]


def test_those_who_may_be_called_in_the_same_hour_come_by_how_pressing_they_are(
    db: Database, staff: Cast, keys: Keys, settings: Settings
) -> None:
    """One that is due later today comes after one that opens before, whatever left them."""
    with db.write() as s:
        later, missed, asked = (owe(s, keys, n, SAFE, window) for n, window in
                                ((1, "12:00-13:00"), (2, "11:00-12:00"), (3, "11:00-13:00")))  # fmt: skip
        later.kind = asked.kind = CallbackKind.REQUESTED
        s.flush()
        rows = callback_board.board(s, AT, settings, staff.alice)
        assert [row.callback_id for row in rows] == [asked.id, missed.id, later.id]


def test_a_case_of_the_telephone_forbids_only_for_that_telephone_and_is_named(
    db: Database, staff: Cast, keys: Keys, settings: Settings
) -> None:
    """The first of several is named. What forbids in the case itself is told as its own."""
    with db.write() as s:
        one, other = owe(s, keys, 1, SAFE), owe(s, keys, 2, SAFE)
        for reference in ("C-first", "C-second"):
            case = Case(caller_id=one.caller_id, reference=reference)
            s.add(case)
            s.flush()
            s.add(Safety(case_id=case.id, callback=UNSAFE))
        s.flush()
        rows = {row.callback_id: row for row in callback_board.board(s, AT, settings, staff.alice)}
        refusal = rows[one.id].refusal
        assert refusal is not None
        assert (refusal.code, refusal.about) == (Reason.OTHER_CASE_UNSAFE, "C-first")
        assert rows[other.id].refusal is None
        s.get_one(Safety, other.case_id).callback = CallbackSafety.NEVER
        s.flush()
        refusal = callback_board.row(s, other, AT, settings, staff.alice).refusal
        assert refusal is not None
        assert refusal.code is Reason.NEVER


def test_what_is_known_of_one_is_not_taken_for_another(
    db: Database, staff: Cast, keys: Keys, settings: Settings
) -> None:
    """A telephone that is on the line, a number that is not kept, a closed case, and a case that is gone from it."""
    with db.write() as s:
        on_line, withheld, closed, moved, free = (owe(s, keys, n, SAFE) for n in range(1, 6))
        s.add(Contact(call="now", caller_id=on_line.caller_id, arrived_at=AT))
        s.get_one(Caller, withheld.caller_id).number_sealed = b""
        s.get_one(Case, closed.case_id).status = CaseStatus.CLOSED
        s.get_one(Case, moved.case_id).caller_id = free.caller_id
        s.flush()
        rows = {row.callback_id: row.refusal for row in callback_board.board(s, AT, settings, staff.alice)}
        codes = {row_id: refusal.code if refusal else None for row_id, refusal in rows.items()}
        assert codes == {
            on_line.id: Reason.CALLER_ON_LINE,
            withheld.id: Reason.WITHHELD,
            closed.id: Reason.CASE_CLOSED,
            moved.id: Reason.OTHER_TELEPHONE,
            free.id: None,
        }


@pytest.mark.parametrize("what", ["the item", "its newest call", "our newest try"])
def test_a_moment_in_the_future_was_written_by_a_wrong_clock_wherever_it_stands(
    db: Database, staff: Cast, keys: Keys, settings: Settings, what: str
) -> None:
    with db.write() as s:
        item = owe(s, keys, 1, SAFE)
        assert callbacks.may_dial(s, item, staff.alice, AT, settings) is None
        later = AT + timedelta(hours=1)
        if what == "the item":
            item.created_at = later
        elif what == "its newest call":
            s.get_one(Contact, item.contact_id).ended_at = later
        else:
            ours = Contact(call="ours", arrived_at=AT, ended_at=AT, direction=Direction.OUTBOUND)
            s.add(ours)
            s.flush()
            s.add(
                CallbackAttempt(
                    callback_id=item.id, contact_id=ours.id, by_id=staff.bob.id, at=later,
                    outcome=AttemptOutcome.NOBODY,
                )
            )  # fmt: skip
        s.flush()
        refusal = callbacks.may_dial(s, item, staff.alice, AT, settings)
        assert refusal is not None
        assert refusal.code is Reason.CLOCK_WRONG
