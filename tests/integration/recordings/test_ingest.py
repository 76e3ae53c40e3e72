"""What callers leave in the spool becomes one row and one sealed recording, once."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlmodel import col, select

from hotline import calls
from hotline.callers import find
from hotline.calls import Fact, Seen
from hotline.keys import Keys
from hotline.settings import Settings
from models import CallbackSafety, Case, CaseEvent, CaseStatus, Channel, Database, EventKind, Outcome, Safety
from models.types import now
from recordings import ingest, retention
from recordings.ingest import NET_QUIET_S, OneIngester
from recordings.listen import audio_wav
from recordings.vault import Vault, VaultFull
from tests.integration.recordings.conftest import ARRIVED, NUMBER, Left, Taker, grep, net_line, rows


class Died(BaseException):
    """The process ends here, as with kill -9: nothing catches this."""


def cases(db: Database) -> list[Case]:
    return rows(db, Case)


def test_a_message_of_the_net_becomes_one_case_with_a_sealed_recording(
    taker: Taker, left: Left, voice: bytes, db: Database, keys: Keys
) -> None:
    call = left.message(voice, net_line())
    assert taker.take() == 1

    (contact,) = taker.contacts()
    assert (contact.call, contact.language, contact.line) == (call, "ko", "1800123456")
    assert contact.arrived_at == ARRIVED
    assert (contact.outcome, contact.channel) == (Outcome.VOICEMAIL, Channel.VOICEMAIL)
    assert contact.ended_at is not None
    (recording,) = taker.recordings()
    assert recording.spool_name == f"{call}.sln"
    assert recording.duration_s == pytest.approx(len(voice) / 16000, abs=0.01)
    assert len(recording.peaks) == 200
    assert not recording.cut_short
    assert recording.language == "ko"
    (case,) = cases(db)
    assert case.id == contact.case_id
    with db.read() as session:
        kinds = [event.kind for event in session.exec(select(CaseEvent))]
        caller = find(session, keys, NUMBER, "TH")
        assert caller is not None
        assert caller.id == contact.caller_id
        sound = audio_wav(session, keys, taker.vault, recording.id or 0)
    assert kinds == [EventKind.FILED, EventKind.RECORDED]
    assert sound[:4] == b"RIFF"
    assert sound[44:] == voice
    assert left.names() == []


def test_a_note_or_a_file_is_left_alone_until_it_is_quiet(taker: Taker, left: Left, voice: bytes) -> None:
    left.message(voice, net_line())
    assert taker.take(wait_s=4.0) == 0
    assert len(left.names()) == 2
    assert taker.take(wait_s=1.5) == 1


def test_a_recording_that_gets_no_audio_for_a_while_is_not_over(
    taker: Taker, left: Left, voice: bytes, settings: Settings
) -> None:
    """A bad mobile connection sends nothing for seconds; the file is quiet, and still open."""
    call = left.message(voice[:16000], net_line())
    with (settings.spool / f"{call}.sln").open("ab") as asterisk:
        assert taker.take(wait_s=60) == 0
        asterisk.write(voice[16000:])
    assert taker.take() == 1
    (recording,) = taker.recordings()
    assert recording.duration_s == pytest.approx(len(voice) / 16000, abs=0.01)


def test_an_ended_call_is_taken_at_once(taker: Taker, left: Left, voice: bytes, db: Database, keys: Keys) -> None:
    call = left.message(voice)
    with db.write() as session:
        contact = calls.saw(session, keys, call, Fact.ARRIVED, ARRIVED, Seen(language="my", number=NUMBER))
        calls.saw(session, keys, call, Fact.MESSAGE, ARRIVED + timedelta(seconds=40))
        calls.close(session, contact, ARRIVED + timedelta(seconds=60), join_within_s=900, brief_s=10)
    assert taker.ingest.once() == 1
    (contact,) = taker.contacts()
    assert contact.outcome is Outcome.VOICEMAIL
    assert contact.ended_at == ARRIVED + timedelta(seconds=60)
    assert len(cases(db)) == 1
    assert taker.recordings()[0].language == "my"


def test_a_call_that_ivr_still_leads_is_not_closed_by_its_message(
    taker: Taker, left: Left, voice: bytes, db: Database, keys: Keys
) -> None:
    """After the message she is asked whether it is safe to call her back: her answer must still count."""
    call = left.message(voice)
    with db.write() as session:
        calls.saw(session, keys, call, Fact.ARRIVED, ARRIVED, Seen(language="my", number=NUMBER))
    assert taker.take() == 1
    (contact,) = taker.contacts()
    assert contact.ended_at is None
    with db.write() as session:
        safe = Seen(callback_said=CallbackSafety.SAFE)
        contact = calls.saw(session, keys, call, Fact.CALLBACK, ARRIVED + timedelta(seconds=90), safe)
        calls.close(session, contact, ARRIVED + timedelta(seconds=95), join_within_s=900, brief_s=10)
    assert taker.contacts()[0].outcome is Outcome.VOICEMAIL
    assert len(cases(db)) == 1


def test_a_recording_without_row_or_note_is_a_call_all_the_same(taker: Taker, left: Left, voice: bytes) -> None:
    call = left.message(voice)
    assert taker.take() == 1
    (contact,) = taker.contacts()
    assert contact.call == call
    assert contact.outcome is Outcome.VOICEMAIL
    assert contact.case_id is not None
    assert contact.duration_s == pytest.approx(len(voice) / 16000, abs=1)


def test_a_short_recording_is_dropped_and_its_facts_are_kept(taker: Taker, left: Left, db: Database) -> None:
    left.message(b"\1\1" * 1000, net_line())
    left.message(b"", net_line(number="0898765432"))
    assert taker.take() == 2
    assert taker.recordings() == []
    assert taker.sealed() == []
    assert left.names() == []
    assert [contact.language for contact in taker.contacts()] == ["ko", "ko"]
    assert {case.status for case in cases(db)} == {CaseStatus.NEW}


def test_a_recording_cut_by_the_limit_or_in_the_middle_of_a_sample_says_so(
    taker: Taker, left: Left, settings: Settings, voice: bytes
) -> None:
    left.message(voice + b"\1", net_line())
    left.message(bytes(settings.message_max_s * 16000), net_line())
    left.message(voice[:32000], net_line(cut_short=True))
    assert taker.take() == 3
    assert [recording.cut_short for recording in taker.recordings()] == [True, True, True]


def test_a_message_much_shorter_than_its_call_says_so(
    taker: Taker, left: Left, voice: bytes, db: Database, keys: Keys
) -> None:
    call = left.message(voice)
    with db.write() as session:
        contact = calls.saw(session, keys, call, Fact.ARRIVED, ARRIVED)
        calls.saw(session, keys, call, Fact.MESSAGE, ARRIVED)
        calls.close(session, contact, ARRIVED + timedelta(seconds=250), join_within_s=900, brief_s=10)
    assert taker.take() == 1
    assert taker.recordings()[0].cut_short


def test_a_net_call_without_a_message_waits_for_its_end(taker: Taker, left: Left) -> None:
    """She may be listening to the menu; the note grows, and only its end or a long quiet closes the call."""
    call = "5d2f6b1e-0f5e-4a61-8d27-6e7f0a3c9b10"
    left.note(call, net_line(language=None))
    assert taker.take(wait_s=60) == 0
    left.note(call, {"ended": ARRIVED.timestamp() + 45})
    assert taker.ingest.once() == 1
    (contact,) = taker.contacts()
    assert contact.outcome is Outcome.ABANDONED_IN_MENU
    assert contact.duration_s == 45
    assert left.names() == []


def test_a_net_call_whose_end_nobody_wrote_is_closed_after_a_long_quiet(taker: Taker, left: Left) -> None:
    left.note("5d2f6b1e-0f5e-4a61-8d27-6e7f0a3c9b11", net_line())
    assert taker.take(wait_s=NET_QUIET_S - 10) == 0
    assert taker.take(wait_s=20) == 1
    assert taker.contacts()[0].ended_at is not None


def test_a_call_with_a_key_is_never_closed_as_a_brief_abandon(taker: Taker, left: Left, db: Database) -> None:
    left.note("5d2f6b1e-0f5e-4a61-8d27-6e7f0a3c9b12", net_line(ended=ARRIVED.timestamp() + 4))
    left.note("5d2f6b1e-0f5e-4a61-8d27-6e7f0a3c9b13", net_line(ended=ARRIVED.timestamp() + 4, language=None, number=""))
    assert taker.take() == 2
    assert sorted(case.status for case in cases(db)) == [CaseStatus.CLOSED, CaseStatus.NEW]


def test_a_note_of_ivr_makes_the_row_and_leaves_the_call_open(taker: Taker, left: Left) -> None:
    """The database was locked when ivr wanted to write; the call goes on and the switchboard will close it."""
    left.note("5d2f6b1e-0f5e-4a61-8d27-6e7f0a3c9b14", net_line(reason="database"))
    assert taker.take() == 1
    (contact,) = taker.contacts()
    assert contact.ended_at is None
    assert contact.language == "ko"
    assert left.names() == []


def test_what_ivr_saw_while_the_database_was_away_is_kept_although_the_call_is_filed(
    taker: Taker, left: Left, db: Database, keys: Keys
) -> None:
    """The switchboard closed the call first; the note brings the number, the language and what she said afterwards."""
    call = "5d2f6b1e-0f5e-4a61-8d27-6e7f0a3c9b15"
    with db.write() as session:
        contact = calls.saw(session, keys, call, Fact.ARRIVED, ARRIVED)
        calls.close(session, contact, ARRIVED + timedelta(seconds=8), join_within_s=900, brief_s=10)
    assert cases(db)[0].status is CaseStatus.CLOSED
    at = ARRIVED.timestamp()
    seen = {"key_at": at + 3, "language_at": at + 3, "callback_at": at + 6, "ended_at": "never", "nonsense": 1}
    left.note(call, net_line(reason="database", facts=seen, callback_said="safe"))
    assert taker.ingest.once() == 1
    (contact,) = taker.contacts()
    assert contact.key_at == ARRIVED + timedelta(seconds=3)
    assert contact.callback_at == ARRIVED + timedelta(seconds=6)
    assert contact.ended_at == ARRIVED + timedelta(seconds=8)
    assert contact.outcome is Outcome.CALLBACK_REQUESTED
    (case,) = cases(db)
    assert (case.status, case.language, case.caller_id) == (CaseStatus.NEW, "ko", contact.caller_id)
    assert case.caller_id is not None
    (safety,) = rows(db, Safety)
    assert safety.callback is CallbackSafety.SAFE


def test_a_net_call_that_says_its_end_is_taken_at_once(taker: Taker, left: Left, voice: bytes) -> None:
    left.message(voice, net_line(), {"ended": ARRIVED.timestamp() + 70})
    assert taker.ingest.once() == 1
    assert taker.contacts()[0].duration_s == 70
    assert left.names() == []


def test_garbage_is_sealed_and_put_aside_and_the_call_is_kept(
    taker: Taker, left: Left, settings: Settings, voice: bytes, keys: Keys
) -> None:
    call = left.message(voice)
    (settings.spool / f"{call}.call").write_bytes(b"\xff\xfe caller " + NUMBER.encode())
    (settings.spool / f"{NUMBER}.sln").write_bytes(voice)
    (settings.spool / "README").write_text(NUMBER)
    assert taker.take() == 1
    assert left.names() == ["rejected"]
    rejected = list((settings.spool / "rejected").iterdir())
    assert len(rejected) == 3
    assert all(NUMBER not in path.name for path in rejected)
    assert grep(settings.data, NUMBER.encode()) == []
    assert NUMBER.encode() in {keys.open(path.read_bytes()) for path in rejected}
    (contact,) = taker.contacts()
    assert contact.outcome is Outcome.VOICEMAIL


def test_neither_voice_nor_number_rests_in_the_clear(
    taker: Taker, left: Left, settings: Settings, voice: bytes
) -> None:
    left.message(voice, net_line())
    piece = voice[len(voice) // 2 :][:64]
    assert grep(settings.spool, piece), "the premise: it can be found while it is in the clear"
    assert grep(settings.spool, NUMBER.encode())
    assert taker.take() == 1
    for needle in (piece, NUMBER.encode(), b"66812345678"):
        assert grep(settings.data, needle) == []


def test_a_linkedid_that_another_row_has_does_not_hold_a_call_up(
    taker: Taker, left: Left, voice: bytes, db: Database, keys: Keys
) -> None:
    call = left.message(voice, net_line(linkedid="1790000000.7"))
    with db.write() as session:
        calls.saw(session, keys, call, Fact.ARRIVED, ARRIVED)
        calls.saw(session, keys, "linkedid:1790000000.7", Fact.ARRIVED, ARRIVED, Seen(linkedid="1790000000.7"))
    assert taker.take() == 1
    assert len(taker.recordings()) == 1
    assert left.names() == []


def test_another_recording_of_the_same_call_is_kept_beside_the_first(taker: Taker, left: Left, voice: bytes) -> None:
    call = left.message(voice[:40000], net_line())
    assert taker.take() == 1
    left.message(voice, call=call)
    assert taker.take() == 1
    left.message(voice, call=call)
    assert taker.take() == 1
    assert len(taker.recordings()) == 2
    assert len(taker.sealed()) == 2
    assert len(taker.contacts()) == 1


STEPS = ["put", "saw", "attach", "close", "commit", "remove", "after the note is gone", "tell"]


@pytest.mark.parametrize("step", STEPS)
def test_a_death_at_any_step_loses_nothing_and_doubles_nothing(
    step: str, fresh: Callable[[], Taker], left: Left, voice: bytes, db: Database, settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    left.message(voice, net_line(ended=ARRIVED.timestamp() + 70))
    with monkeypatch.context() as patch:
        die_at(step, patch)
        with pytest.raises(Died):
            fresh().take()
    taker = fresh()
    taker.take()
    assert len(taker.contacts()) == 1
    assert len(cases(db)) == 1
    (recording,) = taker.recordings()
    assert taker.contacts()[0].outcome is Outcome.VOICEMAIL
    assert left.names() == []
    with db.read() as session:
        told = session.exec(select(CaseEvent).where(col(CaseEvent.kind) == EventKind.RECORDED)).all()
    assert len(told) == 1
    for path in taker.sealed():
        os.utime(path, (1, 1))
    retention.tidy_vault(db, taker.vault, settings)
    assert [key for key, _age in taker.vault.kept()] == [recording.vault_key]
    assert taker.vault.open(recording.vault_key) == voice


def die_at(step: str, patch: pytest.MonkeyPatch) -> None:
    """Make the process end right after (or, for deletes, right before) a step."""

    def dies(*_: object, **__: object) -> None:
        raise Died

    def after(where: object, name: str) -> None:
        whole = getattr(where, name)

        def then_dies(*args: object, **more: object) -> None:
            whole(*args, **more)
            raise Died

        patch.setattr(where, name, then_dies)

    if step == "put":
        after(Vault, "put")
    elif step in {"saw", "attach", "close"}:
        after(calls, step)
    elif step == "commit":
        from sqlmodel import Session

        after(Session, "commit")
    elif step == "remove":
        patch.setattr(ingest, "remove", dies)
    elif step == "after the note is gone":
        after(Path, "unlink")
    else:
        from hotline.events import Nudges

        patch.setattr(Nudges, "tell", dies)


def test_a_full_disk_keeps_the_spool_until_there_is_room(
    taker: Taker, left: Left, voice: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    left.message(voice, net_line())

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert taker.take() == 0
        with pytest.raises(VaultFull):
            taker.vault.put(voice)
    assert len(left.names()) == 2
    assert taker.recordings() == []
    assert taker.sealed() == []
    assert taker.take(wait_s=11) == 1
    assert len(taker.recordings()) == 1
    assert left.names() == []


def test_a_database_that_is_away_keeps_the_spool(
    settings: Settings, keys: Keys, left: Left, voice: bytes, fresh: Callable[[], Taker]
) -> None:
    left.message(voice, net_line())
    away = Taker(settings, Database("postgresql+psycopg://nobody@127.0.0.1:1/none", busy_s=1.0), keys)
    assert away.take() == 0
    assert len(left.names()) == 2
    assert fresh().take() == 1
    assert left.names() == []


def test_a_write_that_fails_again_and_again_seals_the_audio_once(
    taker: Taker, left: Left, voice: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a database in trouble would fill the disk with copies."""
    left.message(voice, net_line())

    def refuses(*_: object, **__: object) -> None:
        raise ValueError

    with monkeypatch.context() as patch:
        patch.setattr(calls, "attach", refuses)
        for _ in range(3):
            assert taker.take(wait_s=11) == 0
    assert len(taker.sealed()) == 1
    assert taker.take(wait_s=11) == 1
    assert len(taker.sealed()) == 1
    assert len(taker.recordings()) == 1


