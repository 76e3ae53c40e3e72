"""Reading many cases: each look has its audit line, too many are held up, and supervisors' pages say so until noted."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import event, text
from sqlmodel import col, select

from hotline.calls import facts as calls
from hotline.calls.facts import Fact, Seen
from hotline.cases import work
from hotline.keys import Keys
from hotline.settings import Settings
from models import Alert, AlertKind, AuditEntry, Callback, Database
from models.db.types import now
from tests.support.browsers import BOOSTED, HTMX, Browser, SignIn
from tests.support.cast import Cast
from tests.support.databases import on_sqlite
from tests.support.thailand import saw


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Three cases and two numbers within an hour are usual."""
    settings.cases_an_hour, settings.numbers_an_hour, settings.supervisor_times = 3, 2, 2
    return settings


@pytest.fixture
def found(db: Database, keys: Keys, staff: Cast) -> list[int]:
    """Six cases that Alice has; no call-back of them is due."""
    made = []
    with db.write() as session:
        for n in range(6):
            contact = saw(session, keys, f"c{n}", Fact.KEY, now(), Seen(language="my", number=f"08100000{n:02d}"))
            calls.close(session, contact, now(), join_within_s=0, brief_s=10)
            work.claim(session, contact.case_id or 0, staff.alice)
            made.append(contact.case_id or 0)
        for item in session.exec(select(Callback)):
            item.due_at = now() + timedelta(hours=2)
            session.add(item)
    return made


def lines(db: Database, act: str) -> list[tuple[int | None, str]]:
    with db.read() as session:
        entries = session.exec(select(AuditEntry).where(col(AuditEntry.act) == act).order_by(col(AuditEntry.id)))
        return [(entry.by_id, entry.subject) for entry in entries]


def standing(db: Database) -> list[Alert]:
    with db.read() as session:
        return list(session.exec(select(Alert).where(col(Alert.taken_at).is_(None))))


@pytest.mark.parametrize(
    "part", ["", "/title", "/safety", "/safety/form", "/worker", "/worker/form", "/notes", "/summary"]
)
async def test_whatever_shows_a_case_of_others_is_audited_once(
    bob: Browser, alice: Browser, found: list[int], db: Database, staff: Cast, part: str
) -> None:
    """By its page or by any piece of it; what fetches itself again adds nothing, and one's own is no look."""
    for headers in ({}, HTMX, HTMX):
        assert (await bob.get(f"/cases/{found[0]}{part}", **headers)).status == 200
    await bob.get(f"/cases/{found[0]}")
    await alice.get(f"/cases/{found[0]}{part}")
    assert lines(db, "case_read") == [(staff.bob.id, f"case:{found[0]}")]


@contextmanager
def begun(db_of: Callable[[], object]) -> Iterator[list[str]]:
    """How the transactions of an engine begin meanwhile."""
    said: list[str] = []
    engine = db_of()

    def heard(_c: object, _cursor: object, statement: str, *_rest: object) -> None:
        if statement.startswith("BEGIN"):
            said.append(statement)

    event.listen(engine, "before_cursor_execute", heard)
    yield said
    event.remove(engine, "before_cursor_execute", heard)


@on_sqlite
async def test_what_fetches_itself_again_takes_no_write_lock(
    bob: Browser, found: list[int], db: Database, server: object
) -> None:
    """SQLite has one writer, and calls need it: only the first look within the hour writes."""
    from agent_console.console import CONSOLE

    console = server.app[CONSOLE]  # type: ignore[attr-defined]
    with begun(lambda: console.database.engine) as said:
        await bob.get(f"/cases/{found[0]}")
        assert said.count("BEGIN IMMEDIATE") == 1
        said.clear()
        for _ in range(3):
            assert (await bob.get(f"/cases/{found[0]}", **HTMX)).status == 200
        assert said
        assert "BEGIN IMMEDIATE" not in said


def refuses_audit(db: Database) -> None:
    """From now on no line can be added to the audit."""
    with db.write() as session:
        connection = session.connection()
        if db.sqlite:
            connection.execute(
                text("CREATE TRIGGER full BEFORE INSERT ON audit_entry BEGIN SELECT RAISE(ABORT, 'disk full'); END")
            )
        else:
            connection.execute(
                text(
                    "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS "
                    "$$BEGIN RAISE EXCEPTION 'disk full' USING ERRCODE = '53100'; END$$"
                )
            )
            connection.execute(text("CREATE TRIGGER full_ BEFORE INSERT ON audit_entry EXECUTE FUNCTION full_disk()"))


