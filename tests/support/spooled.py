"""Messages left in the spool as Asterisk and the net leave them, and a fresh process that takes them."""

import json
import os
import subprocess
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from sqlalchemy import text
from sqlmodel import SQLModel, select

from hotline.keys import Keys
from hotline.nudges import Nudges
from hotline.settings import Settings
from models import Contact, Database, Recording
from recordings.spool.ingest import Ingest
from recordings.vault.vault import Vault

T = TypeVar("T", bound=SQLModel)
NUMBER = "0812345678"
ARRIVED = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
SENTENCE = "안녕하세요. 월급을 두 달 동안 못 받았습니다. 도와 주세요."


def speak(sentence: str, folder: Path) -> bytes:
    """Korean speech as a telephone hears it: 8 kHz slin."""
    spoken, heard = folder / "spoken.wav", folder / "heard.raw"
    subprocess.run(["espeak-ng", "-v", "ko", "-s", "150", "-w", spoken, sentence], check=True)
    subprocess.run(["sox", spoken, "-r", "8000", "-c", "1", "-b", "16", "-e", "signed", heard], check=True)
    return heard.read_bytes()


@dataclass
class Left:
    """Leaves files in the spool as Asterisk and the net do."""

    settings: Settings
    calls: list[str] = field(default_factory=list)

    def message(self, pcm: bytes, *lines: dict[str, object], call: str | None = None) -> str:
        """Leave a recording and, when there are lines, a note. Returns the call."""
        call = call or str(uuid.uuid4())
        self.settings.spool.mkdir(parents=True, exist_ok=True)
        (self.settings.spool / f"{call}.sln").write_bytes(pcm)
        if lines:
            self.note(call, *lines)
        self.calls.append(call)
        return call

    def note(self, call: str, *lines: dict[str, object]) -> Path:
        """Append lines to the note of a call."""
        self.settings.spool.mkdir(parents=True, exist_ok=True)
        path = self.settings.spool / f"{call}.call"
        with path.open("a") as file:
            for line in lines:
                file.write(json.dumps({"call": call} | line) + "\n")
        return path

    def names(self) -> list[str]:
        """The names of the files in the spool."""
        return sorted(path.name for path in self.settings.spool.iterdir())


def net_line(**more: object) -> dict[str, object]:
    """The net's note of a Korean speaker's call."""
    return {
        "linkedid": f"{ARRIVED.timestamp():.0f}.{uuid.uuid4().hex[:4]}",
        "arrived": ARRIVED.timestamp(),
        "line": "1800123456",
        "number": NUMBER,
        "language": "ko",
        "reason": "net",
    } | more


def rows(db: Database, table: type[T]) -> list[T]:
    """All rows of a table, in order of insertion, usable after the session."""
    with db.read() as session:
        found = list(session.exec(select(table).order_by(text("1"))))
        session.expunge_all()
        return found


class Clock:
    """A steady clock that a test moves."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Taker:
    """Ingests as a fresh process would, with a clock of its own."""

    settings: Settings
    db: Database
    keys: Keys
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.vault = Vault(self.settings.vault, self.keys)
        self.ingest = Ingest(self.settings, self.db, self.keys, self.vault, Nudges(self.settings.redis), self.clock)

    def take(self, wait_s: float = 6.0) -> int:
        """Scan, let the files be quiet for a while, and scan again."""
        taken = self.ingest.once()
        self.clock.now += wait_s
        return taken + self.ingest.once()

    def contacts(self) -> list[Contact]:
        """All rows of calls."""
        return rows(self.db, Contact)

    def recordings(self) -> list[Recording]:
        """All rows of recordings."""
        return rows(self.db, Recording)

    def sealed(self) -> list[Path]:
        """All files of the vault."""
        return [path for path in self.settings.vault.rglob("*") if path.is_file()]


def grep(folder: Path, needle: bytes) -> list[Path]:
    """Files below a folder that hold these bytes."""
    found = []
    for root, _folders, names in os.walk(folder):
        for name in names:
            path = Path(root) / name
            if path.is_file() and needle in path.read_bytes():
                found.append(path)
    return found
