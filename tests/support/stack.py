"""A whole Freeline for the tests: `freeline up` with a data folder and ports of its own."""

import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from sqlmodel import col, select

from hotline.settings import ROOT, Settings
from hotline.staff import people
from models import Agent, Case, Contact, Database
from telephony.softphone.phone import Phone
from tests.support.ports import free_port, rtp_range
from tests.support.wait import until

_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


def _end_with_the_test() -> None:
    """End the supervisor as by Ctrl-C, so that a killed run leaves nothing behind."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGINT)


class Whole:
    """Everything running, started by the command a person uses. `extra` are FREELINE_ settings."""

    def __init__(self, data: Path, sounds_from: Path | None = None, pairs: int = 60, **extra: str) -> None:
        ports = {
            "CONSOLE_PORT": free_port(),
            "SIP_PORT": free_port(),
            "ASTERISK_HTTP_PORT": free_port(),
            "AMI_PORT": free_port(),
            "AGI_PORT": free_port(),
        }
        self.environment = (
            {"DATA": str(data), "SIP_HOST": "127.0.0.1", "RTP_PORTS": rtp_range(pairs)}
            | {k: str(v) for k, v in ports.items()}
            | extra
        )
        self.settings = Settings(**{k.lower(): v for k, v in self.environment.items()})  # type: ignore[arg-type]
        data.mkdir(parents=True, exist_ok=True)
        if sounds_from is not None and not self.settings.sounds.exists():
            shutil.copytree(sounds_from, self.settings.sounds, copy_function=os.link)
        self.db = Database(self.settings.database)
        self.process: subprocess.Popen[str] | None = None
        self._before = (0, 0)

    @property
    def env(self) -> dict[str, str]:
        return os.environ | {f"FREELINE_{k}": v for k, v in self.environment.items()}

    @property
    def url(self) -> str:
        return f"http://localhost:{self.settings.console_port}"

    @property
    def line(self) -> tuple[str, int]:
        return ("127.0.0.1", self.settings.sip_port)

    def start(self, within_s: float = 90) -> "Whole":
        """Start and wait for the one line that says it is ready."""
        self.output = self.settings.data / "up.log"
        with self.output.open("w") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "ops", "up", "--no-demo"],
                cwd=ROOT,
                env=self.env,
                stdout=file,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
                preexec_fn=_end_with_the_test,  # noqa: PLW1509  (it only makes one system call)
            )

        def ready() -> bool:
            assert self.process is not None
            if self.process.poll() is not None:
                raise AssertionError(f"freeline up ended: {self.output.read_text()[-2000:]}")
            return "freeline is ready" in self.output.read_text()

        until(ready, within_s)
        return self

    def stop(self) -> int:
        """Send Ctrl-C; return the exit code."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            code = self.process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            raise
        finally:
            self.db.dispose()
        return code

    def freeline(self, *words: str, **kwargs: Any) -> subprocess.CompletedProcess[str]:
        """Run the freeline command against this one."""
        return subprocess.run(
            [sys.executable, "-m", "ops", *words],
            cwd=ROOT, env=self.env, capture_output=True, text=True, timeout=120, check=False, **kwargs,
        )  # fmt: skip

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.freeline("status", "--json").stdout)
        return found

    def pid(self, name: str) -> int:
        """The process id of one of our processes, as the supervisor wrote it."""
        state = json.loads((self.settings.run / "processes.json").read_text())
        return int(state["processes"][name]["pid"] or 0)

    def kill(self, name: str, how: int = signal.SIGKILL) -> int:
        """Send a signal to a process (and, for Asterisk, to the program it runs). Returns the pid it had."""
        pid = self.pid(name)
        if name == "asterisk":
            os.killpg(pid, how)
        else:
            os.kill(pid, how)
        return pid

    def came_back(self, name: str, old: int, within_s: float = 30) -> None:
        """Wait until the supervisor has restarted it."""
        until(lambda: self.pid(name) not in {0, old}, within_s)

    def begin(self) -> None:
        """Let `contacts` and `cases` return only later rows; a shared stack calls this for each test."""
        calls, cases = self.contacts(), self.cases()
        last = [rows[-1].id if rows else before for rows, before in zip((calls, cases), self._before, strict=True)]
        self._before = (last[0] or 0, last[1] or 0)

    def contacts(self) -> list[Contact]:
        with self.db.read() as s:
            return list(s.exec(select(Contact).where(col(Contact.id) > self._before[0]).order_by(col(Contact.id))))

    def cases(self) -> list[Case]:
        with self.db.read() as s:
            return list(s.exec(select(Case).where(col(Case.id) > self._before[1]).order_by(col(Case.id))))

    def phone_of(self, login: str) -> Phone:
        """A registered phone of an agent."""
        with self.db.write() as s:
            agent = s.exec(select(Agent).where(col(Agent.login) == login)).one()
            secret = people.new_phone_secret(s, agent.id, by_id=None)
        phone = Phone(self.line, agent.sip_name, secret)
        until(lambda: phone.register() == 200, 20, 0.5)
        return phone
