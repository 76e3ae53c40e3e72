"""Joining a call to another case by hand, and taking it back."""

from datetime import timedelta

import pytest
from sqlmodel import Session, select

from hotline.callbacks import items as callbacks
from hotline.calls import conversations, wrap_ups
from hotline.calls import facts as calls
from hotline.calls.facts import Fact, Seen
from hotline.cases import joining, work
from hotline.errors import NotAllowed, NotFound, Refused
from hotline.keys import Keys
from models import AuditEntry, Case, CaseEvent, CaseStatus, Contact, Database, EventKind
from models.db.types import now
from tests.support.behind import changed_by_another
from tests.support.cast import Cast
from tests.support.thailand import saw

NUMBER, OTHER = "0812345678", "0899999999"


def a_call(s: Session, keys: Keys, name: str, minutes_ago: int = 60, number: str | None = NUMBER) -> Contact:
    at = now() - timedelta(minutes=minutes_ago)
    contact = saw(s, keys, name, Fact.ARRIVED, at, Seen(language="my", number=number))
    saw(s, keys, name, Fact.QUEUED, at)
    saw(s, keys, name, Fact.KEY, at)
    calls.close(s, contact, at + timedelta(minutes=1), join_within_s=0, brief_s=10)
    return contact


def moved(s: Session, case_id: int | None) -> list[dict[str, object]]:
    query = select(CaseEvent).where(CaseEvent.case_id == case_id).order_by(CaseEvent.id)  # type: ignore[arg-type]
    return [e.detail for e in s.exec(query) if e.kind is EventKind.MOVED_CALL]


def test_a_case_that_loses_its_only_call_is_closed_as_a_duplicate(db: Database, staff: Cast, keys: Keys) -> None:
    with db.write() as s:
        first, second = a_call(s, keys, "a"), a_call(s, keys, "b", 30)
        own, to = s.get_one(Case, second.case_id), s.get_one(Case, first.case_id)
        done = joining.join_call(s, second.id, to.id, staff.alice)
        assert (done.from_id, done.to_id, done.emptied) == (own.id, to.id, True)
        assert second.case_id == to.id
        assert (own.status, own.closing_reason) == (CaseStatus.CLOSED, "duplicate")
        assert own.closed_at is not None
        assert to.status is CaseStatus.NEW
        assert (own.touched_at, to.touched_at) != (None, None)
        assert moved(s, own.id)[0]["reference"] == to.reference
        assert moved(s, to.id)[0]["reference"] == own.reference
        assert "call_joined" in [e.act for e in s.exec(select(AuditEntry))]
        calls.close(s, second, now(), join_within_s=0, brief_s=10)
        assert second.case_id == to.id


def test_undo_puts_it_back_and_opens_the_case_again(db: Database, staff: Cast, keys: Keys) -> None:
    with db.write() as s:
        first, second = a_call(s, keys, "a"), a_call(s, keys, "b", 30)
        own = s.get_one(Case, second.case_id)
        work.claim(s, own.id, staff.alice)
        work.move(s, own.id, CaseStatus.TRIAGED, staff.alice)
        joining.join_call(s, second.id, first.case_id or 0, staff.alice)
        assert joining.can_undo(s, second) is not None
        assert joining.undo_join(s, second.id, staff.alice).emptied
        assert (second.case_id, own.status, own.closing_reason, own.closed_at) == (
            own.id,
            CaseStatus.TRIAGED,
            None,
            None,
        )
        assert joining.can_undo(s, second) is None
        with pytest.raises(Refused):
            joining.undo_join(s, second.id, staff.alice)
        joining.join_call(s, second.id, first.case_id or 0, staff.alice)
        joining.undo_join(s, second.id, staff.alice)
        assert second.case_id == own.id, "and once more"


def test_a_case_that_keeps_another_call_stays_open(db: Database, staff: Cast, keys: Keys) -> None:
    with db.write() as s:
        first, second, third = (a_call(s, keys, name, ago) for name, ago in (("a", 90), ("b", 60), ("c", 30)))
        joining.join_call(s, second.id, first.case_id or 0, staff.alice)
        assert not joining.join_call(s, second.id, third.case_id or 0, staff.alice).emptied
        assert s.get_one(Case, first.case_id).status is CaseStatus.NEW
        assert not joining.undo_join(s, second.id, staff.alice).emptied
        assert second.case_id == first.case_id
        with pytest.raises(Refused):
            joining.undo_join(s, second.id, staff.alice)


