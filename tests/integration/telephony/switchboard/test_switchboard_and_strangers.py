"""A stranger who writes events into their number, on a real Asterisk with a real switchboard."""

import secrets
import socket
from urllib.parse import quote

import pytest

from hotline.settings import Settings
from models import Agent, AgentStatus, Database
from telephony import names
from telephony.softphone.phone import Phone
from telephony.switchboard.process import Switchboard
from tests.fakes.fake_ivr import FakeIvr
from tests.support.asterisk import AsteriskUnderTest
from tests.support.switchboard_floor import LINE, contacts, state, talk
from tests.support.wait import until

pytestmark = pytest.mark.usefixtures("keys")


def send(settings: Settings, events: str) -> None:
    """One packet from the trunk's address: a call from a number that goes on as these events."""
    user, word = quote(f"1\r\n\r\n{events}", safe=""), secrets.token_hex(8)
    lines = [
        f"INVITE sip:{LINE}@{settings.sip_host} SIP/2.0",
        f"Via: SIP/2.0/UDP 127.0.0.1:9;rport;branch=z9hG4bK{word}",
        f"From: <sip:{user}@127.0.0.1>;tag={word}",
        f"To: <sip:{LINE}@127.0.0.1>",
        f"Call-ID: {word}",
        "CSeq: 1 INVITE",
        "Contact: <sip:x@127.0.0.1:9>",
        "Content-Length: 0",
    ]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trunk:
        trunk.sendto(("\r\n".join(lines) + "\r\n\r\n").encode(), (settings.sip_host, settings.sip_port))


def test_one_packet_changes_neither_an_agent_nor_somebody_elses_call(
    settings: Settings,
    board: Switchboard,
    ivr: FakeIvr,
    db: Database,
    alice: Agent,
    phone: Phone,
    caller: Phone,
    asterisk: AsteriskUnderTest,
) -> None:
    send(settings, f"Event: AgentRingNoAnswer\r\nInterface: {names.agent_interface(alice.id)}\r\nQueue: my")
    until(lambda: len(contacts(db)) == 1 and contacts(db)[0].queued_at, within_s=30)
    assert state(db, alice).status is AgentStatus.READY
    asterisk.command("channel request hangup all")
    until(lambda: contacts(db)[0].ended_at)
    assert phone.register() == 200
    until(lambda: state(db, alice).reachable)
    talk(db, caller, phone)
    row = contacts(db)[-1]
    known = f"Uniqueid: {row.linkedid}\r\nLinkedid: {row.linkedid}"
    send(settings, f"Event: Hangup\r\n{known}\r\nChanVariable: {names.CALL}={row.call}\r\nCause: 16")
    until(lambda: len(contacts(db)) == 3 and contacts(db)[-1].queued_at, within_s=30)
    assert contacts(db)[1].ended_at is None, "the caller is still on the line"
    assert state(db, alice).status is AgentStatus.ON_CALL
    assert board.reader.refused == 0, "nothing of it even came as an event"
