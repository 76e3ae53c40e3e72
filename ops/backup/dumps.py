"""Copies the database as it is at one moment, while the line runs; and restores it."""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, inspect, text
from sqlalchemy.engine import make_url
from sqlmodel import SQLModel

from models import Database
from ops.backup.sealing import BackupFailed

SQLITE, POSTGRESQL = "database.sqlite", "database.dump"
Shape = tuple[str | None, dict[str, int]]


def copy(db: Database, folder: Path) -> tuple[Path, Shape]:
    """Copy the database into a folder: the file, the revision of its tables, and the rows of each."""
    if db.sqlite:
        file = folder / SQLITE
        with closing(sqlite3.connect(str(make_url(db.url).database))) as live, closing(sqlite3.connect(file)) as kept:
            # In one step, which sees one moment and blocks no writer. In several it would start over each time that
            # something was written between two, which always happens.
            live.backup(kept)
        return file, sqlite_shape(file)
    file = folder / POSTGRESQL
    with db.engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        # The dump and the counts are of one moment.
        snapshot = str(connection.execute(text("SELECT pg_export_snapshot()")).scalar())
        shape = _shape(connection)
        _run("pg_dump", db.url, "--format=custom", f"--snapshot={snapshot}", f"--file={file}")
    return file, shape


def sqlite_shape(file: Path) -> Shape:
    """Revision and rows of a copy. Raises `BackupFailed` when SQLite finds it damaged."""
    db = Database(f"sqlite:///{file}")
    try:
        with db.engine.connect() as connection:
            said = str(connection.execute(text("PRAGMA integrity_check(1)")).scalar())
            if said != "ok":
                raise BackupFailed("the copy of the database is damaged")
            return _shape(connection)
    finally:
        db.dispose()


def put_back(file: Path, db: Database) -> Shape:
    """Restore a PostgreSQL dump into an empty database; return what it holds then."""
    _run(
        "pg_restore",
        db.url,
        "--no-owner",
        "--no-privileges",
        "--no-comments",
        "--exit-on-error",
        "--single-transaction",
        str(file),
    )
    with db.engine.connect() as connection:
        return _shape(connection)


def readable(file: Path) -> bool:
    """Return whether pg_restore can read a dump's table of contents."""
    done = subprocess.run([_program("pg_restore"), "--list", str(file)], capture_output=True, check=False)
    return done.returncode == 0


def empty(db: Database) -> bool:
    """Return whether a database has no table."""
    with db.engine.connect() as connection:
        return not inspect(connection).get_table_names()


def _shape(connection: Connection) -> Shape:
    there = set(inspect(connection).get_table_names())
    rows = {
        name: int(connection.execute(text(f'SELECT count(*) FROM "{name}"')).scalar() or 0)  # noqa: S608  (our own names)
        for name in sorted(SQLModel.metadata.tables)
        if name in there
    }
    return MigrationContext.configure(connection).get_current_revision(), rows


def _program(name: str) -> str:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    program = str(found[-1]) if found else shutil.which(name)
    if program is None:
        raise BackupFailed(f"{name} is missing: apt-get install postgresql-client")
    return program


def _run(name: str, url: str, *words: str) -> None:
    # The password goes through the environment: everybody on the machine can see a command line.
    parts = make_url(url)
    told: dict[str, Callable[[], str | None]] = {
        "PGHOST": lambda: parts.host or str(parts.query.get("host", "")) or None,
        "PGPORT": lambda: str(parts.port) if parts.port else None,
        "PGUSER": lambda: parts.username,
        "PGPASSWORD": lambda: str(parts.password) if parts.password else None,
    }
    environment = os.environ | {key: value for key, of in told.items() if (value := of())}
    done = subprocess.run(
        [_program(name), f"--dbname={parts.database}", "--no-password", *words],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        # Its own message may quote a row.
        why = next((line for line in done.stderr.splitlines() if "version mismatch" in line), "")
        hint = (
            "its version is older than the server's: install postgresql-client of the server's version" if why else ""
        )
        raise BackupFailed(f"{name} ended with {done.returncode}" + (f": {hint}" if hint else ""))
