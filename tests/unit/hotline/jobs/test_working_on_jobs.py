"""How a worker and a handler get on: progress, errors, cancelling, stopping, and a database that goes away."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from sqlalchemy.exc import OperationalError

from hotline.jobs import items, working
from hotline.jobs.claims import Claims
from hotline.jobs.working import Done, GiveUp, Handler, Progress, Worker, run_next
from models import Database, Job, JobState
from tests.support.spooled import rows


@dataclass
class Told:
    """What a worker told its surroundings."""

    beats: int = 0
    changed: list[int] = field(default_factory=list)
    stop: bool = False

    def beat(self) -> None:
        self.beats += 1


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    """Every report counts, and no pause is waited for."""
    monkeypatch.setattr(working, "REPORT_S", 0.0)
    monkeypatch.setattr(working, "AGAIN_S", 0.0)
    return Told()


def work(db: Database, told: Told, handler: Handler, who: str = "one", **how: int) -> bool:
    claims = Claims(db, who, **({"lease_s": 60, "tries": 3} | how))
    return run_next(Worker(claims, lambda: told.stop, told.beat, told.changed.append), {"count": handler})


def ask(db: Database, **payload: int) -> int:
    with db.write() as session:
        return items.ask(session, "count", payload, None).id


def row(db: Database) -> Job:
    return rows(db, Job)[0]


def never(_progress: Progress) -> Done:
    raise AssertionError("nobody asked for this")


def test_nothing_to_do_is_no_work(db: Database, told: Told) -> None:
    assert not work(db, told, never)
    assert told.changed == []


def test_a_handler_gets_the_payload_tells_how_far_it_is_and_its_result_is_kept(db: Database, told: Told) -> None:
    job_id = ask(db, upto=3)
    seen: list[tuple[int, int | None]] = []

    def count(progress: Progress) -> Done:
        for n in range(1, progress.payload["upto"] + 1):
            progress.report(n, 3)
            seen.append((row(db).done, row(db).total))
        return Done({"n": 3}, lambda s: s.add(Job(kind="written")))

    assert work(db, told, count)
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert (row(db).state, row(db).result) == (JobState.DONE, {"n": 3})
    assert [job.kind for job in rows(db, Job)] == ["count", "written"]
    assert told.beats == 3
    assert set(told.changed) == {job_id}
    assert len(told.changed) == 5


def test_progress_is_written_only_now_and_then(db: Database, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(working, "REPORT_S", 3600.0)
    ask(db)

    def count(progress: Progress) -> Done:
        for n in range(100):
            progress.report(n, 100)
        return Done()

    assert work(db, told, count)
    assert told.beats == 1


def test_of_an_error_only_its_kind_is_kept_and_it_is_tried_again(db: Database, told: Told) -> None:
    ask(db)

    def fails(_progress: Progress) -> Done:
        raise ValueError("0812345678 called")

    assert work(db, told, fails)
    assert (row(db).state, row(db).error, row(db).attempts) == (JobState.WAITING, "ValueError", 1)
    assert row(db).next_try_at is not None
    assert work(db, told, never) is False


def test_who_gives_up_is_not_asked_again(db: Database, told: Told) -> None:
    ask(db)

    def gives_up(_progress: Progress) -> Done:
        raise GiveUp("no_such_file")

    assert work(db, told, gives_up)
    assert (row(db).state, row(db).error) == (JobState.FAILED, "no_such_file")


def test_what_fails_as_it_ends_is_a_failed_attempt(db: Database, told: Told) -> None:
    ask(db)

    def broken(_session: object) -> None:
        raise KeyError

    assert work(db, told, lambda _progress: Done({"n": 1}, broken))
    assert (row(db).state, row(db).error, row(db).result) == (JobState.WAITING, "KeyError", {})


def test_a_cancelled_job_ends_at_its_next_report_and_writes_nothing(db: Database, told: Told) -> None:
    job_id = ask(db)

    def count(progress: Progress) -> Done:
        with db.write() as session:
            items.cancel(session, job_id)
        progress.report(1, 2)
        raise AssertionError("it went on")

    assert work(db, told, count)
    assert (row(db).state, row(db).done) == (JobState.CANCELLED, 0)


def test_one_that_is_cancelled_after_its_last_report_writes_nothing_either(db: Database, told: Told) -> None:
    job_id = ask(db)

    def count(_progress: Progress) -> Done:
        with db.write() as session:
            items.cancel(session, job_id)
        return Done({"n": 1}, lambda s: s.add(Job(kind="written")))

    assert work(db, told, count)
    (job,) = rows(db, Job)
    assert (job.state, job.result) == (JobState.CANCELLED, {})


def test_a_worker_that_is_to_stop_gives_its_job_back_untried(db: Database, told: Told) -> None:
    ask(db)

    def count(progress: Progress) -> Done:
        told.stop = True
        progress.report(1, 2)
        raise AssertionError("it went on")

    assert work(db, told, count)
    assert (row(db).state, row(db).attempts, row(db).claimed_by) == (JobState.WAITING, 0, None)


def test_taken_over_meanwhile_the_work_of_the_first_has_no_effect(db: Database, told: Told) -> None:
    """The first outlived its lease; the second does all of it, and what is to be written once is written once."""
    ask(db)

    def effect(session: object) -> None:
        session.add(Job(kind="written"))  # type: ignore[attr-defined]

    def slow(_progress: Progress) -> Done:
        assert work(db, told, lambda _p: Done({"by": "quick"}, effect), "quick")
        return Done({"by": "slow"}, effect)

    assert work(db, told, slow, "slow", lease_s=-1)
    assert (row(db).state, row(db).result) == (JobState.DONE, {"by": "quick"})
    assert [job.kind for job in rows(db, Job)] == ["count", "written"]


def away(times: int, real: Callable[..., object], told: Told) -> Callable[..., object]:
    """A call that finds the database away so often."""
    left = [times]

    def call(*args: object, **kwargs: object) -> object:
        left[0] -= 1
        if left[0] >= 0:
            raise OperationalError("", {}, Exception())
        return real(*args, **kwargs)

    return call


def test_a_database_that_is_away_at_the_end_is_waited_for_with_signs_of_life(
    db: Database, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(db)
    monkeypatch.setattr(Claims, "finish", away(3, Claims.finish, told))
    assert work(db, told, lambda _progress: Done({"n": 1}))
    assert row(db).state is JobState.DONE
    assert told.beats == 3


def test_a_lease_that_cannot_be_renewed_does_not_end_the_work(
    db: Database, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(db)
    monkeypatch.setattr(Claims, "progress", away(1, Claims.progress, told))

    def count(progress: Progress) -> Done:
        progress.report(1, 2)
        progress.report(2, 2)
        return Done()

    assert work(db, told, count)
    assert (row(db).state, row(db).done) == (JobState.DONE, 2)
