"""A private PostgreSQL for the tests: made for the run, gone after it. Missing means failing, never skipping."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from tests.support.ports import free_port


class Postgres:
    """A cluster in a folder of its own, C.UTF-8, on a loopback port."""

    def __init__(self) -> None:
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        on_path = shutil.which("initdb")
        if not found and not on_path:
            raise RuntimeError("PostgreSQL is missing: run ops/setup.sh test")
        self.bin = (found[-1] if found else Path(on_path or "")).parent
        self.folder = Path(tempfile.mkdtemp(prefix="freeline-pg-"))
        self.port = free_port()
        self.user = ""
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            self.user = "postgres"
            os.chown(self.folder, pwd.getpwnam("postgres").pw_uid, -1)
        self._do("initdb", "-D", self.data, "-U", "freeline", "--auth=trust", "--locale=C.UTF-8", "-E", "UTF8", "-N")
        self.start()

    @property
    def data(self) -> str:
        return str(self.folder / "data")

    def start(self) -> None:
        # Without what only a power cut needs; what a crash of the server needs stays on.
        quick = "-c fsync=off -c full_page_writes=off -c autovacuum=off"
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 {quick} -c max_connections=60"
        self._do("pg_ctl", "-D", self.data, "-w", "-t", "30", "-o", options, "-l", str(self.folder / "log"), "start")

    def stop(self) -> None:
        self._do("pg_ctl", "-D", self.data, "-w", "-m", "immediate", "stop")

    def url(self, name: str) -> str:
        return f"postgresql+psycopg://freeline@127.0.0.1:{self.port}/{name}"

    def create(self, name: str, template: str = "template0") -> str:
        """A new database; its URL."""
        self._sql(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        return self.url(name)

    def drop(self, name: str) -> None:
        """End all connections to it, and delete it."""
        self._sql(f"DROP DATABASE {name} WITH (FORCE)")

    def connect(self, name: str = "postgres") -> psycopg.Connection:
        """A connection of an administrator, each statement a transaction of its own."""
        return psycopg.connect(host="127.0.0.1", port=self.port, user="freeline", dbname=name, autocommit=True)

    def _sql(self, statement: str) -> None:
        end = time.monotonic() + 30
        while True:
            try:
                with self.connect() as connection:
                    connection.execute(statement)  # type: ignore[call-overload]
                return
            except psycopg.errors.ObjectInUse:  # the template, by who has just made it
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)

    def close(self) -> None:
        if Path(self.data, "postmaster.pid").exists():
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _do(self, program: str, *args: str) -> None:
        command = [str(self.bin / program), *args]
        if self.user:
            command = ["setpriv", f"--reuid={self.user}", f"--regid={self.user}", "--init-groups", *command]
        done = subprocess.run(command, capture_output=True, text=True, cwd="/", check=False)
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr.strip()[-400:]}")


@dataclass(frozen=True)
class Rows:
    """The content of a database: the rows of each table as COPY writes them, and the values of its sequences."""

    tables: dict[str, tuple[str, bytes]]  # a table: its columns, and its rows
    sequences: list[tuple[str, int, bool]]

    @classmethod
    def of(cls, connection: psycopg.Connection) -> "Rows":
        """Read the rows. Columns that the database computes are left out."""
        found: dict[str, tuple[str, bytes]] = {}
        columns = connection.execute(
            "SELECT quote_ident(table_name), string_agg(quote_ident(column_name), ',')"
            " FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)"
            " WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND is_generated = 'NEVER' GROUP BY 1"
        ).fetchall()
        for table, names in columns:
            with connection.cursor().copy(f"COPY {table} ({names}) TO STDOUT") as copy:
                found[table] = names, b"".join(copy)
        sequences = connection.execute(
            "SELECT quote_ident(sequencename), coalesce(last_value, start_value), last_value IS NOT NULL FROM pg_sequences"
        )
        return cls(found, sequences.fetchall())

    def put(self, connection: psycopg.Connection) -> None:
        """Make them the whole content of a database."""
        with connection.transaction():
            # Neither foreign keys nor the guards of the audit may block it.
            connection.execute("SET LOCAL session_replication_role = replica")
            connection.execute(";".join(f"DELETE FROM {table}" for table in self.tables))
            for table, (names, rows) in self.tables.items():
                if rows:
                    with connection.cursor().copy(f"COPY {table} ({names}) FROM STDIN") as copy:
                        copy.write(rows)
            if self.sequences:
                values = sql.SQL(",").join(sql.SQL("setval({}, {}, {})").format(*one) for one in self.sequences)
                connection.execute(sql.SQL("SELECT {}").format(values))


class Reused:
    """One migrated database for test after test: putting its rows back takes a tenth of what making a new one takes.

    Each test knows it by a name of its own, so that what outlives its test writes into nobody else's. After a test that
    changed more than rows it is made anew; and now and then, because rows that were deleted still take time.
    """

    _TESTS = 100

    def __init__(self, server: Postgres, template: str) -> None:
        self._server, self._template = server, template
        self._free = ""
        self._shape: object = None
        self._tests = 0

    def take(self, rows: Rows) -> str:
        """The name of a database with just these rows."""
        name = new_name()
        if self._free:
            self._rename(name)
            with self._server.connect(name) as connection:
                if self._shape_of(connection) == self._shape:
                    rows.put(connection)
                    return name
            self._server.drop(name)
        self._server.create(name, self._template)
        self._tests = 0
        with self._server.connect(name) as connection:
            self._shape = self._shape_of(connection)
            rows.put(connection)
        return name

    def give_back(self, name: str) -> None:
        """End the connections that are still open after the test."""
        self._tests += 1
        if self._tests < self._TESTS and not self._free:
            self._free = name
        else:
            self._server.drop(name)

    def _rename(self, name: str) -> None:
        with self._server.connect() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", (self._free,)
            )
            connection.execute(
                sql.SQL("ALTER DATABASE {} RENAME TO {}").format(*map(sql.Identifier, (self._free, name)))
            )
        self._free = ""

    def _shape_of(self, connection: psycopg.Connection) -> object:
        """A value that differs once a table, an index, a trigger, a function or the planner's figures have been changed."""
        parts = {
            "pg_class": "relnamespace = 'public'::regnamespace",
            "pg_attribute": "attrelid > 16383",
            "pg_constraint": "conrelid > 16383",
            "pg_trigger": "tgrelid > 16383",
            "pg_proc": "oid > 16383",
            "pg_extension": "true",
            "pg_namespace": "nspname NOT LIKE 'pg_%'",
        }
        seen = ", ".join(
            f"(SELECT sum(hashtext(xmin::text || ctid::text)) FROM {t} WHERE {w})" for t, w in parts.items()
        )
        return connection.execute(
            f"SELECT {seen}, (SELECT count(*) FROM pg_statistic WHERE starelid > 16383)"
        ).fetchone()


def new_name() -> str:
    """A name that no database has."""
    return f"t{uuid.uuid4().hex[:12]}"
