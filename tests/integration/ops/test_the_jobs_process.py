"""The jobs process as the supervisor runs it: woken, killed in the middle, stopped, and over to another."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from sqlmodel import col, select

from hotline.audit import note_act
from hotline.jobs import audit_check, items
from hotline.keys import Keys
from hotline.nudges import JOBS_CHANGED, Nudges
from hotline.settings import ROOT, Settings
from models import AuditEntry, Database, Job, JobState
from ops.supervision.health import healthy
from tests.support.databases import on_sqlite
from tests.support.spooled import rows
from tests.support.wait import PATIENCE_S, until

REAL, SLOW = ("-m", "ops", "run", "jobs"), ("-m", "tests.support.slow_jobs")
# It looks by itself once in ten minutes: what it does sooner, somebody woke it for.
PATIENT = (
    "-c",
    "import sys; from hotline.settings import settings; from ops.jobs import process;"
    "process.LOOK_S = 600.0; sys.exit(process.main(settings()))",
)
ENTRIES = 40
Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start(settings: Settings, keys: Keys, db: Database) -> Iterator[Start]:
    """Starts jobs processes on the test's database; none is left behind."""
    started: list[subprocess.Popen[bytes]] = []
    environment = os.environ | {
        "FREELINE_DATA": str(settings.data),
        "FREELINE_DATABASE_URL": db.url,
        "FREELINE_JOB_LEASE_S": "2",
    }

    def begin(*how: str) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            [sys.executable, *how], cwd=ROOT, env=environment, stderr=subprocess.STDOUT, stdout=subprocess.PIPE
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate(timeout=PATIENCE_S)


@pytest.fixture
def chain(db: Database, keys: Keys) -> Database:
    """Some entries of the audit, as our processes write them, and no check that is due today."""
    keyed = Database(db.url, audit_key=keys.audit)
    with keyed.write() as session:
        for n in range(ENTRIES):
            note_act(session, "number_shown", f"case:{n}", by_id=None)
    return keyed


def ask(db: Database) -> int:
    with db.write() as session:
        return audit_check.ask(session, None).id


def job(db: Database) -> Job:
    return rows(db, Job)[0]


def noted(db: Database) -> list[AuditEntry]:
    with db.read() as session:
        return list(session.exec(select(AuditEntry).where(col(AuditEntry.act) == audit_check.ACT)))


def in_the_middle(db: Database) -> Job | None:
    found = job(db)
    return found if found.state is JobState.RUNNING and found.done > 2 else None


def test_it_does_what_is_due_and_what_is_asked_for_and_ends_when_told(
    settings: Settings, chain: Database, start: Start
) -> None:
    process = start(*REAL)
    until(lambda: rows(chain, Job) and job(chain).state is JobState.DONE)
    assert healthy(settings, "jobs")
    assert (job(chain).result, job(chain).asked_by_id) == ({"entries": ENTRIES}, None)
    second = ask(chain)
    until(lambda: rows(chain, Job)[1].state is JobState.DONE)
    assert rows(chain, Job)[1].id == second
    assert len(noted(chain)) == 2
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=PATIENCE_S)[0].decode()
    assert process.returncode == 0
    assert "the jobs process is ready" in said
    assert said.count("a job is done") == 2


@on_sqlite
def test_a_nudge_wakes_it(settings: Settings, chain: Database, start: Start) -> None:
    start("-m", "ops", "run", "redis")
    nudges = Nudges(settings.redis)
    until(nudges.there)
    start(*PATIENT)
    until(lambda: rows(chain, Job) and job(chain).state is JobState.DONE)
    ask(chain)

    def done() -> bool:
        nudges.tell(JOBS_CHANGED)  # again and again: it may not hear yet
        return rows(chain, Job)[1].state is JobState.DONE

    until(done)


def test_killed_in_the_middle_its_job_is_taken_over_and_has_its_effect_once(chain: Database, start: Start) -> None:
    ask(chain)
    first = start(*SLOW)
    before = until(lambda: in_the_middle(chain))
    first.kill()
    first.communicate(timeout=PATIENCE_S)
    assert job(chain).state is JobState.RUNNING
    start(*REAL)
    until(lambda: job(chain).state is JobState.DONE)
    assert (job(chain).attempts, job(chain).result) == (2, {"entries": ENTRIES})
    assert before.claimed_by is not None
    assert [entry.subject for entry in noted(chain)] == [f"job:{before.id}"]
    assert len(rows(chain, Job)) == 1


def test_one_that_hung_longer_than_its_lease_finds_its_job_done_by_another(chain: Database, start: Start) -> None:
    ask(chain)
    first = start(*SLOW)
    until(lambda: in_the_middle(chain))
    first.send_signal(signal.SIGSTOP)
    start(*REAL)
    until(lambda: job(chain).state is JobState.DONE)
    first.send_signal(signal.SIGCONT)
    assert first.stdout is not None
    until(lambda: b"a job is not ours any more" in first.stdout.readline())
    assert len(noted(chain)) == 1
    assert (job(chain).state, job(chain).attempts) == (JobState.DONE, 2)


def test_told_to_stop_it_gives_its_job_back_within_seconds(chain: Database, start: Start) -> None:
    ask(chain)
    process = start(*SLOW)
    until(lambda: in_the_middle(chain))
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    found = job(chain)
    assert (found.state, found.claimed_by, found.attempts) == (JobState.WAITING, None, 0)
    assert noted(chain) == []


def test_cancelled_in_the_middle_it_ends_and_the_process_goes_on(chain: Database, start: Start) -> None:
    job_id = ask(chain)
    process = start(*SLOW)
    until(lambda: in_the_middle(chain))
    with chain.write() as session:
        items.cancel(session, job_id)
    assert process.stdout is not None
    until(lambda: b"a job was cancelled" in process.stdout.readline())
    assert job(chain).state is JobState.CANCELLED
    ask(chain)
    until(lambda: rows(chain, Job)[1].done > 2)
    assert noted(chain) == []


def test_two_processes_share_what_there_is_and_ask_once_for_what_is_due(chain: Database, start: Start) -> None:
    start(*REAL)
    start(*REAL)
    until(lambda: rows(chain, Job) and job(chain).state is JobState.DONE)
    with chain.write() as session:
        for n in range(6):
            items.ask(session, audit_check.KIND, {}, None, key=f"test:{n}")
    until(lambda: all(one.state is JobState.DONE for one in rows(chain, Job)))
    assert len(rows(chain, Job)) == 7
    assert len(noted(chain)) == 7
    assert all(one.attempts == 1 for one in rows(chain, Job))
