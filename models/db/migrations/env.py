"""Runs the migrations on the engine that models.db.database hands over."""

from typing import Any, Literal

import sqlalchemy as sa
from alembic import context
from sqlalchemy import Engine, text
from sqlmodel import SQLModel
from sqlmodel.sql.sqltypes import AutoString

import models  # noqa: F401  (the import fills the metadata)
from models.db import search_indexes
from models.db.locks import MIGRATING
from models.db.types import UtcDateTime

engine: Engine = context.config.attributes["engine"]


def render_item(kind: str, item: Any, _autogen: Any) -> str | Literal[False]:
    """Write columns in plain words, so that an old migration does not change when a list of values grows."""
    if kind != "type":
        return False
    if isinstance(item, UtcDateTime):
        return "models.db.types.UtcDateTime()"
    if isinstance(item, sa.String | AutoString):  # Enum and AutoString are both kept as text
        return f"sa.String({item.length})" if item.length else "sa.Text()"
    return False


def include_name(name: str | None, kind: str, _parents: Any) -> bool:
    """What is made beside the history is no difference to it."""
    return not search_indexes.beside(name, kind)


with engine.connect().execution_options(freeline_write=True) as connection:
    context.configure(
        connection=connection,
        target_metadata=SQLModel.metadata,
        render_as_batch=engine.dialect.name == "sqlite",
        render_item=render_item,
        compare_type=False,
        include_name=include_name,
    )
    with connection.begin():
        if engine.dialect.name == "postgresql":
            connection.execute(text(f"SELECT pg_advisory_xact_lock({MIGRATING})"))
        context.run_migrations()
