"""More access: at once where it gives nothing, else by a second person, or after a wait in which anybody can refuse."""

from datetime import timedelta

import pytest
from sqlmodel import Session, col, select

from hotline.alerts import alerts
from hotline.errors import Invalid, NotAllowed, NotFound, Refused
from hotline.settings import Settings
from hotline.staff import access_requests, people
from models import AccessEnd, AccessKind, AccessRequest, Agent, AlertKind, AuditEntry, Database, Role
from models.db.types import now
from tests.support.cast import PASSWORD, Cast


def acts(s: Session) -> list[str]:
    return [
        e.act for e in s.exec(select(AuditEntry).order_by(col(AuditEntry.id))) if e.act.startswith(("access", "role"))
    ]


def raise_bob(s: Session, staff: Cast, settings: Settings, role: Role = Role.SUPERVISOR) -> AccessRequest:
    row = access_requests.change(s, staff.bob.id, "Bob B", role, {}, staff.adam, settings)
    assert row is not None
    return row


def of(s: Session, person: Agent) -> Agent:
    return s.get_one(Agent, person.id)


@pytest.mark.parametrize("role", [Role.SUPERVISOR, Role.ADMINISTRATOR])
def test_a_higher_role_waits_for_a_second_person(db: Database, staff: Cast, settings: Settings, role: Role) -> None:
    """The name is kept at once; every supervisor is told; confirmed by another it is in force, and all of it is audited."""
    with db.write() as s:
        row = raise_bob(s, staff, settings, role)
        assert (of(s, staff.bob).name, of(s, staff.bob).role) == ("Bob B", Role.AGENT)
        assert row.due_at - row.asked_at == timedelta(hours=24)
        assert [(a.kind, a.agent_id) for a in alerts.open_alerts(s)] == [(AlertKind.ACCESS, staff.adam.id)]
        access_requests.confirm(s, row.id, staff.sofia)
        assert of(s, staff.bob).role is role
        assert (row.end, row.ended_by_id, row.open_for) == (AccessEnd.CONFIRMED, staff.sofia.id, None)
        assert alerts.open_alerts(s) == [], "whoever decided has taken note"
        assert acts(s) == ["access_asked", "role_changed", "access_confirmed"]
        with pytest.raises(Refused, match="decided"):
            access_requests.refuse(s, row.id, staff.sofia)


def test_neither_who_asked_nor_who_gains_is_the_second_person(db: Database, staff: Cast, settings: Settings) -> None:
    with db.write() as s:
        row = raise_bob(s, staff, settings)
        own = access_requests.reset_password(s, staff.sofia.id, staff.adam, settings)
        assert isinstance(own, AccessRequest)
        for wrong, who in ((row, staff.adam), (own, staff.sofia)):
            with pytest.raises(Refused, match="somebody else"):
                access_requests.confirm(s, wrong.id, who)
        for who in (staff.alice, staff.bob, staff.charlie):
            with pytest.raises(NotAllowed):
                access_requests.confirm(s, row.id, who)
            with pytest.raises(NotAllowed):
                access_requests.refuse(s, row.id, who)
        assert of(s, staff.bob).role is Role.AGENT


def test_who_oversees_refuses_and_who_asked_takes_back(db: Database, staff: Cast, settings: Settings) -> None:
    """Nothing changes, and it is never in force by waiting. What was taken back is still for somebody to take note of."""
    with db.write() as s:
        refused = raise_bob(s, staff, settings)
        access_requests.refuse(s, refused.id, staff.sofia)
        assert alerts.open_alerts(s) == []
        taken_back = raise_bob(s, staff, settings)
        access_requests.refuse(s, taken_back.id, staff.adam)
        assert (refused.end, taken_back.end) == (AccessEnd.REFUSED, AccessEnd.WITHDRAWN)
        assert [a.request_id for a in alerts.open_alerts(s)] == [taken_back.id]
        assert access_requests.settle_due(s, now() + timedelta(days=9)) == []
        assert of(s, staff.bob).role is Role.AGENT


