"""The tables, their history and the two databases."""

import multiprocessing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.types import TypeDecorator, TypeEngine
from sqlmodel import SQLModel, select

from models import CaseEvent, Database, EventKind, Wording
from models.db import search_indexes
from models.db.types import now
from tests.support.databases import on_sqlite


def same_kind(
    context: MigrationContext, _found: object, _made: object, found: TypeEngine[Any], meant: TypeEngine[Any]
) -> bool | None:
    """Whether the kinds of a column differ. SQLite keeps texts of any length, so there no length is compared."""
    impl = meant.dialect_impl(context.dialect)
    while isinstance(impl, TypeDecorator):
        impl = impl.impl_instance.dialect_impl(context.dialect)
    if isinstance(impl, sa.String) and isinstance(found, sa.String):
        return context.dialect.name == "postgresql" and impl.length != found.length
    if isinstance(impl, sa.DateTime) and isinstance(found, sa.DateTime):
        return context.dialect.name == "postgresql" and impl.timezone != found.timezone
    return impl._type_affinity is not found._type_affinity


def test_the_migrations_make_exactly_the_tables_of_the_models(db: Database) -> None:
    with db.engine.connect() as connection:
        options = {
            "compare_type": same_kind,
            "include_name": lambda name, kind, _: not search_indexes.beside(name, kind),
        }
        context = MigrationContext.configure(connection, opts=options)
        differences = compare_metadata(context, SQLModel.metadata)
    assert differences == []


def _migrate(url: str) -> None:
    db = Database(url)
    db.migrate()
    db.dispose()


def test_processes_that_migrate_at_once_and_again_do_no_harm(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'f.db'}"
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=_migrate, args=(url,)) for _ in range(3)]
    for p in processes:
        p.start()
    for p in processes:
        p.join(60)
    assert [p.exitcode for p in processes] == [0, 0, 0]
    _migrate(url)
    with Database(url).read() as s:
        assert s.exec(select(Wording)).all() == []


def test_a_moment_comes_back_in_utc_and_needs_a_zone(db: Database) -> None:
    with db.write() as s:
        s.add(Wording(language="en", prompt="a", text="x", changed_at=datetime(2026, 1, 1, tzinfo=UTC)))
    with db.read() as s:
        assert s.exec(select(Wording)).one().changed_at == datetime(2026, 1, 1, tzinfo=UTC)
    with pytest.raises(Exception, match="time zone"), db.write() as s:
        s.add(Wording(language="en", prompt="b", text="x", changed_at=datetime(2026, 1, 1)))  # noqa: DTZ001


def test_a_failed_write_leaves_nothing(db: Database) -> None:
    with pytest.raises(RuntimeError), db.write() as s:
        s.add(Wording(language="en", prompt="a", text="x", changed_at=now()))
        s.flush()
        raise RuntimeError
    with db.read() as s:
        assert s.exec(select(Wording)).all() == []


@on_sqlite
def test_a_second_writer_waits_only_so_long(db: Database) -> None:
    impatient = Database(db.url, busy_s=0.2)
    with db.write(), pytest.raises(OperationalError, match="locked"), impatient.write():
        pass
    impatient.dispose()


def test_an_error_of_the_database_does_not_quote_what_was_written(db: Database) -> None:
    spoken = "what a caller said"
    with pytest.raises(IntegrityError) as refused, db.write() as session:
        session.add(CaseEvent(case_id=1, at=now(), kind=EventKind.NOTE, by_id=12345, detail={"said": spoken}))
    assert spoken not in str(refused.value)
