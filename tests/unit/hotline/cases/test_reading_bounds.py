"""What is counted as shown within the hour, to the second, and whose case is never held up."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlmodel import Session, col, select

from hotline.audit import note_act
from hotline.cases import reading
from hotline.cases.reading import Held
from hotline.settings import Settings
from models import (
    Agent,
    AgentState,
    AgentStatus,
    AlertKind,
    AuditEntry,
    Callback,
    CallbackKind,
    Caller,
    Case,
    Contact,
    Database,
)
from tests.support.cast import Cast

T = datetime.fromisoformat("2026-11-23T10:00:00+07:00")
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
CASES, NUMBERS, AUDIO = AlertKind.CASES, AlertKind.NUMBERS, AlertKind.AUDIO


@pytest.fixture(autouse=True)
def _it_is_ten(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """So that a moment can be exactly an hour ago."""
    with monkeypatch.context() as patch:
        patch.setattr(reading, "now", lambda: T)
        yield


@pytest.fixture
def few(settings: Settings) -> Settings:
    """Two of each an hour are usual, three times as many for a supervisor; then a minute's pause."""
    usual = {"cases_an_hour": 2, "numbers_an_hour": 3, "audio_an_hour": 4, "supervisor_times": 3}
    return settings.model_copy(update={**usual, "unusual_pause_s": 60})


def a_case(s: Session, **values: Any) -> Case:
    case = Case(**values)
    s.add(case)
    s.flush()
    return case


def noted(s: Session, act: str, subject: str, by: Agent, ago: timedelta) -> None:
    entry = note_act(s, act, subject, by_id=by.id)
    entry.at = T - ago
    s.add(entry)
    s.flush()


@pytest.mark.parametrize(
    ("act", "ago", "counts"),
    [
        ("case_read", timedelta(0), True),
        ("case_read", HOUR - SECOND, True),
        ("case_claimed", MINUTE, True),
        ("case_read", HOUR, False),
        ("case_read", -SECOND, False),
        ("number_shown", MINUTE, False),
    ],
)
def test_a_look_counts_for_an_hour_from_its_moment_on(
    db: Database, staff: Cast, act: str, ago: timedelta, counts: bool
) -> None:
    """For whoever looked alone, and for this very case; what a clock that ran ahead wrote counts for nothing."""
    with db.write() as s:
        case, other = a_case(s), a_case(s)
        noted(s, act, f"case:{case.id}", staff.bob, ago)
        assert reading.amount(s, CASES, staff.bob) == reading.Amount(int(counts), T - ago if counts else None)
        assert reading.seen_lately(s, case.id, staff.bob) is counts
        assert reading.must_be_noted(s, case, staff.bob) is not counts
        assert not reading.seen_lately(s, other.id, staff.bob)
        assert not reading.seen_lately(s, case.id, staff.alice)
        assert reading.amount(s, CASES, staff.alice).count == 0


def test_each_thing_counts_once_and_each_kind_of_it_for_itself(db: Database, staff: Cast) -> None:
    with db.write() as s:
        for act, subjects in (
            ("case_read", ("case:1", "case:1", "case:2")),
            ("case_claimed", ("case:2", "case:3")),
            ("number_shown", ("case:1", "contact:1")),
            ("audio_heard", ("recording:1",)),
        ):
            for n, subject in enumerate(subjects):
                noted(s, act, subject, staff.bob, (9 - n) * MINUTE)
        counts = {kind: reading.amount(s, kind, staff.bob).count for kind in (CASES, NUMBERS, AUDIO)}
        assert counts == {CASES: 3, NUMBERS: 2, AUDIO: 1}
        assert reading.amount(s, CASES, staff.bob, but="case:1").count == 2
        assert reading.amount(s, CASES, staff.bob).newest == T - 7 * MINUTE


