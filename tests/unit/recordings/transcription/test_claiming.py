"""Which recording is transcribed next and by whom, told from rows alone."""

import hashlib
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path

import pytest
from sqlmodel import Session

from hotline.calls import facts as calls
from hotline.calls.facts import Fact, Seen
from hotline.keys import Keys
from models import CaseEvent, Contact, Database, EventKind, Recording, RecordingKind, RecordingState, Transcript
from models.db.types import now
from recordings.transcription import claims
from recordings.transcription.claims import Claims, put_right, requeue
from recordings.transcription.engines import Draft
from recordings.vault.vault import Vault
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


@pytest.mark.parametrize(
    ("values", "free"),
    [
        ({}, True),
        ({"next_try_at": -1}, True),
        ({"next_try_at": 60}, False),
        ({"state": RecordingState.TRANSCRIBING, "lease_until": -1}, True),
        ({"state": RecordingState.TRANSCRIBING, "lease_until": 60}, False),
        ({"state": RecordingState.TRANSCRIBING}, True),
        ({"state": RecordingState.TRANSCRIBED}, False),
        ({"state": RecordingState.NEEDS_LISTENER}, False),
        ({"state": RecordingState.FAILED, "next_try_at": -1, "lease_until": -1}, False),
    ],
)
def test_only_what_waits_and_is_due_or_whose_lease_is_over_is_free(
    db: Database, keys: Keys, values: dict[str, object], free: bool
) -> None:
    """Moments in seconds from now."""
    moments = {name: now() + timedelta(seconds=s) for name, s in values.items() if isinstance(s, int)}
    with db.write() as s:
        recorded(s, keys, "a", **(values | moments))
    assert (worker(db).take() is not None) is free


def test_a_claim_tells_all_that_its_worker_needs(db: Database, keys: Keys) -> None:
    """The language of the recording; of the call, when the recording says none, and that is kept."""
    with db.write() as s:
        talk = recorded(s, keys, "talk", 9 * MINUTE, kind=RecordingKind.CONVERSATION, language="my", rate_hz=16000)
        message = recorded(s, keys, "message")
    assert worker(db).take() == claims.Claim(
        message, "one", "message", "message", 8000, 3.0, RecordingKind.MESSAGE, "ko", 1
    )
    assert worker(db, "two").take() == claims.Claim(
        talk, "two", "talk", "talk", 16000, 3.0, RecordingKind.CONVERSATION, "my", 1
    )
    assert {one.language for one in rows(db, Recording)} == {"ko", "my"}


@pytest.mark.parametrize(("backoff_s", "tried", "wait_s"), [(30, 0, 30), (30, 1, 120), (30, 3, 1920), (30, 4, 3600)])
def test_each_wait_is_four_times_the_last_and_an_hour_at_most(
    db: Database, keys: Keys, backoff_s: int, tried: int, wait_s: int
) -> None:
    with db.write() as s:
        recorded(s, keys, "a", attempts=tried)
    one = Claims(db, "one", lease_s=60, tries=50, backoff_s=backoff_s)
    claim = one.take()
    assert claim is not None
    before = now()
    ended = one.fail(claim, "again")
    assert (ended.ours, ended.state) == (True, RecordingState.WAITING)
    again = row(db).next_try_at
    assert again is not None
    assert before <= again - timedelta(seconds=wait_s) <= now()
    assert (row(db).claimed_by, row(db).lease_until) == (None, None)


@pytest.mark.parametrize("how", ["last", "permanent"])
def test_what_is_given_up_is_told_to_its_case_with_the_number_of_its_tries(db: Database, keys: Keys, how: str) -> None:
    with db.write() as s:
        recording = recorded(s, keys, "a", attempts=2 if how == "last" else 0)
    claim = worker(db).take()
    assert claim is not None
    ended = worker(db).fail(claim, "it broke", permanent=how == "permanent")
    (contact,) = rows(db, Contact)
    assert ended == claims.Ended(True, contact.case_id, contact.id, RecordingState.FAILED)
    detail = next(event.detail for event in rows(db, CaseEvent) if event.kind is EventKind.TRANSCRIPTION_FAILED)
    assert detail == {"recording": recording, "error": "it broke", "tries": 3 if how == "last" else 1}
    assert row(db).next_try_at is None


def test_a_case_is_told_who_transcribed_it_and_in_how_long(db: Database, keys: Keys) -> None:
    with db.write() as s:
        recording = recorded(s, keys, "a", error="before", next_try_at=now() - MINUTE)
    claim = worker(db).take()
    assert claim is not None
    before = now()
    worker(db).finish(claim, DRAFT, "vosk", "small", 12.345)
    detail = next(event.detail for event in rows(db, CaseEvent) if event.kind is EventKind.TRANSCRIBED)
    assert detail == {"recording": recording, "seconds": 12.3, "engine": "vosk", "model": "small"}
    (transcript,) = rows(db, Transcript)
    assert (transcript.recording_id, transcript.engine, transcript.model) == (recording, "vosk", "small")
    assert before <= transcript.at <= now()
    assert (row(db).error, row(db).next_try_at) == (None, None)


def test_a_recording_whose_call_has_no_case_yet_is_transcribed_and_tells_none(db: Database, keys: Keys) -> None:
    with db.write() as s:
        recorded(s, keys, "a", over=False, ingested_at=now() - 11 * MINUTE)
    claim = worker(db).take()
    assert claim is not None
    ended = worker(db).finish(claim, DRAFT, "vosk", "small", 1.0)
    assert (ended.ours, ended.case_id, ended.contact_id) == (True, None, rows(db, Contact)[0].id)
    assert told(db) == []


