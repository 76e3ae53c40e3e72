"""A recorded conversation is kept when the worker agreed, destroyed when not, and says nothing of how her call ended."""

import os
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlmodel import col, select

from hotline.calls import facts as calls
from hotline.calls.facts import Fact, Seen
from hotline.cases import consents
from hotline.cases.consents import SCRIPT_VERSION
from hotline.keys import Keys
from hotline.scope import SYSTEM
from hotline.settings import Settings
from models import (
    AuditEntry,
    Case,
    CaseEvent,
    ConsentPurpose,
    Contact,
    Database,
    EventKind,
    Outcome,
    Recording,
    RecordingKind,
    RecordingState,
    TalkRecording,
    Transcript,
)
from models.db import search_indexes
from models.db.types import now
from recordings.spool import conversations
from recordings.spool.conversations import UNKNOWN_S
from recordings.spool.sealer import SpoolSealer
from recordings.transcription.claims import Claims
from recordings.transcription.engines import Draft
from recordings.transcription.process import Transcriber
from recordings.vault import retention
from recordings.vault.consent_gate import destroy_taken_back
from recordings.vault.playback import audio_wav
from recordings.vault.vault import Vault
from tests.support.cast import Cast
from tests.support.databases import on_sqlite
from tests.support.spooled import NUMBER, Left, Taker, grep, rows
from tests.support.thailand import saw
from tests.support.wait import PATIENCE_S, until

PURPOSE = ConsentPurpose.RECORDING


class Conversation:
    """A call that Alice has, in which she can be given and refused consent."""

    def __init__(self, db: Database, keys: Keys, staff: Cast, left: Left) -> None:
        self.db, self.keys, self.left = db, keys, left
        self.call = "5d2f6b1e-0f5e-4a61-8d27-6e7f0a3c9c01"
        self.at = now() - timedelta(minutes=5)
        with db.write() as session:
            contact = saw(session, keys, self.call, Fact.ARRIVED, self.at, Seen(language="my", number=NUMBER))
            saw(session, keys, self.call, Fact.QUEUED, self.at + timedelta(seconds=20))
            saw(session, keys, self.call, Fact.ANSWERED, self.at + timedelta(seconds=30))
            self.alice = staff.alice
            calls.answered(session, contact, staff.alice.id, self.at, join_within_s=900)
            self.contact_id, self.case_id = contact.id, contact.case_id or 0

    def agrees(self) -> None:
        with self.db.write() as session:
            consents.give(session, self.case_id, self.contact_id, PURPOSE, self.alice, "my", SCRIPT_VERSION)

    def takes_it_back(self) -> None:
        with self.db.write() as session:
            consents.withdraw(session, self.case_id, PURPOSE, self.alice, self.contact_id)

    def ends(self) -> None:
        with self.db.write() as session:
            contact = session.get(Contact, self.contact_id)
            assert contact is not None
            calls.close(session, contact, now(), join_within_s=900, brief_s=10)

    def recorded(self, pcm: bytes, number: int = 1, until: datetime | None = None) -> str:
        """A recorder's file that is done; it ends now unless said otherwise."""
        self.left.settings.spool.mkdir(parents=True, exist_ok=True)
        path = self.left.settings.spool / f"{self.call}.talk{number}.sln"
        path.write_bytes(pcm)
        if until is not None:
            os.utime(path, (until.timestamp(), until.timestamp()))
        return path.name

    def told(self) -> list[CaseEvent]:
        """What its case's timeline says of recordings."""
        return [event for event in rows(self.db, CaseEvent) if event.kind is EventKind.RECORDED]


@pytest.fixture
def conversation(db: Database, keys: Keys, staff: Cast, left: Left) -> Conversation:
    return Conversation(db, keys, staff, left)


def test_a_conversation_she_agreed_to_is_sealed_while_the_call_goes_on(
    conversation: Conversation, taker: Taker, left: Left, voice: bytes, db: Database, keys: Keys, settings: Settings
) -> None:
    conversation.agrees()
    name = conversation.recorded(voice)
    assert taker.take() == 1
    (recording,) = taker.recordings()
    assert (recording.kind, recording.spool_name) == (RecordingKind.CONVERSATION, name)
    assert (recording.language, recording.state) == ("my", RecordingState.WAITING)
    assert recording.duration_s == pytest.approx(len(voice) / 16000, abs=0.01)
    with db.read() as session:
        assert audio_wav(session, keys, taker.vault, recording.id, SYSTEM)[44:] == voice
    assert left.names() == []
    assert grep(settings.data, voice[40000:40064]) == []
    (event,) = conversation.told()
    assert event.detail["what"] == RecordingKind.CONVERSATION
    (contact,) = taker.contacts()
    assert (contact.ended_at, contact.message_at, contact.outcome) == (None, None, None)
    conversation.ends()
    assert taker.contacts()[0].outcome is Outcome.ANSWERED
    assert len(conversation.told()) == 1


