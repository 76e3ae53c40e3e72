"""Asking for background work, once or as often as one likes, and calling it off."""

import threading

import pytest

from hotline.errors import NotFound, Refused
from hotline.jobs import items
from hotline.jobs.claims import Claims
from models import Database, Job, JobState
from tests.support.cast import Cast
from tests.support.spooled import rows
from tests.support.wait import PATIENCE_S


def ask(db: Database, key: str | None = None) -> int:
    with db.write() as session:
        return items.ask(session, "count", {"upto": 3}, None, key=key).id


def test_it_waits_with_what_was_asked_and_by_whom(db: Database, staff: Cast) -> None:
    with db.write() as session:
        items.ask(session, "count", {"upto": 3}, staff.sofia)
    (job,) = rows(db, Job)
    assert (job.kind, job.payload, job.state, job.asked_by_id) == (
        "count",
        {"upto": 3},
        JobState.WAITING,
        staff.sofia.id,
    )
    assert (job.done, job.total, job.attempts, job.started_at, job.ended_at) == (0, None, 0, None, None)


def test_without_a_key_each_asking_is_a_job_and_with_one_the_same(db: Database) -> None:
    assert ask(db) != ask(db)
    assert ask(db, "import:7") == ask(db, "import:7") != ask(db, "import:8")


def test_who_ask_with_one_key_at_the_same_moment_get_one_job(db: Database) -> None:
    together, got = threading.Barrier(4), list[int]()

    def one() -> None:
        own = Database(db.url)
        together.wait(PATIENCE_S)
        got.append(ask(own, "import:7"))
        own.dispose()

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert len(got) == 4
    assert len(set(got)) == len(rows(db, Job)) == 1


def test_what_is_done_is_not_done_again_and_what_was_cancelled_can_be_asked_for(db: Database) -> None:
    first = ask(db, "import:7")
    claims = Claims(db, "one", lease_s=60, tries=3)
    claim = claims.take(["count"])
    assert claim is not None
    assert claims.finish(claim, {})
    assert ask(db, "import:7") == first
    second = ask(db, "import:8")
    with db.write() as session:
        items.cancel(session, second)
    assert ask(db, "import:8") != second


def test_a_waiting_job_is_cancelled_at_once_and_an_ended_one_is_not(db: Database) -> None:
    job_id = ask(db)
    with db.write() as session:
        job = items.cancel(session, job_id)
        assert job.state is JobState.CANCELLED
        assert job.ended_at is not None
    with pytest.raises(Refused), db.write() as session:
        items.cancel(session, job_id)
    with pytest.raises(NotFound), db.write() as session:
        items.cancel(session, 999)


def test_the_newest_stand_first(db: Database) -> None:
    ids = [ask(db) for _ in range(4)]
    with db.write() as session:
        other = items.ask(session, "other", {}, None).id
        items.cancel(session, ids[3])
    with db.read() as session:
        assert [job.id for job in items.recent(session, "count", 3)] == ids[:0:-1]
        assert [job.id for job in items.recent(session)] == [other, *reversed(ids)]
        newest = items.newest(session, "count")
        waiting = items.newest(session, "count", JobState.WAITING)
        assert newest is not None
        assert waiting is not None
        assert (newest.id, waiting.id) == (ids[3], ids[2])
        assert items.newest(session, "nothing") is None
