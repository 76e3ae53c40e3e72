"""What people may do with a case, and what is refused with a reason."""

import threading

import pytest
from sqlmodel import Session, col, select

from hotline.calls import facts as calls
from hotline.calls.facts import Fact, Seen
from hotline.cases import lifecycle, work
from hotline.errors import Invalid, NotAllowed, NotFound, Refused
from hotline.intake import safety_form
from hotline.keys import Keys
from models import AuditEntry, Case, CaseEvent, CaseStatus, Database, Disposition, EventKind, Role
from models.db.types import now
from tests.support.cast import Cast
from tests.support.thailand import saw


def a_case(s: Session, keys: Keys, call: str = "a") -> int:
    saw(s, keys, call, Fact.KEY, now(), Seen(language="my", number="0812345678"))
    contact = calls.find(s, call)
    assert contact is not None
    calls.close(s, contact, now(), join_within_s=0, brief_s=10)
    assert contact.case_id is not None
    return contact.case_id


def test_when_two_click_claim_one_wins(db: Database, staff: Cast, keys: Keys) -> None:
    with db.write() as s:
        case_id = a_case(s, keys)
    barrier, won, lost = threading.Barrier(2), [], []

    def click(who: str) -> None:
        barrier.wait()
        try:
            with db.write() as s:
                work.claim(s, case_id, getattr(staff, who))
            won.append(who)
        except Refused:
            lost.append(who)

    threads = [threading.Thread(target=click, args=(who,)) for who in ("alice", "bob")]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(won) == 1
    assert len(lost) == 1
    with db.read() as s:
        owner = s.get(Case, case_id)
        assert owner is not None
        assert owner.owner_id == getattr(staff, won[0]).id
        assert len(s.exec(select(CaseEvent).where(col(CaseEvent.kind) == EventKind.CLAIMED)).all()) == 1


def test_claiming_ones_own_case_again_is_harmless(db: Database, staff: Cast, keys: Keys) -> None:
    with db.write() as s:
        case_id = a_case(s, keys)
        work.claim(s, case_id, staff.alice)
        assert work.claim(s, case_id, staff.alice).owner_id == staff.alice.id


@pytest.mark.parametrize("who", ["adam", "charlie"])
def test_who_may_not_work_cases_is_refused(db: Database, staff: Cast, keys: Keys, who: str) -> None:
    with db.write() as s:
        case_id = a_case(s, keys)
        with pytest.raises(NotAllowed):
            work.claim(s, case_id, getattr(staff, who))
        with pytest.raises(NotAllowed):
            work.add_note(s, case_id, "hello", getattr(staff, who))


def test_release_and_hand_over_are_for_the_owner_or_a_supervisor(db: Database, staff: Cast, keys: Keys) -> None:
    with db.write() as s:
        case_id = a_case(s, keys)
        work.claim(s, case_id, staff.alice)
        with pytest.raises(Refused):
            work.release(s, case_id, staff.bob)
        with pytest.raises(Invalid):
            work.hand_over(s, case_id, staff.adam.id, staff.alice)
        assert work.hand_over(s, case_id, staff.bob.id, staff.alice).owner_id == staff.bob.id
        assert work.release(s, case_id, staff.sofia).owner_id is None


def test_every_move_is_as_the_data_says(db: Database, staff: Cast, keys: Keys) -> None:
    people = {Role.AGENT: staff.alice, Role.SUPERVISOR: staff.sofia}
    for start in CaseStatus:
        for end in CaseStatus:
            for role, who in people.items():
                with db.write() as s:
                    case = Case(status=start, owner_id=who.id)
                    s.add(case)
                    s.flush()
                    least = lifecycle.moves()[start].get(end)
                    allowed = least is Role.AGENT or (least is Role.SUPERVISOR and role is Role.SUPERVISOR)
                    if allowed:
                        assert work.move(s, case.id, end, who, "because").status is end
                    else:
                        with pytest.raises(Refused):
                            work.move(s, case.id, end, who, "because")
                    s.rollback()


def test_closing_and_reopening_need_a_reason(db: Database, staff: Cast, keys: Keys) -> None:
    with db.write() as s:
        case_id = a_case(s, keys)
        work.claim(s, case_id, staff.alice)
        with pytest.raises(Refused, match="why"):
            work.move(s, case_id, CaseStatus.CLOSED, staff.alice)
        work.move(s, case_id, CaseStatus.CLOSED, staff.alice, "duplicate")
        with pytest.raises(Refused, match="why"):
            work.move(s, case_id, CaseStatus.ACTIVE, staff.alice, "  ")
        assert work.move(s, case_id, CaseStatus.ACTIVE, staff.alice, "she called again").closed_at is None


def test_a_note_keeps_every_character_but_nul(db: Database, staff: Cast, keys: Keys) -> None:
    words = 'She said: "don\'t <b>call</b>"\r\nမြန်မာ 😀\x00'
    with db.write() as s:
        case_id = a_case(s, keys)
        assert work.add_note(s, case_id, words, staff.alice).text == 'She said: "don\'t <b>call</b>"\nမြန်မာ 😀'


@pytest.mark.parametrize("text", ["", "  \n ", "x" * 20_001])
def test_an_empty_or_endless_note_is_refused(db: Database, staff: Cast, keys: Keys, text: str) -> None:
    with db.write() as s:
        case_id = a_case(s, keys)
        with pytest.raises(Invalid):
            work.add_note(s, case_id, text, staff.alice)


@pytest.mark.parametrize("said", sorted(work.CLOSING))
def test_what_only_a_person_may_say_closes_the_case(db: Database, staff: Cast, keys: Keys, said: Disposition) -> None:
    with db.write() as s:
        case_id = a_case(s, keys)
        contact = calls.find(s, "a")
        assert contact is not None
        case = work.dispose(s, case_id, contact.id, said, staff.alice)
        assert case.status is CaseStatus.CLOSED
        assert case.closing_reason == said


def test_a_call_of_another_case_cannot_be_disposed_of_here(db: Database, staff: Cast, keys: Keys) -> None:
    with db.write() as s:
        one, other = a_case(s, keys, "a"), a_case(s, keys, "b")
        contact = calls.find(s, "b")
        assert contact is not None
        assert one != other
        with pytest.raises(NotFound):
            work.dispose(s, one, contact.id, Disposition.TEST, staff.alice)


def test_a_change_of_safety_is_audited_by_field_not_by_value(db: Database, staff: Cast, keys: Keys) -> None:
    with db.write() as s:
        case_id = a_case(s, keys)
        safety_form.set_safety(s, case_id, staff.alice, near="the foreman", in_danger=True)
        entry = s.exec(select(AuditEntry).where(col(AuditEntry.act) == "safety_changed")).one()
        assert entry.detail == {"fields": ["near", "in_danger"]}
