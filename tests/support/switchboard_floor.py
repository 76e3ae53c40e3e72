"""The steps of the switchboard's tests: who calls, who answers, and the rows in the database."""

import contextlib
import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

from sqlmodel import select

from hotline.settings import ROOT, Settings
from hotline.staff import states as agents
from hotline.staff.people import SIP_REALM
from models import Agent, AgentState, Case, Contact, Database
from telephony.softphone.phone import Phone, SoftphoneCall
from telephony.switchboard.process import Switchboard
from tests.support.asterisk import AsteriskUnderTest
from tests.support.wait import until

LINE = "1800123456"
SECRET = "a phone of their own"


def give_secret(agent: Agent, secret: str) -> None:
    """Give a phone its secret as the console does: only the digest is kept."""
    agent.phone_secret_ha1 = hashlib.md5(f"{agent.sip_name}:{SIP_REALM}:{secret}".encode()).hexdigest()


def contacts(db: Database) -> list[Contact]:
    with db.read() as session:
        found = list(session.exec(select(Contact).order_by(Contact.id)))  # type: ignore[arg-type]
        session.expunge_all()
        return found


def ended(db: Database) -> Contact | None:
    """The one call, once it is closed and has its one case."""
    found = contacts(db)
    if len(found) != 1 or found[0].outcome is None:
        return None
    with db.read() as session:
        assert session.exec(select(Case.id)).all() == [found[0].case_id]
    return found[0]


def state(db: Database, agent: Agent) -> AgentState:
    with db.read() as session:
        found = agents.state_of(session, agent.id)
        session.expunge_all()
        return found


def talk(db: Database, caller: Phone, phone: Phone) -> tuple[SoftphoneCall, SoftphoneCall]:
    """A call that has been answered, from both sides; returns when the database knows it."""
    before = len(contacts(db))
    call = caller.call(LINE)
    ring = phone.wait_ring()
    assert ring is not None
    ring.answer()
    assert call.wait_answered()
    until(lambda: len(found := contacts(db)) > before and found[-1].answered_at)
    return call, ring


def pending(board: Switchboard) -> list[object]:
    """The changes that wait for the database."""
    return [*board.writer._writing, *list(board.writer._waiting.queue)]


def phones_on_disk(asterisk: AsteriskUnderTest) -> int:
    """How many registered phones Asterisk would remember after a crash; it writes them about once a second."""
    path = asterisk.settings.asterisk / "lib" / "astdb.sqlite3"
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as books:
        found = books.execute("SELECT count(*) FROM astdb WHERE key LIKE '/registrar/contact/%'").fetchone()
    return int(found[0])


class Process:
    """The switchboard as a process of its own, to be killed."""

    def __init__(self, settings: Settings) -> None:
        fields = settings.model_dump(
            include={
                "data",
                "database_url",
                "sip_host",
                "sip_port",
                "ami_port",
                "asterisk_http_port",
                "agi_port",
                "wrap_up_s",
            }
        )
        environment = os.environ | {f"FREELINE_{name.upper()}": str(value) for name, value in fields.items()}
        start = "import sys; from hotline.settings import settings; from telephony.switchboard.process import main; "
        self._popen = subprocess.Popen(
            [sys.executable, "-c", start + "sys.exit(main(settings()))"], cwd=ROOT, env=environment
        )

    def kill(self) -> None:
        """End it as a power cut would."""
        self._popen.kill()
        self._popen.wait()

    def stop(self) -> int:
        """Ask it to end; return its exit code."""
        self._popen.send_signal(signal.SIGTERM)
        return self._popen.wait(20)


def cel_end(path: Path) -> float:
    """When the caller's channel ended, by Asterisk's records, which it writes a moment after the channel is gone."""

    def ends() -> list[float]:
        rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        return [float(r["eventtime"]) for r in rows if r["eventtype"] == "CHAN_END" and "trunk" in r["channame"]]

    return until(ends)[0]
