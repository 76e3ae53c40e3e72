"""A worker who is in danger: level P0, first in every list, an alert until a supervisor takes it."""

from datetime import timedelta

import pytest
from sqlmodel import Session, select

from hotline.alerts import dangers
from hotline.calls import facts as calls
from hotline.calls.facts import Fact, Seen
from hotline.cases import joining, rows, work
from hotline.cases.next_steps import StepKind
from hotline.cases.page import read
from hotline.cases.rows import Order
from hotline.errors import NotAllowed, Refused
from hotline.intake import dangers as intake_dangers
from hotline.intake import safety_form
from hotline.keys import Keys
from models import Alert, AuditEntry, Case, CaseStatus, Contact, Database, Disposition, Safety
from models.db.types import now
from tests.support.cast import Cast
from tests.support.thailand import saw


def filed(s: Session, keys: Keys, name: str, number: str, ago_h: int = 1) -> int:
    at = now() - timedelta(hours=ago_h)
    contact = saw(s, keys, name, Fact.KEY, at, Seen(language="my", number=number))
    calls.close(s, contact, at + timedelta(minutes=1), join_within_s=0, brief_s=10)
    return contact.case_id or 0


@pytest.fixture
def case_id(db: Database, keys: Keys, staff: Cast) -> int:
    """A case of Alice's, one hour old; another is older."""
    with db.write() as s:
        filed(s, keys, "older", "0899999999", ago_h=5)
        mine = filed(s, keys, "a", "0812345678")
        work.claim(s, mine, staff.alice)
        return mine


def first_kind(s: Session, case_id: int, staff: Cast) -> StepKind:
    return read(s, case_id, staff.alice).steps[0].kind


def test_danger_is_level_p0_and_tells_supervisors_once(db: Database, case_id: int, staff: Cast) -> None:
    """However often it is reviewed while nobody has taken it; the next step is a supervisor, before all others."""
    with db.write() as s:
        safety_form.set_safety(s, case_id, staff.alice, in_danger=True)
        safety_form.set_safety(s, case_id, staff.alice, in_danger=True, near="a guard")
        assert [(case.id, case.level) for _alert, case in dangers.standing(s, staff.sofia)] == [(case_id, "P0")]
        assert first_kind(s, case_id, staff) is StepKind.SUPERVISOR
        page = read(s, case_id, staff.alice)
        assert page.danger is not None
        assert page.danger.agent_id == staff.alice.id


def test_it_stands_first_in_the_queue_whatever_is_older(db: Database, case_id: int, staff: Cast) -> None:
    """Before any triage exists."""
    with db.write() as s:
        work.release(s, case_id, staff.alice)
        before = [row.case_id for row in rows.unclaimed(s, staff.sofia, order=Order.URGENT, at=now()).rows]
        assert before[0] != case_id
        safety_form.set_safety(s, case_id, staff.alice, in_danger=True)
        assert rows.unclaimed(s, staff.sofia, order=Order.URGENT, at=now()).rows[0].case_id == case_id


def test_a_supervisor_takes_it_and_the_second_is_told(db: Database, case_id: int, staff: Cast) -> None:
    """It leaves every page, the level stays, the timeline and the audit name who took it."""
    with db.write() as s:
        safety_form.set_safety(s, case_id, staff.alice, in_danger=True)
        with pytest.raises(NotAllowed):
            intake_dangers.take(s, case_id, staff.bob)
        intake_dangers.take(s, case_id, staff.sofia)
        assert dangers.standing(s, staff.sofia) == []
        with pytest.raises(Refused):
            intake_dangers.take(s, case_id, staff.sofia)
        page = read(s, case_id, staff.alice)
        assert (page.case.level, page.danger) == ("P0", None)
        assert page.events[0].by_id == staff.sofia.id
        assert first_kind(s, case_id, staff) is not StepKind.SUPERVISOR
        taken = s.exec(select(AuditEntry).where(AuditEntry.act == "danger_taken")).one()
        assert (taken.subject, taken.by_id) == (f"case:{case_id}", staff.sofia.id)


@pytest.mark.parametrize("answer", [False, None])
def test_when_the_danger_is_over_the_alert_and_its_level_go(
    db: Database, case_id: int, staff: Cast, answer: bool | None
) -> None:
    """Danger again is a new alert."""
    with db.write() as s:
        safety_form.set_safety(s, case_id, staff.alice, in_danger=True)
        safety_form.set_safety(s, case_id, staff.alice, in_danger=answer)
        assert dangers.standing(s, staff.sofia) == []
        assert s.get_one(Case, case_id).level is None
        safety_form.set_safety(s, case_id, staff.alice, in_danger=True)
        assert len(dangers.standing(s, staff.sofia)) == 1
        assert len(s.exec(select(Alert)).all()) == 2


