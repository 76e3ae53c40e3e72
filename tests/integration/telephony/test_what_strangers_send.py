"""One Asterisk for all of them: what anybody may send stays data, and what carriers send in a call is answered.

The slowest sends some 270 broken messages twice, from the trunk's address and from a stranger's: about ten seconds.
"""

import json
import shutil
import socket
from collections.abc import Iterator

import pytest

from hotline.settings import Settings
from telephony import names
from telephony.asterisk.render import folders
from telephony.clients.ami import Ami
from telephony.softphone import sip
from telephony.softphone.phone import Phone, SoftphoneCall
from tests.fakes.fake_ivr import FakeIvr, Line
from tests.integration.telephony.conftest import INVITE_TH, TERMS
from tests.support import sip_torture as torture
from tests.support.asterisk import AsteriskUnderTest
from tests.support.ports import free_port, rtp_range
from tests.support.tones import heard_tones, write_tone
from tests.support.wait import until

LINE = torture.LINE
TRUNK, STRANGER = "127.0.0.1", "127.0.0.3"


@pytest.fixture(scope="module")
def asterisk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AsteriskUnderTest]:
    """Thai on 2, a tone for each prompt that these tests listen to; ivr is away unless a test brings it."""
    settings = Settings(
        data=tmp_path_factory.mktemp("strangers") / "data",
        sip_host="127.0.0.1",
        sip_port=free_port(),
        rtp_ports=rtp_range(),
        asterisk_http_port=free_port(),
        ami_port=free_port(),
        agi_port=free_port(),
        trunk_match=TRUNK,
        menu_wait_s=3,
        message_silence_s=2,
    )
    write_tone(settings.sounds / "th/invite.sln", INVITE_TH)
    write_tone(settings.sounds / "th/message_terms.sln", TERMS["th"])
    menu = {"FREELINE_KEY_2": "th", "FREELINE_MENU": str(settings.sounds / "th/invite"), "FREELINE_NO_KEY": "en"}
    with AsteriskUnderTest(settings, menu) as one:
        yield one
    shutil.rmtree(folders(settings)["run"], ignore_errors=True)


@pytest.fixture
def phone(asterisk: AsteriskUnderTest) -> Iterator[Phone]:
    """A caller's, at the trunk's address."""
    with asterisk.phone() as one:
        yield one
    asterisk.command("channel request hangup all")
    until(lambda: asterisk.channels == 0)


class Speaker(Phone):
    """A phone that says of itself what a test wants."""

    def says(self, who: str, *headers: tuple[str, str]) -> None:
        """From now on: the From header, and further ones."""
        self._who, self._headers = who, headers

    def request(self, method: str, target: str, call: SoftphoneCall, branch: str = "") -> sip.SipMessage:
        """As said."""
        found = super().request(method, target, call, branch)
        tag = call.ours.partition("tag=")[2]
        found.headers = [(k, f"{self._who};tag={tag}" if k == "From" else v) for k, v in found.headers]
        found.headers += self._headers
        return found


