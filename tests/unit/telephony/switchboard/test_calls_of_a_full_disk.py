"""Of a call that a full disk let nobody write down whole, half is in Asterisk's records and half in the spool: one row."""

import json
import os
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlmodel import col, select

from hotline.keys import Keys
from hotline.nudges import Nudges
from hotline.settings import Settings
from models import Case, Contact, Database, Outcome
from recordings.spool.ingest import Ingest
from recordings.vault.vault import Vault
from telephony.clients.cel import CelLog, Trail
from telephony.switchboard.changes.calls import ChangeContext
from telephony.switchboard.reconcile import AsteriskSnapshot, Reconciliation, look_in, read_books, sweep
from telephony.switchboard.writer import ChangeWriter
from tests.support.wait import until

LINE = "1800123456"
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
NET_QUIET_S = 400.0


class Line:
    """A sweep and an ingest over the same database and spool; `clock` is the ingest's."""

    def __init__(self, settings: Settings, db: Database, keys: Keys) -> None:
        self.settings, self.db, self.clock = settings, db, 0.0
        settings.spool.mkdir(parents=True, exist_ok=True)
        self.writer = ChangeWriter(db, ChangeContext(keys, settings), lambda *_: None)
        self.writer.start()
        nudges = Nudges(settings.redis)
        self.ingest = Ingest(settings, db, keys, Vault(settings.vault, keys), nudges, clock=lambda: self.clock)

    def sweeps(self, *trails: Trail) -> Reconciliation:
        spool = look_in(self.settings.spool)
        by_id = {t.linkedid: t for t in trails}
        with self.db.read() as session:
            books = read_books(session, by_id)
        at = NOON + timedelta(minutes=10)
        found = sweep(books, AsteriskSnapshot.of([]), by_id, spool.noted, at, unmet=spool.unmet, lines={LINE: LINE})
        self.writer.put(*found.changes)
        until(lambda: self.writer.pending == 0)
        return found

    def takes(self) -> None:
        """The spool, when all in it is long over."""
        self.ingest.once()
        self.clock += NET_QUIET_S
        self.ingest.once()

    def leave(self, call: str, content: bytes = b"", suffix: str = ".call") -> None:
        """A file that was last written half a minute after noon."""
        path = self.settings.spool / f"{call}{suffix}"
        path.write_bytes(content)
        moment = NOON.timestamp() + 30
        os.utime(path, (moment, moment))

    def contacts(self) -> list[Contact]:
        with self.db.read() as session:
            assert len(session.exec(select(Case)).all()) == len(session.exec(select(Contact)).all())
            return list(session.exec(select(Contact).order_by(col(Contact.id))))


@pytest.fixture
def line(settings: Settings, db: Database, keys: Keys) -> Iterator[Line]:
    one = Line(settings, db, keys)
    yield one
    one.writer.stop()


def trail(linkedid: str, call: str | None = None, began_s: float = 0.0, failed: bool = False) -> Trail:
    began, ended = NOON + timedelta(seconds=began_s), NOON + timedelta(seconds=began_s + 40)
    return Trail(
        linkedid, (0, 0), started_at=began, line=LINE, ended_at=ended, last_at=ended, call=call,
        failed_at=began + timedelta(seconds=9) if failed else None,
    )  # fmt: skip


def test_an_empty_note_and_a_record_that_names_the_call_are_one_whoever_comes_first(line: Line) -> None:
    first, second = str(uuid.uuid4()), str(uuid.uuid4())
    line.leave(first)
    line.takes()
    line.sweeps(trail("1.1", first))
    assert [c.call for c in line.contacts()] == [first]
    line.sweeps(trail("1.2", second))
    line.leave(second)
    line.takes()
    line.sweeps(trail("1.1", first), trail("1.2", second))
    assert [c.call for c in line.contacts()] == [first, second]


