"""What all acts of people on a case have in common, and what each of them writes down."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest
from sqlmodel import Session, col, select

from hotline.cases import work
from hotline.errors import Invalid, NotAllowed, NotFound, Refused
from models import Agent, Case, CaseEvent, CaseStatus, Contact, Database, Disposition, Draft, EventKind, Note
from models.db.types import now
from tests.support.cast import Cast

SILENT, SUBSTANTIVE, TEST = Disposition.SILENT, Disposition.SUBSTANTIVE, Disposition.TEST


def a_case(s: Session, owner: Agent | None = None, *calls: Disposition | None) -> Case:
    """A case with one call, or with one of each of these dispositions."""
    case = Case(owner_id=owner.id if owner else None, claimed_at=now() if owner else None)
    s.add(case)
    s.flush()
    case.reference = f"C-{case.id}"
    for n, disposition in enumerate(calls or (None,)):
        s.add(Contact(call=f"{case.id}-{n}", case_id=case.id, arrived_at=now(), disposition=disposition))
    s.flush()
    return case


def calls_of(s: Session, case_id: int) -> list[int]:
    return [
        found or 0
        for found in s.exec(select(Contact.id).where(col(Contact.case_id) == case_id).order_by(col(Contact.id)))
    ]


def told(s: Session, case: Case) -> list[CaseEvent]:
    return list(s.exec(select(CaseEvent).where(col(CaseEvent.case_id) == case.id).order_by(col(CaseEvent.id))))


def describe(s: Session, case_id: int, by: Agent, alias: str = "", affected: int | None = None) -> Case:
    return work.describe_worker(s, case_id, by, alias=alias, workers_affected=affected, workers_estimated=False)


@dataclass(frozen=True)
class Act:
    """Something that a person does to a case: their own, unless `unclaimed`. `told` is what its timeline says of it."""

    do: Callable[[Session, int, Agent, Cast], Case | Note]
    told: EventKind | None
    unclaimed: bool = False


ACTS = {
    "claim": Act(lambda s, case, by, _: work.claim(s, case, by), EventKind.CLAIMED, unclaimed=True),
    "release": Act(lambda s, case, by, _: work.release(s, case, by), EventKind.RELEASED),
    "hand over": Act(lambda s, case, by, cast: work.hand_over(s, case, cast.bob.id, by), EventKind.HANDED_OVER),
    "move": Act(lambda s, case, by, _: work.move(s, case, CaseStatus.TRIAGED, by), EventKind.MOVED),
    "note": Act(lambda s, case, by, _: work.add_note(s, case, "words", by), None),
    "summarise": Act(lambda s, case, by, _: work.summarise(s, case, "wages", by), EventKind.SUMMARY),
    "describe": Act(lambda s, case, by, _: describe(s, case, by, "Blue"), EventKind.SUMMARY),
    "dispose": Act(
        lambda s, case, by, _: work.dispose(s, case, calls_of(s, case)[0], SUBSTANTIVE, by), EventKind.DISPOSITION
    ),
}
every_act = pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)


@every_act
def test_an_act_marks_the_case_and_is_told_with_who_did_it(db: Database, staff: Cast, act: Act) -> None:
    """From then on no call joins the case by itself, and whoever had read it before can see that it has changed."""
    with db.write() as s:
        case = a_case(s, None if act.unclaimed else staff.alice)
        before = case.version
        done = act.do(s, case.id, staff.alice, staff)
        assert case.id == (done.case_id if isinstance(done, Note) else done.id)
        first = case.touched_at
        assert first is not None
        assert case.version > before
        assert [(e.kind, e.by_id) for e in told(s, case)] == ([(act.told, staff.alice.id)] if act.told else [])
    with db.write() as s:
        case = s.get_one(Case, case.id)
        assert (case.touched_at, case.version > before) == (first, True), "it is kept"
        work.summarise(s, case.id, "more", staff.alice)
        assert case.touched_at == first, "the first act counts"


@every_act
def test_an_act_is_for_who_works_cases_even_when_the_case_is_in_their_name(db: Database, staff: Cast, act: Act) -> None:
    """Who keeps the machine does nothing to a case, nor does who has left; a case can still be in their name."""
    with db.write() as s:
        for who in (staff.adam, staff.charlie):
            case = a_case(s, None if act.unclaimed else who)
            with pytest.raises(NotAllowed):
                act.do(s, case.id, who, staff)
            assert (case.touched_at, told(s, case)) == (None, [])


@pytest.mark.parametrize("act", [act for name, act in ACTS.items() if name != "dispose"])
def test_an_act_on_no_case_finds_none(db: Database, staff: Cast, act: Act) -> None:
    with db.write() as s, pytest.raises(NotFound):
        act.do(s, 99_999, staff.alice, staff)


def test_who_has_a_case_and_since_when_follows_each_hand(db: Database, staff: Cast) -> None:
    """Claimed, handed over and released, and the colleague it went to is told."""
    with db.write() as s:
        case, long_ago = a_case(s), now() - timedelta(days=1)
        work.claim(s, case.id, staff.alice)
        assert case.owner_id == staff.alice.id
        assert case.claimed_at is not None
        case.claimed_at = long_ago
        s.flush()
        work.hand_over(s, case.id, staff.bob.id, staff.alice)
        assert (case.owner_id, case.claimed_at > long_ago) == (staff.bob.id, True)
        assert told(s, case)[-1].detail == {"to": staff.bob.id}
        work.release(s, case.id, staff.bob)
        assert (case.owner_id, case.claimed_at) == (None, None)


@pytest.mark.parametrize("to", ["adam", "charlie", None])
def test_a_case_is_handed_to_nobody_who_does_not_work_cases(db: Database, staff: Cast, to: str | None) -> None:
    with db.write() as s:
        case = a_case(s, staff.alice)
        with pytest.raises(Invalid):
            work.hand_over(s, case.id, getattr(staff, to).id if to else 99_999, staff.alice)
        assert case.owner_id == staff.alice.id


def test_a_case_that_is_closed_or_a_colleagues_is_not_claimed_and_why_is_said(db: Database, staff: Cast) -> None:
    with db.write() as s:
        theirs, closed, own = a_case(s, staff.bob), a_case(s), a_case(s, staff.alice)
        closed.status = CaseStatus.CLOSED
        s.flush()
        with pytest.raises(Refused, match="Somebody else"):
            work.claim(s, theirs.id, staff.alice)
        with pytest.raises(Refused, match="closed"):
            work.claim(s, closed.id, staff.alice)
        assert (theirs.owner_id, closed.owner_id) == (staff.bob.id, None)
        since, version = own.claimed_at, own.version
        assert work.claim(s, own.id, staff.alice).id == own.id
        assert (own.claimed_at, own.version, told(s, own)) == (since, version, []), "it was theirs before"


def test_a_closed_case_says_when_and_why_until_it_is_opened_again(db: Database, staff: Cast) -> None:
    """Its timeline keeps both; a reason of any length is told whole, and 64 characters of it stand on the case."""
    with db.write() as s:
        case = a_case(s, staff.alice)
        work.move(s, case.id, CaseStatus.TRIAGED, staff.alice)
        assert (case.closed_at, case.closing_reason) == (None, None)
        work.move(s, case.id, CaseStatus.CLOSED, staff.alice, f"  {'x' * 70} ")
        assert case.closed_at is not None
        assert case.closing_reason == "x" * 64
        work.move(s, case.id, CaseStatus.ACTIVE, staff.alice, "they called again")
        assert (case.closed_at, case.closing_reason) == (None, None)
        assert [e.detail for e in told(s, case)] == [
            {"from": "new", "to": "triaged"},
            {"from": "triaged", "to": "closed", "reason": "x" * 70},
            {"from": "closed", "to": "active", "reason": "they called again"},
        ]


def test_words_and_numbers_about_a_case_are_taken_up_to_their_bounds(db: Database, staff: Cast) -> None:
    """A summary of 200 characters, a name of 120, a note of 20,000, one worker up to just under ten million."""
    with db.write() as s:
        case = a_case(s)
        case_id = case.id
        assert work.summarise(s, case_id, "x" * 200, staff.alice).summary == "x" * 200
        assert describe(s, case_id, staff.alice, "x" * 120).alias == "x" * 120
        assert len(work.add_note(s, case_id, "x" * 20_000, staff.alice).text) == 20_000
        for many in (1, 9_999_999, None):
            assert describe(s, case_id, staff.alice, affected=many).workers_affected == many
        assert (case.alias, case.workers_estimated) == (None, False)
        with pytest.raises(Invalid):
            work.summarise(s, case_id, "x" * 201, staff.alice)
        with pytest.raises(Invalid):
            describe(s, case_id, staff.alice, "x" * 121)
        for many in (0, -1, 10_000_000):
            with pytest.raises(Invalid):
                describe(s, case_id, staff.alice, affected=many)
        assert (case.summary, case.workers_affected) == ("x" * 200, None)


def test_words_about_a_case_are_put_on_one_line_without_a_nul(db: Database, staff: Cast) -> None:
    with db.write() as s:
        case = a_case(s)
        assert work.summarise(s, case.id, " wages\n\tnot\x00  paid ", staff.alice).summary == "wages not paid"
        assert describe(s, case.id, staff.alice, "Blue\n Bi\x00rd ").alias == "Blue Bird"


def test_a_note_ends_the_draft_of_this_person_on_this_case_alone(db: Database, staff: Cast) -> None:
    with db.write() as s:
        case, other = a_case(s), a_case(s)
        for who, where in ((staff.alice, case), (staff.alice, other), (staff.bob, case)):
            s.add(Draft(agent_id=who.id, case_id=where.id, text="words"))
        s.flush()
        note = work.add_note(s, case.id, "words", staff.alice)
        assert s.exec(select(Note)).all() == [note]
        left = s.exec(select(Draft.agent_id, Draft.case_id)).all()
        assert {tuple(one) for one in left} == {(staff.alice.id, other.id), (staff.bob.id, case.id)}


@pytest.mark.parametrize(
    ("others", "said", "closes"),
    [
        ([], TEST, True),
        ([], SUBSTANTIVE, False),
        ([SILENT], TEST, True),
        ([SUBSTANTIVE], TEST, False),
        ([None], TEST, False),
        ([SILENT], SUBSTANTIVE, False),
    ],
)
def test_a_case_closes_by_what_its_calls_were_only_when_all_of_them_were_nothing(
    db: Database, staff: Cast, others: list[Disposition | None], said: Disposition, closes: bool
) -> None:
    """One call that nobody has judged yet, or that was of substance, keeps the case open."""
    with db.write() as s:
        case = a_case(s, None, None, *others)
        call_id = calls_of(s, case.id)[0]
        work.dispose(s, case.id, call_id, said, staff.alice)
        assert s.get_one(Contact, call_id).disposition is said
        assert (case.status is CaseStatus.CLOSED, case.closed_at is not None) == (closes, closes)
        assert case.closing_reason == (said if closes else None)
        lines = [e.detail for e in told(s, case)]
        assert lines[0] == {"disposition": said, "contact": call_id}
        assert lines[1:] == ([{"to": "closed", "reason": said}] if closes else [])
        assert told(s, case)[-1].by_id == staff.alice.id


def test_what_a_call_of_a_closed_case_was_changes_nothing_about_its_closing(db: Database, staff: Cast) -> None:
    with db.write() as s:
        case, yesterday = a_case(s), now() - timedelta(days=1)
        case.status, case.closed_at, case.closing_reason = CaseStatus.CLOSED, yesterday, "resolved"
        s.flush()
        work.dispose(s, case.id, calls_of(s, case.id)[0], TEST, staff.alice)
        assert (case.closed_at, case.closing_reason) == (yesterday, "resolved")
        assert [e.kind for e in told(s, case)] == [EventKind.DISPOSITION]


def test_no_call_of_another_case_and_no_call_at_all_is_judged_here(db: Database, staff: Cast) -> None:
    with db.write() as s:
        case, other = a_case(s), a_case(s)
        for call_id in (calls_of(s, other.id)[0], 99_999):
            with pytest.raises(NotFound):
                work.dispose(s, case.id, call_id, TEST, staff.alice)