PLAIN = "<sip:0812345678@127.0.0.1>"
NUMBERS = [
    (PLAIN, (), "0812345678"),
    ('"Na, me (x)" <sip:+66812345678;npdi;rn=12@127.0.0.1;user=phone>', (), "+66812345678"),
    ("<tel:+66812345678;phone-context=x>", (), "+66812345678"),
    ("sip:0812345678@h;x=y", (), "0812345678"),
    ("<sip:0812345678:pass@h>", (), "0812345678"),
    ("<sip:%2B66812345678@h>", (), "+66812345678"),
    ("<tel:+66-81-234.5678>", (), "+66812345678"),
    (PLAIN, (("Privacy", "none"),), "0812345678"),
    (PLAIN, (("Remote-Party-ID", "<sip:0855555555@h>;privacy=off"),), "0812345678"),
    (PLAIN, (("P-Asserted-Identity", "<sip:0855555555@h>"),), "0812345678"),
    (PLAIN, (("Privacy", "id"),), ""),
    (PLAIN, (("Privacy", "header"), ("Privacy", "critical;id")), ""),
    (PLAIN, (("Remote-Party-ID", '"x" <sip:08@h>;party=calling;privacy=full'),), ""),
    ('"Anonymous" <sip:0812345678@127.0.0.1>', (), ""),
    ('"Anonymous" <sip:anonymous@anonymous.invalid>', (), ""),
    ("<sip:127.0.0.1>", (), ""),
    ("<sip:ab12cd34@h>", (), ""),
    (f"<sip:{torture.FORGED}@h>", (), ""),
    ("<sip:a%0D%0Ab%22%2C%29%7D$%7BEPOCH%7D12@h>", (), ""),
    (f"<sip:{'1' * 40}@h>", (), ""),
    ('"<sip:0999999999@x>" <sip:0812345678@h>', (), ""),
    ('"a\\"<sip:0999999999@x>" <sip:0812345678@h>', (), ""),
]


@pytest.mark.parametrize(("who", "headers", "number"), NUMBERS, ids=range(len(NUMBERS)))
def test_of_who_calls_only_a_number_is_taken(
    asterisk: AsteriskUnderTest, who: str, headers: tuple[tuple[str, str], ...], number: str
) -> None:
    spool = asterisk.settings.spool
    until(lambda: asterisk.channels == 0)  # a call before this one writes its note again when it ends
    for note in spool.glob("*.call"):
        note.unlink()
    with Speaker((asterisk.settings.sip_host, asterisk.settings.sip_port)) as speaker:
        speaker.says(who, *headers)
        call = speaker.call(LINE)
        assert call.wait_answered()
        note = until(lambda: next((n for n in spool.glob("*.call") if n.read_text().count("\n")), None))
        assert json.loads(note.read_text().splitlines()[0])["number"] == number


def ask(phone: Phone, call: SoftphoneCall, method: str, *headers: tuple[str, str], body: str = "") -> int:
    """Send a request in a call; the status of the answer that must come before it would be sent a second time, or 0."""
    call.cseq += 1
    request = phone.request(method, call.target, call)
    request.headers += headers
    request.body = body
    reply = phone._ask(request, call.call_id, within_s=4.0)
    return reply.status if reply else 0


def test_what_a_carrier_sends_in_a_call_is_answered(asterisk: AsteriskUnderTest, phone: Phone) -> None:
    contact = ("Contact", f"<sip:phone@{phone.host}:{phone.port}>")
    with phone.call(LINE) as call:
        assert call.wait_answered()
        assert ask(phone, call, "OPTIONS") == 200
        assert ask(phone, call, "UPDATE", contact) == 200
        assert ask(phone, call, "UPDATE", contact, ("Supported", "timer"), ("Session-Expires", "1800")) == 200
        assert ask(phone, call, "INFO") == 200
        assert ask(phone, call, "INFO", ("Content-Type", "application/dtmf"), body="9") == 200
        assert ask(phone, call, "MESSAGE", ("Content-Type", "text/plain"), body="hello") == 202
        assert ask(phone, call, "MESSAGE") == 415
        assert not call.ended.is_set()


def test_a_text_outside_a_call_reaches_nothing(asterisk: AsteriskUnderTest, phone: Phone) -> None:
    host, port = phone.server
    call = SoftphoneCall(
        phone, "outside", "<sip:0812345678@h>;tag=a", f"<sip:{LINE}@{host}>", f"sip:{LINE}@{host}:{port}"
    )
    assert ask(phone, call, "MESSAGE", ("Content-Type", "text/plain"), body="hello") == 404
    assert asterisk.channels == 0