def test_after_the_wait_it_is_in_force_and_the_alert_stands(db: Database, staff: Cast, settings: Settings) -> None:
    with db.write() as s:
        row = raise_bob(s, staff, settings)
        for early in (row.due_at - timedelta(seconds=1), row.asked_at, row.asked_at - timedelta(days=9)):
            assert not access_requests.any_due(s, early)
            assert access_requests.settle_due(s, early) == []
        assert access_requests.any_due(s, row.due_at)
        assert access_requests.settle_due(s, row.due_at) == [row]
        assert (row.end, row.ended_by_id, of(s, staff.bob).role) == (AccessEnd.WAITED, None, Role.SUPERVISOR)
        assert access_requests.settle_due(s, row.due_at) == []
        assert len(alerts.open_alerts(s)) == 1


def test_what_was_asked_for_in_the_future_never_waited(db: Database, staff: Cast, settings: Settings) -> None:
    """A clock that ran ahead wrote it: `due_at` may be made old by hand, a negative age is none."""
    with db.write() as s:
        row = raise_bob(s, staff, settings)
        row.asked_at, row.due_at = now() + timedelta(days=2), now() - timedelta(days=1)
        s.add(row)
        s.flush()
        assert access_requests.settle_due(s, now()) == []
        assert of(s, staff.bob).role is Role.AGENT


def test_the_wait_is_a_setting(db: Database, staff: Cast, settings: Settings) -> None:
    settings.second_person_h = 48
    with db.write() as s:
        row = raise_bob(s, staff, settings)
        assert row.due_at - row.asked_at == timedelta(hours=48)


@pytest.mark.parametrize("role", [Role.SUPERVISOR, Role.ADMINISTRATOR])
def test_somebody_new_in_a_higher_role_cannot_sign_in_before(
    db: Database, staff: Cast, settings: Settings, role: Role
) -> None:
    """Then who asked fetches the first password, once."""
    with db.write() as s:
        eve, row = access_requests.add(s, "eve", "Eve", role, {}, staff.adam, settings)
        assert row is not None
        assert (row.kind, eve.active, eve.must_change_password) == (AccessKind.ADD, False, True)
        with pytest.raises(Refused, match="waits"):
            access_requests.let_in(s, eve.id, staff.adam, settings)
        with pytest.raises(Refused, match="cannot be fetched"):
            access_requests.fetch_password(s, row.id, eve.id, staff.adam)
        access_requests.confirm(s, row.id, staff.sofia)
        assert (eve.active, eve.role) == (True, role)
        other = people.add_agent(s, "otto", "Otto", Role.ADMINISTRATOR, PASSWORD)
        with pytest.raises(Refused, match="cannot be fetched"):
            access_requests.fetch_password(s, row.id, eve.id, other)
        with pytest.raises(NotFound):
            access_requests.fetch_password(s, row.id, staff.sofia.id, staff.adam)
        told = access_requests.fetch_password(s, row.id, eve.id, staff.adam)
        assert people.check_password(s, "eve", told) is eve
        with pytest.raises(Refused, match="cannot be fetched"):
            access_requests.fetch_password(s, row.id, eve.id, staff.adam)


def test_an_agent_is_added_and_helped_by_one_person(db: Database, staff: Cast, settings: Settings) -> None:
    """Nothing is gained by it that a supervisor has."""
    with db.write() as s:
        eve, row = access_requests.add(s, "eve", "Eve", Role.AGENT, {}, staff.adam, settings)
        assert (eve.active, row, eve.must_change_password) == (True, None, True)
        assert isinstance(access_requests.reset_password(s, eve.id, staff.adam, settings), str)
        people.deactivate(s, eve.id, by_id=staff.adam.id)
        assert access_requests.let_in(s, eve.id, staff.adam, settings) is None
        assert access_requests.change(s, staff.sofia.id, "S", Role.AGENT, {}, staff.adam, settings) is None
        assert of(s, staff.sofia).role is Role.AGENT, "stepping down takes nobody else"
        assert access_requests.waiting(s) == []
        assert alerts.open_alerts(s) == []
        with pytest.raises(Invalid):
            access_requests.add(s, "eve", "Eve", Role.SUPERVISOR, {}, staff.adam, settings)


