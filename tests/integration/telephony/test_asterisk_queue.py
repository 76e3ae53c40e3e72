"""The queue as the dialplan runs it: an agent is rung, broken conversations are mended, and nobody is left in silence."""

import hashlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hotline.settings import Settings
from telephony import names
from telephony.asterisk import render
from telephony.clients.ami import Ami
from telephony.clients.ari import Ari
from telephony.softphone.phone import Phone
from tests.fakes.fake_ivr import FakeIvr, Line, Script
from tests.integration.telephony.conftest import HOLD, TERMS, THANKS, TONE
from tests.support.asterisk import AsteriskUnderTest
from tests.support.tones import heard_tones, tone, write_tone
from tests.support.wait import until

LINE = "1800123456"
NUMBER = "0812345678"
SECRET = "a phone's secret"
COMFORT, OFFER, SCRIPT = 1300, 1700, 2200


pytestmark = pytest.mark.one_asterisk(ring_s=5, backup_after_s=2, comfort_every_s=2)


@pytest.fixture
def agent_phone_of(settings: Settings) -> Iterator[Callable[[AsteriskUnderTest, int], Phone]]:
    """Gives an agent a registered phone, pushed into Asterisk as the switchboard does."""
    phones: list[Phone] = []

    def give(asterisk: AsteriskUnderTest, agent_id: int) -> Phone:
        name = names.agent_endpoint(agent_id)
        address = (settings.asterisk_http_host, settings.asterisk_http_port)
        digest = hashlib.md5(f"{name}:{names.REALM}:{SECRET}".encode()).hexdigest()
        Ari(address, names.ARI_USER, asterisk.running.secrets.ari).put_phone(agent_id, digest)
        phones.append(Phone((settings.sip_host, settings.sip_port), name, SECRET))
        assert phones[-1].register() == 200
        return phones[-1]

    yield give
    for phone in phones:
        phone.close()


def join(asterisk: AsteriskUnderTest, agent_id: int, penalty: int = 0) -> None:
    """Put an agent into the Burmese queue."""
    said = asterisk.command(f"queue add member {names.agent_interface(agent_id)} to my penalty {penalty}")
    assert "Added" in said, said


def ivr(settings: Settings, after_queue: Script | None = None, leave_voicemail: Script | None = None) -> FakeIvr:
    """An ivr that sends every caller to the Burmese queue; without `after_queue` it dies there."""

    def route(line: Line) -> None:
        line.put("FREELINE_QUEUE", "my")
        line.put("FREELINE_WAY", "queue")
        line.done()

    scripts: dict[str, Script] = dict.fromkeys(("answer", "choose_language", "route"), route)
    if after_queue:
        scripts["after_queue"] = after_queue
    if leave_voicemail:
        scripts["leave_voicemail"] = leave_voicemail
    return FakeIvr(settings.agi_port, scripts)


def test_an_agent_is_rung_with_the_calls_id_and_without_the_callers_number(
    settings: Settings, asterisk: AsteriskUnderTest, agent_phone_of: Callable[[AsteriskUnderTest, int], Phone]
) -> None:
    alice = agent_phone_of(asterisk, 1)
    join(asterisk, 1)
    with ivr(settings), asterisk.phone() as phone:
        call = phone.call(LINE, from_number=NUMBER)
        rung = alice.wait_ring()
        assert rung is not None
        assert rung.invite is not None
        assert NUMBER not in rung.invite.to_bytes().decode()
        assert len(rung.invite.get(names.CALL_HEADER)) == 36
        rung.answer()
        call.say(tone(900, 2.0))
        until(lambda: 900 in heard_tones(rung.heard))
        rung.say(tone(1900, 2.0))
        until(lambda: 1900 in heard_tones(call.heard))
        rung.hangup()
        assert call.wait_ended(), "she hung up: the conversation is over"
    assert NUMBER not in asterisk.command("core show channels verbose")


def test_a_caller_whose_agent_broke_off_is_brought_back_to_her(
    settings: Settings, asterisk: AsteriskUnderTest, agent_phone_of: Callable[[AsteriskUnderTest, int], Phone]
) -> None:
    alice = agent_phone_of(asterisk, 1)
    join(asterisk, 1)
    with ivr(settings), asterisk.phone() as phone:
        call = phone.call(LINE)
        rung = alice.wait_ring()
        assert rung is not None
        rung.answer()
        assert call.wait_answered()
        break_off(settings, asterisk, 1)
        again = alice.wait_ring()
        assert again is not None, "the same agent is rung again"
        until(lambda: HOLD in heard_tones(call.heard))
        again.answer()
        again.say(tone(1900, 2.0))
        until(lambda: 1900 in heard_tones(call.heard))
        again.hangup()
        assert call.wait_ended()


def break_off(settings: Settings, asterisk: AsteriskUnderTest, agent_id: int) -> None:
    """End an agent's leg from the middle, with the cause of a broken network."""
    mark = f"{names.agent_interface(agent_id)}-"
    rows = until(
        lambda: [r for r in asterisk.command("core show channels concise").splitlines() if mark in r and "!Up!" in r]
    )
    ami = Ami((settings.ami_host, settings.ami_port), names.AMI_ACTOR, asterisk.running.secrets.ami_actor)
    ami.connect()
    ami.send_action({"Action": "Hangup", "Channel": rows[0].split("!")[0], "Cause": "27"})
    ami.close()


