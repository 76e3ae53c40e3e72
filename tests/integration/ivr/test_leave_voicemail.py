"""Leaving a message: told before the tone, recorded by Asterisk, and never lost without a word."""

import importlib
from collections.abc import Callable

import pytest
from sqlmodel import select

from hotline.settings import Settings
from models import CallbackSafety, Contact, Database, MessageEnd
from telephony import names
from tests.fakes.asterisk_agi import FakeCall

# The package gives the function by this name, not its file.
voicemail_module = importlib.import_module("ivr.scripts.leave_voicemail")
Callers = Callable[..., FakeCall]


def row(db: Database, call: FakeCall) -> Contact | None:
    with db.write() as session:
        return session.exec(select(Contact).where(Contact.call == call.call)).first()


def test_a_message_is_announced_recorded_and_asked_about(caller: Callers, ivr_db: Database, settings: Settings) -> None:
    call = caller(variables={names.QUEUE: "my"}, keys={"wait": ["1"]})
    assert call.run(names.LEAVE_VOICEMAIL)
    assert call.played == ["my/message_terms", "tone", "my/safe_to_call", "my/thanks", "my/goodbye"]
    wanted = ["Record", str(settings.spool / f"{call.call}.sln"), "0", "10", "akqy"]
    assert call.applications == [wanted]
    assert call.variables[names.RECORDING] == names.RECORDED
    kept = row(ivr_db, call)
    assert kept is not None
    assert kept.message_at is not None
    assert kept.message_end is MessageEnd.KEY
    assert kept.callback_said is CallbackSafety.SAFE


def test_recording_is_marked_after_the_tone_and_before_the_record(caller: Callers) -> None:
    call = caller(variables={names.QUEUE: "my"})
    assert call.run(names.LEAVE_VOICEMAIL)
    at = call.commands.index(["SET", "VARIABLE", names.RECORDING, "1"])
    assert call.commands[at - 1][:2] == ["STREAM", "FILE"]
    assert call.commands[at + 1][:2] == ["EXEC", "TryExec"]


def test_what_becomes_of_a_message_cannot_be_skipped(caller: Callers) -> None:
    call = caller(variables={names.QUEUE: "my"}, keys={"my/message_terms": ["5"], "tone": ["5"]})
    assert call.run(names.LEAVE_VOICEMAIL)
    terms = next(c for c in call.commands if c[:2] == ["STREAM", "FILE"])
    assert terms[2].endswith("my/message_terms")
    assert terms[3] == ""


def test_a_withheld_number_is_not_asked_whether_to_call_back(caller: Callers) -> None:
    call = caller(number="anonymous", variables={names.QUEUE: "my"})
    assert call.run(names.LEAVE_VOICEMAIL)
    assert call.played == ["my/message_terms", "tone", "my/thanks", "my/goodbye"]


def test_a_full_disk_is_said_before_anything_is_asked(caller: Callers, ivr_db: Database, settings: Settings) -> None:
    settings.free_space_floor_mb = 10**9
    call = caller(variables={names.QUEUE: "my"})
    assert call.run(names.LEAVE_VOICEMAIL)
    assert call.played == ["my/cannot_record", "my/goodbye"]
    assert call.applications == []
    kept = row(ivr_db, call)
    assert kept is not None
    assert kept.failed_at is not None
    assert kept.message_at is None


def test_a_disk_that_fills_up_midway_is_told_from_a_full_time(caller: Callers, ivr_db: Database) -> None:
    call = caller(variables={names.QUEUE: "my"}, record=b"\1\1" * 8000 * 20, record_status="TIMEOUT")
    assert call.run(names.LEAVE_VOICEMAIL)
    assert call.played[-2:] == ["my/cannot_record", "my/goodbye"]
    kept = row(ivr_db, call)
    assert kept is not None
    assert kept.failed_at is None, "what was said before is a message"