def test_the_password_of_a_supervisor_stays_until_the_new_one_is_fetched(
    db: Database, staff: Cast, settings: Settings
) -> None:
    with db.write() as s:
        row = access_requests.reset_password(s, staff.sofia.id, staff.adam, settings)
        assert isinstance(row, AccessRequest)
        assert access_requests.settle_due(s, row.due_at) == [row]
        assert people.check_password(s, "sofia", PASSWORD) is not None
        row.ended_at = now() - access_requests.FETCH_WITHIN - timedelta(minutes=1)
        s.add(row)
        assert access_requests.fetched_by(s, staff.sofia.id, staff.adam) is None, "too late"
        row.ended_at = now() + timedelta(days=1)
        assert access_requests.fetched_by(s, staff.sofia.id, staff.adam) is None, "decided in the future"
        row.ended_at = now()
        assert access_requests.fetched_by(s, staff.sofia.id, staff.adam) is row
        access_requests.fetch_password(s, row.id, staff.sofia.id, staff.adam)
        assert people.check_password(s, "sofia", PASSWORD) is None


def test_a_supervisor_who_left_is_let_in_again_by_two(db: Database, staff: Cast, settings: Settings) -> None:
    with db.write() as s:
        people.deactivate(s, staff.sofia.id, by_id=staff.adam.id)
        row = access_requests.let_in(s, staff.sofia.id, staff.adam, settings)
        assert row is not None
        assert (row.kind, of(s, staff.sofia).active) == (AccessKind.LET_IN, False)
        eve = people.add_agent(s, "eve", "Eve", Role.ADMINISTRATOR, PASSWORD)
        access_requests.confirm(s, row.id, eve)
        assert of(s, staff.sofia).active


def test_a_request_that_makes_no_sense_any_more_lapses(db: Database, staff: Cast, settings: Settings) -> None:
    with db.write() as s:
        gone = raise_bob(s, staff, settings)
        people.deactivate(s, staff.bob.id, by_id=staff.adam.id)
        assert access_requests.confirm(s, gone.id, staff.sofia).end is AccessEnd.LAPSED
        assert of(s, staff.bob).role is Role.AGENT
        reset = access_requests.reset_password(s, staff.sofia.id, staff.adam, settings)
        assert isinstance(reset, AccessRequest)
        people.set_role(s, of(s, staff.sofia), Role.AGENT, by_id=None)
        assert access_requests.settle_due(s, reset.due_at)[0].end is AccessEnd.LAPSED
        assert access_requests.fetched_by(s, staff.sofia.id, staff.adam) is None


def test_the_last_administrator_stays_one(db: Database, staff: Cast, settings: Settings) -> None:
    """Also when there was another one while it was asked for."""
    with db.write() as s:
        with pytest.raises(Refused, match="last administrator"), s.begin_nested():
            access_requests.change(s, staff.adam.id, "Adam", Role.SUPERVISOR, {}, staff.adam, settings)
        eve = people.add_agent(s, "eve", "Eve", Role.ADMINISTRATOR, PASSWORD)
        row = access_requests.change(s, staff.adam.id, "Adam", Role.SUPERVISOR, {}, staff.adam, settings)
        assert row is not None
        people.deactivate(s, eve.id, by_id=staff.adam.id)
        assert access_requests.confirm(s, row.id, staff.sofia).end is AccessEnd.LAPSED
        assert of(s, staff.adam).role is Role.ADMINISTRATOR


