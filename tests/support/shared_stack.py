"""One running Freeline for a module, with a trunk that calls out; the state that a test left is cleared before the next.

Calls and cases stay, or the reconciliation would find Asterisk's records and file them again. They are closed, belong to
no caller and are not counted: `Whole.contacts` and `Whole.cases` begin with the test.
"""

import contextlib
import socket
from pathlib import Path

from sqlalchemy import delete, func, update
from sqlmodel import Session, SQLModel, col, or_, select

from hotline.nudges import AGENTS_CHANGED, CALLBACKS_CHANGED, QUEUE_CHANGED, Nudges
from models import (
    Agent,
    AgentState,
    AgentStatus,
    Callback,
    CallbackAttempt,
    CallerLimit,
    Case,
    CaseStatus,
    Contact,
    Conversation,
    DirectoryEntry,
    Draft,
    Party,
    Shift,
    SignIn,
)
from models.db.types import now
from tests.e2e.conftest import hire_before_start
from tests.support.agent_page import asterisk
from tests.support.ports import free_port
from tests.support.stack import Whole
from tests.support.wait import until

# Tables that a test may have added to, in an order in which nothing points to a deleted row.
ADDED: tuple[type[SQLModel], ...] = (
    CallbackAttempt,
    Callback,
    Draft,
    Shift,
    DirectoryEntry,
    CallerLimit,
    SignIn,
)

PATIENT = {"RING_S": "120", "COME_BACK_S": "120", "MOBILE_RING_S": "120", "WRAP_UP_S": "600"}
"""On a busy machine a page needs longer to show a call than people would let it ring."""


def start(folder: Path, sounds: Path, database_url: str) -> Whole:
    """Start one, with the cast hired."""
    trunk = f"127.0.0.1:{free_port()}"
    told = {"TRUNK_HOST": trunk, "CALLBACK_RING_S": "20", "DATABASE_URL": database_url} | PATIENT
    it = Whole(folder / "data", sounds, **told)
    try:
        hire_before_start(it)
        return it.start()
    except BaseException:
        it.stop()
        raise


def put_away(it: Whole) -> None:
    """End what a test left running, so that the next one begins with nothing. Its pages must be closed."""
    until(lambda: _serves(it), 60, 0.2)  # a test may have killed the console, and have seen its page ready from before
    asterisk(it, "channel request hangup all")
    until(lambda: asterisk(it, "core show channels count").startswith("0 active channels"), 60, 0.2)
    until(lambda: not _busy(it) and not list(it.settings.spool.iterdir()), 60, 0.2)
    with it.db.write() as session:
        for table in ADDED:
            session.exec(delete(table))
        session.exec(update(Contact).values(caller_id=None))
        session.exec(update(Case).values(caller_id=None, status=CaseStatus.CLOSED, closed_at=now()))
        session.exec(update(Agent).values(mobile_sealed=None))
        # A page that was closed before the console that had just started knew of it keeps its name in the row.
        idle = {
            "status": AgentStatus.OFFLINE,
            "reason": None,
            "call": None,
            "until": None,
            "since": now(),
            "page": None,
        }
        session.exec(update(AgentState).values(**idle))
    it.begin()
    Nudges(it.settings.redis).tell(AGENTS_CHANGED, CALLBACKS_CHANGED, QUEUE_CHANGED)


def _serves(it: Whole) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", it.settings.console_port), 1):
        return True
    return False


def _busy(it: Whole) -> bool:
    def some(session: Session, table: type[SQLModel], *which: object) -> bool:
        return bool(session.exec(select(func.count()).select_from(table).where(*which)).one())  # type: ignore[arg-type]

    with it.db.read() as session:
        return (
            some(session, Contact, or_(col(Contact.ended_at).is_(None), col(Contact.case_id).is_(None)))
            or some(session, Conversation)
            or some(session, Party)
            or some(session, AgentState, col(AgentState.reachable))
        )