def test_a_conversation_that_comes_after_the_end_changes_nothing_about_it(
    conversation: Conversation, taker: Taker, voice: bytes, db: Database
) -> None:
    conversation.agrees()
    conversation.ends()
    ended_at = taker.contacts()[0].ended_at
    conversation.recorded(voice)
    assert taker.take() == 1
    (contact,) = taker.contacts()
    assert (contact.outcome, contact.ended_at, contact.message_at) == (Outcome.ANSWERED, ended_at, None)
    assert len(rows(db, Case)) == 1


def test_a_call_has_several_conversations_and_perhaps_a_message_too(
    conversation: Conversation, taker: Taker, left: Left, voice: bytes
) -> None:
    """The recorder rests while she is held; and whoever comes back to the queue may leave a message."""
    conversation.agrees()
    conversation.recorded(voice[:40000], 1)
    conversation.recorded(voice[:60000], 2)
    left.message(voice, call=conversation.call)
    assert taker.take() == 3
    kinds = sorted((one.kind, one.spool_name.removeprefix(conversation.call)) for one in taker.recordings())
    assert kinds == [("conversation", ".talk1.sln"), ("conversation", ".talk2.sln"), ("message", ".sln")]
    assert {one.contact_id for one in taker.recordings()} == {conversation.contact_id}


def test_a_conversation_is_not_done_while_the_recorder_has_it_open(
    conversation: Conversation, taker: Taker, voice: bytes, settings: Settings
) -> None:
    conversation.agrees()
    name = conversation.recorded(voice[:32000])
    with (settings.spool / name).open("ab") as asterisk:
        assert taker.take(wait_s=3600) == 0
        asterisk.write(voice[32000:])
    assert taker.take(wait_s=1.1) == 1
    assert taker.recordings()[0].duration_s == pytest.approx(len(voice) / 16000, abs=0.01)


def test_where_nobody_can_tell_who_writes_five_quiet_seconds_count(
    conversation: Conversation, taker: Taker, voice: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversations, "being_written", lambda _path: None)
    conversation.agrees()
    conversation.recorded(voice)
    assert taker.take(wait_s=4.5) == 0
    assert taker.take(wait_s=0.6) == 1


def test_what_nobody_agreed_to_is_destroyed_unheard(
    conversation: Conversation, taker: Taker, left: Left, voice: bytes, db: Database, settings: Settings
) -> None:
    conversation.recorded(voice)
    assert taker.take() == 1
    assert left.names() == []
    assert (taker.recordings(), taker.sealed()) == ([], [])
    assert grep(settings.data, voice[40000:40064]) == []
    (event,) = conversation.told()
    assert event.detail["destroyed"] == "no_consent"
    assert [entry.act for entry in rows(db, AuditEntry)].count("conversation_destroyed") == 1


def test_what_was_recorded_before_she_took_it_back_is_destroyed_although_she_agreed_again(
    conversation: Conversation, taker: Taker, left: Left, voice: bytes
) -> None:
    conversation.agrees()
    conversation.recorded(voice, 1, until=now() + timedelta(seconds=1))
    conversation.takes_it_back()
    conversation.agrees()
    conversation.recorded(voice[:40000], 2, until=now() + timedelta(seconds=60))
    assert taker.take() == 2
    (kept,) = taker.recordings()
    assert kept.spool_name.endswith("talk2.sln")
    assert left.names() == []
    assert sorted(event.detail.get("destroyed") or "kept" for event in conversation.told()) == ["kept", "taken_back"]


