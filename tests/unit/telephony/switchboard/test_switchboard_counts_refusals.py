"""Calls that never became ours reach the database through the switchboard, and become no call and no case."""

import threading
from collections.abc import Iterator

import pytest
from sqlmodel import select

from hotline.keys import Keys
from hotline.settings import Settings
from models import Case, Contact, Database, RefusedCalls, RefusedKind
from telephony.asterisk.secrets import make_secrets
from telephony.switchboard.process import Switchboard
from tests.fakes.ami import FakeAmi
from tests.support.ami_wire import TRUNK
from tests.support.cast import Cast
from tests.support.wait import until


@pytest.fixture
def asterisk(settings: Settings) -> Iterator[FakeAmi]:
    with FakeAmi(settings.ami_port, name=make_secrets(settings).asterisk) as fake:
        yield fake


@pytest.fixture
def board(asterisk: FakeAmi, settings: Settings, keys: Keys, staff: Cast) -> Iterator[Switchboard]:
    one = Switchboard(settings)
    for connection in (one.reader, one.actor, one.watcher):
        connection.timeout_s = 3.0
    thread = threading.Thread(target=one.run, daemon=True)
    thread.start()
    until(lambda: sum(session.hears_events for session in asterisk.sessions) == 2)
    yield one
    one.stop()
    thread.join(20)
    assert not thread.is_alive()


def counted(db: Database) -> dict[tuple[RefusedKind, str], int]:
    with db.read() as session:
        return {(row.kind, row.shape): row.count for row in session.exec(select(RefusedCalls))}


def test_unknown_numbers_and_strangers_are_counted_and_make_no_call(
    asterisk: FakeAmi, board: Switchboard, db: Database
) -> None:
    """The look that writes them comes every five seconds; here it is woken."""
    for n in range(3):
        channel = {"Channel": f"PJSIP/trunk-{n:08x}", "Uniqueid": f"asterisk-9.{n}", "Linkedid": f"asterisk-9.{n}"}
        asterisk.tell("Newchannel", TRUNK | channel | {"Exten": "0861234567"})
        asterisk.tell("Hangup", TRUNK | channel | {"Exten": "0861234567", "Cause": "1"})
    stranger = {"Service": "PJSIP", "RemoteAddress": "IPV4/UDP/192.0.2.9/5060", "AccountID": "0812345678"}
    asterisk.tell("InvalidAccountID", stranger)

    def written() -> bool:
        board._wake.set()
        return sum(counted(db).values()) >= 4

    until(written)
    assert counted(db) == {
        (RefusedKind.UNKNOWN_NUMBER, "0ddddddddd"): 3,
        (RefusedKind.FOREIGN_ADDRESS, "192.0.2.9"): 1,
    }
    with db.read() as session:
        assert session.exec(select(Contact)).all() == []
        assert session.exec(select(Case)).all() == []
