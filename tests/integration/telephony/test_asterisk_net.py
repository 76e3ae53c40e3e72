"""The net: whatever becomes of ivr, Asterisk alone answers, plays the menu and takes a message."""

import json
import socket
import stat
from pathlib import Path
from typing import Any

import pytest

from hotline.settings import Settings
from telephony.asterisk import render
from telephony.softphone.phone import SoftphoneCall
from tests.fakes.fake_ivr import FakeIvr, Line
from tests.integration.telephony.conftest import (
    CANNOT_RECORD_EN,
    INVITE_MY,
    INVITE_TH,
    OPENING,
    QUIET,
    TERMS,
    THANKS,
    TONE,
    WRONG_KEY,
)
from tests.support.asterisk import AsteriskUnderTest
from tests.support.tones import heard_tones, tone
from tests.support.wait import until

LINE = "1800123456"
NUMBER = "0812345678"
VOICE = tone(900, 1.0)


pytestmark = pytest.mark.one_asterisk


def note(settings: Settings) -> dict[str, Any]:
    """What the net wrote, its lines merged."""
    merged: dict[str, Any] = {}
    for line in "".join(path.read_text() for path in settings.spool.glob("*.call")).splitlines():
        merged |= json.loads(line) if line else {}
    return merged


def message(settings: Settings) -> Path:
    """The one recording in the spool."""
    (path,) = settings.spool.glob("*.sln")
    return path


def hear(call: SoftphoneCall, hz: int) -> None:
    """Wait until the phone has heard a pitch."""
    until(lambda: hz in heard_tones(call.heard), within_s=20)


def speak(call: SoftphoneCall) -> None:
    """Say something after the tone and press a key."""
    hear(call, TONE)
    call.say(VOICE)
    call.wait_said()
    call.press("#")


def test_with_ivr_down_a_caller_chooses_her_language_and_leaves_a_message(
    settings: Settings, asterisk: AsteriskUnderTest
) -> None:
    with asterisk.phone() as phone:
        call = phone.call(LINE, from_number=NUMBER)
        assert call.wait_answered()
        hear(call, INVITE_TH)
        call.press("2")
        speak(call)
        assert call.wait_ended()
    assert heard_tones(call.heard) == [OPENING, QUIET, INVITE_MY, INVITE_TH, TERMS["th"], TONE, THANKS["th"]]
    found = until(lambda: "ended" in note(settings) and note(settings))
    assert message(settings).stem == found["call"]
    assert found["line"] == LINE
    assert found["number"] == NUMBER
    assert found["language"] == "th"
    assert found["reason"] == "net"
    assert found["linkedid"]
    assert found["arrived"] <= found["ended"]
    assert heard_tones(message(settings).read_bytes()) == [900]


def test_what_the_net_leaves_is_for_its_owner_alone(settings: Settings, asterisk: AsteriskUnderTest) -> None:
    with asterisk.phone() as phone:
        call = phone.call(LINE)
        call.wait_answered()
        call.press("1")
        speak(call)
        assert call.wait_ended()
    assert {stat.S_IMODE(path.stat().st_mode) for path in settings.spool.iterdir()} == {0o600}
    assert stat.S_IMODE(settings.spool.stat().st_mode) == 0o700


def test_a_hang_up_in_the_middle_of_a_message_keeps_what_was_said(
    settings: Settings, asterisk: AsteriskUnderTest
) -> None:
    with asterisk.phone() as phone:
        call = phone.call(LINE)
        call.wait_answered()
        call.press("1")
        hear(call, TONE)
        call.say(VOICE)
        call.wait_said()
        call.hangup()
        until(lambda: "ended" in note(settings))
    assert 900 in heard_tones(message(settings).read_bytes())


def test_a_caller_who_presses_nothing_gets_the_language_for_that(
    settings: Settings, asterisk: AsteriskUnderTest
) -> None:
    with asterisk.phone() as phone:
        call = phone.call(LINE, from_number=None)
        call.wait_answered()
        speak(call)
        assert call.wait_ended()
    menu = [INVITE_MY, INVITE_TH]
    assert heard_tones(call.heard) == [OPENING, QUIET, *menu * settings.wrong_keys, TERMS["en"], TONE, THANKS["en"]]
    assert note(settings)["language"] == "en"
    assert note(settings)["number"] == ""


def test_a_wrong_key_is_told_and_the_next_may_be_right(settings: Settings, asterisk: AsteriskUnderTest) -> None:
    with asterisk.phone() as phone:
        call = phone.call(LINE)
        call.wait_answered()
        hear(call, INVITE_MY)
        call.press("7")
        until(lambda: heard_tones(call.heard).count(INVITE_MY) == 2)
        call.press("*")
        until(lambda: heard_tones(call.heard).count(WRONG_KEY) == 2)
        call.press("1")
        speak(call)
        assert call.wait_ended()
    assert note(settings)["language"] == "my"


def test_a_caller_who_cannot_speak_presses_0_and_her_silence_is_kept(
    settings: Settings, asterisk: AsteriskUnderTest
) -> None:
    with asterisk.phone() as phone:
        call = phone.call(LINE)
        call.wait_answered()
        hear(call, QUIET)
        call.press("0")
        hear(call, TONE)
        assert call.wait_ended(), "the longest time ends the message: Asterisk alone ends none because it is quiet"
    assert THANKS["en"] in heard_tones(call.heard)
    assert message(settings).exists()


