"""What another process changed after a row was read: the row in hand does not know of it until it is read again."""

from typing import Any

from sqlalchemy import inspect, update
from sqlmodel import Session, SQLModel


def changed_by_another(session: Session, row: SQLModel, **values: Any) -> None:
    """Change a row of the database and leave the object that stands for it as it was read."""
    session.flush()
    kind = type(row)
    where = [column == getattr(row, column.key) for column in inspect(kind).primary_key]
    session.execute(update(kind).where(*where).values(**values).execution_options(synchronize_session=False))