def test_consent_taken_back_while_it_is_sealed_destroys_it(
    conversation: Conversation, taker: Taker, left: Left, voice: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = SpoolSealer.keep

    def then_taken_back(*args: object) -> object:
        kept = keep(*args)  # type: ignore[arg-type]
        conversation.takes_it_back()
        return kept

    monkeypatch.setattr(SpoolSealer, "keep", then_taken_back)
    conversation.agrees()
    conversation.recorded(voice)
    assert taker.take() == 1
    assert (taker.recordings(), taker.sealed(), left.names()) == ([], [], [])
    (event,) = conversation.told()
    assert event.detail["destroyed"] == "taken_back"


def test_consent_taken_back_later_destroys_the_voice_and_its_words(
    conversation: Conversation, taker: Taker, voice: bytes, db: Database
) -> None:
    """Recording stopped for a while, so a part of it was sealed and transcribed already; the message is another matter."""
    conversation.agrees()
    conversation.recorded(voice)
    conversation.left.message(voice[:60000], call=conversation.call)
    assert taker.take() == 2
    worker = Claims(db, "w", lease_s=60, tries=3)
    conversation.ends()
    while (claim := worker.take()) is not None:
        worker.finish(claim, Draft("what she said"), "vosk", "m", 1.0)
    assert len(rows(db, Transcript)) == 2
    assert list(destroy_taken_back(db, taker.vault)) == []
    conversation.takes_it_back()
    assert list(destroy_taken_back(db, taker.vault)) == [conversation.case_id]
    assert list(destroy_taken_back(db, taker.vault)) == []
    (left,) = taker.recordings()
    assert left.kind is RecordingKind.MESSAGE
    assert [one.recording_id for one in rows(db, Transcript)] == [left.id]
    assert [path.stem for path in taker.sealed()] == [left.vault_key]
    assert conversation.told()[-1].detail["destroyed"] == "taken_back"


@on_sqlite
def test_the_words_of_what_was_taken_back_are_in_no_file_even_when_the_database_was_busy(
    conversation: Conversation,
    taker: Taker,
    voice: bytes,
    db: Database,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tries: list[bool] = []
    forget = search_indexes.forget
    monkeypatch.setattr(search_indexes, "forget", lambda *args: tries.append(forget(*args)) or tries[-1])
    conversation.agrees()
    conversation.recorded(voice)
    taker.take()
    worker = Claims(db, "w", lease_s=60, tries=3)
    conversation.ends()
    claim = worker.take()
    assert claim is not None
    worker.finish(claim, Draft("xylophone"), "vosk", "m", 1.0)
    file = Path(str(db.engine.url.database))
    files = (file, file.with_name(f"{file.name}-wal"))
    process = Transcriber(settings.model_copy(update={"database_url": db.url}))
    running = threading.Thread(target=process.run)
    with db.read() as reading:
        assert rows(db, Transcript)
        reading.exec(select(Case)).all()
        conversation.takes_it_back()
        running.start()
        until(lambda: tries)
        assert tries == [False]
        assert rows(db, Transcript) == []
        assert any(b"xyl" in path.read_bytes() for path in files), "else this test shows nothing"
    try:
        until(lambda: not any(b"xyl" in path.read_bytes() for path in files))
    finally:
        process.end()
        running.join(PATIENCE_S)


@on_sqlite
def test_the_words_of_a_conversation_without_a_case_are_forgotten_as_well(
    conversation: Conversation,
    taker: Taker,
    voice: bytes,
    db: Database,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tries: list[None] = []
    monkeypatch.setattr(search_indexes, "forget", lambda *_: tries.append(None) or True)
    conversation.agrees()
    conversation.recorded(voice)
    taker.take()
    conversation.takes_it_back()
    with db.write() as session:
        session.get_one(Contact, conversation.contact_id).case_id = None
    process = Transcriber(settings.model_copy(update={"database_url": db.url}))
    running = threading.Thread(target=process.run)
    running.start()
    try:
        until(lambda: tries)
    finally:
        process.end()
        running.join(PATIENCE_S)
    assert taker.recordings() == []


def test_a_voice_that_cannot_be_removed_holds_up_no_other_and_is_tried_again(
    conversation: Conversation, taker: Taker, voice: bytes, db: Database
) -> None:
    conversation.agrees()
    conversation.recorded(voice)
    conversation.recorded(voice[:60000], number=2)
    assert taker.take() == 2
    conversation.takes_it_back()
    first, _second = taker.recordings()
    file = next(path for path in taker.sealed() if path.stem == first.vault_key)
    aside = file.rename(file.with_suffix(".aside"))
    file.mkdir()  # what root cannot remove as a file either
    assert list(destroy_taken_back(db, taker.vault)) == [conversation.case_id]
    assert [one.id for one in taker.recordings()] == [first.id]
    assert taker.sealed() == [aside]
    file.rmdir()
    aside.rename(file)
    assert list(destroy_taken_back(db, taker.vault)) == [conversation.case_id]
    assert (taker.recordings(), taker.sealed()) == ([], [])


def test_a_transcriber_that_has_it_in_hand_throws_its_draft_away(
    conversation: Conversation, taker: Taker, voice: bytes, db: Database
) -> None:
    conversation.agrees()
    conversation.recorded(voice)
    taker.take()
    conversation.ends()
    worker = Claims(db, "w", lease_s=60, tries=3)
    claim = worker.take()
    assert claim is not None
    conversation.takes_it_back()
    list(destroy_taken_back(db, taker.vault))
    assert not worker.renew(claim)
    assert not worker.finish(claim, Draft("what she said"), "vosk", "m", 1.0).ours
    assert rows(db, Transcript) == []


def test_a_call_that_was_joined_to_another_case_keeps_what_she_agreed_to(
    conversation: Conversation, taker: Taker, voice: bytes, db: Database
) -> None:
    conversation.agrees()
    conversation.recorded(voice)
    with db.write() as session:
        other = Case(language="my")
        session.add(other)
        session.flush()
        contact = session.get(Contact, conversation.contact_id)
        assert contact is not None
        contact.case_id, contact.recording = other.id, TalkRecording.OFF
        session.add(contact)
    assert taker.take() == 1
    assert len(taker.recordings()) == 1


def test_a_conversation_of_a_call_nobody_knows_waits_and_files_nothing(
    taker: Taker, left: Left, voice: bytes, settings: Settings, db: Database
) -> None:
    settings.spool.mkdir(parents=True)
    (settings.spool / "5d2f6b1e-0f5e-4a61-8d27-6e7f0a3c9c09.talk1.sln").write_bytes(voice)
    assert taker.take() == 0
    assert (taker.contacts(), rows(db, Case)) == ([], [])
    assert len(left.names()) == 1
    assert taker.take(wait_s=UNKNOWN_S) == 1
    assert (taker.contacts(), taker.sealed(), left.names()) == ([], [], [])


def test_a_moment_of_a_conversation_is_too_short_to_keep(conversation: Conversation, taker: Taker, left: Left) -> None:
    conversation.agrees()
    conversation.recorded(bytes(1000))
    assert taker.take() == 1
    assert (taker.recordings(), left.names(), conversation.told()) == ([], [], [])


class Died(BaseException):
    """The process ends here, as with kill -9: nothing catches this."""


@pytest.mark.parametrize("step", ["put", "attach", "commit", "remove"])
@pytest.mark.parametrize("agreed", [True, False], ids=["agreed", "not agreed"])
def test_a_death_at_any_step_keeps_or_destroys_it_once(
    step: str, agreed: bool, fresh: Callable[[], Taker], conversation: Conversation, left: Left, voice: bytes,
    db: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    if agreed:
        conversation.agrees()
    conversation.recorded(voice)

    def dies(*_: object, **__: object) -> None:
        raise Died

    def after(where: object, name: str) -> None:
        whole = getattr(where, name)

        def then_dies(*args: object, **more: object) -> None:
            whole(*args, **more)
            raise Died

        patch.setattr(where, name, then_dies)

    with monkeypatch.context() as patch:
        if step == "put":
            after(Vault, "put")
        elif step == "attach":
            after(calls, "attach")
        elif step == "commit":
            from sqlmodel import Session

            after(Session, "commit")
        else:
            patch.setattr(conversations, "remove", dies)
        if agreed or step in {"commit", "remove"}:
            with pytest.raises(Died):
                fresh().take()
    taker = fresh()
    taker.take()
    assert left.names() == []
    assert len(taker.recordings()) == (1 if agreed else 0)
    assert len(conversation.told()) == 1
    for path in taker.sealed():
        os.utime(path, (1, 1))
    retention.tidy_vault(db, taker.vault, settings, now())
    assert len(list(taker.vault.kept())) == (1 if agreed else 0)


def test_messages_are_transcribed_before_conversations(
    conversation: Conversation, taker: Taker, left: Left, voice: bytes, db: Database
) -> None:
    conversation.agrees()
    conversation.recorded(voice, until=now() - timedelta(minutes=1))
    left.message(voice[:60000], call="5d2f6b1e-0f5e-4a61-8d27-6e7f0a3c9c02")
    taker.take()
    conversation.ends()
    worker = Claims(db, "w", lease_s=60, tries=3)
    taken = [claim for claim in (worker.take(), worker.take(RecordingKind.MESSAGE), worker.take()) if claim]
    assert [claim.kind for claim in taken] == [RecordingKind.MESSAGE, RecordingKind.CONVERSATION]


def test_a_conversation_is_short_lived_although_nobody_listened_to_it_again(
    conversation: Conversation, taker: Taker, left: Left, voice: bytes, db: Database, settings: Settings
) -> None:
    """The agent heard it when it was spoken. A message that nobody has heard stays."""
    conversation.agrees()
    conversation.recorded(voice)
    left.message(voice[:60000])
    taker.take()
    with db.write() as session:
        for recording in session.exec(select(Recording)).all():
            recording.state = RecordingState.NEEDS_LISTENER
            session.add(recording)
    soon, later = (now() + timedelta(days=settings.audio_days + days) for days in (-1, 1))
    assert retention.delete_old_audio(db, taker.vault, settings, soon) == 0
    assert retention.delete_old_audio(db, taker.vault, settings, later) == 1
    with db.read() as session:
        (gone,) = session.exec(select(Recording).where(col(Recording.erased_at).is_not(None))).all()
    assert gone.kind is RecordingKind.CONVERSATION
