"""What is safe for a worker: who may change it in a colleague's case, and what a late key press never overwrites."""

from datetime import datetime, timedelta

import pytest
from sqlmodel import Session, col, select

from hotline.calls import facts as calls
from hotline.calls.facts import Fact, Seen
from hotline.cases import work
from hotline.errors import NotAllowed, Refused
from hotline.intake import safety_form
from hotline.keys import Keys
from hotline.staff import states as agents
from models import (
    AgentStatus,
    AuditEntry,
    CallbackSafety,
    Case,
    CaseEvent,
    CaseStatus,
    Contact,
    Database,
    EventKind,
    Safety,
)
from models.db.types import now
from tests.support.cast import Cast
from tests.support.thailand import saw

SAFE, UNSAFE, NEVER, UNKNOWN = (
    CallbackSafety.SAFE,
    CallbackSafety.UNSAFE,
    CallbackSafety.NEVER,
    CallbackSafety.UNKNOWN,
)
NUMBER = "0812345678"
LIMITS = {"join_within_s": 900, "brief_s": 10}


def call(s: Session, keys: Keys, name: str, at: datetime, *, number: str = NUMBER, answered_by: int = 0) -> Contact:
    """A call that goes on, with its case when somebody has answered it."""
    contact = saw(s, keys, name, Fact.ARRIVED, at, Seen(number=number, language="my"))
    saw(s, keys, name, Fact.KEY, at)
    if answered_by:
        saw(s, keys, name, Fact.ANSWERED, at, Seen(handler_id=answered_by))
        calls.answered(s, contact, answered_by, at, join_within_s=0)
    return contact


def filed(s: Session, keys: Keys, name: str = "a", *, number: str = NUMBER) -> Contact:
    at = now() - timedelta(hours=3)
    return calls.close(s, call(s, keys, name, at, number=number), at + timedelta(minutes=1), **LIMITS)


def safety_of(s: Session, contact: Contact) -> Safety:
    return s.get_one(Safety, contact.case_id)


# --- who may ---------------------------------------------------------------------------------------------------------


def test_the_safety_of_a_colleagues_case_is_not_anybodys_to_change(db: Database, staff: Cast, keys: Keys) -> None:
    with db.write() as s:
        contact = filed(s, keys)
        case_id = contact.case_id or 0
        work.claim(s, case_id, staff.alice)
        safety_form.set_safety(s, case_id, staff.alice, callback=NEVER)
        with pytest.raises(Refused, match="Alice has this case"):
            safety_form.set_safety(s, case_id, staff.bob, callback=SAFE)
        assert safety_of(s, contact).callback is NEVER
        safety_form.set_safety(s, case_id, staff.sofia, callback=UNSAFE)
        assert safety_of(s, contact).callback is UNSAFE
        with pytest.raises(NotAllowed):
            safety_form.set_safety(s, case_id, staff.adam, callback=SAFE)


def test_a_case_that_nobody_has_is_for_everybody_who_works_cases(db: Database, staff: Cast, keys: Keys) -> None:
    with db.write() as s:
        contact = filed(s, keys)
        safety_form.set_safety(s, contact.case_id or 0, staff.bob, callback=UNSAFE)
        assert safety_of(s, contact).callback is UNSAFE


@pytest.mark.parametrize(
    ("status", "number", "lets"),
    [
        (AgentStatus.ON_CALL, NUMBER, True),
        (AgentStatus.WRAP_UP, NUMBER, True),
        (AgentStatus.RINGING, NUMBER, False),
        (AgentStatus.ON_CALL, "0899999999", False),
    ],
)
def test_who_is_on_the_line_with_the_caller_may(
    db: Database, staff: Cast, keys: Keys, status: AgentStatus, number: str, lets: bool
) -> None:
    """Also while the call is wrapped up; not while it only rings, and not with another caller."""
    bob = staff.bob.id
    with db.write() as s:
        contact = filed(s, keys)
        case_id = contact.case_id or 0
        work.claim(s, case_id, staff.alice)
        call(s, keys, "b", now(), number=number, answered_by=bob if status is not AgentStatus.RINGING else 0)
        agents.set_status(s, bob, status, call="b")
        if not lets:
            with pytest.raises(Refused):
                safety_form.set_safety(s, case_id, staff.bob, callback=SAFE)
            return
        safety_form.set_safety(s, case_id, staff.bob, callback=UNSAFE)
        agents.set_status(s, bob, AgentStatus.READY)
        with pytest.raises(Refused):
            safety_form.set_safety(s, case_id, staff.bob, callback=SAFE)
        assert safety_of(s, contact).callback is UNSAFE


