"""What is counted of calls that never became ours: shapes and days, never a number, and never more than a bounded table."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlmodel import func, select

from hotline.line import refused_calls
from hotline.line.refused_calls import OTHER, SHAPES_A_DAY, shape_of
from models import Database, RefusedCalls, RefusedKind

BANGKOK = ZoneInfo("Asia/Bangkok")
AT = datetime(2026, 11, 30, 0, 30, tzinfo=BANGKOK)
LINES = ("1800123456", "+661800123456", "661800123456", "0661800123456", "01800123456")
UNKNOWN = RefusedKind.UNKNOWN_NUMBER


@pytest.mark.parametrize(
    ("dialled", "shape"),
    [
        ("0812345678", "0ddddddddd"),
        ("0085512345678", "00ddddddddddd"),
        ("+85512345678", "+ddddddddddd"),
        ("191", "ddd"),
        ("991800123456", "9918001ddddd"),
        ("+991800123456", "+9918001ddddd"),
        ("180012345", "18001dddd"),
    ],
)
def test_only_the_form_of_a_dialled_number_is_told(dialled: str, shape: str) -> None:
    assert shape_of(dialled, LINES) == shape


@settings(deadline=None)
@given(st.from_regex(r"\+?[0-9]{1,20}", fullmatch=True))
def test_of_a_number_that_is_not_like_ours_no_digit_is_told(dialled: str) -> None:
    shape = shape_of(dialled, LINES)
    assert len(shape) == len(dialled)
    if not any(line.lstrip("+0")[:5] in dialled for line in LINES):
        assert set(shape) <= set("+0d")
        assert shape.lstrip("+").lstrip("0").strip("d") == ""


def test_counts_add_up_by_day_and_are_told_together(db: Database) -> None:
    with db.write() as s:
        refused_calls.add(s, {(UNKNOWN, "00dd"): 2}, AT - timedelta(hours=1), BANGKOK)
        refused_calls.add(s, {(UNKNOWN, "00dd"): 3, (RefusedKind.WRONG_PASSWORD, OTHER): 1}, AT, BANGKOK)
        refused_calls.add(s, {(UNKNOWN, "00dd"): 4}, AT, BANGKOK)
    with db.read() as s:
        days = {row.day: row.count for row in s.exec(select(RefusedCalls)) if row.kind is UNKNOWN}
        assert days == {"2026-11-29": 2, "2026-11-30": 7}
        told = {(row.kind, row.shape): row.count for row in refused_calls.recent(s, AT, BANGKOK)}
        assert told == {(UNKNOWN, "00dd"): 9, (RefusedKind.WRONG_PASSWORD, OTHER): 1}
        assert refused_calls.recent(s, AT + timedelta(days=7), BANGKOK) == []


def test_a_flood_fills_no_table_and_old_days_go(db: Database) -> None:
    with db.write() as s:
        refused_calls.add(s, {(RefusedKind.FOREIGN_ADDRESS, "192.0.2.1"): 1}, AT - timedelta(days=40), BANGKOK)
        flood = {(RefusedKind.FOREIGN_ADDRESS, f"192.0.2.{n}"): 1 for n in range(200)}
        refused_calls.add(s, flood, AT, BANGKOK)
        refused_calls.add(s, flood, AT, BANGKOK)
    with db.read() as s:
        assert s.exec(select(func.count()).select_from(RefusedCalls)).one() == SHAPES_A_DAY + 1
        assert sum(row.count for row in refused_calls.recent(s, AT, BANGKOK)) == 400
