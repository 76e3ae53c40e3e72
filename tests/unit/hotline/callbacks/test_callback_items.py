"""One open item for a telephone: which calls go into it, which end it, and what is read again before it is changed."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlmodel import Session, col, select

from hotline.callbacks import items as callbacks
from hotline.errors import Invalid, NotAllowed, Refused
from hotline.scope import SYSTEM
from models import (
    AttemptOutcome,
    AuditEntry,
    Callback,
    CallbackAttempt,
    CallbackEnd,
    CallbackKind,
    Caller,
    Case,
    CaseEvent,
    CaseStatus,
    Contact,
    Database,
    Direction,
    EventKind,
    Outcome,
    Safety,
)
from tests.support.behind import changed_by_another
from tests.support.cast import Cast

T = datetime.fromisoformat("2026-11-23T10:00:00+07:00")
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
ABANDONED, MISSED = CallbackKind.ABANDONED, CallbackKind.MISSED
REACHED, REACHED_US = CallbackEnd.REACHED, CallbackEnd.REACHED_US
OUTBOUND = Direction.OUTBOUND


class Telephone:
    """A telephone that calls us, and what its calls leave. Calls arrive at T and end a minute later."""

    def __init__(self, session: Session, index: str = "one") -> None:
        self.s, self.index, self._calls = session, index, 0
        caller = Caller(number_index=index, number_sealed=b"sealed")
        session.add(caller)
        session.flush()
        self.id = caller.id
        self.case = self.another_case()

    def another_case(self, reviewed_at: datetime | None = None, **values: Any) -> Case:
        case = Case(**{"caller_id": self.id, "language": "my"} | values)
        self.s.add(case)
        self.s.flush()
        case.reference = f"C-{case.id}"
        self.s.add(Safety(case_id=case.id, reviewed_at=reviewed_at))
        self.s.flush()
        return case

    def call(self, after: timedelta = timedelta(0), **values: Any) -> Contact:
        """A call that its caller gave up, so long after T."""
        self._calls += 1
        usual = {
            "call": f"{self.index} {self._calls}", "caller_id": self.id, "case_id": self.case.id, "language": "my",
            "arrived_at": T + after, "ended_at": T + after + MINUTE, "outcome": Outcome.ABANDONED_IN_QUEUE,
        }  # fmt: skip
        contact = Contact(**usual | values)
        self.s.add(contact)
        self.s.flush()
        return contact

    def heard(self, after: timedelta, **values: Any) -> Contact:
        """A call that was answered when it arrived."""
        at = T + after
        return self.call(after, **{"answered_at": at, "outcome": Outcome.ANSWERED} | values)

    def note(self, contact: Contact) -> Callback | None:
        return callbacks.note_call(self.s, contact, T)

    def item(self, contact: Contact | None = None, **values: Any) -> Callback:
        """An item that a call left; an ended one when `values` say how it ended."""
        made_by = contact or self.call()
        usual = {
            "open_for": None if "end" in values else self.id, "caller_id": self.id, "case_id": self.case.id,
            "contact_id": made_by.id, "kind": ABANDONED, "language": "my", "created_at": made_by.ended_at,
            "due_at": made_by.ended_at,
        }  # fmt: skip
        item = Callback(**usual | values)
        self.s.add(item)
        self.s.flush()
        return item

    def tried(self, item: Callback, by_id: int | None, at: datetime, outcome: AttemptOutcome | None = None) -> None:
        ours = self.call(direction=OUTBOUND, arrived_at=at, ended_at=at)
        self.s.add(CallbackAttempt(callback_id=item.id, contact_id=ours.id, by_id=by_id or 0, at=at, outcome=outcome))
        self.s.flush()

    def told(self, case: Case | None = None) -> list[object]:
        of = select(CaseEvent).where(col(CaseEvent.case_id) == (case or self.case).id).order_by(col(CaseEvent.id))
        return [event.detail.get("what") for event in self.s.exec(of) if event.kind is EventKind.CALLBACK]


@pytest.fixture
def phone(db: Database) -> Iterator[Telephone]:
    """In a transaction of its own."""
    with db.write() as s:
        yield Telephone(s)


# --- a call that ended -----------------------------------------------------------------------------------------------


def test_each_further_call_of_a_telephone_is_told_on_the_case_it_came_to_and_counted_once(phone: Telephone) -> None:
    first = phone.call()
    item = phone.note(first)
    assert item is not None
    assert (item.created_at, item.due_at, item.calls) == (T + MINUTE, T + MINUTE, 1)
    own, phone.case = phone.case, phone.another_case()
    second = phone.call(HOUR, outcome=Outcome.VOICEMAIL)
    for _ in range(2):
        assert phone.note(second) is item
        assert phone.note(first) is item
    assert (item.calls, item.contact_id, item.case_id, item.kind) == (2, second.id, phone.case.id, MISSED)
    assert (item.created_at, item.due_at) == (T + MINUTE, T + MINUTE)
    assert (phone.told(own), phone.told()) == (["noted"], ["noted"])


@pytest.mark.parametrize(
    "values",
    [{"direction": OUTBOUND}, {"caller_id": None}, {"ended_at": None}, {"case_id": None}],
    ids=["ours", "withheld", "it goes on", "no case yet"],
)
def test_only_an_ended_call_of_a_known_telephone_with_a_case_owes_one(phone: Telephone, values: dict[str, Any]) -> None:
    """An item of that telephone that has ended is not taken for an open one either."""
    phone.item(phone.call(-HOUR), end=CallbackEnd.CLOSED, ended_at=T - HOUR)
    assert phone.note(phone.call(**values)) is None
    assert callbacks.open_of_case(phone.s, phone.case.id) is None


def test_a_call_without_a_language_leaves_one_in_that_of_its_case_and_keeps_what_an_item_knows(
    phone: Telephone,
) -> None:
    item = phone.note(phone.call(language=None))
    assert item is not None
    assert item.language == "my"
    phone.note(phone.call(HOUR, language=None))
    assert item.language == "my"
    phone.note(phone.call(2 * HOUR, language="th"))
    assert item.language == "th", "what they chose last"


@pytest.mark.parametrize(
    ("old", "new", "moves"),
    [(None, None, True), (T, None, False), (T, T, True), (None, T, True)],
    ids=["nobody asked", "only asked before", "asked in both", "only asked now"],
)
def test_an_item_stays_with_the_case_in_which_the_worker_said_what_is_safe(
    phone: Telephone, old: datetime | None, new: datetime | None, moves: bool
) -> None:
    """Until somebody asks in the newer one: what was said there is not lost by a call that nobody took."""
    phone.case = before = phone.another_case(reviewed_at=old)
    item = phone.note(phone.call())
    assert item is not None
    phone.case = phone.another_case(reviewed_at=new)
    newer = phone.call(HOUR)
    phone.note(newer)
    assert item.case_id == (phone.case if moves else before).id
    assert item.contact_id == newer.id


def test_an_item_stays_with_what_was_said_also_when_nothing_is_written_about_the_newer_case(phone: Telephone) -> None:
    phone.case = before = phone.another_case(reviewed_at=T)
    item = phone.note(phone.call())
    assert item is not None
    phone.case = phone.another_case()
    phone.s.delete(phone.s.get_one(Safety, phone.case.id))
    phone.s.flush()
    phone.note(phone.call(HOUR))
    assert item.case_id == before.id


def test_a_call_owed_by_hand_takes_further_calls_while_the_conversation_goes_on(phone: Telephone, staff: Cast) -> None:
    """The call behind it has no end yet: what ends after the click is newer. What had ended before was heard since."""
    live = phone.heard(timedelta(0), ended_at=None)
    item = callbacks.open_for_case(phone.s, phone.case.id, staff.alice, T + MINUTE)
    assert (item.created_at, item.contact_id) == (T + MINUTE, live.id)
    assert phone.note(phone.call(-HOUR)) is None
    newer = phone.call(HOUR)
    phone.note(newer)
    assert (item.calls, item.contact_id, item.created_at) == (2, newer.id, T + MINUTE)


def test_a_further_call_is_added_to_what_others_have_written_since(phone: Telephone) -> None:
    item = phone.note(phone.call())
    assert item is not None
    changed_by_another(phone.s, item, calls=5, kind=CallbackKind.REQUESTED)
    phone.note(phone.call(HOUR))
    assert (item.calls, item.kind) == (6, CallbackKind.REQUESTED)


def test_of_two_calls_that_end_in_one_moment_an_item_keeps_the_one_it_has(phone: Telephone, staff: Cast) -> None:
    first, second = phone.call(), phone.call()
    item = phone.item(first, created_at=T + HOUR)
    phone.note(second)
    assert item.contact_id == first.id


# --- who was heard since ---------------------------------------------------------------------------------------------

Left = Callable[[Telephone], object]


def heard(after: timedelta, **values: Any) -> Left:
    return lambda phone: phone.heard(after, **values)


def ended(end: CallbackEnd, after: timedelta, **values: Any) -> Left:
    def leave(phone: Telephone) -> None:
        phone.item(phone.call(-2 * HOUR), **{"end": end, "ended_at": T + after} | values)

    return leave


def of_another(leave: Left) -> Left:
    return lambda phone: leave(Telephone(phone.s, "other"))


HEARD_SINCE: dict[str, tuple[Left, bool]] = {
    # the call that is told ended at T + a minute: is it owed?
    "heard later": (heard(MINUTE + SECOND), False),
    "heard at that moment": (heard(MINUTE), True),
    "heard before": (heard(-HOUR), True),
    "heard in another language": (heard(HOUR, language="th"), True),
    "heard, and nobody knows in which language": (heard(HOUR, language=None), False),
    "we called": (heard(HOUR, direction=OUTBOUND), True),
    "another telephone was heard": (of_another(heard(HOUR)), True),
    "we reached them later": (ended(REACHED, HOUR), False),
    "we reached them at that moment": (ended(REACHED, MINUTE), True),
    "they reached us later": (ended(REACHED_US, HOUR), False),
    "we reached somebody in another language": (ended(REACHED, HOUR, language="th"), True),
    "we reached another telephone": (of_another(ended(REACHED, HOUR)), True),
    "one was closed later": (ended(CallbackEnd.CLOSED, HOUR), True),
    "one was unsafe later": (ended(CallbackEnd.UNSAFE, HOUR), True),
}


@pytest.mark.parametrize(("since", "owed"), HEARD_SINCE.values(), ids=HEARD_SINCE)
def test_a_late_word_owes_nothing_only_when_this_worker_was_spoken_with_since(
    phone: Telephone, since: Left, owed: bool
) -> None:
    since(phone)
    assert (phone.note(phone.call()) is not None) is owed


def test_a_call_that_was_answered_and_dropped_at_once_is_owed(phone: Telephone) -> None:
    """Its own answer, in the very moment it ended, is not one that came after it."""
    item = phone.note(phone.heard(timedelta(0), ended_at=T, dropped_at=T))
    assert item is not None
    assert item.kind is CallbackKind.DROPPED


@pytest.mark.parametrize(
    ("after", "owed"),
    [(timedelta(0), False), (HOUR, False), (HOUR + SECOND, True), (-SECOND, True), (2 * HOUR, True)],
)
def test_a_call_that_was_in_an_item_that_was_closed_is_not_owed_again(
    phone: Telephone, after: timedelta, owed: bool
) -> None:
    """All calls from its first to its newest were in it; what came before or after those was not."""
    phone.item(phone.call(HOUR), created_at=T + MINUTE, end=CallbackEnd.CLOSED, ended_at=T + 3 * HOUR)
    assert (phone.note(phone.call(after)) is not None) is owed


def test_the_very_call_of_an_item_that_was_closed_is_not_owed_again(phone: Telephone, staff: Cast) -> None:
    """Nor when it had no end yet; another call since is, whatever the one behind the item may become."""
    live = phone.heard(timedelta(0), ended_at=None)
    item = callbacks.open_for_case(phone.s, phone.case.id, staff.alice, T)
    callbacks.end(phone.s, item, CallbackEnd.CLOSED, T + SECOND)
    other = phone.note(phone.call(HOUR))
    assert other is not None
    callbacks.end(phone.s, other, CallbackEnd.CLOSED, T + 2 * HOUR)
    live.ended_at = live.dropped_at = T + MINUTE
    phone.s.flush()
    assert phone.note(live) is None


# --- two at once -----------------------------------------------------------------------------------------------------


def seen_only_after(monkeypatch: pytest.MonkeyPatch, looks: int) -> None:
    """An open item is seen only after so many looks: another process inserted it, or deleted it, in between."""
    really, left = callbacks._open_of, [looks]

    def look(session: Session, caller_id: int) -> Callback | None:
        if left[0] > 0:
            left[0] -= 1
            return None
        return really(session, caller_id)

    monkeypatch.setattr(callbacks, "_open_of", look)


def test_an_item_that_another_process_made_in_the_same_moment_takes_the_call(
    phone: Telephone, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = phone.note(phone.call())
    assert item is not None
    for looks in (1, 3):
        seen_only_after(monkeypatch, looks)
        newer = phone.call(looks * HOUR)
        assert phone.note(newer) is item
        assert item.contact_id == newer.id
    assert (item.calls, phone.told()) == (3, ["noted"] * 3)


def test_an_item_that_is_there_and_gone_again_is_tried_three_times(
    phone: Telephone, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone.note(phone.call())
    seen_only_after(monkeypatch, 4)  # when it was looked for, and at each try
    with pytest.raises(Refused, match="Try again"):
        phone.note(phone.call(HOUR))


def test_an_item_that_a_colleague_opened_in_the_same_moment_is_not_told_as_opened_here(
    phone: Telephone, staff: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone.call()
    item = callbacks.open_for_case(phone.s, phone.case.id, staff.bob, T)
    seen_only_after(monkeypatch, 1)
    assert callbacks.open_for_case(phone.s, phone.case.id, staff.alice, T) is item
    assert phone.told() == ["opened"]


# --- she reaches us --------------------------------------------------------------------------------------------------


def test_an_answer_ends_the_item_and_both_cases_tell_it(phone: Telephone) -> None:
    item, own = phone.item(), phone.case
    phone.case = phone.another_case()
    contact = phone.heard(HOUR)
    assert callbacks.reached_us(phone.s, contact, T + HOUR) is item
    assert (item.end, item.ended_at, item.open_for) == (REACHED_US, T + HOUR, None)
    assert (phone.told(own), phone.told()) == (["she_reached_us"], ["she_reached_us"])


@pytest.mark.parametrize("with_case", [True, False])
def test_an_answer_in_the_same_case_or_in_none_is_told_once(phone: Telephone, with_case: bool) -> None:
    item = phone.item()
    contact = phone.heard(HOUR, **{} if with_case else {"case_id": None})
    assert callbacks.reached_us(phone.s, contact, T + HOUR) is item
    assert phone.told() == ["she_reached_us"]
    assert callbacks.reached_us(phone.s, contact, T + HOUR) is None


def test_an_answer_of_the_very_call_that_told_its_end_too_early_ends_what_it_left(phone: Telephone) -> None:
    """It was filed as given up; its answer came out of the spool late, and it was a conversation."""
    contact = phone.call()
    item = phone.note(contact)
    assert item is not None
    contact.answered_at, contact.outcome = T + SECOND, Outcome.ANSWERED
    phone.s.flush()
    assert callbacks.reached_us(phone.s, contact, T + HOUR) is item
    assert item.end is REACHED_US


NOT_REACHED: dict[str, dict[str, Any]] = {
    "ours": {"direction": OUTBOUND},
    "withheld": {"caller_id": None},
    "another language": {"language": "th"},
    "older than what was missed": {"arrived_at": T - SECOND},
}


@pytest.mark.parametrize("values", NOT_REACHED.values(), ids=NOT_REACHED)
def test_an_answer_that_says_nothing_of_who_waits_ends_no_item(phone: Telephone, values: dict[str, Any]) -> None:
    """And none that has ended is ended once more."""
    phone.item(phone.call(-HOUR), end=CallbackEnd.CLOSED, ended_at=T - HOUR)
    phone.item()
    assert callbacks.reached_us(phone.s, phone.heard(HOUR, **values), T + HOUR) is None
    assert phone.told() == []


@pytest.mark.parametrize(
    ("values", "ends"),
    [({"ended_at": None}, False), ({"dropped_at": T + MINUTE}, False), ({}, True)],
    ids=["by hand, it goes on", "it dropped", "it was heard to its end"],
)
def test_the_answer_of_the_call_behind_an_item_told_once_more_ends_it_only_if_nothing_is_owed_for_it(
    phone: Telephone, values: dict[str, Any], ends: bool
) -> None:
    contact = phone.heard(timedelta(0), **values)
    phone.item(contact, created_at=T)
    assert (callbacks.reached_us(phone.s, contact, T) is not None) is ends


# --- the case that a call answers ------------------------------------------------------------------------------------

DAY = timedelta(hours=24)
ANSWERS: dict[str, tuple[dict[str, Any], bool]] = {
    "just now": ({"ago": timedelta(0)}, True),
    "a day ago": ({"ago": DAY}, True),
    "more than a day ago": ({"ago": DAY + SECOND}, False),
    "only later": ({"ago": -SECOND}, False),
    "nobody took it": ({"outcome": AttemptOutcome.NOBODY}, True),
    "a machine took it": ({"outcome": AttemptOutcome.MACHINE}, True),
    "somebody else took it": ({"outcome": AttemptOutcome.SOMEBODY_ELSE}, False),
    "not at all": ({"ago": None}, False),
    "from us": ({"call": {"direction": OUTBOUND}}, False),
    "withheld": ({"call": {"caller_id": None}}, False),
    "in another language": ({"call": {"language": "th"}}, False),
    "in no language yet": ({"call": {"language": None}}, True),
    "on a shared telephone": ({"owner": "shared"}, False),
    "on the employer's": ({"owner": "employer"}, False),
    "on their own": ({"owner": "own"}, True),
    "the case is closed": ({"case": {"status": CaseStatus.CLOSED}}, False),
    "the case is at work": ({"case": {"status": CaseStatus.ACTIVE}}, True),
}


@pytest.mark.parametrize(("how", "joins"), ANSWERS.values(), ids=ANSWERS)
def test_a_call_answers_ours_only_when_we_tried_this_telephone_within_a_day(
    phone: Telephone, staff: Cast, how: dict[str, Any], joins: bool
) -> None:
    """And when nothing says that somebody else may have seen that we called."""
    phone.item(phone.call(-50 * HOUR), end=CallbackEnd.CLOSED, ended_at=T - 49 * HOUR)
    own = phone.case = phone.another_case(**how.get("case", {}))
    item = phone.item(phone.call(-48 * HOUR))
    if (ago := how.get("ago", HOUR)) is not None:
        phone.tried(item, staff.alice.id, T - ago, how.get("outcome"))
    phone.s.get_one(Safety, own.id).phone_owner = how.get("owner")
    phone.s.flush()
    found = callbacks.case_to_answer(phone.s, phone.call(**{"case_id": None} | how.get("call", {})))
    assert found is (own if joins else None)


def test_a_telephone_that_is_shared_by_what_another_case_of_it_knows_is_shared(phone: Telephone, staff: Cast) -> None:
    item, other = phone.item(phone.call(-2 * HOUR)), Telephone(phone.s, "other")
    phone.tried(item, staff.alice.id, T - HOUR)
    phone.s.get_one(Safety, other.case.id).phone_owner = "shared"
    phone.s.flush()
    answer = phone.call(case_id=None)
    assert callbacks.case_to_answer(phone.s, answer) is phone.case, "another telephone says nothing of this one"
    phone.s.get_one(Safety, phone.another_case(status=CaseStatus.CLOSED).id).phone_owner = "shared"
    phone.s.flush()
    assert callbacks.case_to_answer(phone.s, answer) is None


def test_a_try_for_another_item_says_nothing_of_this_one(phone: Telephone, staff: Cast) -> None:
    phone.item(phone.call(-2 * HOUR))
    other = Telephone(phone.s, "other")
    other.tried(other.item(), staff.alice.id, T - HOUR)
    assert callbacks.case_to_answer(phone.s, phone.call(case_id=None)) is None


# --- by hand ---------------------------------------------------------------------------------------------------------


def test_a_call_owed_by_hand_is_for_the_newest_call_of_the_cases_own_telephone(phone: Telephone, staff: Cast) -> None:
    """A call that was joined from another telephone is not called back: what is safe was not said of that one."""
    other = Telephone(phone.s, "other")
    other.call(2 * HOUR, case_id=phone.case.id)
    with pytest.raises(Refused, match="No call belongs"):
        callbacks.open_for_case(phone.s, phone.case.id, staff.alice, T)
    newest = phone.call(HOUR)
    phone.call()
    item = callbacks.open_for_case(phone.s, phone.case.id, staff.alice, T + DAY)
    assert (item.contact_id, item.kind, item.case_id) == (newest.id, CallbackKind.REQUESTED, phone.case.id)
    assert (item.created_at, item.due_at, item.attempts) == (T + DAY, T + DAY, 0)
    assert phone.told() == ["opened"]
    [act] = phone.s.exec(select(AuditEntry).where(col(AuditEntry.act) == "callback_opened"))
    assert (act.subject, act.by_id, act.detail) == (f"case:{phone.case.id}", staff.alice.id, {"callback": item.id})
    assert callbacks.open_of_case(phone.s, phone.case.id) is item
    assert callbacks.open_of_case(phone.s, other.case.id) is None


CARRIED: dict[str, tuple[Left, bool]] = {
    "nothing since": (lambda _: None, True),
    "they were heard since": (heard(3 * HOUR), False),
    "they were heard at that moment": (heard(2 * HOUR), True),
    "they were heard before": (heard(HOUR), True),
    "we were answered": (heard(3 * HOUR, direction=OUTBOUND), True),
    "another telephone was heard": (of_another(heard(3 * HOUR)), True),
    "another telephone was closed later": (of_another(ended(CallbackEnd.CLOSED, 4 * HOUR)), True),
    "one that was made before had reached them": (ended(REACHED, HOUR, attempts=1), True),
    "another one reached them later": (ended(REACHED, 4 * HOUR), False),
}


@pytest.mark.parametrize(("since", "carried"), CARRIED.values(), ids=CARRIED)
def test_an_item_that_was_closed_and_is_opened_by_hand_keeps_its_tries_and_its_time(
    phone: Telephone, staff: Cast, since: Left, carried: bool
) -> None:
    """It is no fresh start, unless the worker was spoken with since."""
    phone.call()
    later = T + 6 * HOUR
    phone.item(end=CallbackEnd.CLOSED, ended_at=T + 2 * HOUR, attempts=3, for_supervisor_at=T, due_at=later)
    since(phone)
    item = callbacks.open_for_case(phone.s, phone.case.id, staff.alice, T + 5 * HOUR)
    assert (item.attempts, item.for_supervisor_at, item.due_at) == (
        (3, T, later) if carried else (0, None, T + 5 * HOUR)
    )


def test_of_two_items_that_were_closed_in_one_moment_the_newer_is_carried_on(phone: Telephone, staff: Cast) -> None:
    for tries in (1, 2):
        phone.item(end=CallbackEnd.CLOSED, ended_at=T + HOUR, attempts=tries)
    assert callbacks.open_for_case(phone.s, phone.case.id, staff.alice, T + DAY).attempts == 2


def test_an_item_opened_by_hand_long_after_it_was_due_is_due_now(phone: Telephone, staff: Cast) -> None:
    phone.item(end=CallbackEnd.CLOSED, ended_at=T + MINUTE, due_at=T + HOUR)
    assert callbacks.open_for_case(phone.s, phone.case.id, staff.alice, T + DAY).due_at == T + DAY


# --- working on it ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "taken"),
    [
        ({}, True),
        ({"owner": "bob"}, True),
        ({"owner": "bob", "locked_until": T}, True),
        ({"owner": "bob", "locked_until": T + SECOND}, False),
        ({"owner": "alice", "locked_until": T + SECOND}, True),
        ({"end": CallbackEnd.CLOSED, "ended_at": T}, False),
    ],
)
def test_an_item_is_taken_for_ten_minutes_unless_a_colleague_has_it_or_it_has_ended(
    phone: Telephone, staff: Cast, values: dict[str, Any], taken: bool
) -> None:
    """Taking one takes no other."""
    owner = getattr(staff, values["owner"]).id if "owner" in values else None
    of_item = {name: value for name, value in values.items() if name != "owner"}
    item, other = phone.item(owner_id=owner, **of_item), Telephone(phone.s, "other").item()
    if taken:
        assert callbacks.take(phone.s, item.id, staff.alice, T) is item
        assert (item.owner_id, item.locked_until) == (staff.alice.id, T + 10 * MINUTE)
    else:
        with pytest.raises(Refused, match="has ended" if "end" in values else "Somebody else"):
            callbacks.take(phone.s, item.id, staff.alice, T)
        assert item.owner_id == owner
    phone.s.refresh(other)
    assert other.owner_id is None


def test_a_lock_is_let_go_by_who_has_it_or_by_a_supervisor(phone: Telephone, staff: Cast) -> None:
    """Without one nothing happens, whoever lets go."""
    item = phone.item()
    for who in (staff.alice, staff.sofia):
        callbacks.take(phone.s, item.id, staff.alice, T)
        with pytest.raises(Refused):
            callbacks.let_go(phone.s, item.id, staff.bob)
        assert callbacks.let_go(phone.s, item.id, who) is item
        assert (item.owner_id, item.locked_until) == (None, None)
        assert callbacks.let_go(phone.s, item.id, staff.bob) is item


def test_an_item_is_closed_with_a_reason_of_up_to_200_characters(phone: Telephone, staff: Cast) -> None:
    item = phone.item()
    with pytest.raises(Invalid):
        callbacks.close_item(phone.s, item.id, staff.alice, "x" * 201, T)
    assert callbacks.close_item(phone.s, item.id, staff.alice, "\x00" + "x" * 200, T) is item
    assert (item.end_reason, item.ended_at, item.open_for) == ("x" * 200, T, None)
    [act] = phone.s.exec(select(AuditEntry).where(col(AuditEntry.act) == "callback_closed"))
    assert (act.subject, act.by_id, act.detail) == (f"case:{item.case_id}", staff.alice.id, {"callback": item.id})


@pytest.mark.parametrize(("who", "closes"), [("alice", True), ("sofia", True), ("bob", False)])
def test_an_item_that_somebody_works_on_is_closed_by_them_or_a_supervisor(
    phone: Telephone, staff: Cast, who: str, closes: bool
) -> None:
    item = phone.item(owner_id=staff.alice.id, locked_until=T + SECOND)
    if closes:
        ended_item = callbacks.close_item(phone.s, item.id, getattr(staff, who), "they came by", T)
        assert (ended_item.owner_id, ended_item.locked_until) == (None, None)
    else:
        with pytest.raises(Refused, match="Somebody else"):
            callbacks.close_item(phone.s, item.id, getattr(staff, who), "they came by", T)


@pytest.mark.parametrize(
    ("own", "outcome", "closes"), [(True, None, False), (True, AttemptOutcome.NOBODY, True), (False, None, True)]
)
def test_only_an_own_try_of_which_nothing_is_said_keeps_an_item_open(
    phone: Telephone, staff: Cast, own: bool, outcome: AttemptOutcome | None, closes: bool
) -> None:
    item, other = phone.item(), Telephone(phone.s, "other")
    phone.tried(item if own else other.item(), staff.alice.id, T, outcome)
    if closes:
        assert callbacks.close_item(phone.s, item.id, staff.alice, "why", T).end is CallbackEnd.CLOSED
    else:
        with pytest.raises(Refused, match="Say first"):
            callbacks.close_item(phone.s, item.id, staff.alice, "why", T)


def test_an_item_that_was_ended_since_it_was_read_is_not_closed_again(phone: Telephone, staff: Cast) -> None:
    item = phone.item()
    changed_by_another(phone.s, item, ended_at=T, end=REACHED)
    with pytest.raises(Refused, match="has ended"):
        callbacks.close_item(phone.s, item.id, staff.alice, "why", T)


def test_holding_an_item_reads_it_and_its_case_again(phone: Telephone) -> None:
    """What somebody else has changed since counts, and so does what is changed here and not written yet."""
    item = phone.item()
    changed_by_another(phone.s, item, attempts=2)
    changed_by_another(phone.s, phone.case, status=CaseStatus.CLOSED)
    phone.case.summary = item.end_reason = "not written yet"
    assert callbacks.hold(phone.s, item.id, SYSTEM) is item
    assert (item.attempts, phone.case.status) == (2, CaseStatus.CLOSED)
    assert (item.end_reason, phone.case.summary) == ("not written yet",) * 2


def test_how_an_item_ended_is_told_with_who_and_why(phone: Telephone, staff: Cast) -> None:
    one, other = phone.item(), Telephone(phone.s, "other")
    callbacks.end(phone.s, one, CallbackEnd.CLOSED, T, staff.bob, reason="they came by", more=1)
    callbacks.end(phone.s, other.item(), REACHED, T)
    ends = [(e.at, e.by_id, e.detail) for e in phone.s.exec(select(CaseEvent).order_by(col(CaseEvent.id)))]
    assert [(at, by, {**told, "callback": 0}) for at, by, told in ends] == [
        (T, staff.bob.id, {"what": "closed", "reason": "they came by", "more": 1, "callback": 0}),
        (T, None, {"what": "reached", "callback": 0}),
    ]
    assert (one.ended_by_id, one.end_reason, one.open_for) == (staff.bob.id, "they came by", None)


def test_who_may_not_call_back_ends_and_lets_go_nothing(phone: Telephone, staff: Cast) -> None:
    item = phone.item(owner_id=staff.adam.id)
    with pytest.raises(NotAllowed):
        callbacks.let_go(phone.s, item.id, staff.adam)
    with pytest.raises(NotAllowed):
        callbacks.close_item(phone.s, item.id, staff.adam, "why", T)