async def test_without_an_audit_line_there_is_the_page_but_no_number(
    bob: Browser, found: list[int], db: Database
) -> None:
    """A case must be read when it burns; a number is shown with its line or not at all."""
    refuses_audit(db)
    assert (await bob.get(f"/cases/{found[0]}")).status == 200
    answer = await bob.post(f"/cases/{found[0]}/number", HTMX)
    assert answer.status in {500, 503}
    shown = await answer.text()
    assert "081 000" not in shown
    assert "0000" not in shown


async def test_too_many_cases_are_held_up_and_a_supervisor_sees_it(
    bob: Browser, signed_in: SignIn, found: list[int], db: Database, staff: Cast
) -> None:
    """The page says when to go on; every page of a supervisor shows who, what and how much, until one takes note."""
    for case_id in found[:3]:
        assert (await bob.get(f"/cases/{case_id}")).status == 200
    assert standing(db) == []
    for headers in ({}, BOOSTED, HTMX):
        answer = await bob.get(f"/cases/{found[3]}", **headers)
        assert answer.status == 429
        assert 0 < int(answer.headers["Retry-After"]) <= 60
    said = await (await bob.get(f"/cases/{found[3]}")).text()
    assert "far more than usual" in said
    assert f'href="/cases/{found[3]}"' in said
    assert len(lines(db, "case_read")) == 3
    assert (await bob.get(f"/cases/{found[0]}")).status == 200, "what was shown is shown again"
    alert = standing(db)
    assert [(a.kind, a.agent_id, a.amount, a.allowed) for a in alert] == [(AlertKind.CASES, staff.bob.id, 4, 3)]
    sofia = signed_in(staff.sofia)
    for path in ("/", "/queue", "/callbacks", "/cases", "/roster", "/audit", "/account"):
        assert 'hx-get="/alerts"' in await sofia.text(path), path
        assert 'hx-get="/alerts"' not in await bob.text(path) if path != "/audit" else True
    strip = await sofia.text("/alerts")
    assert "Bob looked at 4 cases of others within the hour" in " ".join(strip.split()).replace("</strong>", "")
    assert (await bob.get("/alerts")).status == 403
    assert (await bob.post(f"/alerts/{alert[0].id}/note")).status == 403
    assert "nobody has taken note" in await sofia.text("/audit")
    assert (await sofia.post(f"/alerts/{alert[0].id}/note", HTMX)).status == 200
    assert standing(db) == []
    assert "Bob" not in await sofia.text("/alerts")
    audit = await sofia.text("/audit")
    assert "noted" in audit
    assert "took note of an alert" in audit
    assert "looked at a case of others" in await sofia.text(f"/audit?by={staff.bob.id}")


async def test_too_many_numbers_are_refused_with_the_reason_in_place(
    bob: Browser, found: list[int], db: Database
) -> None:
    for case_id in found[:2]:
        assert (await bob.post(f"/cases/{case_id}/number", HTMX)).status == 200
    answer = await bob.post(f"/cases/{found[2]}/number", HTMX)
    assert (answer.status, answer.headers["HX-Retarget"]) == (409, "#said")
    assert "far more than usual" in await answer.text()
    plain = await bob.post(f"/cases/{found[2]}/number")
    assert plain.status == 429
    assert "0000" not in await plain.text()
    assert len(lines(db, "number_shown")) == 2
    assert [a.kind for a in standing(db)] == [AlertKind.NUMBERS]


async def test_an_act_that_is_done_is_not_held_up(bob: Browser, found: list[int], db: Database) -> None:
    """A note on a fourth case is kept, and its page drawn; the look counts."""
    for case_id in found[:3]:
        await bob.get(f"/cases/{case_id}")
    answer = await bob.post(f"/cases/{found[3]}/notes", HTMX, text="They called the office.")
    assert answer.status == 200
    assert len(lines(db, "case_read")) == 4
    assert [a.amount for a in standing(db)] == [4]


async def test_taking_cases_only_to_read_them_is_held_up_too(
    bob: Browser, found: list[int], db: Database, staff: Cast
) -> None:
    with db.write() as session:
        for case_id in found:
            work.release(session, case_id, staff.sofia)
    for case_id in found[:3]:
        assert (await bob.post(f"/cases/{case_id}/claim")).status == 303
    answer = await bob.post(f"/cases/{found[3]}/claim")
    assert answer.status == 429
    assert len(lines(db, "case_claimed")) == 3
