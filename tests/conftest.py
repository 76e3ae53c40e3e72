"""What all tests share: settings of their own, keys, both databases and one cast of people."""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from hotline.keys import Keys, load_keys, make_keys
from hotline.settings import Settings
from hotline.staff import people
from models import Database
from tests.support import cast as cast_of_people
from tests.support import databases, made_up_time
from tests.support.cast import Cast
from tests.support.ports import free_port, rtp_range
from tests.support.postgres import Postgres, Reused, Rows, new_name

TEMPLATE = "freeline_template"

# Five people are hired in most tests: the real cost of a password would be most of the run.
people._hasher = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
people._nobody = people._hasher.hash("nobody's")

made_up_time.travel()
databases.share_compiled_statements()

# On a busy machine a script may be late with its first word; the line would go on without it, as it should, and a test that
# wants the script would fail. Those of a script that says nothing set what the line really waits.
os.environ.setdefault("FREELINE_FIRST_WORD_S", "12")

# Python's compiled modules and our compiled templates are kept: two hundred processes are started in a run, and each would
# compile all that it imports.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings with a data folder and ports of their own; shared downloads stay in the usual cache."""
    return settings_in(tmp_path)


@cache
def _defaults() -> Settings:
    return Settings(sip_host="127.0.0.1")  # reading the environment takes longer than most tests


def settings_in(folder: Path) -> Settings:
    """Settings with their data in this folder, and ports of their own."""
    ports = ("console_port", "sip_port", "asterisk_http_port", "ami_port", "agi_port")
    its_own = {"data": folder / "data", "rtp_ports": rtp_range(), **{port: free_port() for port in ports}}
    return _defaults().model_copy(update=its_own)


@pytest.fixture
def keys(settings: Settings) -> Keys:
    """Keys that seal and open."""
    make_keys(settings.keys)
    return load_keys(settings.keys, may_open=True)


@dataclass
class SqliteTemplates:
    """Files to copy: one with our tables, and one in which the cast is hired."""

    bare: Path
    hired: Path


@pytest.fixture(scope="session")
def sqlite_templates(tmp_path_factory: pytest.TempPathFactory) -> SqliteTemplates:
    """Made once in a run."""
    folder = tmp_path_factory.mktemp("template")
    made = SqliteTemplates(folder / "bare.db", folder / "hired.db")
    db = Database(f"sqlite:///{made.bare}")
    db.migrate()
    db.dispose()
    shutil.copy(made.bare, made.hired)
    db = Database(f"sqlite:///{made.hired}")
    with db.write() as session:
        cast_of_people.bake(session)
    db.dispose()
    return made


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL cluster for the run, with a migrated template."""
    server = Postgres()
    try:
        db = Database(server.create(TEMPLATE))
        db.migrate()
        db.dispose()
        yield server
    finally:
        server.close()


@dataclass
class PostgresTemplates:
    """What a test's database holds at first: nothing but what the migrations put there, or the cast as well."""

    reused: Reused
    bare: Rows
    hired: Rows


@pytest.fixture(scope="session")
def postgres_templates(postgres: Postgres) -> PostgresTemplates:
    """Made once in a run."""
    name = new_name()
    db = Database(postgres.create(name, TEMPLATE))
    with postgres.connect(name) as connection:
        bare = Rows.of(connection)
        with db.write() as session:
            cast_of_people.bake(session)
        db.dispose()
        hired = Rows.of(connection)
    postgres.drop(name)
    return PostgresTemplates(Reused(postgres, TEMPLATE), bare, hired)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test on the databases of its place, unless a mark says which."""
    marked = any("database" in mark.args[0] for mark in metafunc.definition.iter_markers("parametrize"))
    if "database" in metafunc.fixturenames and not marked:
        metafunc.parametrize("database", databases.of(metafunc.definition.path), indirect=True)


@pytest.fixture(scope="module")
def database(request: pytest.FixtureRequest) -> str:
    """Which database the test runs on."""
    kind: str = request.param
    return kind


@pytest.fixture
def empty_database(database: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a database without a table, for FREELINE_DATABASE_URL; on SQLite none: it is in the data folder."""
    if database == databases.SQLITE:
        yield ""
        return
    server: Postgres = request.getfixturevalue("postgres")
    name = new_name()
    yield server.create(name)
    server.drop(name)


another_empty_database = empty_database
"""One more of them, for a test that goes from one to another."""


@pytest.fixture
def db(settings: Settings, database: str, request: pytest.FixtureRequest) -> Iterator[Database]:
    """A fresh database with our tables, at the settings' own place: once on SQLite and once on PostgreSQL.

    Where the test uses `staff` they are hired in it.
    """
    with fresh_database(settings, database, request, hired="staff" in request.fixturenames) as db:
        yield db


@contextmanager
def fresh_database(
    settings: Settings, database: str, request: pytest.FixtureRequest, *, hired: bool
) -> Iterator[Database]:
    """A copy of a template, at the settings' own place."""
    which = "hired" if hired else "bare"
    settings.data.mkdir(parents=True, exist_ok=True)
    if database == databases.SQLITE:
        shutil.copy(getattr(request.getfixturevalue("sqlite_templates"), which), settings.data / "freeline.db")
        db = Database(settings.database)
        yield db
        db.dispose()
        return
    templates: PostgresTemplates = request.getfixturevalue("postgres_templates")
    name = templates.reused.take(getattr(templates, which))
    settings.database_url = request.getfixturevalue("postgres").url(name)
    db = Database(settings.database)
    yield db
    db.dispose()
    templates.reused.give_back(name)


@pytest.fixture
def staff(db: Database) -> Cast:
    """The cast in the test's database, with the demo's languages."""
    with db.read() as session:
        return cast_of_people.find(session)
