"""A private PostgreSQL for the tests: made for the run, gone after it. Missing means failing, never skipping."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg

from tests.ports import free_port


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
        # Nothing that only a power cut would need; what a crash of the server needs stays on.
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
        """End whoever is connected to it, and delete it."""
        self._sql(f"DROP DATABASE {name} WITH (FORCE)")

    def _sql(self, statement: str) -> None:
        end = time.monotonic() + 30
        while True:
            try:
                with psycopg.connect(
                    host="127.0.0.1", port=self.port, user="freeline", dbname="postgres", autocommit=True
                ) as connection:
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
