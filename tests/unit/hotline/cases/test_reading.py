"""What one person is shown: audited once a sitting, counted, slowed down when it is unusual, and told to supervisors."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlmodel import Session, col, select

from hotline.alerts import alerts
from hotline.calls import facts as calls
from hotline.calls.facts import Fact, Seen
from hotline.cases import identity, reading, work
from hotline.cases.reading import Held
from hotline.errors import NotAllowed, Refused
from hotline.keys import Keys
from hotline.settings import Settings
from hotline.staff import states as agents
from models import Agent, AgentStatus, Alert, AlertKind, AuditEntry, Callback, Case, Contact, Database
from models.db.types import now
from tests.support.cast import Cast
from tests.support.thailand import saw


@pytest.fixture
def few(settings: Settings) -> Settings:
    """Three cases, two numbers and two recordings an hour are usual; a supervisor's are twice that."""
    return settings.model_copy(
        update={"cases_an_hour": 3, "numbers_an_hour": 2, "audio_an_hour": 2, "supervisor_times": 2}
    )


def filed(s: Session, keys: Keys, n: int) -> Case:
    contact = saw(s, keys, f"c{n}", Fact.KEY, now(), Seen(language="my", number=f"08100000{n:02d}"))
    calls.close(s, contact, now(), join_within_s=0, brief_s=10)
    for item in s.exec(select(Callback)):
        item.due_at = now() + timedelta(hours=2)
        s.add(item)
    s.flush()
    return s.get_one(Case, contact.case_id)


def of_act(s: Session, act: str) -> list[AuditEntry]:
    return list(s.exec(select(AuditEntry).where(col(AuditEntry.act) == act)))


def an_hour_later(s: Session) -> None:
    """What was audited by now is old."""
    for entry in s.exec(select(AuditEntry)):
        entry.at -= timedelta(minutes=61)
        s.add(entry)
    s.flush()


def a_pause_later(s: Session, by: Agent, seconds: int = 61) -> None:
    """What this person did by now is so many seconds older."""
    for entry in s.exec(select(AuditEntry).where(col(AuditEntry.by_id) == by.id)):
        entry.at -= timedelta(seconds=seconds)
        s.add(entry)
    s.flush()


def test_a_look_at_a_case_of_others_is_audited_once_an_hour(
    db: Database, staff: Cast, keys: Keys, few: Settings
) -> None:
    with db.write() as s:
        case = filed(s, keys, 1)
        for _ in range(3):
            reading.note_reading(s, case, staff.bob, few)
        assert [(e.subject, e.by_id) for e in of_act(s, "case_read")] == [(f"case:{case.id}", staff.bob.id)]
        reading.note_reading(s, case, staff.sofia, few)
        assert len(of_act(s, "case_read")) == 2, "each person for themselves"
        an_hour_later(s)
        reading.note_reading(s, case, staff.bob, few)
        assert len(of_act(s, "case_read")) == 3


def test_ones_own_case_is_not(db: Database, staff: Cast, keys: Keys, few: Settings) -> None:
    with db.write() as s:
        case = filed(s, keys, 1)
        work.claim(s, case.id, staff.bob)
        assert not reading.must_be_noted(s, case, staff.bob)
        assert reading.must_be_noted(s, case, staff.alice)


def test_a_line_from_the_future_hides_no_look(db: Database, staff: Cast, keys: Keys, few: Settings) -> None:
    """Written while the clock was a year ahead: neither does it count, nor is the next look unheard of for a year."""
    with db.write() as s:
        case = filed(s, keys, 1)
        reading.note_reading(s, case, staff.bob, few)
        a_pause_later(s, staff.bob, -365 * 86400)
        assert reading.must_be_noted(s, case, staff.bob)
        assert reading.amount(s, AlertKind.CASES, staff.bob).count == 0


def test_too_many_cases_are_held_up_for_a_minute_each(db: Database, staff: Cast, keys: Keys, few: Settings) -> None:
    """And a supervisor hears of it, once, with how many; the same case again is free."""
    with db.write() as s:
        found = [filed(s, keys, n) for n in range(5)]
        for case in found[:3]:
            assert reading.note_reading(s, case, staff.bob, few) is None
        with pytest.raises(Held) as held, s.begin_nested():
            reading.note_reading(s, found[3], staff.bob, few)
        assert 0 < held.value.wait_s <= few.unusual_pause_s
        assert (held.value.kind, held.value.agent_id) == (AlertKind.CASES, staff.bob.id)
        assert (held.value.amount, held.value.allowed) == (4, 3)
        assert len(of_act(s, "case_read")) == 3, "what is not shown has no line"
        reading.note_reading(s, found[0], staff.bob, few)
        a_pause_later(s, staff.bob)
        alert = reading.note_reading(s, found[3], staff.bob, few)
        assert alert is not None
        assert (alert.agent_id, alert.amount, alert.allowed) == (staff.bob.id, 4, 3)
        with pytest.raises(Held), s.begin_nested():
            reading.note_reading(s, found[4], staff.bob, few)
        an_hour_later(s)
        assert reading.note_reading(s, found[4], staff.bob, few) is None


def test_a_supervisor_may_look_at_more(db: Database, staff: Cast, keys: Keys, few: Settings) -> None:
    with db.write() as s:
        for n in range(6):
            assert reading.note_reading(s, filed(s, keys, n), staff.sofia, few) is None
        with pytest.raises(Held):
            reading.note_reading(s, filed(s, keys, 7), staff.sofia, few)