def test_the_call_back_it_left_follows_it_only_to_a_case_of_the_same_telephone(
    db: Database, staff: Cast, keys: Keys
) -> None:
    with db.write() as s:
        same, stranger = a_call(s, keys, "a", 90), a_call(s, keys, "b", 60, OTHER)
        contact = a_call(s, keys, "c", 30)
        own = contact.case_id
        item = callbacks.note_call(s, contact, now())
        assert item is not None
        joining.join_call(s, contact.id, stranger.case_id or 0, staff.alice)
        assert item.case_id == own
        joining.undo_join(s, contact.id, staff.alice)
        joining.join_call(s, contact.id, same.case_id or 0, staff.alice)
        assert item.case_id == same.case_id
        joining.undo_join(s, contact.id, staff.alice)
        assert item.case_id == own


def test_what_cannot_be_joined_is_refused_with_the_reason(db: Database, staff: Cast, keys: Keys) -> None:
    with db.write() as s:
        first, second = a_call(s, keys, "a"), a_call(s, keys, "b", 30)
        call_id, to_id, own_id = second.id, first.case_id or 0, second.case_id or 0
        with pytest.raises(Refused, match="already"):
            joining.join_call(s, call_id, own_id, staff.alice)
        with pytest.raises(Refused, match="by hand"):
            joining.undo_join(s, call_id, staff.alice)
        with pytest.raises(NotAllowed):
            joining.join_call(s, call_id, to_id, staff.adam)
        with pytest.raises(NotFound):
            joining.join_call(s, 99_999, to_id, staff.alice)
        with pytest.raises(NotFound):
            joining.join_call(s, call_id, 99_999, staff.alice)
        work.claim(s, to_id, staff.bob)
        with pytest.raises(Refused, match="colleague"):
            joining.join_call(s, call_id, to_id, staff.alice)
        joining.join_call(s, call_id, to_id, staff.sofia)
        joining.undo_join(s, call_id, staff.sofia)
        s.get_one(Case, to_id).status = CaseStatus.CLOSED
        with pytest.raises(Refused, match="closed"):
            joining.join_call(s, call_id, to_id, staff.sofia)


def test_emptying_a_case_needs_who_may_close_it(db: Database, staff: Cast, keys: Keys) -> None:
    with db.write() as s:
        first, second = a_call(s, keys, "a"), a_call(s, keys, "b", 30)
        own_id = second.case_id or 0
        work.claim(s, own_id, staff.alice)
        work.move(s, own_id, CaseStatus.ACTIVE, staff.alice)
        with pytest.raises(Refused, match="supervisor"):
            joining.join_call(s, second.id, first.case_id or 0, staff.alice)
        assert second.case_id == own_id
        joining.join_call(s, second.id, first.case_id or 0, staff.sofia)


def test_a_call_that_goes_on_can_be_joined_and_stays_joined(db: Database, staff: Cast, keys: Keys) -> None:
    with db.write() as s:
        first = a_call(s, keys, "a")
        live = saw(s, keys, "b", Fact.ARRIVED, now(), Seen(language="my", number=NUMBER))
        with pytest.raises(Refused, match="no case yet"):
            joining.join_call(s, live.id, first.case_id or 0, staff.alice)
        saw(s, keys, "b", Fact.ANSWERED, now(), Seen(handler_id=staff.alice.id))
        calls.answered(s, live, staff.alice.id, now(), join_within_s=0)
        joining.join_call(s, live.id, first.case_id or 0, staff.alice)
        calls.close(s, live, now(), join_within_s=900, brief_s=10)
        assert live.case_id == first.case_id