def test_one_request_for_one_person(db: Database, staff: Cast, settings: Settings) -> None:
    with db.write() as s:
        raise_bob(s, staff, settings)
        with pytest.raises(Refused, match="waits already"):
            raise_bob(s, staff, settings, Role.ADMINISTRATOR)


@pytest.mark.parametrize(
    ("waited", "told"),
    [
        (timedelta(seconds=-1), False),
        (timedelta(), True),
        (timedelta(days=3), True),
        (timedelta(days=3, seconds=1), False),
    ],
)
def test_a_password_is_fetched_within_three_days_of_the_decision(
    db: Database, staff: Cast, settings: Settings, monkeypatch: pytest.MonkeyPatch, waited: timedelta, told: bool
) -> None:
    with db.write() as s:
        row = access_requests.reset_password(s, staff.sofia.id, staff.adam, settings)
        assert isinstance(row, AccessRequest)
        access_requests.settle_due(s, row.due_at)
        moment = (row.ended_at or now()) + waited
        monkeypatch.setattr(access_requests, "now", lambda: moment)
        assert access_requests.to_fetch(row, staff.adam) is told
        assert access_requests.fetched_by(s, staff.sofia.id, staff.adam) is (row if told else None)


@pytest.mark.parametrize("kind", list(AccessKind))
@pytest.mark.parametrize("end", [None, *AccessEnd])
def test_only_a_password_that_was_asked_for_and_is_in_force_is_fetched_by_who_asked(
    db: Database, staff: Cast, kind: AccessKind, end: AccessEnd | None
) -> None:
    with db.write() as s:
        row = AccessRequest(
            kind=kind, agent_id=staff.sofia.id, role=Role.SUPERVISOR, asked_by_id=staff.adam.id,
            asked_at=now(), due_at=now(), end=end, ended_at=None if end is None else now(),
        )  # fmt: skip
        s.add(row)
        s.flush()
        told = kind in {AccessKind.ADD, AccessKind.PASSWORD} and end in {AccessEnd.CONFIRMED, AccessEnd.WAITED}
        assert access_requests.to_fetch(row, staff.adam) is told
        assert access_requests.fetched_by(s, staff.sofia.id, staff.adam) is (row if told else None)
        assert not access_requests.to_fetch(row, staff.sofia)
        assert access_requests.fetched_by(s, staff.sofia.id, staff.sofia) is None
        assert access_requests.fetched_by(s, staff.bob.id, staff.adam) is None
        row.used_at = now()
        s.flush()
        assert not access_requests.to_fetch(row, staff.adam)


def test_of_two_passwords_that_wait_the_newer_is_fetched(db: Database, staff: Cast, settings: Settings) -> None:
    with db.write() as s:
        rows = []
        for _ in range(2):
            row = access_requests.reset_password(s, staff.sofia.id, staff.adam, settings)
            assert isinstance(row, AccessRequest)
            access_requests.settle_due(s, row.due_at)
            rows.append(row)
        assert access_requests.fetched_by(s, staff.sofia.id, staff.adam) is rows[1]


def test_requests_are_listed_while_they_wait_and_the_newest_of_those_decided(
    db: Database, staff: Cast, settings: Settings
) -> None:
    """The oldest first that wait, the newest first that were decided, and no more than are asked for."""
    with db.write() as s:
        asked = []
        for n in range(24):
            eve, row = access_requests.add(s, f"eve{n}", "Eve", Role.SUPERVISOR, {}, staff.adam, settings)
            assert row is not None
            assert access_requests.open_of(s, eve.id) is row
            asked.append(row)
        assert access_requests.waiting(s) == asked
        assert access_requests.decided(s) == []
        for n, row in enumerate(asked[:22]):
            access_requests.refuse(s, row.id, staff.sofia).ended_at = now() + timedelta(minutes=n)
            assert access_requests.open_of(s, row.agent_id) is None
        s.flush()
        assert access_requests.waiting(s) == asked[22:]
        assert access_requests.decided(s, 99) == asked[21::-1]
        assert access_requests.decided(s) == asked[21:1:-1]


