"""Asterisk's recorder leg, as the console starts it, and the transcriber's side of it."""

import contextlib
from collections.abc import Iterator

import pytest

from hotline.calls.facts import Fact
from hotline.keys import Keys
from hotline.settings import Settings
from models import Database, RecordingKind, TalkRecording
from recordings.spool.files import being_written
from telephony import names
from telephony.asterisk.secrets import load_secrets
from telephony.clients.ami import Ami
from tests.support.asterisk import AsteriskUnderTest
from tests.support.databases import on_sqlite
from tests.support.spooled import ARRIVED, Left, Taker
from tests.support.thailand import saw
from tests.support.wait import until

CALL = "5d2f6b1e-0f5e-4a61-8d27-6e7f0a3c9c33"


@pytest.fixture
def asterisk(settings: Settings) -> Iterator[AsteriskUnderTest]:
    settings.spool.mkdir(parents=True)
    with AsteriskUnderTest(settings, menu={}) as running:
        yield running


@on_sqlite
def test_a_silent_conversation_grows_until_its_recorder_ends_and_is_taken_then(
    asterisk: AsteriskUnderTest, taker: Taker, left: Left, settings: Settings, db: Database, keys: Keys
) -> None:
    """Nobody says a word in the room; the silence is written all the same, so a file that rests is a recorder that ended."""
    with db.write() as session:
        contact = saw(session, keys, CALL, Fact.ARRIVED, ARRIVED)
        contact.recording = TalkRecording.RUNNING
    file = names.spool_talk(settings.spool, CALL, 1)
    told = {names.CALL: CALL, names.LEG: names.LEG_RECORDER, names.CALLER_CHANNEL: "PJSIP/none", names.FILE: file.stem}
    secrets = load_secrets(settings)
    with contextlib.closing(Ami((settings.ami_host, settings.ami_port), names.AMI_ACTOR, secrets.ami_actor)) as ami:
        ami.connect()
        ami.send_action(
            {
                "Action": "Originate",
                "Channel": f"Local/{names.EXTENSION}@{names.CONTEXT_RECORDER}/n",
                "Context": names.CONTEXT_ROOM,
                "Exten": names.EXTENSION_RECORDER,
                "Priority": "1",
                "Async": "true",
                "Variable": ",".join(f"{name}={value}" for name, value in told.items()),
            }
        )
        until(lambda: file.exists() and file.stat().st_size > 2 * 16000)
        before = file.stat().st_size
        until(lambda: file.stat().st_size > before + 16000)
        assert being_written(file)
        assert taker.take(wait_s=600) == 0
        asterisk.command("channel request hangup all")
        until(lambda: not being_written(file))
    size = file.stat().st_size
    assert taker.take(wait_s=1.1) == 1
    (recording,) = taker.recordings()
    assert (recording.kind, round(recording.duration_s * 16000)) == (RecordingKind.CONVERSATION, size)
    assert set(recording.peaks) == {0}
    assert left.names() == []