def test_what_is_usual_is_set_for_each_kind_and_more_for_a_supervisor(staff: Cast, few: Settings) -> None:
    for kind, usual in ((CASES, 2), (NUMBERS, 3), (AUDIO, 4)):
        assert (reading.allowed(kind, staff.bob, few), reading.allowed(kind, staff.sofia, few)) == (usual, usual * 3)


@pytest.mark.parametrize(("ago", "wait_s"), [(0, 60), (1, 59), (59, 1), (60, None), (61, None)])
def test_past_the_usual_amount_the_next_waits_until_the_pause_is_over(
    db: Database, staff: Cast, few: Settings, ago: int, wait_s: int | None
) -> None:
    """A minute from the newest look on, whatever it was at; at its end the look is free, and an alert is raised."""
    with db.write() as s:
        noted(s, "case_read", "case:1", staff.bob, 9 * MINUTE)
        assert reading.check(s, CASES, "case:3", staff.bob, few, free=False) is None, "one fewer than is usual"
        noted(s, "case_read", "case:2", staff.bob, ago * SECOND)
        assert reading.check(s, CASES, "case:2", staff.bob, few, free=False) is None, "it is one of those seen before"
        if wait_s is not None:
            with pytest.raises(Held) as held:
                reading.check(s, CASES, "case:3", staff.bob, few, free=False)
            assert (held.value.wait_s, held.value.amount, held.value.allowed) == (wait_s, 3, 2)
            assert (held.value.kind, held.value.agent_id) == (CASES, staff.bob.id)
            assert f"Go on in {wait_s} seconds" in str(held.value)
        alert = reading.check(s, CASES, "case:3", staff.bob, few, free=wait_s is not None)
        assert alert is not None
        assert (alert.kind, alert.agent_id, alert.amount, alert.allowed) == (CASES, staff.bob.id, 3, 2)


def test_where_nothing_at_all_is_usual_the_first_look_is_told_and_not_held_up(
    db: Database, staff: Cast, few: Settings
) -> None:
    with db.write() as s:
        none = few.model_copy(update={"cases_an_hour": 0})
        alert = reading.check(s, CASES, "case:1", staff.bob, none, free=False)
        assert alert is not None
        assert (alert.amount, alert.allowed) == (1, 0)


@pytest.mark.parametrize(
    ("values", "worked"),
    [
        ({"due_at": T}, True),
        ({"due_at": T - HOUR}, True),
        ({"due_at": T + SECOND}, False),
        ({"ended_at": T - MINUTE}, False),
        ({"owner": "alice", "locked_until": T + SECOND}, False),
        ({"owner": "alice", "locked_until": T}, True),
        ({"owner": "alice"}, True),
        ({"owner": "bob", "locked_until": T + SECOND}, True),
    ],
)
def test_a_case_whose_call_back_is_due_is_worked_by_everybody_but_a_colleagues_lock(
    db: Database, staff: Cast, values: dict[str, Any], worked: bool
) -> None:
    """And that says nothing about any other case."""
    with db.write() as s:
        caller = Caller(number_index="one", number_sealed=b"sealed")
        case, other = a_case(s), a_case(s)
        contact = Contact(call="a", arrived_at=T)
        s.add_all([caller, contact])
        s.flush()
        owner = values.get("owner")
        of_item = {name: value for name, value in values.items() if name != "owner"}
        s.add(
            Callback(
                **{"due_at": T - HOUR} | of_item, caller_id=caller.id, case_id=case.id,
                contact_id=contact.id, kind=CallbackKind.MISSED,
                owner_id=getattr(staff, owner).id if owner else None,
            )
        )  # fmt: skip
        s.flush()
        assert reading.is_worked(s, case, staff.bob) is worked
        assert not reading.is_worked(s, other, staff.bob)
        assert reading.is_worked(s, None, staff.bob) is False