def test_taking_cases_to_read_them_counts_as_reading(db: Database, staff: Cast, keys: Keys, few: Settings) -> None:
    with db.write() as s:
        for n in range(3):
            case = filed(s, keys, n)
            reading.note_claim(s, case, staff.bob, few)
            work.claim(s, case.id, staff.bob)
        assert len(of_act(s, "case_claimed")) == 3
        more = filed(s, keys, 7)
        with pytest.raises(Held), s.begin_nested():
            reading.note_claim(s, more, staff.bob, few)
        with pytest.raises(Held):
            reading.note_reading(s, more, staff.bob, few)


Makes = Callable[[Session, Cast, Case], None]


def own(s: Session, staff: Cast, case: Case) -> None:
    work.claim(s, case.id, staff.bob)


def call_on_the_line(s: Session, staff: Cast, case: Case) -> None:
    contact = s.exec(select(Contact).where(col(Contact.case_id) == case.id)).one()
    agents.set_status(s, staff.bob.id, AgentStatus.ON_CALL, call=contact.call)


def call_back_due(s: Session, staff: Cast, case: Case) -> None:
    item = s.exec(select(Callback).where(col(Callback.case_id) == case.id)).one()
    item.due_at = now() - timedelta(minutes=1)
    s.add(item)
    s.flush()


@pytest.mark.parametrize("made", [own, call_on_the_line, call_back_due])
def test_what_is_worked_on_is_never_held_up_but_counts(
    db: Database, staff: Cast, keys: Keys, few: Settings, made: Makes
) -> None:
    """A case of one's own, of the call one is in, or whose call-back is due. The alert is raised all the same."""
    with db.write() as s:
        for n in range(3):
            case = filed(s, keys, n)
            reading.note_reading(s, case, staff.bob, few)
            if n < 2:
                identity.show_number(s, keys, case.id, staff.bob, few)
        case = filed(s, keys, 7)
        made(s, staff, case)
        reading.note_reading(s, case, staff.bob, few)
        assert identity.show_number(s, keys, case.id, staff.bob, few)
        kinds = {a.kind for a in alerts.open_alerts(s)}
        assert kinds == ({AlertKind.NUMBERS} if made is own else {AlertKind.NUMBERS, AlertKind.CASES})


def test_no_number_is_shown_past_the_usual_amount(db: Database, staff: Cast, keys: Keys, few: Settings) -> None:
    with db.write() as s:
        found = [filed(s, keys, n) for n in range(3)]
        for case in found[:2]:
            identity.show_number(s, keys, case.id, staff.bob, few)
            identity.show_number(s, keys, case.id, staff.bob, few)
        with pytest.raises(Held), s.begin_nested():
            identity.show_number(s, keys, found[2].id, staff.bob, few)
        assert len(of_act(s, "number_shown")) == 4, "each time it is shown, and not when it is not"


def test_the_number_of_the_call_that_rings_is_never_held_up(
    db: Database, staff: Cast, keys: Keys, few: Settings
) -> None:
    with db.write() as s:
        for n in range(2):
            identity.show_number(s, keys, filed(s, keys, n).id, staff.bob, few)
        contact = saw(s, keys, "now", Fact.QUEUED, now(), Seen(language="my", number="0812345678"))
        with pytest.raises(Held), s.begin_nested():
            identity.show_number_of_call(s, keys, contact, staff.bob, few)
        agents.set_status(s, staff.bob.id, AgentStatus.RINGING, call="now")
        assert identity.show_number_of_call(s, keys, contact, staff.bob, few)


# --- alerts ----------------------------------------------------------------------------------------------------------


def raised(s: Session, of: Agent, amount: int = 21) -> Alert | None:
    return alerts.of_amount(s, AlertKind.NUMBERS, of.id, amount, 20)


def test_an_alert_stands_and_grows_until_somebody_takes_note(db: Database, staff: Cast) -> None:
    with db.write() as s:
        alert = raised(s, staff.bob)
        assert alert is not None
        assert raised(s, staff.bob, 25) is alert
        assert alert.amount == 25
        assert alerts.open_alerts(s) == [alert]
        with pytest.raises(NotAllowed):
            alerts.take_note(s, alert.id, staff.alice)
        alerts.take_note(s, alert.id, staff.sofia)
        alerts.take_note(s, alert.id, staff.adam)
        assert (alert.taken_by_id, alerts.open_alerts(s), alerts.recent(s)) == (staff.sofia.id, [], [alert])
        assert [e.by_id for e in of_act(s, "alert_noted")] == [staff.sofia.id]
        assert [e.subject for e in of_act(s, "alert_raised")] == [f"agent:{staff.bob.id}"]


def test_after_somebody_took_note_the_next_alert_waits_for_as_much_again_or_an_hour(db: Database, staff: Cast) -> None:
    with db.write() as s:
        alert = raised(s, staff.bob)
        assert alert is not None
        alerts.take_note(s, alert.id, staff.sofia)
        assert raised(s, staff.bob, 22) is None
        again = raised(s, staff.bob, 41)
        assert again is not None
        assert again is not alert
        alerts.take_note(s, again.id, staff.sofia)
        again.taken_at = now() - timedelta(minutes=61)
        s.add(again)
        later = raised(s, staff.bob, 42)
        assert later is not None
        assert later is not again


def test_an_alert_about_oneself_is_for_somebody_else(db: Database, staff: Cast) -> None:
    """Unless there is nobody else."""
    with db.write() as s:
        alert = raised(s, staff.sofia)
        assert alert is not None
        with pytest.raises(Refused, match="about you"):
            alerts.take_note(s, alert.id, staff.sofia)
        adam = s.get_one(Agent, staff.adam.id)
        adam.active = False
        s.add(adam)
        s.flush()
        assert alerts.take_note(s, alert.id, staff.sofia).taken_by_id == staff.sofia.id
