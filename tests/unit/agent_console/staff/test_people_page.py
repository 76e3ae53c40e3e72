"""The people page: adding, changing, ending access; secrets that are told once; the last administrator stays."""

import hashlib
import re

from sqlmodel import col, select

import models
from hotline.staff import people
from hotline.staff.people import SIP_REALM
from models import Agent, AgentLanguage, AgentStatus, AuditEntry, Database, Proficiency, Role
from tests.support.browsers import Browser, SignIn
from tests.support.cast import PASSWORD, Cast

NEW = {"name": "Mya <b>Mya</b>", "login": "mya", "role": "agent", "speaks-my": "native", "speaks-km": "basic"}


def speaks(db: Database, agent_id: int | None) -> dict[str, Proficiency]:
    with db.read() as session:
        rows = session.exec(select(AgentLanguage).where(col(AgentLanguage.agent_id) == agent_id))
        return {row.language: row.proficiency for row in rows}


def agent(db: Database, login: str) -> Agent:
    with db.read() as session:
        return session.exec(select(Agent).where(col(Agent.login) == login)).one()


async def test_somebody_new_signs_in_with_the_password_that_is_told_once(
    adam: Browser, outsider: Browser, db: Database
) -> None:
    """And must choose her own first."""
    answer = await adam.post("/settings/people", **NEW)
    text = await answer.text()
    told = re.search(r'<code id="told">([^<]+)</code>', text)
    assert told
    assert "Mya &lt;b&gt;" in text
    mya = agent(db, "mya")
    assert speaks(db, mya.id) == {"my": Proficiency.NATIVE, "km": Proficiency.BASIC}
    assert told[1] not in await adam.text(f"/settings/people/{mya.id}"), "it is told once"
    assert (await outsider.try_sign_in("mya", told[1])).status == 303
    assert (await outsider.get("/")).headers["Location"] == "/account/password"


async def test_what_is_wrong_comes_back_with_what_was_typed(adam: Browser, db: Database) -> None:
    """422, languages and all."""
    for wrong in ({"login": "alice"}, {"login": "A B"}, {"name": "  "}, {"role": "king"}):
        answer = await adam.post("/settings/people", **NEW | wrong)
        text = await answer.text()
        assert answer.status == 422, wrong
        assert re.search(r'name="speaks-my">.*?value="native" selected', text, re.S)
    with db.read() as session:
        assert session.exec(select(Agent).where(col(Agent.login) == "mya")).first() is None


async def test_a_person_is_changed(adam: Browser, signed_in: SignIn, db: Database, staff: Cast) -> None:
    """Name and exactly the languages that were chosen; the higher role when a second person has confirmed it."""
    where = f"/settings/people/{staff.alice.id}"
    form = {"name": "Alice B", "role": "supervisor", "speaks-vi": "fluent", "speaks-xx": "native", "speaks-th": "poor"}
    assert (await adam.post(where, **form)).headers["Location"] == where
    assert agent(db, "alice").role is Role.AGENT
    assert (await signed_in(staff.sofia).post("/settings/requests/1/confirmation")).status == 303
    alice = agent(db, "alice")
    assert (alice.name, alice.role) == ("Alice B", Role.SUPERVISOR)
    assert speaks(db, alice.id) == {"vi": Proficiency.FLUENT}
    with db.read() as session:
        entry = session.exec(select(AuditEntry).where(col(AuditEntry.act) == "role_changed")).one()
        assert (entry.by_id, entry.detail["role"]) == (staff.sofia.id, "supervisor")
        asked = session.exec(select(AuditEntry).where(col(AuditEntry.act) == "access_asked")).one()
        assert (asked.by_id, asked.detail["role"]) == (staff.adam.id, "supervisor")
    assert (await adam.post(where, name="", role="agent")).status == 422


async def test_the_last_administrator_can_neither_leave_nor_step_down(adam: Browser, db: Database, staff: Cast) -> None:
    """Else nobody could let anybody in again. With a second one she may."""
    where = f"/settings/people/{staff.adam.id}"
    assert (await adam.post(f"{where}/deactivation")).status == 409
    assert (await adam.post(where, name="Adam", role="agent")).status == 409
    assert agent(db, "adam").role is Role.ADMINISTRATOR
    assert agent(db, "adam").active
    with db.write() as session:
        people.add_agent(session, "eve", "Eve", Role.ADMINISTRATOR, PASSWORD)
    assert (await adam.post(where, name="Adam", role="agent")).status == 303