def test_ones_own_case_needs_no_line_and_is_worked_by_nobody_else(db: Database, staff: Cast, few: Settings) -> None:
    """Taking it again writes nothing either; taking what was read within the hour adds nothing to it."""
    with db.write() as s:
        own, read = a_case(s, owner_id=staff.bob.id), a_case(s)
        noted(s, "case_read", f"case:{read.id}", staff.bob, MINUTE)
        before = len(s.exec(select(AuditEntry)).all())
        assert not reading.must_be_noted(s, own, staff.bob)
        assert reading.is_worked(s, own, staff.bob)
        assert not reading.is_worked(s, own, staff.alice)
        assert reading.note_claim(s, own, staff.bob, few) is None
        assert reading.note_claim(s, read, staff.bob, few) is None
        assert len(s.exec(select(AuditEntry)).all()) == before
        reading.note_claim(s, read, staff.alice, few)
        [entry] = s.exec(select(AuditEntry).where(col(AuditEntry.by_id) == staff.alice.id))
        assert (entry.act, entry.subject) == ("case_claimed", f"case:{read.id}")


def test_a_number_is_told_of_the_call_it_came_with_else_of_its_case(db: Database, staff: Cast, few: Settings) -> None:
    with db.write() as s:
        case, contact = a_case(s), Contact(call="a", arrived_at=T)
        s.add(contact)
        s.flush()
        for call, of_case in ((None, case), (contact, None), (contact, case)):
            reading.note_number(s, call, of_case, staff.bob, few)
        shown = s.exec(select(AuditEntry).where(col(AuditEntry.act) == "number_shown").order_by(col(AuditEntry.id)))
        assert [(e.subject, e.by_id) for e in shown] == [
            (of, staff.bob.id) for of in (f"case:{case.id}", f"contact:{contact.id}", f"contact:{contact.id}")
        ]


def test_only_the_call_that_a_person_has_now_is_theirs(db: Database, staff: Cast) -> None:
    with db.write() as s:
        contact, other = (Contact(call=call, arrived_at=T) for call in ("a", "b"))
        s.add_all([contact, other])
        s.flush()
        assert not reading.is_my_call(s, contact, staff.bob), "nothing is known of what they do"
        state = s.get(AgentState, staff.bob.id) or AgentState(agent_id=staff.bob.id)
        state.status, state.call = AgentStatus.RINGING, "a"
        s.add(state)
        s.flush()
        assert reading.is_my_call(s, contact, staff.bob)
        assert not reading.is_my_call(s, other, staff.bob)
        assert not reading.is_my_call(s, contact, staff.alice)


@pytest.mark.parametrize("mine", [True, False])
def test_a_hearing_counts_and_is_held_up_unless_the_case_is_ones_own(
    db: Database, staff: Cast, few: Settings, mine: bool
) -> None:
    with db.write() as s:
        case = a_case(s, owner_id=staff.bob.id if mine else None)
        for n in range(4):
            noted(s, "audio_heard", f"recording:{n}", staff.bob, SECOND)
        assert reading.check_audio(s, 3, case, staff.bob, few) is None, "it was heard before"
        if mine:
            alert = reading.check_audio(s, 7, case, staff.bob, few)
            assert alert is not None
            assert (alert.kind, alert.amount) == (AUDIO, 5)
        else:
            with pytest.raises(Held):
                reading.check_audio(s, 7, case, staff.bob, few)


def test_what_a_person_did_is_read_page_by_page_the_newest_first(db: Database, staff: Cast) -> None:
    with db.write() as s:
        for n in range(5):
            noted(s, "case_read", f"case:{n}", staff.bob, MINUTE)
            noted(s, "case_read", f"case:{n}", staff.alice, MINUTE)
        assert staff.bob.id
        first = reading.acts_of(s, staff.bob.id, 2)
        rest = reading.acts_of(s, staff.bob.id, 9, before_id=first[-1].id)
        assert [e.subject for e in first] == ["case:4", "case:3"]
        assert [e.subject for e in rest] == ["case:2", "case:1", "case:0"]
        assert {e.by_id for e in first + rest} == {staff.bob.id}
