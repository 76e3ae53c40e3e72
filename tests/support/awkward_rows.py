"""Rows for every table, with values that are awkward to copy from one database to another."""

from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column, Table
from sqlmodel import SQLModel
from sqlmodel.sql.sqltypes import AutoString

from models import Database
from models.db.types import UtcDateTime

TEXTS = (
    "plain",
    'it\'s "quoted" and \\back\\slashed\\N \\.',
    "two\nlines\r\nand a\ttab",
    "ကျွန်တော် လစာမရဘူး",
    "e\u0301 \u200d \u202e \ufeff \U0001f1f9\U0001f1ed \U0010ffff",
    "",
    "  spaces around  ",
    "NULL",
    "%s :name {} $1 '; DROP TABLE note; --",
)
MOMENTS = (
    datetime(2026, 3, 29, 1, 30, tzinfo=timezone(timedelta(hours=5, minutes=45))),
    datetime(1999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    datetime(2026, 11, 22, 22, 0, tzinfo=timezone(timedelta(hours=-11))),
)


def fill(db: Database, count: int) -> int:
    """Insert so many rows into each table; return how many in all. Row `n` points to row `n` of other tables."""
    tables = SQLModel.metadata.sorted_tables
    with db.write() as session:
        for table in tables:
            rows = [{column.name: _value(table, column, n) for column in table.columns} for n in range(1, count + 1)]
            session.execute(table.insert(), rows)
    return len(tables) * count


def read(db: Database) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables, in the order of their keys."""
    with db.read() as session:
        return {
            table.name: sorted((tuple(row) for row in session.execute(sa.select(table))), key=repr)
            for table in SQLModel.metadata.sorted_tables
        }


def _value(table: Table, column: Column[Any], n: int) -> Any:
    kind = column.type
    unique = column.unique or column.primary_key
    if column.foreign_keys:
        return n
    if column.nullable and not unique and n % 3 == 0:
        return None
    if isinstance(kind, sa.Enum):
        values = list(kind.enum_class or ())
        return values[n % len(values)]
    if isinstance(kind, UtcDateTime):
        return MOMENTS[n % len(MOMENTS)] + timedelta(microseconds=n)
    if isinstance(kind, sa.LargeBinary):
        return bytes(range(256)) + n.to_bytes(4)
    if isinstance(kind, sa.JSON):
        return [{}, {"a": None, "b": [1.5, "ไทย", '"'], "c": {"d": True}}, [], [0.1 + n, "\\u0000"]][n % 4]
    plain = {sa.Boolean: n % 2 == 0, sa.Integer: n * 7, sa.Float: n / 3, sa.Time: time(n % 24, 0, 0, n)}
    for one, value in plain.items():
        if isinstance(kind, one):
            return n if unique else value
    if isinstance(kind, sa.Date):
        return date(2026, 1, 1) + timedelta(days=n)
    assert isinstance(kind, sa.String | AutoString), (table.name, column.name, kind)
    if unique and kind.length is not None and kind.length < 4:
        return chr(0x1000 + n)
    text = (f"{n} " if unique else "") + TEXTS[n % len(TEXTS)]
    return text[: kind.length] if kind.length else text * 3
