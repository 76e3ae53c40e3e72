"""The database, the keys and the last backup."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from hotline.keys import make_keys
from hotline.settings import Settings
from models import Database
from models.db.types import now
from ops.backup.last_backup import Made, save
from ops.doctor import backups, database, keys
from tests.support.databases import on_sqlite
from tests.support.ports import free_port
from tests.support.postgres import Postgres
from tests.unit.ops.doctor.conftest import one, said


def test_a_database_that_was_never_made(settings: Settings) -> None:
    assert said(database.check, settings) == ["warn there is no database yet"]


@on_sqlite
def test_sqlite_in_its_newest_shape(settings: Settings, db: Database) -> None:
    assert said(database.check, settings) == ["ok SQLite in the data folder answers", "ok its tables are the newest"]


@pytest.mark.parametrize(
    ("revision", "start"), [("0001", "warn its tables are of an older"), ("9999", "bad its tables are of a newer")]
)
def test_tables_of_another_freeline(settings: Settings, db: Database, revision: str, start: str) -> None:
    with db.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = :r"), {"r": revision})
    one(said(database.check, settings), start)


@on_sqlite
def test_a_damaged_file_is_bad(settings: Settings, db: Database) -> None:
    db.dispose()
    (settings.data / "freeline.db").write_bytes(b"no database at all" * 1000)
    one(said(database.check, settings), "bad the database does not answer")


def test_a_postgres_as_it_should_be(settings: Settings, postgres: Postgres) -> None:
    url = postgres.create("doctored", "freeline_template")
    db = Database(url)
    with db.write() as session:
        session.execute(text("CREATE EXTENSION IF NOT EXISTS pg_trgm"))
    db.dispose()
    lines = said(database.check, settings, database_url=url)
    one(lines, "ok PostgreSQL answers")
    one(lines, "ok its encoding is UTF8 and its locale C")
    one(lines, "ok pg_trgm")


def test_a_postgres_set_up_wrongly(settings: Settings, postgres: Postgres) -> None:
    """Another encoding, no extension, few connections; each with what to do."""
    postgres._do(
        "psql", "-h", "127.0.0.1", "-p", str(postgres.port), "-U", "freeline", "-d", "postgres", "-qc",
        "CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C' CONNECTION LIMIT 9",
    )  # fmt: skip
    lines = said(database.check, settings, database_url=postgres.url("latin"))
    one(lines, "bad its encoding is LATIN1")
    one(lines, "warn pg_trgm is missing")
    one(lines, "warn it has no tables of ours")
    assert " connections are left" in one(lines, "warn 9")


def test_a_postgres_that_is_not_there(settings: Settings) -> None:
    url = f"postgresql://nobody@127.0.0.1:{free_port()}/freeline"
    one(said(database.check, settings, database_url=url), "bad the database does not answer (OperationalError)")


def test_keys_that_are_there_private_and_fit(settings: Settings) -> None:
    assert said(keys.check, settings) == ["warn there are no keys yet"]
    settings.data.mkdir(mode=0o700)
    make_keys(settings.keys)
    assert said(keys.check, settings) == ["ok the keys are there, private, and fit each other"]


def test_keys_that_are_open_lost_or_of_another(settings: Settings) -> None:
    settings.data.mkdir(mode=0o700)
    make_keys(settings.keys)
    (settings.keys / "identity.age").chmod(0o644)
    one(said(keys.check, settings), "bad others on this machine may read the keys")
    settings.data.chmod(0o755)
    one(said(keys.check, settings), "bad others on this machine may look into the data folder")
    (settings.keys / "index.key").write_text("beef")
    one(said(keys.check, settings), "bad index.key is damaged")
    (settings.keys / "public.age").write_text("age1another")
    one(said(keys.check, settings), "bad identity.age does not open")
    (settings.keys / "identity.age").unlink()
    assert said(keys.check, settings)[-1].endswith("identity.age")


@pytest.mark.parametrize(
    ("days", "start"), [(0.5, "ok the last backup is 12 hours"), (3, "warn the last"), (20, "bad the last")]
)
def test_a_backup_grows_old(settings: Settings, days: float, start: str) -> None:
    assert said(backups.check, settings)[0].startswith("warn no backup was made")
    settings.data.mkdir()
    save(settings, Made(now() - timedelta(days=days), keys=False))
    lines = said(backups.check, settings)
    assert lines[0].startswith(start)
    one(lines, "warn the keys are not in it")
