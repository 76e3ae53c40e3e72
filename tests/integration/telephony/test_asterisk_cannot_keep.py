"""A spool that takes nothing and Asterisk alone: its records make the call a failed one."""

import subprocess
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlmodel import select

from hotline.keys import Keys
from hotline.settings import Settings
from models import Case, Contact, Database, Outcome
from models.db.types import now
from telephony import names
from telephony.clients.ami import Ami
from telephony.clients.cel import CelLog
from telephony.switchboard.changes.calls import ChangeContext
from telephony.switchboard.reconcile import AsteriskSnapshot, read_books, sweep
from telephony.switchboard.unsaved_numbers import UnsavedNumbers
from telephony.switchboard.writer import ChangeWriter
from tests.integration.telephony.conftest import CANNOT_RECORD_EN, TONE
from tests.support.asterisk import AsteriskUnderTest
from tests.support.tones import heard_tones
from tests.support.wait import until

LINE, NUMBER = "1800123456", "0812345678"


@pytest.fixture
def locked(settings: Settings, asterisk: AsteriskUnderTest) -> Iterator[None]:
    """The spool, read-only since Asterisk runs."""
    spool = str(settings.spool)
    subprocess.run(["mount", "--bind", spool, spool], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", spool], check=True)
    yield
    subprocess.run(["umount", "-l", spool], check=True)


@pytest.mark.usefixtures("locked", "staff")
@pytest.mark.parametrize("known", [True, False])
@pytest.mark.timeout(120)
def test_a_call_of_the_net_that_could_keep_nothing_is_failed(
    settings: Settings, asterisk: AsteriskUnderTest, db: Database, keys: Keys, known: bool
) -> None:
    """`known`: whether Asterisk's keeper has said so before the tone, or only Record finds out."""
    if known:
        assert asterisk.running.tell(names.FULL, "1")
    reader = Ami((settings.ami_host, settings.ami_port), names.AMI_READER, asterisk.running.secrets.ami_reader)
    reader.connect()
    unkept = UnsavedNumbers(
        settings,
        lambda variable, channel: reader.send_action(
            {"Action": "Getvar", "Variable": variable, "Channel": channel}
        ).get("Value"),
        lambda: reader.list_action({"Action": "CoreShowChannels"}),
    )
    with asterisk.phone() as phone:
        call = phone.call(LINE, NUMBER)
        assert call.wait_answered()
        [seen] = unkept.look()
        assert call.wait_ended(40)
    reader.close()
    assert CANNOT_RECORD_EN in heard_tones(call.heard)
    assert (TONE in heard_tones(call.heard)) is not known
    records = CelLog(asterisk.cel, settings.run / "kept.json")
    [trail] = until(lambda: [t for t in records.read().values() if t.ended_at])
    ledger = ChangeWriter(db, ChangeContext(keys, settings), lambda *_: None)
    ledger.start()
    ledger.put(seen)
    until(lambda: ledger.pending == 0)
    at = now() + timedelta(minutes=10)
    for _ in range(2):  # the first ends the row, the next finds why
        with db.read() as session:
            books = read_books(session, {trail.linkedid: trail})
        ledger.put(
            *sweep(books, AsteriskSnapshot.of([]), {trail.linkedid: trail}, set(), at, lines={LINE: LINE}).changes
        )
        until(lambda: ledger.pending == 0)
    ledger.stop()
    with db.read() as session:
        [contact] = session.exec(select(Contact)).all()
        assert contact.outcome is Outcome.FAILED
        assert contact.caller_id is not None, "no note could be left, and yet the number is known"
        assert len(session.exec(select(Case)).all()) == 1
    if known:
        assert asterisk.running.tell(names.FULL, "")
