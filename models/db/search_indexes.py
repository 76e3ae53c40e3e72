"""Indexes in which a part of a word is found: trigrams, as words cannot be told apart in the scripts of most callers.

On PostgreSQL they are pg_trgm's. On SQLite each is an FTS5 table beside the table it is of: it keeps no text of its own, and
triggers keep it in step, so that whoever writes need not think of it.

They are no part of the migrations' history: PostgreSQL's extension may not be ours to make, and a migration that makes a
table of SQLite anew loses its triggers. A hotline must not stand still for want of an index. Each `Database.migrate` makes
what is missing and may be made.
"""

from collections.abc import Callable

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from models.db.locks import MIGRATING

PREFIX = "search_"
# They need a database whose letters are known to be letters: C.UTF-8, not C.
INDEXES = {
    "search_case": "case_file USING gin (reference gin_trgm_ops, summary gin_trgm_ops, alias gin_trgm_ops)",
    "search_note": "note USING gin (text gin_trgm_ops)",
    "search_transcript": "transcript USING gin (text gin_trgm_ops, corrected_text gin_trgm_ops)",
}
# The table each is of, its key, and the columns in it.
ON_SQLITE = {
    "search_case": ("case_file", "id", ("reference", "summary", "alias")),
    "search_note": ("note", "id", ("text",)),
    "search_transcript": ("transcript", "recording_id", ("text", "corrected_text")),
}
LETTERS = 3  # a word with fewer is in no trigram
PAGES_A_STEP = 500  # of an index that forgets: others write in between
MISSING = (
    "pg_trgm is missing, so searching for parts of words is slow. Have the administrator of PostgreSQL run, in this "
    "database, CREATE EXTENSION pg_trgm; and start Freeline again"
)


def beside(name: str | None, kind: str) -> bool:
    """Whether this index or table of a database is one of these, and so none of the history's and none to be copied."""
    return kind in {"index", "table"} and (name or "").startswith(PREFIX)


def make(connection: Connection) -> str | None:
    """Make what is missing of them, in the connection's transaction. What cannot be made, for the administrator, or None."""
    if connection.dialect.name == "sqlite":
        _make_on_sqlite(connection)
        return None
    if _all_there(connection):
        return None
    connection.execute(text(f"SELECT pg_advisory_xact_lock({MIGRATING})"))
    if not connection.execute(text("SELECT 1 FROM pg_extension WHERE extname = 'pg_trgm'")).first():
        try:
            with connection.begin_nested():
                connection.execute(text("CREATE EXTENSION pg_trgm"))
        except DBAPIError:  # not allowed, or not on this server
            return MISSING
    connection.execute(text("SET LOCAL statement_timeout = 0"))  # a large table takes minutes, once
    for name, on in INDEXES.items():
        connection.execute(text(f"CREATE INDEX IF NOT EXISTS {name} ON {on}"))
    return None


def forget(engine: Engine, beat: Callable[[], None] = lambda: None) -> bool:
    """Make SQLite forget what is deleted. Until then a deleted text is marked in the indexes, not gone.

    It writes them anew in steps, each a transaction of its own, with a `beat` after each; then it empties the log beside the
    database (WAL), where the text stands as it was written. False when that could not be: somebody is reading, or copying
    the database; to be tried again. PostgreSQL's go with its own vacuum.
    """
    if engine.dialect.name != "sqlite":
        return True
    for name in ON_SQLITE:
        pages = -PAGES_A_STEP  # the first step says that all of it is to be one piece in the end
        while _merge(engine, name, pages):
            pages = PAGES_A_STEP
            beat()
    with engine.connect() as connection:
        busy = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").scalar_one()
    return not busy


def _merge(engine: Engine, name: str, pages: int) -> bool:
    """One step; whether there is more to do. With nothing left it changes one row, the step itself."""
    with engine.connect().execution_options(freeline_write=True) as connection, connection.begin():
        changes = text("SELECT total_changes()")
        before = connection.execute(changes).scalar_one()
        connection.execute(text(f"INSERT INTO {name} ({name}, rank) VALUES ('merge', :pages)"), {"pages": pages})
        return bool(connection.execute(changes).scalar_one() - before > 1)


def _all_there(connection: Connection) -> bool:
    found = connection.execute(
        text("SELECT count(*) FROM pg_indexes WHERE schemaname = current_schema() AND indexname = ANY(:names)"),
        {"names": list(INDEXES)},
    )
    return bool(found.scalar_one() == len(INDEXES))


def _make_on_sqlite(connection: Connection) -> None:
    there = set(connection.execute(text("SELECT name FROM sqlite_master")).scalars())
    for name, (table, key, columns) in ON_SQLITE.items():
        listed = ", ".join(columns)
        if name not in there:
            options = f"content='{table}', content_rowid='{key}', tokenize='trigram'"
            connection.execute(text(f"CREATE VIRTUAL TABLE {name} USING fts5({listed}, {options})"))
            connection.execute(text(f"INSERT INTO {name} ({name}) VALUES ('rebuild')"))
        old = ", ".join(f"old.{column}" for column in columns)
        new = ", ".join(f"new.{column}" for column in columns)
        out = f"INSERT INTO {name} ({name}, rowid, {listed}) VALUES ('delete', old.{key}, {old});"
        into = f"INSERT INTO {name} (rowid, {listed}) VALUES (new.{key}, {new});"
        # A case is changed often, and its words seldom: an unchanged text is not taken out and put back.
        changed = " OR ".join(f"old.{column} IS NOT new.{column}" for column in (key, *columns))
        for moment, when, does in (
            ("INSERT", "", into),
            ("DELETE", "", out),
            ("UPDATE", f"WHEN {changed}", f"{out} {into}"),
        ):
            trigger = f"{name}_{moment.lower()}"
            if trigger not in there:
                made = f"CREATE TRIGGER {trigger} AFTER {moment} ON {table} {when} BEGIN {does} END"
                connection.exec_driver_sql(made)
