"""`freeline migrate-database`: from SQLite to PostgreSQL with nothing lost, or nothing done."""

import os
import subprocess
import sys
import tracemalloc
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from hotline import audit
from hotline.settings import ROOT, Settings
from models import Database, Note, Wording
from models.db.copying import copy
from models.db.types import now
from tests.support import awkward_rows as awkward
from tests.support.postgres import Postgres

Command = Callable[[str], "subprocess.CompletedProcess[str]"]


@pytest.fixture
def old(settings: Settings) -> Iterator[Database]:
    """The settings' own SQLite database, with 40 awkward rows in each table."""
    settings.data.mkdir(parents=True)
    db = Database(settings.database)
    db.migrate()
    awkward.fill(db, 40)
    yield db
    db.dispose()


@pytest.fixture
def new(postgres: Postgres) -> Iterator[Database]:
    """A PostgreSQL database with nothing in it."""
    db = Database(postgres.create(f"t{uuid.uuid4().hex[:12]}"))
    yield db
    db.dispose()


@pytest.fixture
def command(settings: Settings) -> Command:
    def run(to: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "ops", "migrate-database", "--to", to],
            cwd=ROOT, env=os.environ | {"FREELINE_DATA": str(settings.data)}, capture_output=True, text=True, timeout=120,
            check=False,
        )  # fmt: skip

    return run


def rows(db: Database) -> int:
    with db.engine.connect() as connection:
        if not connection.dialect.has_table(connection, "note"):
            return 0
    return sum(map(len, awkward.read(db).values()))


def sql(db: Database, *statements: str) -> None:
    with db.write() as session:
        for statement in statements:
            session.execute(text(statement))


def test_everything_comes_along_and_the_table_says_so(old: Database, new: Database, command: Command) -> None:
    before = awkward.read(old)
    done = command(new.url.replace("postgresql+psycopg://", "postgresql://"))
    assert done.returncode == 0, done.stderr
    assert awkward.read(new) == before == awkward.read(old)
    for name, kept in before.items():
        [line] = [line.split() for line in done.stdout.splitlines() if line.split()[:1] == [name]]
        assert line[1] == line[2] == str(len(kept)) == "40"
        assert line[3] == line[4]
        assert line[5] == "same"
    assert "DROP TABLE" not in done.stdout + done.stderr


def test_new_rows_are_numbered_after_the_old_ones(old: Database, new: Database, command: Command) -> None:
    assert command(new.url).returncode == 0
    with new.write() as session:
        note = Note(case_id=1, by_id=1, at=now(), text="the next")
        session.add(note)
        audit.note_act(session, "looked", "case:1", by_id=None)
    assert note.id == 41


def test_a_target_that_is_not_empty_is_refused_and_left_alone(old: Database, new: Database, command: Command) -> None:
    new.migrate()
    with new.write() as session:
        session.add(Wording(language="en", prompt="a", text="x", changed_at=now()))
    done = command(new.url)
    assert (done.returncode, rows(new)) == (1, 1)
    assert "not empty" in done.stderr
    assert done.stderr.count("\n") <= 2

    sql(new, "DELETE FROM wording", "CREATE TABLE of_somebody_else (id int)")
    done = command(new.url)
    assert (done.returncode, rows(new)) == (1, 0)
    assert "not ours" in done.stderr


def test_a_target_that_changes_a_row_is_seen_and_nothing_is_kept(
    old: Database, new: Database, command: Command
) -> None:
    new.migrate()
    sql(
        new,
        "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN IF NEW.id = 17 THEN NEW.text := NEW.text || ' '; END IF; RETURN NEW; END $$",
        "CREATE TRIGGER spoil BEFORE INSERT ON note FOR EACH ROW EXECUTE FUNCTION spoil()",
    )
    done = command(new.url)
    assert done.returncode == 1
    assert [line.split()[0] for line in done.stdout.splitlines() if line.rstrip().endswith("differs")] == ["note"]
    assert rows(new) == 0
    assert rows(old) == 40 * len(awkward.read(old))