def test_who_had_a_call_last_says_what_it_was_also_in_the_case_it_was_joined_to(
    db: Database, staff: Cast, keys: Keys
) -> None:
    alice, bob = staff.alice.id, staff.bob.id
    with db.write() as s:
        other = a_call(s, keys, "other")
        saw(s, keys, "a", Fact.ARRIVED, now(), Seen(language="my", number=NUMBER))
        contact = saw(s, keys, "a", Fact.ANSWERED, now(), Seen(handler_id=alice))
        conversations.begin(s, "a", alice, now())
        calls.answered(s, contact, alice, now(), join_within_s=0)
        conversations.hand_to(s, "a", bob, now())
        joining.join_call(s, contact.id, other.case_id or 0, staff.sofia)
        conversations.end(s, "a")
        calls.close(s, contact, now(), join_within_s=0, brief_s=10)
        assert wrap_ups.teller(s, contact) == bob


def told(s: Session, case_id: int | None) -> list[tuple[EventKind, int | None, dict[str, object]]]:
    query = select(CaseEvent).where(CaseEvent.case_id == case_id).order_by(CaseEvent.id)  # type: ignore[arg-type]
    return [(e.kind, e.by_id, e.detail) for e in s.exec(query) if e.kind in {EventKind.MOVED_CALL, EventKind.MOVED}]


def test_a_join_and_its_undoing_are_told_on_both_cases_and_audited(db: Database, staff: Cast, keys: Keys) -> None:
    """With the other case's reference, and with the move of the case that was left without a call."""
    with db.write() as s:
        first, second = a_call(s, keys, "a"), a_call(s, keys, "b", 30)
        call_id, own, to = second.id, s.get_one(Case, second.case_id), s.get_one(Case, first.case_id)
        before = (own.version, to.version)
        joining.join_call(s, call_id, to.id, staff.alice)
        alice = staff.alice.id
        of_own: list[object] = [
            (EventKind.MOVED_CALL, alice, {"contact": call_id, "to": to.id, "reference": to.reference, "was": "new"}),
            (EventKind.MOVED, alice, {"from": "new", "to": "closed", "reason": "duplicate"}),
        ]
        came = {"contact": call_id, "source": own.id, "reference": own.reference, "emptied": True}
        of_to: list[object] = [(EventKind.MOVED_CALL, alice, came)]
        assert (told(s, own.id), told(s, to.id)) == (of_own, of_to)
        assert (own.version > before[0], to.version > before[1]) == (True, True)
        touched, before = (own.touched_at, to.touched_at), (own.version, to.version)
        undone = joining.undo_join(s, call_id, staff.bob)
        assert (undone.call_id, undone.from_id, undone.to_id, undone.emptied) == (call_id, to.id, own.id, True)
        of_own += [
            (EventKind.MOVED_CALL, staff.bob.id, {"contact": call_id, "reference": to.reference, "undo": True}),
            (EventKind.MOVED, staff.bob.id, {"from": "closed", "to": "new", "reason": "undone"}),
        ]
        went = {"contact": call_id, "to": own.id, "reference": own.reference, "undo": True}
        of_to += [(EventKind.MOVED_CALL, staff.bob.id, went)]
        assert (told(s, own.id), told(s, to.id)) == (of_own, of_to)
        assert (own.touched_at, to.touched_at) == touched, "the first act counts"
        assert (own.version > before[0], to.version > before[1]) == (True, True)
        acts = [(e.act, e.subject, e.by_id, e.detail) for e in s.exec(select(AuditEntry)) if "join" in e.act]
        assert acts == [
            ("call_joined", f"case:{to.id}", alice, {"contact": call_id, "source": own.id}),
            ("call_join_undone", f"case:{own.id}", staff.bob.id, {"contact": call_id, "source": to.id}),
        ]


def test_a_case_that_a_person_had_closed_stays_closed_when_its_only_call_is_joined_and_returns(
    db: Database, staff: Cast, keys: Keys
) -> None:
    """Joining did not close it, so undoing does not open it; why it was closed is kept."""
    with db.write() as s:
        first, second = a_call(s, keys, "a"), a_call(s, keys, "b", 30)
        own = s.get_one(Case, second.case_id)
        own.status, own.closing_reason = CaseStatus.CLOSED, "resolved"
        s.flush()
        assert not joining.join_call(s, second.id, first.case_id or 0, staff.alice).emptied
        assert not joining.undo_join(s, second.id, staff.alice).emptied
        assert (own.status, own.closing_reason) == (CaseStatus.CLOSED, "resolved")
        assert EventKind.MOVED not in [kind for kind, _, _ in told(s, own.id)]