async def test_one_who_left_does_not_count_as_an_administrator(adam: Browser, db: Database, staff: Cast) -> None:
    """She cannot sign in."""
    with db.write() as session:
        gone = people.add_agent(session, "eve", "Eve", Role.ADMINISTRATOR, PASSWORD)
        gone.active = False
        session.add(gone)
    assert (await adam.post(f"/settings/people/{staff.adam.id}/deactivation")).status == 409


async def test_ended_access_ends_sign_ins_phone_and_state(
    adam: Browser, signed_in: SignIn, db: Database, staff: Cast
) -> None:
    """At once; and she can be let in again."""
    alice = signed_in(staff.alice)
    assert (await alice.get("/queue")).status == 200
    where = f"/settings/people/{staff.alice.id}"
    await adam.post(f"{where}/phone")
    assert (await adam.post(f"{where}/deactivation")).status == 303
    assert (await alice.get("/queue")).status == 303
    with db.read() as session:
        assert session.get_one(Agent, staff.alice.id).phone_secret_ha1 is None
        assert people.state_of(session, staff.alice.id).status is AgentStatus.OFFLINE
        rows = session.exec(select(models.SignIn).where(col(models.SignIn.agent_id) == staff.alice.id)).all()
        assert rows
        assert all(row.ended_at for row in rows)
    assert (await adam.post(f"{where}/activation")).status == 303
    assert agent(db, "alice").active


async def test_a_temporary_password_replaces_the_old_one(
    adam: Browser, outsider: Browser, signed_in: SignIn, staff: Cast
) -> None:
    """Every sign-in ends; it is shown once and must be changed."""
    alice = signed_in(staff.alice)
    text = await (await adam.post(f"/settings/people/{staff.alice.id}/password")).text()
    told = re.search(r'<code id="told">([^<]+)</code>', text)
    assert told
    assert (await alice.get("/queue")).headers["Location"].startswith("/sign-in")
    assert (await outsider.try_sign_in("alice", PASSWORD)).status == 422
    assert (await outsider.try_sign_in("alice", told[1])).status == 303


async def test_a_phone_secret_is_shown_once_with_what_a_phone_needs(adam: Browser, db: Database, staff: Cast) -> None:
    """Only its digest is kept."""
    where = f"/settings/people/{staff.bob.id}"
    text = await (await adam.post(f"{where}/phone")).text()
    secret = re.search(r'<code id="secret">([^<]+)</code>', text)
    assert secret
    assert staff.bob.sip_name in text
    bob = agent(db, "bob")
    digest = hashlib.md5(f"{bob.sip_name}:{SIP_REALM}:{secret[1]}".encode()).hexdigest()
    assert bob.phone_secret_ha1 == digest
    page = await adam.text(where)
    assert secret[1] not in page
    assert digest not in page


async def test_nobody_else_manages_people(staff: Cast, signed_in: SignIn, outsider: Browser) -> None:
    """Not a supervisor; not by a wrong method; not a person who is not there."""
    where = f"/settings/people/{staff.bob.id}"
    sofia, adam = signed_in(staff.sofia), signed_in(staff.adam)
    assert (await sofia.post(f"{where}/password")).status == 403
    assert (await outsider.get(where)).status == 303
    for act in ("password", "phone", "deactivation", "activation"):
        assert (await adam.get(f"{where}/{act}")).status == 405
        assert (await adam.post(f"/settings/people/9999/{act}")).status == 404
    assert (await adam.get("/settings/people/9999")).status == 404


async def test_the_settings_begin_where_a_role_may(staff: Cast, signed_in: SignIn) -> None:
    """An administrator with the people, a supervisor with the audit, an agent nowhere."""
    assert (await signed_in(staff.adam).get("/settings")).headers["Location"] == "/settings/people"
    assert (await signed_in(staff.sofia).get("/settings")).headers["Location"] == "/audit"
    assert (await signed_in(staff.alice).get("/settings")).status == 403
