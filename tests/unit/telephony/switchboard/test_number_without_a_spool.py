"""While the spool takes nothing and ivr is dead, the number of a call is nowhere but in Asterisk: it is asked for there."""

import threading
from collections.abc import Iterator

import pytest
from sqlmodel import select

from hotline.keys import Keys
from hotline.settings import Settings
from models import Contact, Database
from telephony import names
from telephony.asterisk.secrets import make_secrets
from telephony.switchboard.process import Switchboard
from tests.fakes.ami import FakeAmi, Fields, Session
from tests.support.cast import Cast
from tests.support.wait import until

CALL = "6e1f2a52-0c6c-4a8e-9c39-3a4f3c6e0001"
NUMBER = "0812345678"


@pytest.fixture
def asterisk(settings: Settings) -> Iterator[FakeAmi]:
    """One call is in its menu; `read` collects whose number was asked for."""
    with FakeAmi(settings.ami_port) as fake:
        row = {"Channel": "PJSIP/trunk-00000007", "Uniqueid": "x-7.7", "Linkedid": "x-7.7", "ChannelState": "6"}
        theirs = {"Channel": "PJSIP/trunk-00000008", "Uniqueid": "x-7.8", "Linkedid": "x-7.7", "ChannelState": "6"}
        fake.channels = [
            ({**row, "Context": "net", "Exten": "call", "Duration": "00:00:02"}, {names.CALL: CALL}),
            ({**theirs, "Context": "room", "Exten": "outside"}, {names.CALL: CALL, names.LEG: "5"}),
        ]

        def getvar(session: Session, action: Fields) -> None:
            known = action["Variable"] == names.NUMBER
            value = (NUMBER if action["Channel"] == "PJSIP/trunk-00000007" else "0899999999") if known else ""
            session.send({"Response": "Success", "ActionID": action["ActionID"], "Value": value})

        fake.on["Getvar"] = getvar
        yield fake


def asked(fake: FakeAmi) -> list[str]:
    return [action["Channel"] for action in list(fake.done) if action.get("Variable") == names.NUMBER]


@pytest.mark.parametrize("full", [True, False])
def test_the_number_is_asked_for_once_and_only_while_the_spool_takes_nothing(
    asterisk: FakeAmi, settings: Settings, keys: Keys, staff: Cast, db: Database, full: bool
) -> None:
    """The look comes every five seconds; here it is woken."""
    make_secrets(settings)
    settings.spool.mkdir(parents=True, exist_ok=True)
    board = Switchboard(settings.model_copy(update={"free_space_floor_mb": 10**9}) if full else settings)
    thread = threading.Thread(target=board.run, daemon=True)
    thread.start()

    def contact() -> Contact | None:
        with db.read() as session:
            return session.exec(select(Contact).where(Contact.call == CALL)).first()

    looks = 0

    def looked(times: int) -> bool:
        board._wake.set()
        return asterisk.count("QueueStatus") > looks + times

    def kept() -> bool:
        board._wake.set()
        found = contact()
        return found is not None and (found.caller_id is not None or not full)

    until(kept)
    looks = asterisk.count("QueueStatus")
    until(lambda: looked(2))
    board.stop()
    thread.join(20)
    assert not thread.is_alive()
    assert asked(asterisk) == (["PJSIP/trunk-00000007"] if full else [])
    found = contact()
    assert found is not None
    assert (found.caller_id is not None) is full
    assert NUMBER not in str(asterisk.globals)