def test_a_case_that_was_closed_again_for_another_reason_stays_closed_when_its_call_returns(
    db: Database, staff: Cast, keys: Keys
) -> None:
    with db.write() as s:
        first, second = a_call(s, keys, "a"), a_call(s, keys, "b", 30)
        own = s.get_one(Case, second.case_id)
        joining.join_call(s, second.id, first.case_id or 0, staff.alice)
        own.closing_reason = "test"
        s.flush()
        assert not joining.undo_join(s, second.id, staff.alice).emptied
        assert (own.status, own.closing_reason) == (CaseStatus.CLOSED, "test")


def test_of_two_joins_the_case_returns_to_the_status_before_its_own(db: Database, staff: Cast, keys: Keys) -> None:
    """Another call that had left the case before, when it stood elsewhere, says nothing about it."""
    with db.write() as s:
        first, second, third = (a_call(s, keys, name, ago) for name, ago in (("a", 90), ("b", 60), ("c", 30)))
        own = s.get_one(Case, second.case_id)
        third.case_id = own.id
        s.flush()
        joining.join_call(s, third.id, first.case_id or 0, staff.alice)
        work.claim(s, own.id, staff.alice)
        work.move(s, own.id, CaseStatus.TRIAGED, staff.alice)
        joining.join_call(s, second.id, first.case_id or 0, staff.alice)
        joining.undo_join(s, second.id, staff.alice)
        assert own.status is CaseStatus.TRIAGED
        assert joining.undo_join(s, third.id, staff.alice).to_id == own.id


@pytest.mark.parametrize("whose", ["source", "target"])
def test_a_colleague_keeps_both_the_case_a_call_leaves_and_the_one_it_would_come_to(
    db: Database, staff: Cast, keys: Keys, whose: str
) -> None:
    """An agent needs both to be theirs or nobody's, also to undo; a supervisor may, and who works no cases never."""
    with db.write() as s:
        first, second = a_call(s, keys, "a"), a_call(s, keys, "b", 30)
        call_id, own_id, to_id = second.id, second.case_id or 0, first.case_id or 0
        work.claim(s, own_id if whose == "source" else to_id, staff.bob)
        with pytest.raises(Refused, match="colleague"):
            joining.join_call(s, call_id, to_id, staff.alice)
        joining.join_call(s, call_id, to_id, staff.bob)
        with pytest.raises(Refused, match="colleague"):
            joining.undo_join(s, call_id, staff.alice)
        for outsider in (staff.adam, staff.charlie):
            with pytest.raises(NotAllowed):
                joining.undo_join(s, call_id, outsider)
        assert joining.undo_join(s, call_id, staff.sofia).to_id == own_id


@pytest.mark.parametrize("what", ["the call", "its own case", "the other case"])
def test_a_join_looks_at_what_others_changed_since_the_page_was_read(
    db: Database, staff: Cast, keys: Keys, what: str
) -> None:
    with db.write() as s:
        first, second, third = (a_call(s, keys, name, ago) for name, ago in (("a", 90), ("b", 60), ("c", 30)))
        to_id, own_id = first.case_id or 0, second.case_id or 0
        if what == "the call":
            changed_by_another(s, second, case_id=to_id)
        else:
            case = s.get_one(Case, own_id if what == "its own case" else to_id)
            changed_by_another(s, case, owner_id=staff.bob.id)
        with pytest.raises(Refused, match="already" if what == "the call" else "colleague"):
            joining.join_call(s, second.id, to_id, staff.alice)
        assert third.case_id not in {own_id, to_id}


def test_only_the_open_call_back_that_this_very_call_left_follows_it(db: Database, staff: Cast, keys: Keys) -> None:
    """One that an older call of the same telephone left stays with the case it is about."""
    with db.write() as s:
        first, second = a_call(s, keys, "a"), a_call(s, keys, "b", 30)
        item = callbacks.open_of_case(s, second.case_id or 0)
        assert item is not None
        assert item.contact_id == second.id
        joining.join_call(s, first.id, second.case_id or 0, staff.alice)
        joining.undo_join(s, first.id, staff.alice)
        assert item.case_id == second.case_id
