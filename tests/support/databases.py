"""The database that a test runs on.

Quick tests run on both. Tests that start a whole stack or an Asterisk take minutes, so they run on SQLite, and those that
stand for the rest (`BOTH`) on PostgreSQL as well. FREELINE_TEST_DATABASE=postgresql (`make test-postgresql`) runs everything
on PostgreSQL, and =sqlite everything on SQLite.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.util import LRUCache

from models import Database
from models.db import database

SQLITE, POSTGRESQL = "sqlite", "postgresql"
_ASKED = os.environ.get("FREELINE_TEST_DATABASE", "")
if _ASKED not in {"", SQLITE, POSTGRESQL}:
    raise ValueError(f"FREELINE_TEST_DATABASE is {SQLITE} or {POSTGRESQL}, not {_ASKED!r}")
QUICK = [_ASKED] if _ASKED else [SQLITE, POSTGRESQL]
SLOW = [_ASKED or SQLITE]
# Besides the slow ones, those about the route table, headers and the feed: another database would only repeat
# them, four hundred times.
ON_ONE = (
    "e2e",
    "integration/telephony",
    "unit/agent_console/test_routes.py",
    "unit/web/test_middleware.py",
    "unit/web/test_live_feed.py",
)

on_both = pytest.mark.parametrize("database", QUICK, indirect=True)
on_sqlite = pytest.mark.parametrize("database", [SQLITE], indirect=True)
on_postgresql = pytest.mark.parametrize("database", [POSTGRESQL], indirect=True)


def of(path: Path) -> list[str]:
    """The databases of a test in this file."""
    place = path.relative_to(Path(__file__).parents[1])
    return SLOW if any(place.is_relative_to(one) for one in ON_ONE) else QUICK


def share_compiled_statements() -> None:
    """Compile each statement once in a run. Each test has engines of its own, and SQLAlchemy would compile all of a test's
    statements anew for each of them: half the time of a test that reads and writes a few rows.
    """
    for dialect in (SQLiteDialect_pysqlite, PGDialect_psycopg):  # part of the key of a compiled statement
        dialect.__eq__ = lambda a, b: type(a) is type(b)  # type: ignore[method-assign, assignment]
        dialect.__hash__ = lambda a: hash(type(a))  # type: ignore[method-assign, assignment]
    cache: LRUCache[object, object] = LRUCache(5000)
    create_engine = database.create_engine

    def sharing(*args: object, **kwargs: object) -> Engine:
        engine: Engine = create_engine(*args, **kwargs)  # type: ignore[arg-type]
        engine._compiled_cache = cache  # type: ignore[assignment]
        return engine

    database.create_engine = sharing  # type: ignore[assignment]


@contextmanager
def locked(db: Database) -> Iterator[None]:
    """Lock the database: nobody else can write a call meanwhile; all can be read."""
    with db.engine.connect().execution_options(freeline_write=True) as connection:
        connection.execute(
            text("UPDATE contact SET line = line" if db.sqlite else "LOCK TABLE contact IN EXCLUSIVE MODE")
        )
        yield
        connection.rollback()


@contextmanager
def away(db: Database) -> Iterator[None]:
    """Take the database away: it cannot be opened meanwhile."""
    db.dispose()
    if db.sqlite:
        file = Path(str(db.engine.url.database))
        kept = file.with_suffix(".away")
        file.rename(kept)
        file.mkdir()
        yield
        file.rmdir()
        kept.rename(file)
        return
    url, name = db.engine.url, db.engine.url.database
    where = {"host": url.host, "port": url.port, "user": url.username, "dbname": "postgres", "autocommit": True}
    with psycopg.connect(**where) as server:  # type: ignore[arg-type]
        server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")  # type: ignore[call-overload]
        server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        yield
        server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")  # type: ignore[call-overload]