def test_what_needs_a_listener_is_untried_again(db: Database, keys: Keys) -> None:
    """When a model for its language comes, it has all its tries."""
    with db.write() as s:
        recorded(s, keys, "a", attempts=2)
    claim = worker(db).take()
    assert claim is not None
    assert worker(db).needs_listener(claim).ours
    assert row(db).attempts == 0
    assert next(event.detail for event in rows(db, CaseEvent) if event.kind is EventKind.NEEDS_LISTENER) == {
        "recording": claim.recording_id,
        "language": "ko",
    }
    with db.write() as s:
        s.get_one(Recording, claim.recording_id).attempts = 9
    assert requeue(db, {"ko"}) == 1
    assert (row(db).attempts, row(db).next_try_at) == (0, None)


def test_a_renewed_lease_runs_from_now(db: Database, keys: Keys) -> None:
    with db.write() as s:
        recorded(s, keys, "a")
    claim = worker(db, lease_s=1).take()
    assert claim is not None
    before = now()
    assert worker(db, lease_s=60).renew(claim)
    until = row(db).lease_until
    assert until is not None
    assert before <= until - MINUTE <= now()


@pytest.fixture
def vault(tmp_path: Path, keys: Keys) -> Vault:
    return Vault(tmp_path / "vault", keys)


def sealed(s: Session, keys: Keys, vault: Vault, name: str, **values: object) -> int:
    """A recording that failed in the vault and is whole there now, unless said otherwise."""
    recording = s.get_one(Recording, recorded(s, keys, name))
    recording.vault_key = vault.put(BytesIO(name.encode()))
    recording.sha256 = hashlib.sha256(name.encode()).hexdigest()
    recording.state, recording.error, recording.attempts = RecordingState.FAILED, "The recording is missing.", 3
    for field, value in values.items():
        setattr(recording, field, value)
    s.flush()
    return recording.id


def test_what_is_whole_in_the_vault_again_is_transcribed_after_all_and_nothing_else_is(
    db: Database, keys: Keys, vault: Vault
) -> None:
    """Not what failed otherwise, what was deleted for good, what is missing still, nor what is another's voice."""
    beats: list[None] = []
    assert put_right(db, vault, lambda: beats.append(None)) == 0
    with db.write() as s:
        whole = sealed(s, keys, vault, "whole", next_try_at=now() + MINUTE)
        stays = {
            sealed(s, keys, vault, "engine", error="the engine stopped"),
            sealed(s, keys, vault, "nothing said", error=None),
            sealed(s, keys, vault, "erased", erased_at=now()),
            sealed(s, keys, vault, "done", state=RecordingState.TRANSCRIBED),
        }
        looked_at = {
            sealed(s, keys, vault, "missing", vault_key="0" * 32),
            sealed(s, keys, vault, "of another", sha256=hashlib.sha256(b"else").hexdigest()),
        }
    before = {one.id: one.state for one in rows(db, Recording)}
    assert put_right(db, vault, lambda: beats.append(None)) == 1
    assert len(beats) == 1 + len(looked_at)
    found = {one.id: one for one in rows(db, Recording)}
    mended = found[whole]
    assert (mended.state, mended.attempts, mended.next_try_at, mended.error) == (RecordingState.WAITING, 0, None, None)
    assert {one: found[one].state for one in stays | looked_at} == {one: before[one] for one in stays | looked_at}
    assert put_right(db, vault) == 0


@pytest.mark.parametrize(("since", "comes"), [(10 * MINUTE, False), (10 * MINUTE + timedelta(seconds=1), True)])
def test_the_call_has_ten_minutes_to_end_since_the_recording_came(
    db: Database, keys: Keys, monkeypatch: pytest.MonkeyPatch, since: timedelta, comes: bool
) -> None:
    moment = now()
    with db.write() as s:
        recorded(s, keys, "live", over=False, ingested_at=moment - since)
    monkeypatch.setattr(claims, "now", lambda: moment)
    assert (worker(db).take() is not None) is comes


@pytest.mark.parametrize(
    ("values", "free"),
    [
        ({"next_try_at": timedelta()}, True),
        ({"next_try_at": timedelta(seconds=1)}, False),
        ({"state": RecordingState.TRANSCRIBING, "lease_until": timedelta()}, False),
        ({"state": RecordingState.TRANSCRIBING, "lease_until": timedelta(seconds=-1)}, True),
    ],
)
def test_a_try_is_due_at_its_moment_and_a_lease_is_over_after_it(
    db: Database, keys: Keys, monkeypatch: pytest.MonkeyPatch, values: dict[str, object], free: bool
) -> None:
    moment = now()
    moments = {name: moment + ahead for name, ahead in values.items() if isinstance(ahead, timedelta)}
    with db.write() as s:
        recorded(s, keys, "a", **(values | moments))
    monkeypatch.setattr(claims, "now", lambda: moment)
    assert (worker(db).take() is not None) is free


@pytest.mark.parametrize("kind", [None, RecordingKind.MESSAGE])
def test_behind_one_that_is_given_up_the_next_does_not_wait(
    db: Database, keys: Keys, kind: RecordingKind | None
) -> None:
    """Of the kind that was asked for."""
    with db.write() as s:
        recorded(s, keys, "kills", 9 * MINUTE, attempts=3)
        recorded(s, keys, "talk", 8 * MINUTE, kind=RecordingKind.CONVERSATION)
        following = recorded(s, keys, "next", 2 * MINUTE)
    claim = worker(db).take(kind)
    assert claim is not None
    assert claim.recording_id == following
    assert {one.state for one in rows(db, Recording) if one.sha256 == "kills"} == {RecordingState.FAILED}
