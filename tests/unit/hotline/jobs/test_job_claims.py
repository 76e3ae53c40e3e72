"""Which job is worked on next and by whom, told from rows alone."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from hotline.jobs import claims, items
from hotline.jobs.claims import Claim, Claims
from models import Database, Job, JobState
from models.db.types import now
from tests.support.databases import on_postgresql
from tests.support.spooled import rows
from tests.support.wait import PATIENCE_S

KINDS = ["count"]
MINUTE = timedelta(minutes=1)


def asked(db: Database, times: int = 1, kind: str = "count", **values: Any) -> list[int]:
    """So many jobs on the list."""
    with db.write() as session:
        jobs = [items.ask(session, kind, {}, None) for _ in range(times)]
        for job in jobs:
            for name, value in values.items():
                setattr(job, name, value)
        session.flush()
        return [job.id for job in jobs]


def worker(db: Database, who: str = "one", lease_s: int = 60, tries: int = 3) -> Claims:
    return Claims(db, who, lease_s=lease_s, tries=tries)


def taken(db: Database, who: str = "one", **how: int) -> Claim:
    claim = worker(db, who, **how).take(KINDS)
    assert claim is not None
    return claim


def row(db: Database) -> Job:
    (one,) = rows(db, Job)
    return one


def change(db: Database, **values: Any) -> None:
    with db.write() as session:
        job = session.get_one(Job, row(db).id)
        for name, value in values.items():
            setattr(job, name, value)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[timedelta], None]:
    """Sets the clock that claims read, by so much from now."""

    def set_by(ahead: timedelta) -> None:
        monkeypatch.setattr(claims, "now", lambda: now() + ahead)

    return set_by


def test_they_are_taken_in_the_order_they_were_asked_for_each_once(db: Database) -> None:
    ids = asked(db, 3)
    assert [taken(db, f"worker {n}").job_id for n in range(3)] == ids
    assert worker(db, "late").take(KINDS) is None


def test_a_kind_that_a_worker_does_not_know_is_left_to_others(db: Database) -> None:
    asked(db, kind="of a newer version")
    assert worker(db).take(KINDS) is None
    assert worker(db).take([]) is None
    assert worker(db).take([*KINDS, "of a newer version"]) is not None


def test_the_lease_runs_from_the_claim_and_is_renewed_by_progress(db: Database) -> None:
    asked(db)
    before = now()
    claim = taken(db)
    until = row(db).lease_until
    assert until is not None
    assert before + MINUTE <= until <= now() + MINUTE
    change(db, lease_until=now() + MINUTE / 2)
    assert worker(db).progress(claim, 3, 10)
    job = row(db)
    assert (job.done, job.total, job.state) == (3, 10, JobState.RUNNING)
    assert job.lease_until is not None
    assert job.lease_until >= before + MINUTE
    assert job.started_at is not None


def test_what_another_holds_is_left_alone_until_the_lease_is_over(db: Database) -> None:
    asked(db)
    first = taken(db, "first", lease_s=-1)
    worker(db, "first", lease_s=-1).progress(first, 7, 9)
    second = taken(db, "second")
    assert second.attempts == 2
    assert (row(db).done, row(db).total) == (0, None), "whoever takes over begins anew"
    assert worker(db, "third").take(KINDS) is None
    assert worker(db, "second").renew(second)
    assert not worker(db, "first").renew(first)


def test_who_lost_the_lease_changes_nothing_any_more(db: Database) -> None:
    asked(db)
    slow, lost = worker(db, "slow"), taken(db, "slow", lease_s=-1)
    taken(db, "quick")
    written: list[object] = []
    assert not slow.finish(lost, {"n": 1}, written.append)
    assert slow.fail(lost, "TooLate") is None
    assert not slow.give_back(lost)
    assert not slow.progress(lost, 1, 2)
    assert not slow.cancelled(lost)
    job = row(db)
    assert (job.state, job.claimed_by, job.error, job.result, written) == (JobState.RUNNING, "quick", None, {}, [])


def test_who_takes_over_its_own_job_is_not_who_it_was(db: Database) -> None:
    asked(db)
    before, after = taken(db, lease_s=-1), taken(db)
    assert not worker(db).renew(before)
    assert worker(db).renew(after)


def test_a_finished_one_keeps_its_result_and_writes_once_with_it(db: Database) -> None:
    asked(db)
    claim = taken(db)
    assert worker(db).finish(claim, {"n": 1}, lambda s: s.add(Job(kind="written")))
    assert not worker(db).finish(claim, {"n": 2}, lambda s: s.add(Job(kind="written")))
    done, _written = rows(db, Job)
    assert (done.state, done.result, done.claimed_by, done.lease_until) == (JobState.DONE, {"n": 1}, None, None)
    assert done.ended_at is not None
    assert worker(db).take(KINDS) is None


def test_what_cannot_be_written_leaves_it_running(db: Database) -> None:
    asked(db)

    def broken(_session: object) -> None:
        raise ValueError

    with pytest.raises(ValueError):
        worker(db).finish(taken(db), {"n": 1}, broken)
    assert (row(db).state, row(db).result) == (JobState.RUNNING, {})


def test_a_failed_attempt_waits_twice_as_long_each_time_and_the_last_is_for_good(db: Database) -> None:
    asked(db, key="k")
    waits: list[float] = []
    for attempt in (1, 2, 3, 4):
        claim = taken(db, tries=4)
        assert claim.attempts == attempt
        before = now()
        state = worker(db, tries=4).fail(claim, "E" * 300)
        assert row(db).error == "E" * 64
        again = row(db).next_try_at
        if again is None:
            assert (state, row(db).state) == (JobState.FAILED, JobState.FAILED)
            break
        assert state is JobState.WAITING
        assert worker(db, "another").take(KINDS) is None, "not before its time"
        waits.append((again - before).total_seconds() // claims.FIRST_PAUSE_S)
        change(db, next_try_at=now() - MINUTE)
    assert waits == [1, 2, 4]
    assert row(db).key is None, "it can be asked for again"
    assert worker(db).take(KINDS) is None


def test_the_pause_has_an_end(db: Database) -> None:
    asked(db, attempts=30)
    worker(db, tries=50).fail(taken(db, tries=50), "Again")
    again = row(db).next_try_at
    assert again is not None
    assert again <= now() + timedelta(seconds=claims.LONGEST_PAUSE_S)


def test_one_that_failed_for_good_is_not_tried_again(db: Database) -> None:
    asked(db)
    assert worker(db).fail(taken(db), "no_such_file", for_good=True) is JobState.FAILED
    assert row(db).ended_at is not None


def test_one_that_kills_its_worker_each_time_is_given_up_and_the_next_is_taken(db: Database) -> None:
    deadly, _fine = asked(db, 2)
    for attempt in (1, 2):
        claim = taken(db, "it dies", lease_s=-1, tries=2)
        assert (claim.job_id, claim.attempts) == (deadly, attempt)
    assert taken(db, "another", tries=2).job_id == _fine
    states = {job.id: (job.state, job.error) for job in rows(db, Job)}
    assert states[deadly] == (JobState.FAILED, claims.DIED)


def test_given_back_it_is_untried_and_free_at_once(db: Database) -> None:
    asked(db)
    assert worker(db).give_back(taken(db))
    assert (row(db).state, row(db).attempts, row(db).claimed_by) == (JobState.WAITING, 0, None)
    assert taken(db, "another").attempts == 1


def test_cancelled_while_it_runs_it_is_its_workers_no_more(db: Database) -> None:
    (job_id,) = asked(db)
    claim = taken(db)
    with db.write() as session:
        items.cancel(session, job_id)
    one, written = worker(db), list[object]()
    assert not one.progress(claim, 1, 2)
    assert one.cancelled(claim)
    assert not one.finish(claim, {"n": 1}, written.append)
    assert one.fail(claim, "Late") is None
    assert not one.give_back(claim)
    assert (row(db).state, row(db).result, row(db).done, written) == (JobState.CANCELLED, {}, 0, [])
    assert worker(db, "another").take(KINDS) is None


@pytest.mark.parametrize("ahead", [timedelta(hours=2), timedelta(days=400)])
def test_a_clock_that_is_put_back_does_not_hold_a_dead_workers_job_for_ever(
    db: Database, clock: Callable[[timedelta], None], ahead: timedelta
) -> None:
    asked(db)
    clock(ahead)
    taken(db, "it dies")
    clock(timedelta(0))
    assert worker(db, "another").take(KINDS) is not None


def test_nor_one_that_waits_for_its_next_try(db: Database, clock: Callable[[timedelta], None]) -> None:
    asked(db)
    clock(timedelta(days=400))
    worker(db).fail(taken(db), "Again")
    clock(timedelta(0))
    assert worker(db).take(KINDS) is not None


def test_clocks_that_differ_by_seconds_take_nothing_from_each_other(
    db: Database, clock: Callable[[timedelta], None]
) -> None:
    asked(db)
    clock(timedelta(seconds=20))
    taken(db, "on a machine that is fast")
    clock(timedelta(0))
    assert worker(db, "on a machine that is right").take(KINDS) is None


def test_a_claim_that_was_made_a_moment_earlier_by_another_is_lost_quietly(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have seen the same job, and one begins to write first."""
    asked(db)
    begin = Database.write

    def write(self: Database) -> object:
        monkeypatch.setattr(Database, "write", begin)
        taken(db, "quick")
        return begin(self)

    monkeypatch.setattr(Database, "write", write)
    assert worker(db, "slow").take(KINDS) is None
    assert row(db).claimed_by == "quick"


