"""What only one process may do at a time. SQLite has one writer anyway; PostgreSQL is told."""

from sqlalchemy import text
from sqlmodel import Session

# The numbers are ours and have no other meaning.
MIGRATING = 1_800_123
AUDITING = 1_800_124


def alone(session: Session, what: int) -> None:
    """Wait for whoever does the same, and keep others from it until this transaction ends."""
    if session.get_bind().dialect.name == "postgresql":
        session.connection().execute(text(f"SELECT pg_advisory_xact_lock({what})"))