def test_a_connection_that_breaks_in_the_middle_leaves_nothing(old: Database, new: Database, command: Command) -> None:
    new.migrate()
    sql(
        new,
        "CREATE FUNCTION break_off() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN IF NEW.id = 17 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF; RETURN NEW; END $$",
        "CREATE TRIGGER break_off BEFORE INSERT ON note FOR EACH ROW EXECUTE FUNCTION break_off()",
    )
    done = command(new.url)
    assert done.returncode == 1
    assert "note: the connection broke" in done.stderr
    assert "Nothing was kept" in done.stderr
    assert rows(new) == 0
    sql(new, "DROP TRIGGER break_off ON note")
    assert command(new.url).returncode == 0, "it can be started again"


@pytest.mark.parametrize(
    ("spoiled", "says"),
    [("UPDATE note SET text = 'a' || char(0) || 'secret' WHERE id = 5", "text of the row with id 5 holds a NUL"),
     (f"UPDATE case_file SET alias = '{'secret' * 30}' WHERE id = 7", "alias of the row with id 7 is too long"),
     ("UPDATE case_file SET status = 'secret' WHERE id = 7", "a value that this Freeline does not know")],
)  # fmt: skip
def test_what_postgresql_cannot_hold_is_named_and_not_quoted(
    spoiled: str, says: str, old: Database, new: Database, command: Command
) -> None:
    sql(old, spoiled)
    done = command(new.url)
    assert (done.returncode, rows(new)) == (1, 0)
    assert says in done.stderr
    assert "secret" not in done.stderr + done.stdout


def test_a_running_freeline_is_refused(settings: Settings, old: Database, new: Database, command: Command) -> None:
    settings.run.mkdir(parents=True)
    (settings.run / "switchboard.alive").touch()
    done = command(new.url)
    assert (done.returncode, rows(new)) == (1, 0)
    assert "switchboard runs" in done.stderr
    (settings.run / "switchboard.alive").unlink()
    with old.write():
        done = command(new.url)
        assert (done.returncode, rows(new)) == (1, 0)
        assert "locked" in done.stderr


def test_wrong_urls_are_said_in_a_line(settings: Settings, old: Database, command: Command) -> None:
    for url in ("nonsense", "sqlite:////tmp/other.db", "mysql://a@b/c"):
        done = command(url)
        assert (done.returncode, done.stdout) == (2, ""), url
        assert "--to takes the URL" in done.stderr
    done = command("postgresql://freeline:secret@127.0.0.1:1/none")
    assert done.returncode == 1
    assert "does not answer" in done.stderr
    assert "secret" not in done.stderr


def test_memory_does_not_grow_with_the_rows(tmp_path: Path, new: Database) -> None:
    """Five thousand notes of four kilobytes each: in one piece they would be far over the bound."""
    db = Database(f"sqlite:///{tmp_path / 'large.db'}")
    db.migrate()
    awkward.fill(db, 1)
    with db.write() as session:
        many = [{"id": n, "case_id": 1, "by_id": 1, "at": now(), "text": "x" * 4000} for n in range(2, 5002)]
        session.execute(Note.__table__.insert(), many)  # type: ignore[attr-defined]
    tracemalloc.start()
    compared = {one.table: one for one in copy(db, new, lambda *_: None)}
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    db.dispose()
    assert compared["note"].same
    assert compared["note"].source.rows == 5001
    assert most < 15_000_000


def test_a_user_who_may_not_make_tables_there_is_told_so(old: Database, new: Database, command: Command) -> None:
    with new.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("DROP ROLE IF EXISTS guest"))
        connection.execute(text("CREATE ROLE guest LOGIN"))
    done = command(new.engine.url.set(username="guest", drivername="postgresql").render_as_string())
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "is its user the owner" in done.stderr
    assert rows(new) == 0


def test_tables_of_a_newer_freeline_are_not_moved(old: Database, new: Database, command: Command) -> None:
    with old.engine.connect().execution_options(freeline_write=True) as connection, connection.begin():
        connection.execute(text("UPDATE alembic_version SET version_num = 'tomorrow'"))
    done = command(new.engine.url.set(drivername="postgresql").render_as_string())
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "newer Freeline" in done.stderr
    assert rows(new) == 0