def test_a_caller_whose_agent_does_not_come_back_is_served_by_another(
    settings: Settings,
    start_asterisk: Callable[[Settings], AsteriskUnderTest],
    agent_phone_of: Callable[[AsteriskUnderTest, int], Phone],
) -> None:
    asterisk = start_asterisk(settings.model_copy(update={"come_back_s": 2}))
    alice = agent_phone_of(asterisk, 1)
    join(asterisk, 1)
    with ivr(settings), asterisk.phone() as phone:
        call = phone.call(LINE)
        rung = alice.wait_ring()
        assert rung is not None
        rung.answer()
        assert call.wait_answered()
        break_off(settings, asterisk, 1)
        alice.register(0)
        bob = agent_phone_of(asterisk, 2)
        join(asterisk, 2)
        rung = bob.wait_ring()
        assert rung is not None
        rung.answer()
        rung.say(tone(1900, 2.0))
        until(lambda: 1900 in heard_tones(call.heard))


def test_a_backup_speaker_is_rung_when_a_caller_has_waited(
    settings: Settings, asterisk: AsteriskUnderTest, agent_phone_of: Callable[[AsteriskUnderTest, int], Phone]
) -> None:
    alice, backup = agent_phone_of(asterisk, 1), agent_phone_of(asterisk, 2)
    join(asterisk, 1)
    join(asterisk, 2, penalty=10)
    with ivr(settings), asterisk.phone() as first, asterisk.phone() as second:
        first.call(LINE)
        rung = alice.wait_ring()
        assert rung is not None
        rung.answer()
        called_at = time.monotonic()
        second.call(LINE)
        assert backup.wait_ring() is not None
        assert time.monotonic() - called_at > 0.8, "not at once: Alice may soon be free"


@pytest.mark.parametrize(("key", "choice"), [("1", names.CHOICE_CALLBACK), ("2", names.CHOICE_MESSAGE)])
def test_a_waiting_caller_is_comforted_and_then_offered_a_way_out_and_a_key_takes_it(
    settings: Settings,
    asterisk: AsteriskUnderTest,
    agent_phone_of: Callable[[AsteriskUnderTest, int], Phone],
    sounds: Path,
    key: str,
    choice: str,
) -> None:
    write_tone(sounds / "my" / "comfort.sln", COMFORT)
    write_tone(sounds / "my" / "offer.sln", OFFER)
    chosen: list[str] = []

    def after_queue(line: Line) -> None:
        chosen.append(line.variable("FREELINE_CHOICE"))
        line.put("FREELINE_WAY", "end")
        line.done()

    alice = agent_phone_of(asterisk, 1)
    join(asterisk, 1)
    with ivr(settings, after_queue), asterisk.phone() as before, asterisk.phone() as phone:
        before.call(LINE)
        rung = alice.wait_ring()
        assert rung is not None
        rung.answer()
        call = phone.call(LINE)
        until(lambda: OFFER in heard_tones(call.heard))
        call.press(key)
        assert call.wait_ended(), "the script said the end"
    assert [hz for hz in heard_tones(call.heard) if hz != HOLD] == [COMFORT, OFFER]
    assert chosen == [choice]


def test_when_nobody_can_be_rung_any_more_the_caller_leaves_the_queue(
    settings: Settings, asterisk: AsteriskUnderTest, agent_phone_of: Callable[[AsteriskUnderTest, int], Phone]
) -> None:
    agent_phone_of(asterisk, 1)
    join(asterisk, 1)
    left: list[str] = []

    def after_queue(line: Line) -> None:
        left.append(line.variable("QUEUESTATUS"))
        line.put("FREELINE_WAY", "message")
        line.done()

    with ivr(settings, after_queue), asterisk.phone() as phone:
        call = phone.call(LINE)
        until(lambda: HOLD in heard_tones(call.heard))
        asterisk.command("queue pause member PJSIP/agent1")
        until(lambda: TONE in heard_tones(call.heard))
    assert left == ["LEAVEEMPTY"]


def test_when_ivr_dies_after_the_queue_a_message_is_taken_in_the_callers_language(
    settings: Settings, asterisk: AsteriskUnderTest
) -> None:
    with ivr(settings), asterisk.phone() as phone:
        call = phone.call(LINE)
        until(lambda: TONE in heard_tones(call.heard))
        until(
            lambda: any(settings.spool.glob("*.sln"))
        )  # a key during the tone is not heard, and quiet ends no message
        call.press("#")
        assert call.wait_ended()
    assert [hz for hz in heard_tones(call.heard) if hz != HOLD] == [TERMS["my"], TONE, THANKS["my"]]


def test_a_caller_is_not_sent_round_for_ever(
    settings: Settings, start_asterisk: Callable[[Settings], AsteriskUnderTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(render, "ROUNDS", 2)
    asterisk = start_asterisk(settings)

    def back(line: Line) -> None:
        line.put("FREELINE_WAY", "queue")
        line.done()

    def leave_voicemail(line: Line) -> None:
        line.ask(f'EXEC Playback "{settings.sounds}/script"')
        line.done()

    write_tone(settings.sounds / "script.sln", SCRIPT)
    with ivr(settings, back, leave_voicemail) as server, asterisk.phone() as phone:
        call = phone.call(LINE)
        assert call.wait_ended()
        assert server.asked.count("after_queue") == 2
    assert SCRIPT in heard_tones(call.heard)


def test_an_agents_phone_reaches_nothing_but_the_echo(
    settings: Settings, asterisk: AsteriskUnderTest, agent_phone_of: Callable[[AsteriskUnderTest, int], Phone]
) -> None:
    alice = agent_phone_of(asterisk, 1)
    for number in (LINE, "0812345678", "call", "s"):
        refused = alice.call(number)
        assert refused.wait_ended()
        assert refused.status == 404, number
    call = alice.call(names.ECHO_TEST)
    assert call.wait_answered()
    call.say(tone(900, 2.0))
    until(lambda: 900 in heard_tones(call.heard))
