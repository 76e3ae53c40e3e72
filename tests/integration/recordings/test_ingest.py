"""What callers leave in the spool becomes one row and one sealed recording, once."""

from datetime import timedelta

import pytest
from sqlmodel import select

from hotline.callers.callers import find
from hotline.calls import facts as calls
from hotline.calls.facts import Fact, Seen
from hotline.keys import Keys
from hotline.scope import SYSTEM
from hotline.settings import Settings
from models import CallbackSafety, Case, CaseEvent, CaseStatus, Channel, Database, EventKind, Outcome, Safety
from recordings.spool.ingest import NET_QUIET_S
from recordings.vault.playback import audio_wav
from tests.support.spooled import ARRIVED, NUMBER, Left, Taker, grep, net_line, rows
from tests.support.thailand import THAI, saw


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
        caller = find(session, keys, NUMBER, THAI)
        assert caller is not None
        assert caller.id == contact.caller_id
        sound = audio_wav(session, keys, taker.vault, recording.id, SYSTEM)
    assert kinds[:2] == [EventKind.FILED, EventKind.RECORDED]
    assert kinds.count(EventKind.RECORDED) == 1
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
        contact = saw(session, keys, call, Fact.ARRIVED, ARRIVED, Seen(language="my", number=NUMBER))
        saw(session, keys, call, Fact.MESSAGE, ARRIVED + timedelta(seconds=40))
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
        saw(session, keys, call, Fact.ARRIVED, ARRIVED, Seen(language="my", number=NUMBER))
    assert taker.take() == 1
    (contact,) = taker.contacts()
    assert contact.ended_at is None
    with db.write() as session:
        safe = Seen(callback_said=CallbackSafety.SAFE)
        contact = saw(session, keys, call, Fact.CALLBACK, ARRIVED + timedelta(seconds=90), safe)
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
        contact = saw(session, keys, call, Fact.ARRIVED, ARRIVED)
        saw(session, keys, call, Fact.MESSAGE, ARRIVED)
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
        contact = saw(session, keys, call, Fact.ARRIVED, ARRIVED)
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
        saw(session, keys, call, Fact.ARRIVED, ARRIVED)
        saw(session, keys, "linkedid:1790000000.7", Fact.ARRIVED, ARRIVED, Seen(linkedid="1790000000.7"))
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