@pytest.mark.parametrize(
    ("kind", "body"), [("application/dtmf-relay", "Signal=2\r\nDuration=160\r\n"), ("application/dtmf", "2")]
)
def test_a_key_that_comes_as_info_chooses_a_language(phone: Phone, kind: str, body: str) -> None:
    with phone.call(LINE) as call:
        assert call.wait_answered()
        until(lambda: INVITE_TH in heard_tones(call.heard), within_s=20)
        assert ask(phone, call, "INFO", ("Content-Type", kind), body=body) == 200
        until(lambda: TERMS["th"] in heard_tones(call.heard), within_s=20)


def test_nothing_of_what_was_sent_is_told_or_kept_anywhere(asterisk: AsteriskUnderTest) -> None:
    settings, told = asterisk.settings, []

    def listens(line: Line) -> None:
        told.append(str(line.env))
        told.append(line.variable("CALLERID(all)"))

    server = (settings.sip_host, settings.sip_port)
    with (
        FakeIvr(settings.agi_port, {"answer": listens}),
        socket.create_connection((settings.ami_host, settings.ami_port)) as events,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trunk,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger,
    ):
        secret = asterisk.running.secrets.ami_reader
        events.sendall(f"Action: Login\r\nUsername: {names.AMI_READER}\r\nSecret: {secret}\r\n\r\n".encode())
        trunk.bind((TRUNK, 0))
        stranger.bind((STRANGER, 0))
        sent = 0
        for packet in torture.corpus():
            trunk.sendto(packet, server)
            stranger.sendto(packet, server)
            sent += 1
        assert sent > 200
        with asterisk.phone() as phone:
            call = phone.call(LINE)
            assert call.wait_answered(30), "Asterisk answers a real call after all of it"
            shown = asterisk.command("core show channels verbose") + asterisk.command("core show channels concise")
        asterisk.command("channel request hangup all")
        until(lambda: asterisk.channels == 0)
        events.sendall(b"Action: Logoff\r\n\r\n")
        heard = b""
        while part := events.recv(65536):
            heard += part
    assert b"Newchannel" in heard, "some of it did become calls"
    assert told, "ivr was asked"
    for place, text in (("AMI", heard.decode(errors="replace")), ("AGI", "\n".join(told)), ("console", shown)):
        assert torture.NAME.lower() not in text.lower(), place
        assert torture.NUMBER not in text, place
        assert "AgentRingNoAnswer" not in text, place
    until(lambda: "ERROR" in asterisk.log)
    assert torture.kept_in(settings.data) == []
    assert len(asterisk.log) < 20_000, "however much is sent"


def test_a_phone_that_answers_with_another_address_leads_nowhere(asterisk: AsteriskUnderTest) -> None:
    settings = asterisk.settings
    secrets = asterisk.running.secrets
    actor = Ami((settings.ami_host, settings.ami_port), names.AMI_ACTOR, secrets.ami_actor)
    actor.connect()
    with Phone((settings.sip_host, settings.sip_port), names.CALLER, secrets.caller) as one:
        assert one.register() == 200

        def elsewhere(call: SoftphoneCall) -> None:
            assert call.invite is not None
            reply = sip.answer_to(call.invite, 302, "Moved", call.ours.partition("tag=")[2])
            reply.headers.append(("Contact", f"<sip:{LINE}@{settings.sip_host}>"))
            one.send(reply)

        one.on_ring = elsewhere
        before = asterisk.command("core show channels count").splitlines()[-1]
        variable = f"FREELINE_RING=PJSIP/{names.CALLER}"
        actor.send_action(
            {
                "Action": "Originate",
                "Channel": f"Local/call@{names.CONTEXT_SUMMON}/n",
                "Application": "Wait",
                "Data": "1",
                "Variable": variable,
                "Async": "true",
            }
        )
        assert one.wait_ring(10) is not None
        until(
            lambda: asterisk.command("core show channels count").splitlines()[-1] != before and asterisk.channels == 0
        )
    actor.close()
    assert not [line for line in asterisk.cel.read_text().splitlines() if "Local/" in line and LINE in line]
