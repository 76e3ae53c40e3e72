"""Every row of one database into another of ours, compared on both sides before it counts."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

from sqlalchemy import Connection, Table, func, inspect, select, text
from sqlalchemy.exc import IntegrityError, OperationalError, SQLAlchemyError
from sqlmodel import SQLModel

from models.db import search_indexes
from models.db.database import Database

BATCH = 1000
OURS_TOO = "alembic_version"

Tell = Callable[[str, int, int], None]


class CopyRefused(Exception):
    """It was not begun: the target is not empty, or cannot hold our texts. The message says what to do."""


class CopyFailed(Exception):
    """It was begun and undone: the target is as it was. The message names the table, never what is in it."""


@dataclass(frozen=True)
class Side:
    """How many rows a table has, and the sum of their digests: the same in any order, on any database."""

    rows: int = 0
    digest: int = 0

    @property
    def checksum(self) -> str:
        """Its first hexadecimal digits, to look at; all of it is compared."""
        return f"{self.digest:064x}"[:12]

    def plus(self, rows: Sequence[Mapping[str, Any]]) -> "Side":
        """This side with more rows."""
        return Side(self.rows + len(rows), (self.digest + sum(map(_digest, rows))) % 2**256)


@dataclass(frozen=True)
class Compared:
    """A table on both sides."""

    table: str
    source: Side
    target: Side

    @property
    def same(self) -> bool:
        """Whether nothing was lost, doubled or changed."""
        return self.source == self.target


def copy(source: Database, target: Database, tell: Tell) -> list[Compared]:
    """Copy all tables, in the order of their foreign keys, in one transaction at the target.

    Nobody can write to an SQLite source meanwhile. Rows go through in batches, so memory does not grow with them. `tell` is
    given table, rows done, rows in all. When a table differs afterwards the target is rolled back, and the list says which.
    Raises `CopyRefused`, `CopyFailed`, and `OperationalError` when one of the two does not answer at the start.
    """
    with (
        source.engine.connect().execution_options(freeline_write=True) as old,
        target.engine.connect() as new,
        old.begin(),
    ):
        _refuse_unless_empty(new)
        target.migrate()
        with new.begin() as at_target:
            if not target.sqlite:
                new.execute(text("SET LOCAL statement_timeout = 0"))
            sides = {table: _copy_table(old, new, table, tell) for table in SQLModel.metadata.sorted_tables}
            compared = [Compared(table.name, side, _look(new, table)) for table, side in sides.items()]
            if not target.sqlite:
                _number_on(new)
            if not all(table.same for table in compared):
                at_target.rollback()
    return compared


def _refuse_unless_empty(new: Connection) -> None:
    ours = {table.name: table for table in SQLModel.metadata.sorted_tables}
    with new.begin():
        there = {name for name in inspect(new).get_table_names() if not search_indexes.beside(name, "table")}
        there -= {OURS_TOO}
        if there - set(ours):
            raise CopyRefused("the target holds tables that are not ours. Make a database for Freeline alone")
        full = [name for name in sorted(there) if new.execute(select(ours[name]).limit(1)).first() is not None]
        if full:
            raise CopyRefused(f"the target is not empty: there are rows in {', '.join(full[:3])}. Make a new database")
        if new.dialect.name == "postgresql":
            encoding = new.execute(text("SHOW server_encoding")).scalar()
            if encoding != "UTF8":
                raise CopyRefused(f"the target's encoding is {encoding}. Make it with ENCODING 'UTF8' LOCALE 'C.UTF-8'")


def _copy_table(old: Connection, new: Connection, table: Table, tell: Tell) -> Side:
    side = Side()
    try:
        total = old.execute(select(func.count()).select_from(table)).scalar_one()
        tell(table.name, 0, total)
        for rows in _batches(old, table):
            for row in rows:
                _fits(table, row)
            new.execute(table.insert(), list(rows))
            side = side.plus(rows)
            tell(table.name, side.rows, total)
    except (SQLAlchemyError, LookupError) as error:
        raise CopyFailed(f"{table.name}: {_why(error)}") from error
    return side


def _look(new: Connection, table: Table) -> Side:
    side = Side()
    try:
        for rows in _batches(new, table):
            side = side.plus(rows)
    except SQLAlchemyError as error:
        raise CopyFailed(f"{table.name}: {_why(error)}") from error
    return side


def _batches(connection: Connection, table: Table) -> Iterator[Sequence[Mapping[str, Any]]]:
    with connection.execute(select(table).execution_options(yield_per=BATCH)) as result:
        for rows in result.mappings().partitions():
            yield [dict(row) for row in rows]


def _fits(table: Table, row: Mapping[str, Any]) -> None:
    """SQLite keeps texts that PostgreSQL refuses. Say which, as PostgreSQL would not."""
    for column in table.columns:
        value = row[column.name]
        if not isinstance(value, str):
            continue
        longest = getattr(column.type, "length", None)
        wrong = "holds a NUL" if "\0" in value else "is too long" if longest and len(value) > longest else ""
        if wrong:
            which = ", ".join(f"{key.name} {row[key.name]}" for key in table.primary_key if key.name != column.name)
            raise CopyFailed(
                f"{table.name}: {column.name} of the row with {which or 'this key'} {wrong}. Mend it first"
            )


def _number_on(new: Connection) -> None:
    """New rows are numbered after the highest that came along."""
    for table in SQLModel.metadata.sorted_tables:
        key = table.autoincrement_column
        if key is None:
            continue
        highest = new.execute(select(func.max(key))).scalar()
        sequence = new.execute(select(func.pg_get_serial_sequence(table.name, key.name))).scalar()
        if sequence is not None and highest is not None:
            new.execute(select(func.setval(sequence, highest)))


def _digest(row: Mapping[str, Any]) -> int:
    words = [_plain(row[name]) for name in sorted(row)]
    return int.from_bytes(hashlib.sha256(json.dumps(words, sort_keys=True).encode()).digest())


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return value


def _why(error: Exception) -> str:
    """Return what went wrong, without what was written: some messages of a database quote it."""
    if isinstance(error, LookupError):
        return "it holds a value that this Freeline does not know. Update Freeline first"
    cause = getattr(error, "orig", None)
    # What PostgreSQL says of its own end may arrive before the connection breaks, or not.
    if str(getattr(cause, "sqlstate", None)).startswith("57P"):
        return "the connection broke"
    said = getattr(getattr(cause, "diag", None), "message_primary", None)
    if said and isinstance(error, OperationalError | IntegrityError):
        return str(said)
    if isinstance(error, OperationalError):
        return "the connection broke"
    return f"the database refused a row ({type(error).__name__})"
