"""Real parts for tests, started on the settings' own ports and folders."""

import re
from pathlib import Path
from types import TracebackType
from typing import Any

from hotline.settings import Settings
from telephony import names
from telephony.asterisk.obtain import find_asterisk, install_asterisk
from telephony.asterisk.process import RunningAsterisk, read_menu
from telephony.softphone.phone import Phone
from tests.support.ports import free_port, rtp_range

PORTS = ("console_port", "sip_port", "asterisk_http_port", "ami_port", "agi_port")


def settings_of_a_module(folder: Path, **told: Any) -> Settings:
    """As the tests' usual settings, for parts that live longer than one test."""
    ports = {name: free_port() for name in PORTS}
    settings = Settings(data=folder / "data", sip_host="127.0.0.1", rtp_ports=rtp_range(100), **ports)
    return settings.model_copy(update=told)


class AsteriskUnderTest:
    """A real Asterisk. Its menu is the database's, or the one in `menu`; `stop` is idempotent."""

    def __init__(self, settings: Settings, menu: dict[str, str] | None = None) -> None:
        install_asterisk(settings.cache, lambda _: None)
        self.settings, self.menu = settings, menu
        self.running = RunningAsterisk(settings, find_asterisk(settings))

    def start(self) -> "AsteriskUnderTest":
        """Start it and wait until it is fully booted."""
        self.running.launch(read_menu(self.settings) if self.menu is None else self.menu)
        assert self.running.wait_booted(120), f"Asterisk did not start:\n{self.log}"
        return self

    def stop(self) -> int:
        """Stop it; return its exit code."""
        return self.running.stop()

    def kill(self) -> None:
        """End it as a power cut would."""
        if self.running.process is not None:
            self.running.process.kill()
            self.running.process.wait()

    def command(self, line: str) -> str:
        """The answer of its console."""
        return self.running.command(line)

    def can_ring(self, interface: str) -> bool:
        """Return whether every queue that has this member knows that its phone is registered.

        A queue learns it a moment after the phone was registered; for a caller who comes earlier nobody is rung.
        """
        rows = [row for row in self.command("queue show").splitlines() if re.search(rf"{re.escape(interface)}\b", row)]
        return not any(f"({away})" in row for row in rows for away in ("Unavailable", "Invalid", "Unknown"))

    def phone(self) -> Phone:
        """A phone on loopback, which is the trunk."""
        return Phone((self.settings.sip_host, self.settings.sip_port))

    @property
    def log(self) -> str:
        """Its errors and warnings so far."""
        path = self.settings.asterisk / "log" / "messages.log"
        return path.read_text() if path.exists() else ""

    @property
    def cel(self) -> Path:
        """Its channel events on disk."""
        return names.cel_path(self.settings.asterisk)

    @property
    def channels(self) -> int:
        """How many channels are up."""
        return int(self.command("core show channels count").split(" active channel", maxsplit=1)[0].split()[-1])

    def __enter__(self) -> "AsteriskUnderTest":
        return self.start()

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stop()
