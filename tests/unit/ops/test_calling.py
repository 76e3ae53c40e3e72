"""Hearing the tone, and telling it from speech."""

import subprocess
from pathlib import Path

import pytest

from ivr.prompts import TONE_HZ
from ops.place_call import has_tone, pcm_of, wait_for_voice
from telephony.softphone.phone import Phone
from tests.support.callers import hum


def test_the_tone_is_heard_and_others_are_not() -> None:
    assert has_tone(hum(0.12, TONE_HZ))
    assert not has_tone(hum(0.12, 300.0))
    assert not has_tone(b"\0" * 2000)
    assert not has_tone(b"")


@pytest.mark.parametrize(
    ("voice", "words"), [("en-us", "Hello, please help us, we cannot leave."), ("ko", "안녕하세요")]
)
def test_speech_is_not_taken_for_the_tone(tmp_path: Path, voice: str, words: str) -> None:
    file = tmp_path / "s.wav"
    subprocess.run(["espeak-ng", "-v", voice, "-w", str(file), words], check=True)
    pcm = pcm_of(file)
    step = 1920
    hits = [has_tone(pcm[n : n + step]) and has_tone(pcm[n + step : n + 2 * step]) for n in range(0, len(pcm), step)]
    assert not any(hits)


def test_a_voice_is_waited_for_and_silence_is_none() -> None:
    with Phone(("127.0.0.1", 9), user="line") as line, Phone(("127.0.0.1", line.port)) as caller:
        call = caller.call("1800123456")
        ring = line.wait_ring()
        assert ring is not None
        line.server = (caller.host, caller.port)
        ring.answer()
        assert call.wait_answered()
        assert not wait_for_voice(call, 1.0)
        ring.say(hum(2.0))
        assert wait_for_voice(call, 5.0)
