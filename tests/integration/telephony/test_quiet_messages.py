"""What Asterisk really keeps of a message: a whisper is kept whole, and a phone that sends nothing ends it."""

import json
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from hotline.settings import Settings
from telephony import names
from telephony.softphone.g711 import pcm_to_ulaw, ulaw_to_pcm
from telephony.softphone.phone import SoftphoneCall
from tests.fakes.fake_ivr import FakeIvr, Line
from tests.integration.telephony.conftest import MENU, THANKS, TONE
from tests.support.asterisk import AsteriskUnderTest
from tests.support.ports import free_port, rtp_range
from tests.support.tones import RATE_HZ, heard_tones, write_tone
from tests.support.wait import until

LINE = "1800123456"
SILENCE_S = 4


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Four seconds of nothing end a message here."""
    it = Settings(
        data=tmp_path_factory.mktemp("quiet") / "data",
        sip_host="127.0.0.1",
        sip_port=free_port(),
        rtp_ports=rtp_range(),
        asterisk_http_port=free_port(),
        ami_port=free_port(),
        agi_port=free_port(),
        menu_wait_s=1,
        message_silence_s=SILENCE_S,
        message_max_s=60,
    )
    for prompt, hz in {"en/message_terms": 1200, "en/thanks": THANKS["en"], "tone": TONE}.items():
        write_tone(it.sounds / f"{prompt}.sln", hz, 0.3)
    return it


@pytest.fixture(scope="module")
def asterisk(settings: Settings) -> Iterator[AsteriskUnderTest]:
    """One for the module; its ivr is down, so that the net takes the message."""
    keys = {f"{names.KEY_PREFIX}{n}": MENU.get(str(n), "") for n in range(1, 10)}
    with AsteriskUnderTest(settings, {**keys, names.MENU: "", names.NO_KEY: "en"}) as one:
        yield one


@pytest.fixture(autouse=True)
def _empty_spool(settings: Settings) -> Iterator[None]:
    yield
    for file in settings.spool.glob("*"):
        file.unlink()


def murmur(dbfs: float, seconds: float) -> bytes:
    """Syllables as loud as this, three a second, of a low voice's pitches: 16-bit 8 kHz mono samples."""
    times = np.arange(int(RATE_HZ * seconds)) / RATE_HZ
    voice = sum(np.sin(2 * np.pi * hz * times) for hz in (180, 360, 540))
    syllables = np.clip(np.sin(2 * np.pi * 3 * times), 0, 1)
    sound = voice * syllables
    loud = 32768 * 10 ** (dbfs / 20) / np.sqrt(np.mean(sound**2))
    said: bytes = (sound * loud).round().astype("<i2").tobytes()
    return said


def at_the_tone(asterisk: AsteriskUnderTest, call: SoftphoneCall) -> None:
    """Wait until what is said is recorded."""
    assert call.wait_answered()
    until(lambda: TONE in heard_tones(call.heard), 20)
    until(lambda: any(asterisk.settings.spool.glob("*.sln")))


def kept(settings: Settings) -> NDArray[np.int16]:
    """The samples of the one message."""
    (path,) = settings.spool.glob("*.sln")
    return np.frombuffer(path.read_bytes(), dtype="<i2")


def note(settings: Settings) -> dict[str, str]:
    """What the net wrote, its lines merged."""
    merged: dict[str, str] = {}
    for line in "".join(path.read_text() for path in settings.spool.glob("*.call")).splitlines():
        merged |= json.loads(line) if line else {}
    return merged


@pytest.mark.parametrize("dbfs", [-50, -60])
def test_a_whisper_is_kept_whole_with_its_pauses(asterisk: AsteriskUnderTest, settings: Settings, dbfs: float) -> None:
    """Fifteen seconds, over many times the limit of silence: a pause that is nearly as long as that is in it, too."""
    said = murmur(dbfs, 6) + bytes(RATE_HZ * 2 * 3) + murmur(dbfs, 6)
    with asterisk.phone() as phone, phone.call(LINE) as call:
        at_the_tone(asterisk, call)
        call.say(said)
        assert call.wait_said()
        call.press("#")
        assert call.wait_ended(20)
        assert THANKS["en"] in heard_tones(call.heard)
    samples = kept(settings)
    # Record itself takes a quarter of a second off the end when a key is pressed.
    assert len(samples) / RATE_HZ > len(said) / 2 / RATE_HZ - 0.5
    # On the way it was rounded to what mu-law has.
    sent = np.frombuffer(ulaw_to_pcm(pcm_to_ulaw(said)), dtype="<i2")
    assert (samples[-RATE_HZ * 2 :] != 0).any(), "the last word is there"
    assert (samples != 0).sum() / (sent != 0).sum() > 0.95
    assert until(lambda: note(settings).get("message_end")) == "key"


def test_a_phone_that_sends_nothing_any_more_ends_the_message_and_not_the_limit(
    asterisk: AsteriskUnderTest, settings: Settings
) -> None:
    """Silence suppression, or a muted phone: Record alone would wait for packets until the limit."""
    with asterisk.phone() as phone, phone.call(LINE) as call:
        at_the_tone(asterisk, call)
        call.say(murmur(-30, 3))
        assert call.wait_said()
        call.audio.send_nothing = True
        assert call.wait_ended(30)
        assert THANKS["en"] in heard_tones(call.heard)
    assert until(lambda: note(settings).get("message_end")) == "silence"
    assert len(kept(settings)) / RATE_HZ > 2.5


def test_an_ivr_that_dies_while_a_message_is_recorded_lets_the_caller_finish(
    asterisk: AsteriskUnderTest, settings: Settings
) -> None:
    """The net goes on with the same file, and without another tone."""

    def dies(line: Line) -> None:
        line.put(names.QUEUE, "en")
        line.put(names.RECORDING, "1")
        path = settings.spool / f"{line.variable(names.CALL)}.sln"
        line.ask(f"EXEC Record {path},0,2,akqy")
        raise ConnectionError

    with FakeIvr(settings.agi_port, {"answer": dies}), asterisk.phone() as phone, phone.call(LINE) as call:
        assert call.wait_answered()
        until(lambda: any(settings.spool.glob("*.sln")))
        call.say(murmur(-30, 6))
        assert call.wait_said()
        call.press("#")
        assert call.wait_ended(20)
    assert TONE not in heard_tones(call.heard)
    assert len(kept(settings)) / RATE_HZ > 5.5
