"""Which recording is transcribed next and by whom, told from rows alone."""

from datetime import datetime, timedelta

import pytest
from sqlmodel import Session

from hotline.calls import facts as calls
from hotline.calls.facts import Fact, Seen
from hotline.keys import Keys
from models import CaseEvent, Contact, Database, EventKind, Recording, RecordingKind, RecordingState, Transcript
from models.db.types import now
from recordings.transcription import claims
from recordings.transcription.claims import Claims, requeue
from recordings.transcription.engines import Draft
from tests.support.spooled import rows
from tests.support.thailand import saw

MINUTE = timedelta(minutes=1)
DRAFT = Draft(text="the gate is locked", words=[], sure=0.8)


def recorded(s: Session, keys: Keys, name: str, ago: timedelta = MINUTE, *, over: bool = True, **values: object) -> int:
    """A recording of a call that is over, unless said otherwise."""
    at = now() - ago
    contact = saw(s, keys, name, Fact.ARRIVED, at, Seen(linkedid=f"l-{name}", language="ko"))
    saw(s, keys, name, Fact.MESSAGE, at)
    recording = Recording(
        spool_name=f"{name}.sln", contact_id=0, vault_key=name, sha256=name, duration_s=3.0, recorded_at=at,
        **values,  # type: ignore[arg-type]
    )  # fmt: skip
    calls.attach(s, contact, recording)
    if over:
        calls.close(s, contact, at, join_within_s=0, brief_s=-1)
    s.flush()
    return recording.id


def worker(db: Database, who: str = "one", lease_s: int = 60, tries: int = 3) -> Claims:
    return Claims(db, who, lease_s=lease_s, tries=tries)


def taken(db: Database, **how: RecordingKind) -> list[int]:
    """The recordings in the order in which they are claimed, until there is none."""
    order: list[int] = []
    while claim := worker(db, f"worker {len(order)}").take(**how):
        order.append(claim.recording_id)
    return order


def row(db: Database) -> Recording:
    (one,) = rows(db, Recording)
    return one


def told(db: Database) -> list[EventKind]:
    return [event.kind for event in rows(db, CaseEvent)]


def test_messages_come_before_conversations_and_then_the_longest_wait(db: Database, keys: Keys) -> None:
    with db.write() as s:
        talk = recorded(s, keys, "talk", 9 * MINUTE, kind=RecordingKind.CONVERSATION)
        late = recorded(s, keys, "late", 2 * MINUTE)
        early = recorded(s, keys, "early", 5 * MINUTE)
    assert taken(db) == [early, late, talk]


def test_one_who_asks_for_a_kind_gets_no_other(db: Database, keys: Keys) -> None:
    with db.write() as s:
        recorded(s, keys, "message")
        talk = recorded(s, keys, "talk", kind=RecordingKind.CONVERSATION)
    assert taken(db, kind=RecordingKind.CONVERSATION) == [talk]


@pytest.mark.parametrize(("since_ingest", "comes"), [(9 * MINUTE, False), (11 * MINUTE, True)])
def test_a_recording_waits_for_the_end_of_its_call_but_not_for_ever(
    db: Database, keys: Keys, since_ingest: timedelta, comes: bool
) -> None:
    with db.write() as s:
        recorded(s, keys, "live", over=False, ingested_at=now() - since_ingest)
    assert (worker(db).take() is not None) is comes


def test_what_another_holds_is_left_alone_until_the_lease_is_over(db: Database, keys: Keys) -> None:
    with db.write() as s:
        recorded(s, keys, "a")
    first = worker(db, "first", lease_s=-1).take()
    assert first is not None
    second = worker(db, "second").take()
    assert second is not None, "the lease of the first is over"
    assert second.attempts == 2
    assert worker(db, "third").take() is None
    assert worker(db, "second").renew(second)
    assert not worker(db, "first").renew(first)


def test_who_lost_the_lease_changes_nothing_any_more(db: Database, keys: Keys) -> None:
    with db.write() as s:
        recorded(s, keys, "a")
    slow = worker(db, "slow", lease_s=-1)
    lost = slow.take()
    assert lost is not None
    assert worker(db, "quick").take() is not None
    for ended in (
        slow.finish(lost, DRAFT, "vosk", "small", 1.0),
        slow.fail(lost, "too late"),
        slow.needs_listener(lost),
        slow.give_back(lost),
    ):
        assert not ended.ours
    assert (row(db).state, row(db).claimed_by, row(db).error) == (RecordingState.TRANSCRIBING, "quick", None)
    assert rows(db, Transcript) == []


def test_a_finished_one_has_its_draft_and_its_case_says_so(db: Database, keys: Keys) -> None:
    with db.write() as s:
        recorded(s, keys, "a")
    one = worker(db)
    claim = one.take()
    assert claim is not None
    ended = one.finish(claim, DRAFT, "vosk", "small", 1.234)
    (contact,) = rows(db, Contact)
    assert (ended.ours, ended.case_id, ended.state) == (True, contact.case_id, RecordingState.TRANSCRIBED)
    assert (row(db).state, row(db).claimed_by, row(db).lease_until) == (RecordingState.TRANSCRIBED, None, None)
    (transcript,) = rows(db, Transcript)
    assert (transcript.text, transcript.sure, transcript.took_s) == (DRAFT.text, 0.8, 1.23)
    assert transcript.language == "ko", "of the call, when the recording says none"
    assert told(db).count(EventKind.TRANSCRIBED) == 1


