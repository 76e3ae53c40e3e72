"""A private PostgreSQL for the tests: made for the run, gone after it. Missing means failing, never skipping."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

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
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=60"
        self._do("pg_ctl", "-D", self.data, "-w", "-t", "30", "-o", options, "-l", str(self.folder / "log"), "start")

    def stop(self) -> None:
        self._do("pg_ctl", "-D", self.data, "-w", "-m", "immediate", "stop")

    def url(self, name: str) -> str:
        return f"postgresql+psycopg://freeline@127.0.0.1:{self.port}/{name}"

    def create(self, name: str, template: str = "template0") -> str:
        self._do(
            "psql", "-h", "127.0.0.1", "-p", str(self.port), "-U", "freeline", "-d", "postgres", "-qc",
            f"CREATE DATABASE {name} TEMPLATE {template}",
        )  # fmt: skip
        return self.url(name)

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _do(self, program: str, *args: str) -> None:
        command = [str(self.bin / program), *args]
        if self.user:
            command = ["setpriv", f"--reuid={self.user}", f"--regid={self.user}", "--init-groups", *command]
        end = time.monotonic() + 30
        while True:
            done = subprocess.run(command, capture_output=True, text=True, cwd="/", check=False)
            if done.returncode == 0:
                return
            if "being accessed by other users" not in done.stderr or time.monotonic() > end:
                raise RuntimeError(f"{program}: {done.stderr.strip()[-400:]}")
            time.sleep(0.05)
