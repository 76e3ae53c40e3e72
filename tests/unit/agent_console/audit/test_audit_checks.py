"""The check of the whole chain on the audit page: asked for, followed, cancelled, and what it found."""

import re

import pytest

from hotline import audit
from hotline.jobs import audit_check, items, working
from hotline.jobs.claims import Claims
from hotline.jobs.working import Progress, Worker, run_next
from hotline.keys import Keys
from hotline.settings import Settings
from models import AuditEntry, Database, Job, JobState
from models.db.types import now
from ops.jobs.handlers import handlers
from tests.support.browsers import HTMX, Browser, SignIn
from tests.support.cast import Cast
from tests.support.spooled import rows


@pytest.fixture
async def sofia(signed_in: SignIn, staff: Cast) -> Browser:
    return signed_in(staff.sofia)


def work(db: Database, settings: Settings, keys: Keys) -> Job:
    """What the jobs process does."""
    own = Database(db.url, audit_key=keys.audit)
    assert run_next(Worker(Claims(own, "one", lease_s=60, tries=3)), handlers(settings, keys))
    own.dispose()
    return rows(db, Job)[-1]


def running(db: Database, **values: object) -> Job:
    with db.write() as session:
        job = session.get_one(Job, rows(db, Job)[-1].id)
        job.state, job.started_at = JobState.RUNNING, now()
        for name, value in values.items():
            setattr(job, name, value)
    return rows(db, Job)[-1]


async def test_asked_for_it_waits_runs_and_its_result_is_kept(
    sofia: Browser, db: Database, settings: Settings, keys: Keys
) -> None:
    """Each page as one without JavaScript sees it, by loading it again."""
    assert "Never checked yet" in await sofia.text("/audit")
    answer = await sofia.post("/audit/checks")
    assert (answer.status, answer.headers["Location"]) == (303, "/audit")
    text = await sofia.text("/audit")
    assert "Checking the whole chain" in text
    assert ">waiting<" in text
    assert 'value="0" max="1"' in text
    assert "Load the page again" in text
    assert '<form method="post" action="/audit/checks">' not in text, "one at a time"
    job = running(db, done=3000, total=12000)
    text = await sofia.text("/audit/checks", **HTMX)
    assert "<html" not in text
    assert "3,000 of 12,000" in text
    assert 'value="3000" max="12000"' in text
    assert f"job-changed:{job.id} from:body" in text
    with db.write() as session:
        items.cancel(session, job.id)
        audit_check.ask(session, None)
    done = work(db, settings, keys)
    text = await sofia.text("/audit")
    assert f"Whole: all of {done.result['entries']} entr" in text
    assert "asked for by the machine" in text
    assert "<progress" not in text
    assert '<form method="post" action="/audit/checks">' in text
    page = await sofia.text("/audit/checks")
    assert "<html" in page
    assert "cancelled" in page
    assert "Sofia" in page


async def test_the_bar_has_a_name_for_who_hears_it(sofia: Browser) -> None:
    """The element progress has the role of a progress bar; its name is the line with the numbers."""
    await sofia.post("/audit/checks")
    found = re.search(r'<progress [^>]*aria-labelledby="([^"]+)"', await sofia.text("/audit"))
    assert found
    assert f'id="{found[1]}"' in await sofia.text("/audit")


async def test_asked_for_twice_there_is_one(sofia: Browser, db: Database) -> None:
    await sofia.post("/audit/checks")
    await sofia.post("/audit/checks")
    assert len(rows(db, Job)) == 1


async def test_a_broken_chain_is_said_where_the_newest_entries_are_whole(
    sofia: Browser, db: Database, settings: Settings, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    with db.write() as session:
        for n in range(5):
            audit.note_act(session, "number_shown", f"case:{n}", by_id=None)
    with db.write() as session:
        first = rows(db, AuditEntry)[0]
        session.get_one(AuditEntry, first.id).act = "nothing_happened"
    await sofia.post("/audit/checks")
    assert work(db, settings, keys).state is JobState.DONE
    for path in ("/audit", "/audit/checks"):
        assert f"Broken at entry {first.id}: something was changed or removed" in await sofia.text(path)
    assert "checked the whole chain" in await sofia.text("/audit")


async def test_cancelled_in_the_middle_it_is_noted_who_did(
    sofia: Browser, db: Database, staff: Cast, settings: Settings, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working, "REPORT_S", 0.0)
    await sofia.post("/audit/checks")
    job = running(db, claimed_by="one", attempts=1)
    answer = await sofia.post(f"/audit/checks/{job.id}/cancellation")
    assert (answer.status, answer.headers["Location"]) == (303, "/audit")
    claims = Claims(db, "one", lease_s=60, tries=3)
    with pytest.raises(working.NotOurs):
        Progress(Worker(claims), working.Claim(job.id, job.kind, {}, "one", 1)).report(1, 2)
    entry = rows(db, AuditEntry)[-1]
    assert (entry.act, entry.subject, entry.by_id) == ("chain_check_stopped", f"job:{job.id}", staff.sofia.id)
    text = await sofia.text("/audit")
    assert "The last check" in text
    assert ">cancelled<" in text
    assert (await sofia.post(f"/audit/checks/{job.id}/cancellation")).status == 409


async def test_one_that_failed_says_so_and_can_be_asked_for_again(sofia: Browser, db: Database) -> None:
    await sofia.post("/audit/checks")
    claims = Claims(db, "one", lease_s=60, tries=3)
    claim = claims.take([audit_check.KIND])
    assert claim is not None
    claims.fail(claim, "OperationalError")
    assert "failed (OperationalError), is tried again" in await sofia.text("/audit")
    running(db, claimed_by="one", attempts=1)
    claims.fail(claim, "OperationalError", for_good=True)
    text = await sofia.text("/audit")
    assert ">failed<" in text
    assert '<form method="post" action="/audit/checks">' in text
    await sofia.post("/audit/checks")
    assert len(rows(db, Job)) == 2


async def test_work_of_another_kind_is_not_cancelled_here(sofia: Browser, db: Database) -> None:
    with db.write() as session:
        other = items.ask(session, "import", {}, None).id
    assert (await sofia.post(f"/audit/checks/{other}/cancellation")).status == 404
    assert rows(db, Job)[0].state is JobState.WAITING


async def test_only_who_may_see_the_audit_checks_it(alice: Browser, adam: Browser, outsider: Browser) -> None:
    for browser in (alice, adam):
        assert (await browser.get("/audit/checks")).status == 403
        assert (await browser.post("/audit/checks")).status == 403
    assert (await outsider.get("/audit/checks")).status == 303