def test_only_one_process_ingests(tmp_path: Path) -> None:
    first = OneIngester(tmp_path / "run" / "ingest.lock")
    assert first.held()
    other = (
        "import sys; from pathlib import Path; from recordings.ingest import OneIngester;"
        "sys.exit(OneIngester(Path(sys.argv[1])).held())"
    )
    command = [sys.executable, "-c", other, str(tmp_path / "run" / "ingest.lock")]
    assert subprocess.run(command, check=False).returncode == 0
    first.release()
    assert subprocess.run(command, check=False).returncode == 1


def test_audio_is_deleted_a_while_after_it_was_heard_and_transcribed_and_never_before(
    taker: Taker, left: Left, voice: bytes, db: Database, settings: Settings
) -> None:
    from models import AuditEntry, Recording, RecordingState

    long_ago = now() - timedelta(days=settings.audio_days + 1)
    for _ in range(4):
        left.message(voice, net_line())
    assert taker.take() == 4
    with db.write() as session:
        old, unheard, new, waiting = session.exec(select(Recording).order_by(col(Recording.id))).all()
        for recording in (old, unheard, new):
            recording.state = RecordingState.NEEDS_LISTENER
        old.heard_at = waiting.heard_at = long_ago
        new.heard_at = now()
        oldest = old.id
    assert retention.delete_old_audio(db, taker.vault, settings) == 1
    assert retention.delete_old_audio(db, taker.vault, settings) == 0
    gone = [recording.id for recording in taker.recordings() if recording.erased_at is not None]
    assert gone == [oldest]
    assert len(taker.sealed()) == 3
    (entry,) = rows(db, AuditEntry)
    assert (entry.act, entry.subject) == ("audio_erased", f"recording:{oldest}")
