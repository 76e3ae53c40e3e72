"""Offers that no sound can come of are counted, and the ways in which a key is heard: one real Asterisk for all of them."""

import shutil
from collections.abc import Iterator

import numpy as np
import pytest

from telephony import names
from telephony.asterisk.render import folders
from telephony.clients.ami import Ami
from telephony.softphone import sip
from telephony.softphone.g711 import RATE_HZ
from tests.integration.telephony.conftest import INVITE_TH, TERMS
from tests.support.asterisk import AsteriskUnderTest, settings_of_a_module
from tests.support.invites import G729, invite
from tests.support.tones import heard_tones, write_tone
from tests.support.wait import until

HEAD = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
NOTHING_FOR_US = {
    "a codec that we have not": G729,
    "keys alone": HEAD + "m=audio 40000 RTP/AVP 101\r\na=rtpmap:101 telephone-event/8000\r\n",
    "pictures alone": HEAD + "m=video 40000 RTP/AVP 99\r\na=rtpmap:99 H264/90000\r\n",
    "no media": HEAD,
    "encryption": HEAD + "m=audio 40000 UDP/TLS/RTP/SAVPF 0\r\na=rtpmap:0 PCMU/8000\r\n",
}


@pytest.fixture(scope="module")
def asterisk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AsteriskUnderTest]:
    """Thai on 2, with a tone for its invitation and one for what comes after; ivr is away."""
    settings = settings_of_a_module(tmp_path_factory.mktemp("keys"), menu_wait_s=3, message_silence_s=2)
    write_tone(settings.sounds / "th/invite.sln", INVITE_TH)
    write_tone(settings.sounds / "th/message_terms.sln", TERMS["th"])
    menu = {"FREELINE_KEY_2": "th", "FREELINE_MENU": str(settings.sounds / "th/invite"), "FREELINE_NO_KEY": "en"}
    with AsteriskUnderTest(settings, menu) as one:
        yield one
    shutil.rmtree(folders(settings)["run"], ignore_errors=True)


def test_an_offer_that_no_sound_can_come_of_is_counted_and_told_to_the_switchboard(asterisk: AsteriskUnderTest) -> None:
    """Asterisk refuses it before there is a call: no event and no record of its own tells of it."""
    settings, running = asterisk.settings, asterisk.running
    server = settings.sip_host, settings.sip_port
    before = running.refused
    for what, body in NOTHING_FOR_US.items():
        assert invite(server, "sip:1800123456@SERVER", sdp=body) == 488, what
    assert invite(server, "sip:99@SERVER") == 404
    assert invite(server, "sip:1800123456@SERVER") == 200
    assert invite(server, "sip:1800123456@SERVER", sdp=G729, host="127.0.0.9") == 401
    assert invite(server, "sip:1800123456@SERVER", sdp=G729) == 488
    wanted = before + len(NOTHING_FOR_US) + 1
    until(lambda: running.refused >= wanted)
    assert running.refused == wanted
    assert running.tell(names.REFUSED, str(running.refused))
    reader = Ami((settings.ami_host, settings.ami_port), names.AMI_READER, running.secrets.ami_reader)
    reader.connect()
    assert reader.send_action({"Action": "Getvar", "Variable": names.REFUSED}).get("Value") == str(wanted)
    reader.close()
    assert "DEBUG" not in asterisk.log


def tones_of_two() -> bytes:
    """The two pitches of the key 2, for 200 ms."""
    times = np.arange(RATE_HZ // 5) / RATE_HZ
    wave = np.sin(2 * np.pi * 697 * times) + np.sin(2 * np.pi * 1336 * times)
    return bytes((wave * 6000).astype("<i2").tobytes())


@pytest.mark.parametrize("as_tones", [True, False])
def test_a_key_is_heard_from_a_carrier_that_offers_no_telephone_event(
    asterisk: AsteriskUnderTest, monkeypatch: pytest.MonkeyPatch, as_tones: bool
) -> None:
    """As tones in the sound, or as an event all the same. The invitation is spoken first: some five seconds."""
    offer = sip.sdp

    def without(host: str, port: int) -> str:
        lines = offer(host, port).splitlines()
        return "".join(f"{line.replace(' 0 101', ' 0')}\r\n" for line in lines if ":101 " not in line)

    monkeypatch.setattr(sip, "sdp", without)
    with asterisk.phone() as phone, phone.call("1800123456") as call:
        assert call.wait_answered()
        assert call.invite is not None
        assert "telephone-event" not in call.invite.body
        until(lambda: INVITE_TH in heard_tones(call.heard), within_s=20)
        if as_tones:
            call.say(tones_of_two())
        else:
            call.press("2")
        until(lambda: TERMS["th"] in heard_tones(call.heard), within_s=20)
