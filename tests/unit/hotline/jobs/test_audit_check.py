"""The check of the whole chain as a job: what it finds, once a day, and one at a time."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from hotline import audit, audit_anchors
from hotline.audit import note_act
from hotline.jobs import audit_check, items, working
from hotline.jobs.claims import Claims
from hotline.jobs.working import Worker, run_next
from hotline.keys import Keys
from hotline.settings import Settings
from models import AuditEntry, Database, Job, JobState
from models.db.types import now
from tests.support.cast import Cast
from tests.support.spooled import rows


@pytest.fixture
def keyed(db: Database, keys: Keys) -> Database:
    """The database as our processes open it, with some entries in the chain."""
    it = Database(db.url, audit_key=keys.audit)
    with it.write() as session:
        for n in range(7):
            note_act(session, "number_shown", f"case:{n}", by_id=None)
    return it


def ask(db: Database, cast: Cast | None = None) -> int:
    with db.write() as session:
        return audit_check.ask(session, cast.sofia if cast else None).id


def work(db: Database, settings: Settings, keys: Keys) -> Job:
    worker = Worker(Claims(db, "one", lease_s=60, tries=3))
    assert run_next(worker, {audit_check.KIND: audit_check.handler(settings.audit_anchors, keys.audit)})
    return rows(db, Job)[-1]


def test_a_whole_chain_is_said_and_noted_in_it_by_whom_it_was_asked(
    keyed: Database, settings: Settings, keys: Keys, staff: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "AT_ONCE", 2)
    monkeypatch.setattr(working, "REPORT_S", 0.0)
    ask(keyed, staff)
    job = work(keyed, settings, keys)
    before = len(rows(keyed, AuditEntry)) - 1
    assert (job.state, job.result) == (JobState.DONE, {"entries": before})
    assert (job.done, job.total) == (before - before % 2, before)
    entry = rows(keyed, AuditEntry)[-1]
    assert (entry.act, entry.subject, entry.by_id) == (audit_check.ACT, f"job:{job.id}", staff.sofia.id)
    assert entry.detail == {"entries": before}
    ask(keyed)
    assert work(keyed, settings, keys).result == {"entries": before + 1}, "its own entry fits the chain"


def test_a_changed_entry_is_found_however_old_it_is(keyed: Database, settings: Settings, keys: Keys) -> None:
    with keyed.write() as session:
        first = rows(keyed, AuditEntry)[0]
        session.get_one(AuditEntry, first.id).act = "nothing_happened"
    ask(keyed)
    job = work(keyed, settings, keys)
    assert (job.state, job.result["trouble"], job.result["entry"]) == (JobState.DONE, "changed", first.id)


def test_an_end_that_was_cut_off_is_found_by_the_anchors(keyed: Database, settings: Settings, keys: Keys) -> None:
    with keyed.read() as session:
        head = audit.head(session)
    assert head is not None
    audit_anchors.add(settings.audit_anchors, keys.audit, *head)
    with keyed.write() as session:
        session.delete(session.get_one(AuditEntry, head[0]))
    ask(keyed)
    assert work(keyed, settings, keys).result == {"entries": 6, "trouble": "cut", "entry": head[0]}


def test_anchors_that_cannot_be_read_are_no_whole_chain(keyed: Database, settings: Settings, keys: Keys) -> None:
    settings.audit_anchors.mkdir(parents=True)
    ask(keyed)
    assert work(keyed, settings, keys).result["trouble"] == "anchor_forged"


def test_one_at_a_time_and_another_when_it_has_ended(keyed: Database, settings: Settings, keys: Keys) -> None:
    first = ask(keyed)
    assert ask(keyed) == first
    work(keyed, settings, keys)
    second = ask(keyed)
    assert second != first
    with keyed.write() as session:
        items.cancel(session, second)
    assert ask(keyed) not in {first, second}


def test_it_is_due_once_a_day_of_the_hotline(db: Database) -> None:
    zone = ZoneInfo("Asia/Bangkok")
    with db.read() as session:
        assert audit_check.due(session, zone)
    job_id = ask(db)
    late = datetime(2026, 3, 1, 16, 59, tzinfo=UTC)  # a minute before midnight there
    with db.write() as session:
        session.get_one(Job, job_id).created_at = late
    with db.read() as session:
        assert not audit_check.due(session, zone, late - timedelta(hours=12))
        assert audit_check.due(session, zone, late + timedelta(minutes=2))
        assert audit_check.due(session, zone, late - timedelta(days=3)), "a clock that was put back"
        assert audit_check.due(session, zone, now())
