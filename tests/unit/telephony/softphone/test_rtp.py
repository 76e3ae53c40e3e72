"""The order in which a phone sends what it was told to send, on a real socket."""

import socket

from telephony.softphone.rtp import EVENT, Audio
from tests.support.tones import tone
from tests.support.wait import PATIENCE_S


def test_a_key_is_sent_before_what_was_said_after_it_and_after_what_was_said_before() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        other.settimeout(PATIENCE_S)
        audio = Audio("127.0.0.1")
        try:
            audio.say(tone(500, 0.1))
            audio.press("1")
            audio.say(tone(500, 30))
            audio.start(other.getsockname())
            sent = [packet[1] & 0x7F == EVENT for packet in (other.recv(2048) for _ in range(25))]
        finally:
            audio.stop()
    assert sent == [False] * 5 + [True] * 8 + [False] * 12