def test_empty_notes_and_records_without_a_name_are_one_each_whoever_comes_first(line: Line) -> None:
    """A disk that was full from the call's first moment on."""
    first, second = str(uuid.uuid4()), str(uuid.uuid4())
    line.leave(first)
    line.leave(second, b'{"call":"')
    found = line.sweeps(trail("1.1"), trail("1.2", began_s=5))
    assert len(found.unsettled) == 2
    assert line.contacts() == [], "the transcriber is to take them first"
    line.takes()
    line.sweeps(trail("1.1"), trail("1.2", began_s=5))
    found = line.sweeps(trail("1.1"), trail("1.2", began_s=5))
    assert found.unsettled == []
    assert {(c.call, c.linkedid) for c in line.contacts()} in (
        {(first, "1.1"), (second, "1.2")},
        {(first, "1.2"), (second, "1.1")},
    )


def test_an_empty_note_that_comes_after_the_record_was_swept_is_that_call(line: Line) -> None:
    line.sweeps(trail("1.1"))
    [before] = line.contacts()
    call = str(uuid.uuid4())
    line.leave(call)
    line.takes()
    [after] = line.contacts()
    assert (before.id, after.call, after.linkedid) == (after.id, call, "1.1")


def test_more_records_than_files_are_calls_of_their_own(line: Line) -> None:
    call = str(uuid.uuid4())
    line.leave(call)
    line.takes()
    trails = [trail("1.1"), trail("1.2", began_s=2), trail("1.3", began_s=3600)]
    line.sweeps(*trails[:2])
    line.sweeps(*trails[:2])
    assert len(line.contacts()) == 2


def test_a_line_of_a_note_that_comes_late_brings_the_number(line: Line) -> None:
    """The net says all of it once more at the end, below what a full disk took half of."""
    call = str(uuid.uuid4())
    said = {"call": call, "linkedid": "1.1", "arrived": NOON.timestamp(), "line": LINE, "number": "0812345678",
            "reason": "net", "ended": NOON.timestamp() + 40}  # fmt: skip
    line.leave(call, b'{"call":"' + call[:8].encode() + b"\n\n" + json.dumps(said).encode() + b"\n")
    line.takes()
    line.sweeps(trail("1.1", call))
    [contact] = line.contacts()
    assert contact.caller_id is not None
    assert contact.linkedid == "1.1"


def test_a_call_that_nothing_could_be_kept_of_failed_and_was_not_abandoned(line: Line) -> None:
    """Also when its row is there and over by then."""
    one, two = str(uuid.uuid4()), str(uuid.uuid4())
    line.sweeps(trail("1.1", one, failed=True))
    line.sweeps(trail("1.2", two))
    line.sweeps(trail("1.2", two, failed=True))
    assert [c.outcome for c in line.contacts()] == [Outcome.FAILED, Outcome.FAILED]
    assert line.sweeps(trail("1.2", two, failed=True)).changes == []


def test_the_records_name_the_call_and_its_line(tmp_path: Path) -> None:
    call = str(uuid.uuid4())

    def row(kind: str, at: float, **more: str) -> str:
        found = {"eventtype": kind, "eventtime": at, "uniqueid": "1.1", "linkedid": "1.1", "exten": "call"}
        return json.dumps(found | {"channame": "PJSIP/trunk-00000001"} | more) + "\n"

    path = tmp_path / "calls.json"
    path.write_text(
        '{"eventtype":"CHAN_START","eventtime":17953'  # what the disk took of the first row, and the next below it
        + row("ANSWER", 1795364863.0, userfield=f"{call} {LINE}")
        + row("ANSWER", 1795364864.0, userfield=f"{call} {LINE}")
        + row("CHAN_END", 1795364869.0, userfield=f"{call} {LINE} failed")
    )
    (found,) = CelLog(path, tmp_path / "kept.json").read().values()
    assert (found.call, found.line) == (call, LINE)
    assert found.started_at == datetime.fromtimestamp(1795364864.0, UTC)
    assert found.failed_at == found.ended_at
