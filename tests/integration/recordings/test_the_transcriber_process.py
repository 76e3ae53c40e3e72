"""The transcriber as the supervisor runs it: from the spool to a transcript, and over after kill -9."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from hotline.settings import Settings
from models import CaseEvent, Database, EventKind, RecordingState, Transcript
from models.db.types import now
from tests.support.databases import on_postgresql, on_sqlite
from tests.support.spooled import SENTENCE, Left, Taker, grep, net_line, rows, speak
from tests.support.wait import PATIENCE_S, until


def events(db: Database) -> list[EventKind]:
    return [event.kind for event in rows(db, CaseEvent)]


def environment(settings: Settings, db: Database, **more: str) -> dict[str, str]:
    return os.environ | {
        "FREELINE_DATA": str(settings.data),
        "FREELINE_DATABASE_URL": db.url,
        "PYTHONPATH": str(Path(__file__).parents[3]),
        **more,
    }


def start(settings: Settings, db: Database, **more: str) -> "subprocess.Popen[bytes]":
    """The transcriber as the supervisor runs it."""
    code = (
        "import sys; from hotline.settings import settings;"
        "from recordings.transcription.process import main; sys.exit(main(settings()))"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env=environment(settings, db, **more),
        stderr=subprocess.STDOUT,
        stdout=subprocess.PIPE,
    )


def children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for path in found for child in path.read_text().split()]


@on_sqlite
def test_the_process_takes_a_message_from_the_spool_to_a_transcript_and_says_nothing_of_it(
    korean: Settings, taker: Taker, left: Left, voice: bytes, db: Database
) -> None:
    process = start(korean, db)
    try:
        until(lambda: (korean.run / "transcriber.alive").exists())
        left.message(voice, net_line())
        until(lambda: left.names() == [])
        until(lambda: rows(db, Transcript))
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=PATIENCE_S)[0]
    finally:
        process.kill()
    assert process.returncode == 0
    (transcript,) = rows(db, Transcript)
    assert transcript.words
    for needle in (b"812345678", transcript.text.encode(), left.calls[0].encode()):
        assert needle not in said
    assert grep(korean.data, b"812345678") == []
    assert grep(korean.data, voice[40000:40064]) == []


@on_postgresql
def test_after_kill_9_another_transcriber_takes_the_recording_over(
    korean: Settings, taker: Taker, left: Left, db: Database, tmp_path: Path
) -> None:
    left.message(speak(SENTENCE * 2, tmp_path), net_line(ended=now().timestamp()))
    process = start(korean, db, FREELINE_LEASE_S="3")
    try:
        until(lambda: [one for one in taker.recordings() if one.state is RecordingState.TRANSCRIBING])
        (engine,) = until(lambda: children(process.pid))
        process.kill()
        process.communicate(timeout=PATIENCE_S)
        assert taker.recordings()[0].state is RecordingState.TRANSCRIBING
        process = start(korean, db, FREELINE_LEASE_S="3")
        until(lambda: taker.recordings()[0].state is RecordingState.TRANSCRIBED, within_s=90)
        until(lambda: not Path(f"/proc/{engine}").exists())
    finally:
        process.kill()
        process.communicate(timeout=PATIENCE_S)
    (recording,) = taker.recordings()
    assert recording.attempts == 2
    assert len(rows(db, Transcript)) == 1
    assert events(db).count(EventKind.TRANSCRIBED) == 1