def test_a_new_draft_leaves_a_persons_correction_alone(db: Database, keys: Keys) -> None:
    with db.write() as s:
        recording = recorded(s, keys, "a")
        s.add(
            Transcript(
                recording_id=recording, engine="old", model="old", language="ko", text="the great is locked",
                took_s=1, corrected_text="the gate was locked",
            )
        )  # fmt: skip
    one = worker(db)
    claim = one.take()
    assert claim is not None
    one.finish(claim, DRAFT, "vosk", "small", 1.0)
    (transcript,) = rows(db, Transcript)
    assert (transcript.text, transcript.corrected_text) == (DRAFT.text, "the gate was locked")


def test_a_failed_try_waits_longer_each_time_and_the_last_gives_up(db: Database, keys: Keys) -> None:
    with db.write() as s:
        recorded(s, keys, "a")
    waits: list[float] = []
    for attempt in (1, 2, 3):
        one = worker(db)
        claim = one.take()
        assert claim is not None
        assert claim.attempts == attempt
        before = now()
        ended = one.fail(claim, "e" * 300)
        assert row(db).error == "e" * 200
        again = row(db).next_try_at
        if again is None:
            assert ended.state is RecordingState.FAILED
            break
        assert worker(db).take() is None, "not before its time"
        # How long the write took is in it on one side only.
        waits.append((again - before).total_seconds() // claims.FIRST_BACKOFF_S)
        _due_now(db)
    assert waits == [1, 4]
    assert told(db).count(EventKind.TRANSCRIPTION_FAILED) == 1
    assert worker(db).take() is None


def test_the_wait_between_tries_has_an_end(db: Database, keys: Keys) -> None:
    with db.write() as s:
        recorded(s, keys, "a", attempts=20)
    one = worker(db, tries=50)
    claim = one.take()
    assert claim is not None
    one.fail(claim, "again")
    again = row(db).next_try_at
    assert again is not None
    assert again <= now() + timedelta(seconds=claims.LONGEST_BACKOFF_S)


def _due_now(db: Database) -> None:
    with db.write() as s:
        s.get_one(Recording, row(db).id).next_try_at = now() - MINUTE


def test_one_that_kills_its_worker_each_time_is_given_up(db: Database, keys: Keys) -> None:
    with db.write() as s:
        recorded(s, keys, "a")
    for attempt in (1, 2):
        claim = worker(db, "it dies", lease_s=-1, tries=2).take()
        assert claim is not None
        assert claim.attempts == attempt
    assert worker(db, "it dies", lease_s=-1, tries=2).take() is None
    assert row(db).state is RecordingState.FAILED
    assert told(db).count(EventKind.TRANSCRIPTION_FAILED) == 1


def test_given_back_it_is_untried_and_free_at_once(db: Database, keys: Keys) -> None:
    with db.write() as s:
        recorded(s, keys, "a")
    one = worker(db)
    claim = one.take()
    assert claim is not None
    assert one.give_back(claim).ours
    assert (row(db).state, row(db).attempts, row(db).claimed_by) == (RecordingState.WAITING, 0, None)
    assert worker(db, "another").take() is not None


def test_what_waited_for_a_listener_is_tried_when_a_model_comes_and_nothing_else_is(db: Database, keys: Keys) -> None:
    with db.write() as s:
        heard = recorded(s, keys, "ko")
        other = recorded(s, keys, "lo", language="lo")
        gone = recorded(s, keys, "gone", erased_at=now())
        broken = recorded(s, keys, "broken", state=RecordingState.FAILED)
    for _ in range(3):
        one = worker(db)
        claim = one.take()
        assert claim is not None
        assert one.needs_listener(claim).state is RecordingState.NEEDS_LISTENER
    assert told(db).count(EventKind.NEEDS_LISTENER) == 3
    assert requeue(db, set()) == 0
    assert requeue(db, {"my"}) == 0
    assert requeue(db, {"ko"}) == 1
    states = {one.id: one.state for one in rows(db, Recording)}
    assert states == {
        heard: RecordingState.WAITING,
        other: RecordingState.NEEDS_LISTENER,
        gone: RecordingState.NEEDS_LISTENER,
        broken: RecordingState.FAILED,
    }
    assert taken(db) == [heard]


def test_the_lease_runs_from_the_claim(db: Database, keys: Keys) -> None:
    with db.write() as s:
        recorded(s, keys, "a")
    before: datetime = now()
    assert worker(db, lease_s=60).take() is not None
    until = row(db).lease_until
    assert until is not None
    assert before + MINUTE <= until <= now() + MINUTE