def test_a_level_that_danger_did_not_set_is_left_alone(db: Database, case_id: int, staff: Cast) -> None:
    """Only P0 is taken back."""
    with db.write() as s:
        s.get_one(Case, case_id).level = "P2"
        safety_form.set_safety(s, case_id, staff.alice, in_danger=False)
        assert s.get_one(Case, case_id).level == "P2"


def test_closing_ends_the_alert_and_opening_again_raises_it(db: Database, case_id: int, staff: Cast) -> None:
    """A closed case waits for nobody; one that is open again with the same danger does."""
    with db.write() as s:
        safety_form.set_safety(s, case_id, staff.alice, in_danger=True)
        s.get_one(Case, case_id).status = CaseStatus.RESOLVED
        work.move(s, case_id, CaseStatus.CLOSED, staff.sofia, "needs met")
        assert dangers.standing(s, staff.sofia) == []
        work.move(s, case_id, CaseStatus.ACTIVE, staff.sofia, "they called again")
        assert [(case.id, case.level) for _alert, case in dangers.standing(s, staff.sofia)] == [(case_id, "P0")]
        s.get_one(Case, case_id).level = None
        dangers.end(s, case_id, staff.sofia)
        s.get_one(Case, case_id).status = CaseStatus.RESOLVED
        work.move(s, case_id, CaseStatus.CLOSED, staff.sofia, "needs met")
        work.move(s, case_id, CaseStatus.ACTIVE, staff.sofia, "they called again")
        assert s.get_one(Case, case_id).level == "P0", "open again, it is as urgent as it was"


def test_a_disposition_that_closes_the_case_ends_the_alert(db: Database, case_id: int, staff: Cast) -> None:
    """However a case is closed, its danger waits for nobody."""
    with db.write() as s:
        safety_form.set_safety(s, case_id, staff.alice, in_danger=True)
        call = s.exec(select(Contact).where(Contact.case_id == case_id)).one()
        work.dispose(s, case_id, call.id, Disposition.TEST, staff.alice)
        assert s.get_one(Case, case_id).status is CaseStatus.CLOSED
        assert dangers.standing(s, staff.sofia) == []
        with pytest.raises(Refused, match="is closed"):
            safety_form.set_safety(s, case_id, staff.alice, in_danger=None)
            safety_form.set_safety(s, case_id, staff.alice, in_danger=True)


def test_danger_goes_with_the_call_that_is_joined_to_another_case(
    db: Database, keys: Keys, case_id: int, staff: Cast
) -> None:
    """The case that is left is P0 and on every supervisor's page; undone, both are."""
    with db.write() as s:
        other = filed(s, keys, "b", "0877777777")
        safety_form.set_safety(s, case_id, staff.alice, in_danger=True)
        call = s.exec(select(Contact).where(Contact.case_id == case_id)).one()
        assert joining.join_call(s, call.id, other, staff.alice).emptied
        assert [(case.id, case.level) for _alert, case in dangers.standing(s, staff.sofia)] == [(other, "P0")]
        assert s.get_one(Safety, other).in_danger
        joining.undo_join(s, call.id, staff.alice)
        assert {case.id for _alert, case in dangers.standing(s, staff.sofia)} == {other, case_id}


def test_a_danger_that_was_taken_is_not_told_again_by_a_join(
    db: Database, keys: Keys, case_id: int, staff: Cast
) -> None:
    """The supervisor who took it knows; the other case is P0 all the same."""
    with db.write() as s:
        other = filed(s, keys, "b", "0877777777")
        safety_form.set_safety(s, case_id, staff.alice, in_danger=True)
        intake_dangers.take(s, case_id, staff.sofia)
        call = s.exec(select(Contact).where(Contact.case_id == case_id)).one()
        joining.join_call(s, call.id, other, staff.alice)
        assert dangers.standing(s, staff.sofia) == []
        assert s.get_one(Case, other).level == "P0"


def test_the_clock_of_danger_runs_from_when_it_was_written_down(db: Database, case_id: int, staff: Cast) -> None:
    """An old case is not overdue the moment it is in danger; once a supervisor has taken it no clock runs."""
    with db.write() as s:
        safety_form.set_safety(s, case_id, staff.alice, in_danger=True)
        [row] = rows.owned(s, staff.alice)
        alert = dangers.open_of(s, case_id)
        assert alert is not None
        assert row.act_by == alert.at + timedelta(minutes=15)
        assert not row.late(now())
        intake_dangers.take(s, case_id, staff.sofia)
        assert rows.owned(s, staff.alice)[0].act_by is None


def test_who_may_see_no_case_sees_no_danger(db: Database, case_id: int, staff: Cast) -> None:
    """An administrator has no callers."""
    with db.write() as s:
        safety_form.set_safety(s, case_id, staff.alice, in_danger=True)
        assert dangers.standing(s, staff.adam) == []
        with pytest.raises(NotAllowed):
            intake_dangers.take(s, case_id, staff.adam)
