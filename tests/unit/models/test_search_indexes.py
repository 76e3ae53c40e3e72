"""Indexes for parts of words: made where it is allowed, said where it is not, used, and rid of what is deleted."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import delete, text
from sqlmodel import Session, select

from hotline.cases.search import holds
from hotline.scope import SYSTEM
from models import Agent, Case, Database, Note, Role
from models.db import search_indexes
from models.db.types import now
from tests.support.databases import on_postgresql, on_sqlite
from tests.support.postgres import Postgres


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
        assert session.exec(select(Case).where(holds(session, SYSTEM, "wages"))).all() == []
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
        query = select(Case.id).where(holds(session, SYSTEM, word))
        asked = query.compile(db.engine, compile_kwargs={"literal_binds": True})
        plan = "\n".join(session.connection().exec_driver_sql(f"EXPLAIN {asked}").scalars())
        assert all(name in plan for name in search_indexes.INDEXES), plan
        letters = session.execute(text("SELECT cardinality(show_trgm(:word))"), {"word": word}).scalar_one()
        assert letters >= 4, "the database does not know these for letters"


def noted(db: Database, *texts: str) -> None:
    with db.write() as session:
        agent, case = Agent(login="a", name="A", role=Role.AGENT), Case(reference="C-1")
        session.add_all([agent, case])
        session.flush()
        session.add_all([Note(case_id=case.id, by_id=agent.id, at=now(), text=one) for one in texts])


@on_sqlite
@pytest.mark.parametrize("word", ["wages", "ပတ်စပို့", "หนังสือเดินทาง", "សំណង"])
def test_on_sqlite_a_search_reads_no_text_at_all(word: str, db: Database) -> None:
    with db.read() as session:
        query = select(Case.id).where(holds(session, SYSTEM, word))
        asked = query.compile(db.engine, compile_kwargs={"literal_binds": True})
        plan = [row[3] for row in session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {asked}")]
    for name in search_indexes.ON_SQLITE:
        assert any(f"{name} VIRTUAL TABLE" in step for step in plan), plan
    assert not [step for step in plan if step.startswith("SCAN ") and "VIRTUAL" not in step], plan


@on_sqlite
def test_what_was_there_before_the_index_is_found_and_a_lost_trigger_comes_back(db: Database) -> None:
    noted(db, "wages unpaid")
    with db.write() as session:
        session.execute(text("DROP TABLE search_note"))
        session.execute(text("DROP TRIGGER search_case_update"))
    assert db.migrate() is None
    with db.write() as session:
        session.exec(select(Case)).one().summary = "Passport held"
    with db.read() as session:
        both = [holds(session, SYSTEM, word) for word in ("wages", "passport")]
        assert len(session.exec(select(Case.id).where(*both)).all()) == 1
        for name in search_indexes.ON_SQLITE:
            session.execute(text(f"INSERT INTO {name} ({name}, rank) VALUES ('integrity-check', 1)"))


@on_sqlite
def test_a_deleted_text_is_gone_from_the_file_once_the_index_was_told_to_forget(db: Database) -> None:
    noted(db, "xylophone", *(f"wages {n} unpaid" for n in range(2000)))
    with db.write() as session:
        session.execute(delete(Note).where(Note.text == "xylophone"))  # type: ignore[arg-type]
    with db.engine.connect():  # another process has it open: so its log is not emptied by the last who closes it
        assert b"xyl" in words_of(db), "else this test shows nothing"
        beats: list[None] = []
        assert search_indexes.forget(db.engine, lambda: beats.append(None))
        assert b"xyl" not in words_of(db)
        assert beats
    with db.read() as session:
        assert len(session.exec(select(Case.id).where(holds(session, SYSTEM, "unpaid"))).all()) == 1
    search_indexes.forget(db.engine)  # with nothing to forget it ends as well


def words_of(db: Database) -> bytes:
    """The whole file, with what was written last, which is beside it."""
    file = Path(str(db.engine.url.database))
    return file.read_bytes() + file.with_name(f"{file.name}-wal").read_bytes()


@on_sqlite
def test_while_somebody_reads_it_says_that_not_all_is_forgotten(db: Database) -> None:
    noted(db, "xylophone")
    with db.read() as session:
        session.exec(select(Case)).one()
        with db.write() as other:
            other.execute(delete(Note))
        assert not search_indexes.forget(db.engine)
    assert search_indexes.forget(db.engine)
    assert b"xyl" not in words_of(db)
