"""What all tests share: settings of their own, keys, both databases and one cast of people."""

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from hotline import languages, people
from hotline.keys import Keys, load_keys, make_keys
from hotline.settings import Settings
from models import Database
from tests import cast as cast_of_people
from tests import databases
from tests.cast import Cast
from tests.ports import free_port, rtp_range
from tests.postgres import Postgres

TEMPLATE = "freeline_template"

# Five people are hired in most tests: the real cost of a password would be most of the run.
people._hasher = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings with a data folder and ports of their own; shared downloads stay in the usual cache."""
    return Settings(
        data=tmp_path / "data",
        console_port=free_port(),
        sip_host="127.0.0.1",
        sip_port=free_port(),
        rtp_ports=rtp_range(),
        asterisk_http_port=free_port(),
        ami_port=free_port(),
        agi_port=free_port(),
    )


@pytest.fixture
def keys(settings: Settings) -> Keys:
    """Keys that seal and open."""
    make_keys(settings.keys)
    return load_keys(settings.keys, may_open=True)


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "freeline.db"
    db = Database(f"sqlite:///{path}")
    db.migrate()
    db.dispose()
    return path


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


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test on the databases of its place, unless a mark says which."""
    marked = any("database" in mark.args[0] for mark in metafunc.definition.iter_markers("parametrize"))
    if "database" in metafunc.fixturenames and not marked:
        metafunc.parametrize("database", databases.of(metafunc.definition.path), indirect=True)


@pytest.fixture
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
    name = f"t{uuid.uuid4().hex[:12]}"
    yield server.create(name)
    server.drop(name)


another_empty_database = empty_database
"""One more of them, for a test that goes from one to another."""


@pytest.fixture
def db(settings: Settings, database: str, request: pytest.FixtureRequest) -> Iterator[Database]:
    """A fresh database with our tables, at the settings' own place: once on SQLite and once on PostgreSQL."""
    name = f"t{uuid.uuid4().hex[:12]}"
    settings.data.mkdir(parents=True, exist_ok=True)
    if database == databases.SQLITE:
        shutil.copy(request.getfixturevalue("_sqlite_template"), settings.data / "freeline.db")
    else:
        server: Postgres = request.getfixturevalue("postgres")
        settings.database_url = server.create(name, TEMPLATE)
    db = Database(settings.database)
    yield db
    db.dispose()
    if database == databases.POSTGRESQL:
        server.drop(name)


@pytest.fixture
def staff(db: Database) -> Cast:
    """The cast, hired in the test's database, with the demo's languages."""
    with db.write() as session:
        languages.seed(session, ["1800123456"], demo=True)
        return cast_of_people.hire(session)