def test_a_withheld_number_is_no_telephone_that_two_callers_share(db: Database, staff: Cast, keys: Keys) -> None:
    bob = staff.bob.id
    with db.write() as s:
        contact = filed(s, keys)
        s.get_one(Case, contact.case_id).caller_id = None
        work.claim(s, contact.case_id or 0, staff.alice)
        other = saw(s, keys, "b", Fact.ANSWERED, now(), Seen(language="my", handler_id=bob))
        calls.answered(s, other, bob, now(), join_within_s=0)
        assert other.caller_id is None
        agents.set_status(s, bob, AgentStatus.ON_CALL, call="b")
        with pytest.raises(Refused):
            safety_form.set_safety(s, contact.case_id or 0, staff.bob, callback=SAFE)


# --- a caller's key that is told late --------------------------------------------------------------------------------


def pressed(s: Session, keys: Keys, contact: Contact, said: CallbackSafety) -> None:
    """The call's own key, told after the close: out of the spool of a line whose ivr was away."""
    at = contact.arrived_at + timedelta(seconds=30)
    saw(s, keys, contact.call, Fact.CALLBACK, at, Seen(callback_said=said))


@pytest.mark.parametrize("written", [UNSAFE, NEVER])
@pytest.mark.parametrize("said", [SAFE, UNSAFE])
def test_a_late_key_press_overwrites_no_unsafe_and_no_never(
    db: Database, staff: Cast, keys: Keys, written: CallbackSafety, said: CallbackSafety
) -> None:
    with db.write() as s:
        contact = filed(s, keys)
        safety_form.set_safety(s, contact.case_id or 0, staff.alice, callback=written)
        reviewed = safety_of(s, contact).reviewed_at
        pressed(s, keys, contact, said)
        assert (safety_of(s, contact).callback, safety_of(s, contact).reviewed_at) == (written, reviewed)


@pytest.mark.parametrize("said", [SAFE, UNSAFE])
def test_a_late_key_press_is_kept_where_nobody_has_said_anything(
    db: Database, keys: Keys, said: CallbackSafety
) -> None:
    with db.write() as s:
        contact = filed(s, keys)
        pressed(s, keys, contact, said)
        assert safety_of(s, contact).callback is said
        assert safety_of(s, contact).reviewed_at == contact.ended_at


def test_a_persons_doubt_is_not_made_safe_by_an_older_key(db: Database, staff: Cast, keys: Keys) -> None:
    """Reviewed since, and left unknown: nobody may dial. But an `unsafe`, however late, is kept."""
    with db.write() as s:
        contact, other = filed(s, keys), filed(s, keys, "b", number="0899999999")
        for one in (contact, other):
            safety_form.set_safety(s, one.case_id or 0, staff.alice, callback=UNKNOWN, in_danger=True)
        reviewed = safety_of(s, other).reviewed_at
        pressed(s, keys, contact, SAFE)
        pressed(s, keys, other, UNSAFE)
        assert safety_of(s, contact).callback is UNKNOWN
        assert (safety_of(s, other).callback, safety_of(s, other).reviewed_at) == (UNSAFE, reviewed)


def test_a_newer_unsafe_takes_a_safe_back_and_an_older_one_does_not(db: Database, staff: Cast, keys: Keys) -> None:
    """A worker who was safe calls again and presses that calling back is not: that is the newest word."""
    with db.write() as s:
        contact = filed(s, keys)
        safety_form.set_safety(s, contact.case_id or 0, staff.alice, callback=SAFE)
        pressed(s, keys, contact, UNSAFE)
        assert safety_of(s, contact).callback is SAFE, "said before the review"
        again = call(s, keys, "b", now() + timedelta(minutes=1))
        again.case_id = contact.case_id
        saw(s, keys, "b", Fact.MESSAGE, now() + timedelta(minutes=2), Seen(callback_said=UNSAFE))
        calls.close(s, again, now() + timedelta(minutes=3), **LIMITS)
        saw(s, keys, "b", Fact.FAILED, now())
        assert safety_of(s, contact).callback is UNSAFE


# --- other facts that come late --------------------------------------------------------------------------------------


