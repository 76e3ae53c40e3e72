"""Indexes for parts of words on PostgreSQL: made where it is allowed, said where it is not, and used."""

import uuid
from collections.abc import Iterator

import pytest
from sqlalchemy import text
from sqlmodel import Session, select

from hotline.search import holds
from models import Case, Database, search_indexes
from tests.databases import on_postgresql
from tests.postgres import Postgres


def made(session: Session) -> set[str]:
    found = session.execute(text("SELECT indexname FROM pg_indexes WHERE indexname LIKE 'search!_%' ESCAPE '!'"))
    return set(found.scalars())


@pytest.fixture
def server(postgres: Postgres) -> Iterator[tuple[Postgres, str]]:
    """A database, and a person there who may make tables and no extension."""
    name, person = f"t{uuid.uuid4().hex[:12]}", f"p{uuid.uuid4().hex[:12]}"
    owner = Database(postgres.create(name))
    with owner.write() as session:
        session.execute(text(f"CREATE ROLE {person} LOGIN"))
        session.execute(text(f"GRANT ALL ON SCHEMA public TO {person}"))
    owner.dispose()
    yield postgres, postgres.url(name).replace("freeline@", f"{person}@")
    postgres.drop(name)


def test_without_the_extension_all_is_made_but_the_indexes_and_the_next_start_makes_them(
    server: tuple[Postgres, str],
) -> None:
    postgres, url = server
    theirs, owner = Database(url), Database(postgres.url(url.rpartition("/")[2]))
    said = theirs.migrate()
    assert said is not None
    assert "CREATE EXTENSION pg_trgm" in said
    with theirs.read() as session:
        assert made(session) == set()
        assert session.exec(select(Case).where(holds("wages"))).all() == []
    with owner.write() as session:
        session.execute(text("CREATE EXTENSION pg_trgm"))
    assert theirs.migrate() is None
    with theirs.read() as session:
        assert made(session) == set(search_indexes.INDEXES)
    theirs.dispose()
    owner.dispose()


@on_postgresql
@pytest.mark.parametrize("word", ["wages", "ပတ်စပို့", "หนังสือเดินทาง", "សំណង", "월급날"])
def test_a_search_reads_its_indexes_in_every_script(word: str, db: Database) -> None:
    with db.write() as session:
        session.execute(text("SET LOCAL enable_seqscan = off"))  # as few rows as here are read quicker without
        session.execute(text("SET LOCAL enable_indexscan = off"))
        asked = select(Case.id).where(holds(word)).compile(db.engine, compile_kwargs={"literal_binds": True})
        plan = "\n".join(session.connection().exec_driver_sql(f"EXPLAIN {asked}").scalars())
        assert all(name in plan for name in search_indexes.INDEXES), plan
        letters = session.execute(text("SELECT cardinality(show_trgm(:word))"), {"word": word}).scalar_one()
        assert letters >= 4, "the database does not know these for letters"
