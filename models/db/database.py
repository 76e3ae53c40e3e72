"""Database sessions on SQLite and PostgreSQL. This room reads no settings: it is given a URL."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, event, text
from sqlalchemy.engine import make_url
from sqlmodel import Session, create_engine

from models.db import search_indexes

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).parent / "migrations"
# Under this name a session carries the key of the audit chain, for who writes or checks it.
AUDIT_KEY = "audit_key"
KEPT_OPEN = 5  # connections a server keeps for us while nothing happens


class Database:
    """One engine. `busy_s` is how long to wait for another writer, in seconds, before `OperationalError` is raised.

    `connections` is how many this process opens at most on a server; who wants one more waits `busy_s` for it, then
    SQLAlchemy's `TimeoutError` is raised. A connection that a restart of the server broke is replaced before it is used.
    `audit_key` is the key of the audit chain; it goes with each session, and not into the database.
    Errors do not quote what was written: a traceback ends in a log, and a note or a transcript must not.
    """

    def __init__(self, url: str, busy_s: float = 5.0, connections: int = 15, *, audit_key: bytes | None = None) -> None:
        self.url, self._info = url, {AUDIT_KEY: audit_key}
        self.sqlite = make_url(url).get_backend_name() == "sqlite"
        if self.sqlite:
            self.engine = create_engine(
                url, hide_parameters=True, connect_args={"check_same_thread": False, "timeout": busy_s}
            )
            _prepare_sqlite(self.engine, busy_s)
        else:
            wait_ms = int(busy_s * 1000)
            self.engine = create_engine(
                url,
                hide_parameters=True,
                pool_pre_ping=True,
                pool_size=min(KEPT_OPEN, connections),
                max_overflow=max(0, connections - KEPT_OPEN),
                pool_timeout=busy_s,
                connect_args={
                    "connect_timeout": max(2, int(busy_s)),
                    "options": f"-c lock_timeout={wait_ms} -c statement_timeout={max(wait_ms, 30_000)}",
                },
            )

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session for looking only; what it changes is thrown away."""
        with Session(self.engine, expire_on_commit=False, info=self._info) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session that commits at the end, or rolls back on an error.

        On SQLite it takes the one write lock at the start (BEGIN IMMEDIATE), so that it cannot fail half-way for want of
        it. No transaction spans a telephone command, a network call or a decode.
        """
        options = {"freeline_write": True}
        with (
            self.engine.connect().execution_options(**options) as connection,
            Session(connection, expire_on_commit=False, info=self._info) as session,
        ):
            session.connection()  # begins now, not at the first statement
            yield session
            session.commit()

    def migrate(self) -> str | None:
        """Bring the tables to the newest shape. Safe to run at every start, and by two processes at once.

        A sentence for the administrator when something is missing without which all works, only slower; else None.
        """
        from alembic import command  # here: it takes 10 MB in each process, and most never migrate

        command.upgrade(self.alembic_config(), "head")
        with self.write() as session:
            return search_indexes.make(session.connection())

    def alembic_config(self) -> "Config":
        """Alembic's settings for this database."""
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["engine"] = self.engine
        return config

    def ping(self) -> None:
        """Raise `OperationalError` when the database does not answer."""
        with self.engine.connect() as connection:
            connection.execute(text("SELECT 1"))

    def dispose(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def is_writing(session: Session) -> bool:
    """Whether a session came from `Database.write`: only it may change anything, and a second writer would wait for it."""
    return bool(session.connection().get_execution_options().get("freeline_write"))


def _prepare_sqlite(engine: Engine, busy_s: float) -> None:
    """Give each SQLite connection its pragmas, and begin transactions ourselves: the driver begins them too late."""

    @event.listens_for(engine, "connect")
    def connect(raw: Any, _record: Any) -> None:
        raw.isolation_level = None
        for pragma in (
            f"busy_timeout={int(busy_s * 1000)}",
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "secure_delete=ON",  # what is erased is overwritten; a build of SQLite may leave it where it was
        ):
            raw.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        write = connection.get_execution_options().get("freeline_write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