def test_each_step_of_a_request_is_audited_with_what_it_is_about(db: Database, staff: Cast, settings: Settings) -> None:
    with db.write() as s:
        row = raise_bob(s, staff, settings)
        access_requests.refuse(s, row.id, staff.sofia)
        entries = [e for e in s.exec(select(AuditEntry).order_by(col(AuditEntry.id))) if e.act.startswith("access_")]
        assert [(e.act, e.by_id) for e in entries] == [
            ("access_asked", staff.adam.id),
            ("access_refused", staff.sofia.id),
        ]
        detail = {"request": row.id, "kind": "raise", "role": "supervisor"}
        assert [(e.subject, e.detail) for e in entries] == [(f"agent:{staff.bob.id}", detail)] * 2
        assert row.asked_by_id == staff.adam.id


@pytest.mark.parametrize("kind", [AccessKind.ADD, AccessKind.LET_IN, AccessKind.PASSWORD])
def test_what_was_asked_for_a_role_that_is_another_by_now_lapses(
    db: Database, staff: Cast, settings: Settings, kind: AccessKind
) -> None:
    """Nobody is let in to more than the second person read."""
    with db.write() as s:
        sofia = of(s, staff.sofia)
        if kind is AccessKind.ADD:
            agent, row = access_requests.add(s, "eve", "Eve", Role.SUPERVISOR, {}, staff.adam, settings)
        elif kind is AccessKind.LET_IN:
            people.deactivate(s, sofia.id, by_id=staff.adam.id)
            agent, row = sofia, access_requests.let_in(s, sofia.id, staff.adam, settings)
        else:
            found = access_requests.reset_password(s, sofia.id, staff.adam, settings)
            assert isinstance(found, AccessRequest)
            agent, row = sofia, found
        assert row is not None
        active = agent.active
        agent.role = Role.ADMINISTRATOR
        s.flush()
        eve = people.add_agent(s, "second", "Second", Role.SUPERVISOR, PASSWORD)
        assert access_requests.confirm(s, row.id, eve).end is AccessEnd.LAPSED
        assert agent.active is active
        assert access_requests.fetched_by(s, agent.id, staff.adam) is None


def test_letting_in_who_never_left_asks_nobody(db: Database, staff: Cast, settings: Settings) -> None:
    with db.write() as s:
        assert access_requests.let_in(s, staff.sofia.id, staff.adam, settings) is None
        assert access_requests.waiting(s) == []


def test_a_request_that_nobody_knows_is_not_found(db: Database, staff: Cast, settings: Settings) -> None:
    with db.write() as s:
        for act in (access_requests.confirm, access_requests.refuse):
            with pytest.raises(NotFound):
                act(s, 99_999, staff.sofia)
        with pytest.raises(NotFound):
            access_requests.fetch_password(s, 99_999, staff.sofia.id, staff.adam)


def test_only_who_manages_people_asks_for_more_access(db: Database, staff: Cast, settings: Settings) -> None:
    with db.write() as s:
        for by in (staff.alice, staff.sofia, staff.charlie):
            with pytest.raises(NotAllowed):
                access_requests.add(s, "eve", "Eve", Role.AGENT, {}, by, settings)
            with pytest.raises(NotAllowed):
                access_requests.change(s, staff.bob.id, "Bob", Role.AGENT, {}, by, settings)
            with pytest.raises(NotAllowed):
                access_requests.reset_password(s, staff.bob.id, by, settings)
            with pytest.raises(NotAllowed):
                access_requests.let_in(s, staff.bob.id, by, settings)
            with pytest.raises(NotAllowed):
                access_requests.fetch_password(s, 1, staff.bob.id, by)
