"""Sign-ins, failures and sign-outs are in the audit; the password is asked again before a phone is changed."""

from datetime import timedelta

import pytest
from aiohttp.test_utils import TestServer
from sqlalchemy import event
from sqlmodel import col, select

from agent_console.console import CONSOLE, Console
from agent_console.staff import anchoring, sign_in_log
from hotline import audit, audit_anchors
from hotline.staff import people, sign_ins
from hotline.staff import states as agents
from models import Agent, AuditEntry, Database
from models import SignIn as SignInRow
from models.db.types import now
from tests.support.browsers import TOKEN, Browser, SignIn
from tests.support.cast import PASSWORD, Cast
from tests.support.fake_operator import Operated

NEW = "another long password"


@pytest.fixture
def console(server: TestServer) -> Console:
    return server.app[CONSOLE]  # type: ignore[union-attr,no-any-return]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unknown names are checked as quickly as the others in tests."""
    monkeypatch.setattr(people, "_nobody", people._hasher.hash("nobody's"))


def acts(db: Database, *of: str) -> list[AuditEntry]:
    with db.read() as session:
        return list(session.exec(select(AuditEntry).where(col(AuditEntry.act).in_(of)).order_by(col(AuditEntry.id))))


async def test_coming_and_going_are_audited(outsider: Browser, db: Database, staff: Cast) -> None:
    for _ in range(2):
        assert (await outsider.try_sign_in("alice", PASSWORD)).status == 303
        outsider.csrf = TOKEN.search(await outsider.text("/account/password"))[1]  # type: ignore[index]
        assert (await outsider.post("/sign-out")).status == 303
    found = acts(db, "signed_in", "signed_out")
    assert [(e.act, e.by_id) for e in found] == [("signed_in", staff.alice.id), ("signed_out", staff.alice.id)] * 2
    assert [e.detail.get("new_browser") for e in found if e.act == "signed_in"] == [True, False]
    assert all(e.keyed for e in found)


@pytest.mark.usefixtures("quick")
async def test_wrong_tries_write_nothing_and_are_told_once_an_hour(
    console: Console, outsider: Browser, db: Database, staff: Cast
) -> None:
    """One entry a person, one for all names that nobody has; the next failures wait for the hour."""
    begun: list[str] = []
    event.listen(
        console.database.engine,
        "begin",
        lambda c: begun.append("write") if c.get_execution_options().get("freeline_write") else None,
    )
    for login in ["alice"] * 7 + ["nobody1", "nobody2", "bob"]:
        assert (await outsider.try_sign_in(login, "a wrong password")).status == 422
    assert begun == []
    for _ in range(3):
        sign_in_log.write(console)
    told = {e.subject: e.detail["times"] for e in acts(db, "sign_in_failed")}
    assert told == {f"agent:{staff.alice.id}": 7, f"agent:{staff.bob.id}": 1, "sign-in:unknown-names": 2}
    await outsider.try_sign_in("bob", "a wrong password")
    sign_in_log.write(console)
    assert len(acts(db, "sign_in_failed")) == 3
    assert (await outsider.try_sign_in("bob", PASSWORD)).status == 303
    assert acts(db, "signed_in")[0].detail["failed_before"] == 1


async def test_what_failed_is_written_when_the_console_stops(
    server: TestServer, outsider: Browser, db: Database
) -> None:
    await outsider.try_sign_in("alice", "a wrong password")
    await server.close()
    assert [e.detail["times"] for e in acts(db, "sign_in_failed")] == [1]


async def test_the_head_is_anchored_and_the_page_tells_what_is_missing(
    console: Console, signed_in: SignIn, db: Database, staff: Cast
) -> None:
    """Cut off at the end, as whoever has the database would."""
    sofia = signed_in(staff.sofia)
    with console.database.write() as session:
        entry = audit.note_act(session, "number_shown", "case:1", by_id=staff.alice.id)
    anchoring.anchor(console)
    assert "The chain is whole" in await sofia.text("/audit/chain")
    with db.write() as session:
        session.delete(session.get_one(AuditEntry, entry.id))
    assert f"The end is missing: there were entries up to {entry.id}" in await sofia.text("/audit/chain")
    assert len(audit_anchors.read(console.settings.audit_anchors, console.keys.audit).lines) >= 1


def make_old(db: Database) -> None:
    with db.write() as session:
        for row in session.exec(select(SignInRow)):
            row.confirmed_at = now() - sign_ins.CONFIRMED_FOR - timedelta(seconds=1)
            session.add(row)


@pytest.mark.parametrize("path", ["/account/phone", "/account/mobile"])
async def test_a_page_left_open_changes_no_phone(alice: Browser, db: Database, staff: Cast, path: str) -> None:
    """The password is asked first, and leads back; a wrong one changes nothing."""
    make_old(db)
    answer = await alice.post(path, mobile="0812345678")
    assert (answer.status, answer.headers["Location"]) == (303, "/account/confirm?next=%2Faccount")
    with db.read() as session:
        agent = session.get_one(Agent, staff.alice.id)
        assert (agent.phone_secret_ha1, agent.mobile_sealed) == (None, None)
    text = await alice.text("/account/confirm?next=%2Faccount")
    assert "Type your password again" in text
    assert (await alice.post("/account/confirm", next="/account", password="wrong")).status == 422
    assert (await alice.post(path, mobile="0812345678")).headers["Location"].startswith("/account/confirm")
    answer = await alice.post("/account/confirm", next="/account", password=PASSWORD)
    assert (answer.status, answer.headers["Location"]) == (303, "/account")
    assert not (await alice.post(path, mobile="0812345678")).headers.get("Location", "").startswith("/account/confirm")


async def test_guesses_at_the_password_of_a_page_left_open_are_stopped(alice: Browser, db: Database) -> None:
    """As at the sign-in."""
    make_old(db)
    for _ in range(5):
        assert (await alice.post("/account/confirm", password="wrong")).status == 422
    answer = await alice.post("/account/confirm", password=PASSWORD)
    assert answer.status == 422
    assert "Too many" in await answer.text()


async def test_a_new_password_ends_every_phone(
    alice: Browser, operated: Operated, db: Database, staff: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The desk phone's secret, and the one that a page registered with."""
    dropped: list[int] = []
    monkeypatch.setattr(operated, "drop_phone", dropped.append, raising=False)
    assert (await alice.post("/account/phone")).status == 200
    with db.write() as session:
        agents.page_took(session, staff.alice.id, "a page")
    assert (await alice.post("/account/password", old=PASSWORD, new=NEW, again=NEW)).status == 303
    assert dropped == [staff.alice.id]
    with db.read() as session:
        assert session.get_one(Agent, staff.alice.id).phone_secret_ha1 is None


@pytest.mark.parametrize("what", ["phone", "mobile"])
async def test_an_administrators_page_left_open_changes_nobodys_phone(
    adam: Browser, db: Database, staff: Cast, what: str
) -> None:
    """It leads back to that person's page."""
    make_old(db)
    answer = await adam.post(f"/settings/people/{staff.alice.id}/{what}", mobile="0812345678")
    assert answer.headers["Location"] == f"/account/confirm?next=%2Fsettings%2Fpeople%2F{staff.alice.id}"
