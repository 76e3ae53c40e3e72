"""What Asterisk says about itself, and what is kept of it."""

import json
import os
import threading
from pathlib import Path

import pytest

from telephony.asterisk.log_filter import PRINTED_MAX_BYTES, Messages, Printed, follow
from tests.support.sip_torture import NAME, NUMBER, kept_in


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "messages.log"


def said(text: str, source: str = "pjproject", line: int = 0, level: str = "ERROR") -> bytes:
    """A line as Asterisk's logger writes it."""
    location = {"filename": source, "function": "f", "line": line}
    logged = {"location": location, "level": level, "message": text}
    return json.dumps({"hostname": "x", "timestamp": "t", "identifiers": {}, "logmsg": logged}).encode() + b"\n"


PACKET = f'Error processing packet: INVITE sip:x\r\nFrom: "{NAME}" <sip:{NUMBER}@h>\r\n'
FORGED = f'x"}}}}\n{said(f"{NAME} {NUMBER}", "loader.c").decode()}'


@pytest.mark.parametrize("text", [PACKET, FORGED, f"\n[2026-11-30] ERROR[1] loader.c: {NAME} {NUMBER}"])
def test_a_text_that_may_quote_a_packet_is_not_kept(path: Path, text: str) -> None:
    Messages(path).take(said(text))
    assert "ERROR pjproject" in path.read_text()
    assert path.read_text().count("\n") == 1
    assert kept_in(path.parent) == []


def test_the_words_about_our_own_configuration_are_kept(path: Path) -> None:
    Messages(path).take(said("Failed to resolve dependencies for chan_pjsip", "loader.c", 7, "WARNING"))
    assert path.read_text().strip().endswith("WARNING loader.c:7 f Failed to resolve dependencies for chan_pjsip")


def test_nor_do_these_hold_a_long_number_or_anything_but_plain_letters(path: Path) -> None:
    Messages(path).take(said(f"{NUMBER} \r\n\x1b[31m สมชาย {'x' * 999}", "loader.c"))
    assert NUMBER not in path.read_text()
    assert path.read_bytes().isascii()
    assert len(path.read_text()) < 500


def test_what_is_said_again_is_counted(path: Path) -> None:
    messages = Messages(path, sum_every_s=3600)
    for _ in range(1000):
        messages.take(said(PACKET))
    messages.take(said(PACKET, line=1))
    assert path.read_text().count("\n") == 2
    messages.sum_up(all_of_it=True)
    assert "(again 999 times)" in path.read_text()
    assert path.read_text().count("\n") == 3


def test_the_file_has_a_bounded_size_however_many_places_speak(path: Path) -> None:
    messages = Messages(path, max_bytes=2000, sum_every_s=0)
    for line in range(1000):
        messages.take(said(PACKET, line=line))
    assert path.stat().st_size <= 2000
    assert path.with_name("messages.log.old").stat().st_size <= 2000
    assert sorted(file.name for file in path.parent.iterdir()) == ["messages.log", "messages.log.old"]


@pytest.mark.parametrize(
    "line", [b"", b"\n", b"{}", b"[]", b"1", b'{"logmsg": 1}', b"\xff\xfe", b"[" * 50_000, b"Killed\n"]
)
def test_a_line_that_is_no_message_is_left_to_others(path: Path, line: bytes) -> None:
    assert not Messages(path).take(line)
    assert not path.exists()


def test_what_cannot_be_written_holds_nobody_up(tmp_path: Path) -> None:
    messages = Messages(tmp_path / "is not there" / "messages.log")
    assert messages.take(said(PACKET))
    reading, writing = os.pipe()
    thread = follow(os.fdopen(reading, "rb"), messages.take)
    with os.fdopen(writing, "wb") as pipe:
        for line in range(2000):
            pipe.write(said(PACKET, line=line))
    thread.join(20)
    assert not thread.is_alive()


def test_a_pipe_is_read_to_its_end_whatever_becomes_of_a_line() -> None:
    reading, writing = os.pipe()
    over = threading.Event()

    def take(line: bytes) -> None:
        if line == b"last\n":
            over.set()
        raise RuntimeError

    follow(os.fdopen(reading, "rb"), take)
    with os.fdopen(writing, "wb") as pipe:
        pipe.write(b"x" * 1_000_000 + b"\nlast\n")
    assert over.wait(10)


def test_what_is_printed_is_kept_only_while_it_starts(path: Path) -> None:
    printed = Printed(path)
    printed.take(b"cannot bind\n")
    for _ in range(PRINTED_MAX_BYTES // 100 + 10):
        printed.take(b"x" * 100)
    assert path.stat().st_size == PRINTED_MAX_BYTES
    printed = Printed(path)
    printed.take(b"cannot bind\n")
    printed.close()
    printed.take(f"{NAME} {NUMBER}\n".encode())
    assert path.read_bytes() == b"cannot bind\n"
