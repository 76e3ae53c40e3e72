"""Indexes in which PostgreSQL finds a part of a word. SQLite has none: it reads its file through.

They are no part of the migrations' history: the extension they need may not be ours to make, and a hotline must not stand
still for want of an index. Each `Database.migrate` makes what is missing and may be made.
"""

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from models.locks import MIGRATING

PREFIX = "search_"
# Trigrams, as words cannot be told apart in the scripts of most callers. They need a database whose letters are known to be
# letters: C.UTF-8, not C.
INDEXES = {
    "search_case": "case_file USING gin (reference gin_trgm_ops, summary gin_trgm_ops, alias gin_trgm_ops)",
    "search_note": "note USING gin (text gin_trgm_ops)",
    "search_transcript": "transcript USING gin (text gin_trgm_ops, corrected_text gin_trgm_ops)",
}
MISSING = (
    "pg_trgm is missing, so searching for parts of words is slow. Have the administrator of PostgreSQL run, in this "
    "database, CREATE EXTENSION pg_trgm; and start Freeline again"
)


def make(connection: Connection) -> str | None:
    """Make PostgreSQL's extension and indexes, in the connection's transaction. What is missing, or None."""
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


def _all_there(connection: Connection) -> bool:
    found = connection.execute(
        text("SELECT count(*) FROM pg_indexes WHERE schemaname = current_schema() AND indexname = ANY(:names)"),
        {"names": list(INDEXES)},
    )
    return bool(found.scalar_one() == len(INDEXES))
