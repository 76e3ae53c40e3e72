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
from models import Callback, CallbackKind, CallbackSafety, Contact, Database, Safety
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
