"""A page's own connection to Asterisk is no trunk: nobody who is signed in can make up a call from a worker."""

import asyncio

import aiohttp

from agent_console.phone.sip_process import to_asterisk
from hotline.settings import Settings
from telephony.softphone.sip import read
from tests.support.asterisk import AsteriskUnderTest
from tests.support.scene import LINE

FORGED = "\r\n".join(
    [
        f"INVITE sip:{LINE}@freeline.invalid SIP/2.0",
        "Via: SIP/2.0/WS forger.invalid;branch=z9hG4bK{who}",
        "From: <sip:{who}@freeline.invalid>;tag=1",
        f"To: <sip:{LINE}@freeline.invalid>",
        "Call-ID: forged-{who}",
        "CSeq: 1 INVITE",
        "Contact: <sip:forger@forger.invalid;transport=ws>",
        "Max-Forwards: 70",
        "Content-Length: 0",
        "",
        "",
    ]
)


async def first_answer(session: aiohttp.ClientSession, settings: Settings, who: str) -> int:
    url = f"ws://{settings.asterisk_http_host}:{settings.asterisk_http_port}/ws"
    async with session.ws_connect(url, protocols=("sip",)) as line, asyncio.timeout(10):
        await line.send_str(FORGED.format(who=who))
        answer = read((await line.receive_str()).encode())
        assert answer is not None
        return answer.status


async def test_an_invite_over_a_pages_connection_is_no_call_from_the_trunk(
    settings: Settings, asterisk: AsteriskUnderTest
) -> None:
    """Whatever it says of itself: as a stranger, as an agent without a phone, as the trunk."""
    async with to_asterisk(settings.asterisk_http_host) as page:
        for who in ("0812345678", "agent7", "trunk"):
            assert await first_answer(page, settings, who) == 401
    assert asterisk.channels == 0
    async with aiohttp.ClientSession() as trunk:
        assert await first_answer(trunk, settings, "0823456789") != 401, "the premise: loopback is the trunk"
