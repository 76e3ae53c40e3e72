"""The AGI session on the wire: everything a broken or hostile other side can say."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.session import AgiFailed, AgiRefused, AgiSilent, CallerGone, Session
from tests.fakes.asterisk_agi import split
from tests.support.wait import PATIENCE_S

ENVIRONMENT = b"agi_network: yes\nagi_network_script: answer\nagi_uniqueid: 1.2\nagi_callerid: 0812345678\n\n"


class Wire:
    """Both ends of a connection; `says` is what Asterisk sends, all at once."""

    def __init__(self) -> None:
        self.asterisk, self.ours = socket.socketpair()

    def session(self, *says: bytes, environment: bytes = ENVIRONMENT, reply_s: float = 5.0) -> Session:
        self.asterisk.sendall(environment + b"".join(says))
        return Session(self.ours, reply_s=reply_s, environment_s=reply_s)

    def heard(self) -> bytes:
        self.asterisk.settimeout(PATIENCE_S)
        return self.asterisk.recv(65536)

    def close(self) -> None:
        self.asterisk.close()
        self.ours.close()


@pytest.fixture
def wire() -> Iterator[Wire]:
    wire = Wire()
    yield wire
    wire.close()


def test_the_environment_is_read_and_nothing_is_printed(wire: Wire, capfd: pytest.CaptureFixture[str]) -> None:
    session = wire.session()
    assert session.script == "answer"
    assert session.env["agi_uniqueid"] == "1.2"
    out, err = capfd.readouterr()
    assert out + err == ""


def test_a_session_can_be_made_outside_the_main_thread(wire: Wire) -> None:
    made: list[Session] = []
    thread = threading.Thread(target=lambda: made.append(wire.session()))
    thread.start()
    thread.join(PATIENCE_S)
    assert made


def test_a_caller_name_of_bad_utf8_does_not_end_the_call(wire: Wire) -> None:
    session = wire.session(environment=b"agi_network_script: answer\nagi_calleridname: \xff\xfe\xc3(\n\n")
    assert session.script == "answer"
    assert "�" in session.env["agi_calleridname"]


def test_a_caller_name_with_a_line_break_cannot_take_the_place_of_what_asterisk_says(wire: Wire) -> None:
    forged = b"agi_network_script: answer\nagi_calleridname: x\nagi_network_script: leave_voicemail\n\n"
    assert wire.session(environment=forged).script == "answer"


@pytest.mark.parametrize(
    "environment",
    [b"agi_x: y\n" * 10_000, b"agi_x: " + b"y" * 200_000 + b"\n\n", b"agi_x: " + b"y" * 10_000 + b"\n", b"y" * 100_000],
    ids=["lines", "one long line", "many bytes", "no end"],
)
def test_an_oversize_environment_is_refused(wire: Wire, environment: bytes) -> None:
    thread = threading.Thread(target=_send, args=(wire.asterisk, environment * 3))
    thread.start()
    with pytest.raises(AgiRefused):
        Session(wire.ours, environment_s=5.0)
    wire.close()
    thread.join(PATIENCE_S)


def _send(to: socket.socket, data: bytes) -> None:
    with contextlib.suppress(OSError):
        to.sendall(data)


def test_a_half_open_client_is_given_up(wire: Wire) -> None:
    with pytest.raises(AgiSilent):
        wire.session(environment=b"agi_network: yes\n", reply_s=0.05)


def test_a_client_that_drips_bytes_does_not_get_more_time(wire: Wire) -> None:
    stop = threading.Event()

    def drip() -> None:
        while not stop.wait(0.02):
            _send(wire.asterisk, b"a")

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        with pytest.raises(AgiSilent):
            Session(wire.ours, environment_s=0.2)
    finally:
        stop.set()
        thread.join(PATIENCE_S)


def test_silence_after_a_command_is_given_up(wire: Wire) -> None:
    session = wire.session(reply_s=0.05)
    with pytest.raises(AgiSilent):
        session.get_variable("X")


def test_eof_in_the_environment_means_the_caller_is_gone(wire: Wire) -> None:
    wire.asterisk.sendall(b"agi_network: yes\n")
    wire.asterisk.shutdown(socket.SHUT_WR)
    with pytest.raises(CallerGone):
        Session(wire.ours)


def test_eof_instead_of_a_reply_means_the_caller_is_gone(wire: Wire) -> None:
    session = wire.session(b"200 resul")
    wire.asterisk.shutdown(socket.SHUT_WR)
    with pytest.raises(CallerGone):
        session.get_variable("X")


def test_after_a_hangup_line_no_reply_is_taken_for_another(wire: Wire) -> None:
    session = wire.session(b"HANGUP\n", b"200 result=1 (late)\n", b"511 Command Not Permitted on a dead channel\n")
    with pytest.raises(CallerGone):
        session.get_variable("X")
    with pytest.raises(CallerGone):
        session.get_variable("Y")
    assert wire.heard() == b'GET VARIABLE "X"\n', "nothing is sent to a dead channel"


def test_511_means_the_caller_is_gone(wire: Wire) -> None:
    session = wire.session(b"511 Command Not Permitted on a dead channel or intercept routine\n")
    with pytest.raises(CallerGone):
        session.stream_file(Path("/x/y"))


def test_510_is_refused(wire: Wire) -> None:
    session = wire.session(b"510 Invalid or unknown command\n")
    with pytest.raises(AgiRefused):
        session.execute("NO SUCH")


def test_520_with_usage_is_read_to_its_end(wire: Wire) -> None:
    session = wire.session(
        b"520-Invalid command syntax.  Proper usage follows:\n",
        b" usage\n",
        b"520 End of proper usage.\n200 result=1 (next)\n",
    )
    with pytest.raises(AgiRefused):
        session.execute("STREAM FILE")
    assert session.get_variable("X") == "next"


def test_a_520_that_ends_in_eof_does_not_loop(wire: Wire) -> None:
    session = wire.session(b"520-Invalid command syntax.\n usage\n")
    wire.asterisk.shutdown(socket.SHUT_WR)
    with pytest.raises(CallerGone):
        session.execute("STREAM FILE")


def test_a_520_without_an_end_does_not_loop(wire: Wire) -> None:
    session = wire.session(b"520-Invalid command syntax.\n", b" usage\n" * 500)
    with pytest.raises(AgiRefused):
        session.execute("STREAM FILE")


def test_a_reply_of_several_lines_and_trying_are_read(wire: Wire) -> None:
    session = wire.session(
        b"100 Trying...\n200 result=1 (one)\n", b"200-result=1\nmore\n200 End\n", b"200 result=1 (two)\n"
    )
    assert session.get_variable("X") == "one"
    session.execute("DATABASE SHOW")
    assert session.get_variable("X") == "two"


def test_what_is_no_agi_is_refused(wire: Wire) -> None:
    session = wire.session(b"HTTP/1.1 400 Bad Request\n")
    with pytest.raises(AgiRefused):
        session.get_variable("X")


def test_a_variable_that_is_not_set_is_empty(wire: Wire) -> None:
    assert wire.session(b"200 result=0\n").get_variable("X") == ""


@pytest.mark.parametrize("value", ["hangup", "a) b", "-1", "", "two\nlines", "result=-1"])
def test_any_value_of_a_variable_comes_through(wire: Wire, value: str) -> None:
    assert wire.session(f"200 result=1 ({value})\n".encode()).get_variable("X") == value


def test_minus_one_from_a_hang_up_and_from_a_missing_file_are_told_apart(wire: Wire) -> None:
    session = wire.session(b"200 result=-1 endpos=0\n", b"200 result=6\n", b"200 result=-1 endpos=0\n", b"HANGUP\n")
    with pytest.raises(AgiFailed):
        session.stream_file(Path("/not/there"))
    with pytest.raises(CallerGone):
        session.stream_file(Path("/not/there"))


def test_minus_one_on_a_channel_that_is_down_is_a_hang_up(wire: Wire) -> None:
    session = wire.session(b"200 result=-1\n", b"200 result=0\n")
    with pytest.raises(CallerGone):
        session.wait_for_digit(1000)


@pytest.mark.parametrize(
    ("reply", "ask", "expected"),
    [
        (b"200 result=53 endpos=80\n", lambda s: s.stream_file(Path("/x"), "5"), "5"),
        (b"200 result=0 endpos=80\n", lambda s: s.stream_file(Path("/x"), "5"), None),
        (b"200 result=35\n", lambda s: s.wait_for_digit(100), "#"),
        (b"200 result=0\n", lambda s: s.wait_for_digit(100), None),
        (b"200 result=56 (timeout)\n", lambda s: s.get_data(Path("/x"), 100, 3), "56"),
        (b"200 result= (timeout)\n", lambda s: s.get_data(Path("/x"), 100, 3), ""),
        (b"200 result=0\n", lambda s: s.exec_("NoOp"), "0"),
        (b"200 result=6\n", lambda s: s.channel_status(), 6),
    ],
)
def test_each_command_says_what_was_pressed(
    wire: Wire, reply: bytes, ask: Callable[[Session], object], expected: object
) -> None:
    assert ask(wire.session(reply)) == expected


def test_an_application_that_asterisk_lacks_is_refused(wire: Wire) -> None:
    with pytest.raises(AgiRefused):
        wire.session(b"200 result=-2\n").exec_("NoSuchApp")


@pytest.mark.parametrize("evil", ['x\nEXEC System "rm"', "x\r", "x\0y"])
def test_a_value_with_a_line_break_is_never_sent(wire: Wire, evil: str) -> None:
    session = wire.session()
    for send in (
        lambda: session.set_variable("X", evil),
        lambda: session.get_variable(evil),
        lambda: session.exec_("NoOp", evil),
        lambda: session.stream_file(Path("/x"), evil),
        lambda: session.execute("NOOP", evil),
    ):
        with pytest.raises(AgiRefused):
            send()
    wire.ours.shutdown(socket.SHUT_WR)
    assert wire.heard() == b"", "no byte of it reached Asterisk"


def test_a_command_longer_than_asterisk_reads_is_never_sent(wire: Wire) -> None:
    with pytest.raises(AgiRefused):
        wire.session().set_variable("X", "y" * 3000)


@given(st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=200))
def test_whatever_is_quoted_asterisk_reads_as_one_word(value: str) -> None:
    wire = Wire()
    try:
        wire.session(b"200 result=1\n").set_variable("X", value)
        assert split(wire.heard().decode().rstrip("\n")) == ["SET", "VARIABLE", "X", value]
    finally:
        wire.close()


def test_pyst2s_own_helpers_go_the_same_safe_way(wire: Wire) -> None:
    session = wire.session(b"200 result=0\n")
    assert session.say_digits("12") == ""
    with pytest.raises(AgiRefused):
        session.say_digits("1\nEXEC System")
