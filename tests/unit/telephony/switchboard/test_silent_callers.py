"""Which callers are asked whether they are still there."""

from telephony import names
from telephony.clients.ami import AmiMessage
from telephony.switchboard.silent_callers import ASK, SilentCallers


def row(channel: str, state: str = "6") -> AmiMessage:
    return AmiMessage(["Event: CoreShowChannel\r\n", f"Channel: {channel}\r\n", f"ChannelState: {state}\r\n"])


TRUNK = f"PJSIP/{names.TRUNK}-00000001"


class Line:
    """What Asterisk says, and what it was told."""

    def __init__(self) -> None:
        self.at, self.packets = 0.0, {TRUNK: "100"}
        self.asked: list[tuple[str, str, str]] = []
        self.silent = SilentCallers(
            lambda _name, channel: self.packets.get(channel, ""),
            lambda *what: self.asked.append(what),
            60.0,
            lambda: self.at,
        )

    def look(self, at: float, *rows: AmiMessage) -> int:
        self.at = at
        return self.silent.look(rows or [row(TRUNK)])


def test_who_sends_nothing_is_asked_after_a_minute_and_each_minute_again() -> None:
    line = Line()
    assert [line.look(at) for at in (0, 30, 59, 60, 90, 120)] == [0, 0, 0, 1, 0, 1]
    assert line.asked == [(ASK, "invite", TRUNK)] * 2


def test_who_sends_something_is_left_alone() -> None:
    line = Line()
    line.look(0)
    line.packets[TRUNK] = "101"
    assert line.look(60) == 0
    assert line.look(119) == 0
    assert line.look(120) == 1


def test_agents_local_legs_and_who_only_rings_are_not_asked() -> None:
    line = Line()
    rows = (row("PJSIP/agent1-00000002"), row("Local/call@recorder-00000001;1"), row(TRUNK, "5"))
    line.look(0, *rows)
    assert line.look(100, *rows) == 0


def test_a_call_that_ended_is_forgotten() -> None:
    line = Line()
    line.look(0)
    line.look(50, row("PJSIP/agent1-00000002"))
    assert line.look(60) == 0