def test_a_message_of_the_full_time_is_thanked_for(caller: Callers, ivr_db: Database) -> None:
    call = caller(variables={names.QUEUE: "my"}, record=b"\1\1" * 8000 * 299, record_status="TIMEOUT")
    assert call.run(names.LEAVE_VOICEMAIL)
    assert "my/thanks" in call.played
    assert _end(ivr_db, call) is MessageEnd.LIMIT


def _end(db: Database, call: FakeCall) -> MessageEnd | None:
    kept = row(db, call)
    assert kept is not None
    return kept.message_end


def test_a_phone_that_sends_nothing_any_more_ends_the_message_and_is_asked_all_the_same(
    caller: Callers, ivr_db: Database
) -> None:
    """Nothing is missing, however long the line waited: no packet came."""
    call = caller(
        variables={names.QUEUE: "my"},
        keys={"wait": ["1"]},
        record=b"\1\1" * 8000 * 5,
        record_status="TIMEOUT",
        sends=False,
    )
    assert call.run(names.LEAVE_VOICEMAIL)
    assert call.played == ["my/message_terms", "tone", "my/safe_to_call", "my/thanks", "my/goodbye"]
    assert len(call.applications) == 3, "five seconds of words, and twice ten in which nothing came"
    assert _end(ivr_db, call) is MessageEnd.SILENCE


@pytest.mark.parametrize("silence", [b"\0\0", b"\x10\0", b"\xf0\xff"], ids=["mu-law", "dither", "negative"])
def test_what_a_muted_phone_sends_ends_a_message_and_a_whisper_does_not(
    caller: Callers, ivr_db: Database, silence: bytes
) -> None:
    """A pause of nine seconds either, and nothing in the first ten."""
    whisper = b"\x21\0\xdf\xff" * 4000  # 60 dB below the loudest there is
    said = whisper * 5 + silence * 8000 * 9 + whisper * 30
    call = caller(variables={names.QUEUE: "my"}, record=said + silence * 8000 * 60, record_status="TIMEOUT")
    assert call.run(names.LEAVE_VOICEMAIL)
    assert call.recorded is not None
    assert call.recorded.read_bytes().startswith(said)
    assert _end(ivr_db, call) is MessageEnd.SILENCE


def test_a_recording_that_never_began_is_a_failure_and_is_said(caller: Callers, ivr_db: Database) -> None:
    call = caller(variables={names.QUEUE: "my"}, record=b"", record_status="ERROR")
    assert call.run(names.LEAVE_VOICEMAIL)
    assert call.played[-2:] == ["my/cannot_record", "my/goodbye"]
    kept = row(ivr_db, call)
    assert kept is not None
    assert kept.failed_at is not None


@pytest.mark.parametrize(
    ("status", "kept_s", "took_s", "came_s", "expected"),
    [
        ("DTMF", 60.0, 60.0, 60.0, False),
        ("DTMF", 2.0, 60.0, 60.0, True),
        ("DTMF", 2.0, 60.0, 2.0, False),
        ("DTMF", 0.0, 2.0, 2.0, False),
        ("DTMF", 40.0, 60.0, None, False),
        ("DTMF", 2.0, 60.0, None, True),
        ("TIMEOUT", 299.0, 300.0, 300.0, False),
        ("TIMEOUT", 200.0, 300.0, 300.0, True),
        ("TIMEOUT", 10.0, 300.0, 10.0, False),
        ("TIMEOUT", 200.0, 300.0, None, True),
        ("TIMEOUT", 0.0, 300.0, 300.0, True),
    ],
)
def test_bytes_are_compared_with_what_came(
    status: str, kept_s: float, took_s: float, came_s: float | None, expected: bool
) -> None:
    assert voicemail_module._cut_short(status, kept_s, took_s, came_s) is expected


def test_a_message_by_a_missing_tone_is_still_recorded(caller: Callers, settings: Settings) -> None:
    (settings.sounds / "tone.sln").unlink()
    call = caller(variables={names.QUEUE: "my"})
    assert call.run(names.LEAVE_VOICEMAIL)
    assert call.recorded is not None