def test_a_joined_case_without_a_number_does_not_take_this_calls_number(db: Database, staff: Cast, keys: Keys) -> None:
    """People share telephones: of a case with other calls nobody knows whether this telephone is its worker's."""
    with db.write() as s:
        withheld = saw(s, keys, "a", Fact.KEY, now(), Seen(language="my"))
        calls.close(s, withheld, now(), **LIMITS)
        late = saw(s, keys, "b", Fact.KEY, now(), Seen(language="my"))
        late.case_id = withheld.case_id
        calls.close(s, late, now(), **LIMITS)
        alone = saw(s, keys, "c", Fact.KEY, now(), Seen(language="my"))
        calls.close(s, alone, now(), **LIMITS)
        for name in ("b", "c"):
            saw(s, keys, name, Fact.LANGUAGE, now(), Seen(number=NUMBER))
        assert late.caller_id == alone.caller_id is not None
        assert s.get_one(Case, withheld.case_id).caller_id is None
        assert s.get_one(Case, alone.case_id).caller_id == alone.caller_id


def test_a_brief_call_that_pressed_a_key_after_all_is_opened_again(db: Database, keys: Keys) -> None:
    with db.write() as s:
        contact = saw(s, keys, "a", Fact.ARRIVED, now(), Seen(number=NUMBER))
        calls.close(s, contact, now() + timedelta(seconds=3), **LIMITS)
        case = s.get_one(Case, contact.case_id)
        assert case.status is CaseStatus.CLOSED
        saw(s, keys, "a", Fact.LANGUAGE, now(), Seen(language="my", chosen=False))
        assert case.status is CaseStatus.CLOSED
        saw(s, keys, "a", Fact.KEY, now())
        assert (case.status, case.closed_at) == (CaseStatus.NEW, None)


@pytest.mark.parametrize("known", [False, True])
def test_what_was_asked_about_safety_is_kept_with_its_moment_and_told_by_field_and_not_by_value(
    db: Database, staff: Cast, keys: Keys, known: bool
) -> None:
    """Who works on the case reads in it what was changed; the audit knows too. Whatever was said again is no change."""
    with db.write() as s:
        case_id = filed(s, keys).case_id or 0
        if known:
            safety_form.set_safety(s, case_id, staff.alice, callback=SAFE)
        before = now()
        safety = safety_form.set_safety(s, case_id, staff.alice, callback=SAFE, window="19:00-21:00")
        assert (safety.case_id, safety.callback, safety.window) == (case_id, SAFE, "19:00-21:00")
        assert s.get_one(Safety, case_id) is safety
        assert safety.reviewed_at is not None
        assert before <= safety.reviewed_at <= now()
        fields = ["window"] if known else ["callback", "window"]
        event = s.exec(select(CaseEvent).order_by(col(CaseEvent.id).desc())).first()
        assert event is not None
        assert (event.kind, event.case_id, event.detail) == (EventKind.SAFETY, case_id, {"fields": fields})
        entry = s.exec(select(AuditEntry).order_by(col(AuditEntry.id).desc())).first()
        assert entry is not None
        assert (entry.act, entry.subject, entry.by_id) == ("safety_changed", f"case:{case_id}", staff.alice.id)
        assert entry.detail == {"fields": fields}


def test_when_somebody_else_answered_our_call_it_is_unsafe_whoever_has_the_case(
    db: Database, staff: Cast, keys: Keys
) -> None:
    with db.write() as s:
        contact = filed(s, keys)
        work.claim(s, contact.case_id or 0, staff.bob)
        safety = safety_form.not_safe_to_call(s, contact.case_id or 0, staff.alice)
        assert safety is safety_of(s, contact)
        assert safety.callback is UNSAFE
        with pytest.raises(NotAllowed):
            safety_form.not_safe_to_call(s, contact.case_id or 0, staff.adam)


def test_a_review_counts_as_work_on_the_case_and_makes_what_was_not_there(
    db: Database, staff: Cast, keys: Keys
) -> None:
    """A further call of this telephone is no longer joined to the case by itself."""
    with db.write() as s:
        case = s.get_one(Case, filed(s, keys).case_id)
        s.delete(s.get_one(Safety, case.id))
        s.flush()
        version = case.version
        safety_form.set_safety(s, case.id, staff.alice, callback=UNSAFE)
        assert (case.touched_at is not None, case.version) == (True, version + 1)
        case_id = case.id
    with db.read() as s:
        assert s.get_one(Safety, case_id).callback is UNSAFE
