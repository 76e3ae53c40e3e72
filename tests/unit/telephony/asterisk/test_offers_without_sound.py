"""Calls that Asterisk refused for want of a codec: counted from its own words, and kept once by the switchboard."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlmodel import select

from hotline.keys import Keys
from hotline.settings import Settings
from models import Database, RefusedCalls, RefusedKind
from telephony import names
from telephony.asterisk.log_filter import Messages
from telephony.asterisk.secrets import make_secrets
from telephony.switchboard.process import Switchboard
from tests.fakes.ami import FakeAmi, Fields, Session
from tests.support.cast import Cast
from tests.support.sip_torture import NAME, NUMBER
from tests.support.wait import until


def said(text: str, function: str = "chan_pjsip_session_end", source: str = "chan_pjsip.c") -> bytes:
    """A line of Asterisk's, for those who look for faults in it."""
    location = {"filename": source, "function": function, "line": 2961}
    return json.dumps({"logmsg": {"location": location, "level": "DEBUG", "message": text}}).encode() + b"\n"


@pytest.mark.parametrize(
    ("line", "counted"),
    [
        (said(" trunk: inv_session->cause: 488\n"), 1),
        (said("caller: inv_session->cause: 488"), 1),
        (said(" trunk: inv_session->cause: 404\n"), 0),
        (said(" PJSIP/trunk-00000007: inv_session->cause: 488\n"), 0),
        (said(" agent7: inv_session->cause: 488\n"), 0),
        (said(f"{NAME} {NUMBER} trunk: inv_session->cause: 488"), 0),
        (said("trunk: inv_session->cause: 488", function="other"), 0),
        (said("trunk: inv_session->cause: 488", source="loader.c"), 0),
    ],
)
def test_only_what_asterisk_itself_says_of_a_refused_offer_counts_and_nothing_is_written(
    tmp_path: Path, line: bytes, counted: int
) -> None:
    messages = Messages(tmp_path / "messages.log")
    assert messages.take(line)
    messages.sum_up(all_of_it=True)
    assert messages.refused == counted
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def asterisk(settings: Settings) -> Iterator[FakeAmi]:
    with FakeAmi(settings.ami_port) as fake:

        def getvar(session: Session, action: Fields) -> None:
            value = fake.globals.get(action["Variable"], "")
            session.send({"Response": "Success", "ActionID": action["ActionID"], "Value": value})

        fake.on["Getvar"] = getvar
        yield fake


class Board:
    """A switchboard that can be started again beside the same Asterisk."""

    def __init__(self, settings: Settings) -> None:
        self.board = Switchboard(settings)
        self.thread = threading.Thread(target=self.board.run, daemon=True)
        self.thread.start()

    def stop(self) -> None:
        """As SIGTERM does."""
        self.board.stop()
        self.thread.join(20)
        assert not self.thread.is_alive()


def test_the_switchboard_keeps_each_refusal_once_however_often_it_starts(
    asterisk: FakeAmi, settings: Settings, keys: Keys, staff: Cast, db: Database
) -> None:
    """The look that writes them comes every five seconds; here it is woken."""
    make_secrets(settings)
    asterisk.globals[names.REFUSED] = "3"

    def kept() -> int:
        with db.read() as session:
            rows = session.exec(select(RefusedCalls)).all()
        assert {(row.kind, row.shape) for row in rows} <= {(RefusedKind.NO_SOUND, "488")}
        return sum(row.count for row in rows)

    def wait_kept(board: Board, count: int) -> None:
        def so_many() -> bool:
            board.board._wake.set()
            return kept() >= count

        until(so_many)

    one = Board(settings)
    wait_kept(one, 3)
    asterisk.globals[names.REFUSED] = "5"
    wait_kept(one, 5)
    one.stop()
    asterisk.globals[names.REFUSED] = "6"
    two = Board(settings)
    wait_kept(two, 6)
    asterisk.globals |= {names.REFUSED: "2", names.REFUSED_KEPT: ""}  # another Asterisk, which begins anew
    wait_kept(two, 8)
    asterisk.globals[names.REFUSED] = "no number"
    looks = asterisk.count("QueueStatus")

    def looked_again() -> bool:
        two.board._wake.set()
        return asterisk.count("QueueStatus") > looks + 2

    until(looked_again)
    two.stop()
    assert kept() == 8
