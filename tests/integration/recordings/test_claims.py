"""Several transcribers claim at once: no recording is claimed twice, and no claim waits for another."""

import threading
from datetime import datetime
from typing import Any

import pytest

from models import Database, RecordingState
from recordings.transcription.claims import Claims
from tests.support.databases import on_postgresql
from tests.support.spooled import Left, Taker, net_line
from tests.support.wait import PATIENCE_S


def test_a_claim_that_was_made_a_moment_earlier_by_another_is_lost_quietly(
    taker: Taker, left: Left, voice: bytes, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have seen the same waiting recording, and one begins to write first."""
    left.message(voice, net_line())
    taker.take()
    slow, quick = (Claims(db, who, lease_s=60, tries=3) for who in ("slow", "quick"))
    begin = Database.write

    def write(self: Database) -> object:
        monkeypatch.setattr(Database, "write", begin)
        assert quick.take() is not None
        return begin(self)

    monkeypatch.setattr(Database, "write", write)
    assert slow.take() is None
    assert taker.recordings()[0].claimed_by == "quick"


@on_postgresql
def test_a_claim_does_not_wait_for_one_that_is_being_made(
    taker: Taker, left: Left, voice: bytes, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two connections at once: the first holds its row and has not committed; the second takes the other row or none."""
    for _ in range(2):
        left.message(voice, net_line())
    taker.take()
    hasty = Database(db.url, busy_s=0.2)  # who waits for a lock longer than this fails
    first, second, third = (Claims(hasty, who, lease_s=60, tries=3) for who in ("first", "second", "third"))
    whole = Claims._lease
    others: list[Any] = []

    def in_the_middle(self: Claims) -> datetime:
        if self.who == "first":
            others.extend((second.take(), third.take()))
        return whole(self)

    monkeypatch.setattr(Claims, "_lease", in_the_middle)
    mine = first.take()
    hasty.dispose()
    assert mine is not None
    assert others[0] is not None
    assert others[1] is None, "both recordings are being claimed, and the third found one"
    assert {one.id: one.claimed_by for one in taker.recordings()} == {
        mine.recording_id: "first",
        others[0].recording_id: "second",
    }


def test_who_gives_one_recording_up_takes_the_next_at_once(
    taker: Taker, left: Left, voice: bytes, db: Database
) -> None:
    for _ in range(2):
        left.message(voice, net_line())
    taker.take()
    hopeless = Claims(db, "it dies each time", lease_s=-1, tries=1).take()
    assert hopeless is not None
    found = Claims(db, "another", lease_s=60, tries=1).take()
    assert found is not None
    assert found.recording_id != hopeless.recording_id
    assert {one.state for one in taker.recordings()} == {RecordingState.FAILED, RecordingState.TRANSCRIBING}


def test_as_many_claimers_as_recordings_all_get_one_at_their_first_try(
    taker: Taker, left: Left, voice: bytes, db: Database
) -> None:
    """Who comes second in a race takes another recording; nobody goes away to look again later."""
    for _ in range(4):
        left.message(voice[:16000], net_line())
    taker.take()
    together = threading.Barrier(4)
    claimed: list[object] = []

    def claim(who: str) -> None:
        own = Database(db.url)
        together.wait(PATIENCE_S)
        claimed.append(Claims(own, who, lease_s=60, tries=3).take())
        own.dispose()

    threads = [threading.Thread(target=claim, args=(f"claimer {n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert len(claimed) == 4
    assert None not in claimed


def test_many_claimers_at_once_claim_each_recording_once(taker: Taker, left: Left, voice: bytes, db: Database) -> None:
    for _ in range(12):
        left.message(voice[:16000], net_line())
    taker.take()
    together = threading.Barrier(4)
    claimed: list[tuple[int, str]] = []

    def claim(who: str) -> None:
        own = Database(db.url)
        together.wait(PATIENCE_S)
        while any(one.claimed_by is None for one in taker.recordings()):
            found = Claims(own, who, lease_s=60, tries=3).take()
            if found is not None:
                claimed.append((found.recording_id, found.who))
        own.dispose()

    threads = [threading.Thread(target=claim, args=(f"claimer {n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    kept = {(one.id, one.claimed_by) for one in taker.recordings()}
    assert len(claimed) == len(kept) == 12
    assert set(claimed) == kept
    assert all(one.attempts == 1 for one in taker.recordings())