def test_a_caller_behind_a_hung_ivr_reaches_the_net_when_it_is_killed(
    settings: Settings, asterisk: AsteriskUnderTest
) -> None:
    with socket.create_server(("127.0.0.1", settings.agi_port)) as hung, asterisk.phone() as phone:
        call = phone.call(LINE)
        assert call.wait_answered()
        connection, _ = hung.accept()
        assert heard_tones(call.heard) == []
        connection.close()
        hear(call, OPENING)


def test_a_caller_behind_a_hung_ivr_that_nobody_kills_reaches_the_net_in_the_end(
    settings: Settings, start_asterisk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(render, "MENU_LIMIT_S", 2)
    asterisk = start_asterisk(settings)
    monkeypatch.undo()
    with socket.create_server(("127.0.0.1", settings.agi_port)), asterisk.phone() as phone:
        call = phone.call(LINE)
        assert call.wait_answered()
        hear(call, OPENING)


def test_when_ivr_dies_after_the_choice_the_menu_is_not_asked_again(
    settings: Settings, asterisk: AsteriskUnderTest
) -> None:
    def choose(line: Line) -> None:
        line.put("FREELINE_QUEUE", "my")
        line.done()

    with FakeIvr(settings.agi_port, {"answer": Line.done, "choose_language": choose}), asterisk.phone() as phone:
        call = phone.call(LINE)
        call.wait_answered()
        speak(call)
        assert call.wait_ended()
    assert heard_tones(call.heard) == [TERMS["my"], TONE, THANKS["my"]]
    assert note(settings)["language"] == "my"


def route_to_message(line: Line) -> None:
    """All is well until the message."""
    line.put("FREELINE_QUEUE", "th")
    line.put("FREELINE_WAY", "message")
    line.done()


def test_when_ivr_dies_in_the_recording_the_message_is_kept_and_not_asked_for_again(
    settings: Settings, asterisk: AsteriskUnderTest
) -> None:
    def leave_voicemail(line: Line) -> None:
        sound = settings.spool / line.variable("FREELINE_CALL")
        line.put("FREELINE_RECORDING", "1")
        line.ask(f'EXEC Playback "{settings.sounds}/tone"')
        line.ask(f'EXEC Record "{sound}.sln,5,20,kqy"')

    scripts = dict.fromkeys(("answer", "choose_language", "route"), route_to_message)
    ivr = FakeIvr(settings.agi_port, scripts | {"leave_voicemail": leave_voicemail})
    with ivr, asterisk.phone() as phone:
        call = phone.call(LINE)
        call.wait_answered()
        hear(call, TONE)
        call.say(VOICE)
        call.wait_said()
        ivr.die()
        call.press("#")
        assert call.wait_ended()
    assert heard_tones(call.heard) == [TONE, THANKS["th"]]
    assert 900 in heard_tones(message(settings).read_bytes())


def test_when_ivr_dies_just_before_the_recording_the_net_records(
    settings: Settings, asterisk: AsteriskUnderTest
) -> None:
    def leave_voicemail(line: Line) -> None:
        line.put("FREELINE_RECORDING", "1")

    scripts = dict.fromkeys(("answer", "choose_language", "route"), route_to_message)
    with FakeIvr(settings.agi_port, scripts | {"leave_voicemail": leave_voicemail}), asterisk.phone() as phone:
        call = phone.call(LINE)
        call.wait_answered()
        speak(call)
        assert call.wait_ended()
    assert 900 in heard_tones(message(settings).read_bytes())


def test_when_nothing_can_be_recorded_the_caller_is_told(settings: Settings, asterisk: AsteriskUnderTest) -> None:
    settings.spool.rmdir()
    settings.spool.write_text("no folder: nothing can be written below")
    with asterisk.phone() as phone:
        call = phone.call(LINE)
        call.wait_answered()
        hear(call, QUIET)
        call.press("0")
        assert call.wait_ended()
    assert heard_tones(call.heard)[-1] == CANNOT_RECORD_EN


def test_without_a_single_sound_a_message_is_still_taken(settings: Settings, asterisk: AsteriskUnderTest) -> None:
    for sound in settings.sounds.rglob("*.sln"):
        sound.unlink()
    with asterisk.phone() as phone:
        call = phone.call(LINE)
        call.wait_answered()
        hear(call, 1000)
        call.say(VOICE)
        call.wait_said()
        call.press("#")
        assert call.wait_ended()
    assert 900 in heard_tones(message(settings).read_bytes())


def test_a_caller_id_full_of_tricks_writes_clean_json(settings: Settings, asterisk: AsteriskUnderTest) -> None:
    with asterisk.phone() as phone:
        call = phone.call(LINE, from_number="%22%7d%24%7BSHELL(id)%7D%5C%2B6681%22")
        assert call.wait_answered()
        hear(call, OPENING)
        call.hangup()
        found = until(lambda: "ended" in note(settings) and note(settings))
    assert found["number"] == "", "what is not all number is withheld: the digits among it are somebody else's"