@on_postgresql
def test_a_claim_does_not_wait_for_one_that_is_being_made(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two connections at once: the first holds its row and has not committed; the second takes the other row or none."""
    asked(db, 2)
    hasty = Database(db.url, busy_s=0.2)  # who waits for a lock longer than this fails
    whole = Claims._lease
    others: list[Claim | None] = []

    def in_the_middle(self: Claims) -> datetime:
        if self.who == "first":
            others.extend((worker(hasty, "second").take(KINDS), worker(hasty, "third").take(KINDS)))
        return whole(self)

    monkeypatch.setattr(Claims, "_lease", in_the_middle)
    mine = worker(hasty, "first").take(KINDS)
    hasty.dispose()
    assert mine is not None
    assert others[0] is not None
    assert others[0].job_id != mine.job_id
    assert others[1] is None


def test_workers_that_race_take_each_job_once(db: Database) -> None:
    asked(db, 12)
    together = threading.Barrier(4)
    claimed: list[tuple[int, str]] = []

    def race(who: str) -> None:
        own = Database(db.url)
        together.wait(PATIENCE_S)
        while any(job.claimed_by is None for job in rows(db, Job)):
            if found := worker(own, who).take(KINDS):
                claimed.append((found.job_id, found.who))
        own.dispose()

    threads = [threading.Thread(target=race, args=(f"worker {n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert len(claimed) == 12
    assert set(claimed) == {(job.id, job.claimed_by) for job in rows(db, Job)}
    assert all(job.attempts == 1 for job in rows(db, Job))
