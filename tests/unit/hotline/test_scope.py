"""The one filter of reading: who sees no case, who sees all, and that a narrowed filter narrows everything that is read."""

from datetime import timedelta

import pytest
from sqlalchemy import ColumnElement
from sqlmodel import Session, col, select

from hotline import scope
from hotline.callbacks import attempts as callback_attempts
from hotline.callbacks import board as callback_board
from hotline.callbacks import items as callbacks
from hotline.calls import caller_limits, screen_pop, wrap_ups
from hotline.calls import facts as calls
from hotline.calls.facts import Fact, Seen
from hotline.cases import drafts, identity, joining, listing, rows, transcripts, work
from hotline.cases import page as case_page
from hotline.cases.listing import Wanted
from hotline.errors import NotFound, Refused
from hotline.intake import safety_form
from hotline.keys import Keys
from hotline.safety.gate import Reason
from hotline.scope import SYSTEM, Who
from hotline.settings import Settings
from models import (
    Agent,
    AttemptOutcome,
    Callback,
    CallbackSafety,
    Case,
    Contact,
    Database,
    Disposition,
    Recording,
    RecordingKind,
    Safety,
)
from models.db.types import now
from tests.support import owed_callbacks
from tests.support.cast import Cast
from tests.support.thailand import saw

NUMBER = "0812345678"
THEIRS, MINE = "passport of a stranger", "passport of my worker"


def filed(session: Session, keys: Keys, name: str, owner: Agent | None, summary: str) -> Case:
    """A case of one telephone, the same for all, whose caller left the queue an hour ago."""
    at = now() - timedelta(hours=1)
    contact = saw(session, keys, name, Fact.KEY, at, Seen(language="my", number=NUMBER))
    calls.close(session, contact, at, join_within_s=0, brief_s=0)
    case = scope.case(session, SYSTEM, contact.case_id or 0)
    case.summary, case.owner_id = summary, owner.id if owner is not None else None
    session.add(case)
    session.flush()
    return case


@pytest.fixture
def two(db: Database, keys: Keys, staff: Cast) -> tuple[int, int]:
    """Bob's case, whose call-back is open, and then Alice's, of the same telephone."""
    with db.write() as session:
        theirs = filed(session, keys, "theirs", staff.bob, THEIRS)
        mine = filed(session, keys, "mine", staff.alice, MINE)
        item = session.exec(select(Callback)).one()
        item.case_id = theirs.id
        session.add(item)
        session.flush()
        return theirs.id, mine.id


@pytest.fixture
def own_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A filter as a later rule may have it: each person sees the cases that they own."""
    before = scope.visible_cases

    def narrowed(who: Who) -> ColumnElement[bool]:
        return before(who) if who is SYSTEM else before(who) & (col(Case.owner_id) == who.id)

    monkeypatch.setattr(scope, "visible_cases", narrowed)


def listed(session: Session, by: Agent, text: str = "") -> list[str]:
    return [row.summary for row in listing.find(session, Wanted(text=text), by).rows]


def test_agents_and_supervisors_see_all(two: tuple[int, int], db: Database, staff: Cast, settings: Settings) -> None:
    with db.read() as session:
        for who in (staff.alice, staff.bob, staff.sofia, SYSTEM):
            assert len(session.exec(scope.cases(who, select(Case))).all()) == 2
            assert scope.case(session, who, two[0]).summary == THEIRS
        assert listed(session, staff.alice) == [MINE, THEIRS]
        assert callback_board.count_open(session, staff.sofia) == 1


def test_who_works_no_cases_sees_none(two: tuple[int, int], db: Database, staff: Cast) -> None:
    """An administrator keeps the machine; whoever has left sees nothing at all."""
    with db.read() as session:
        for who in (staff.adam, staff.charlie):
            assert session.exec(scope.cases(who, select(Case))).all() == []
            assert scope.find(session, who, two[0]) is None
            assert rows.count_unclaimed(session, who) == 0
            assert rows.unclaimed(session, who, at=now()).rows == []
            assert callback_board.count_open(session, who) == 0
            with pytest.raises(NotFound):
                case_page.read(session, two[0], who)


def test_a_hidden_case_and_none_are_told_apart_by_nothing(
    two: tuple[int, int], db: Database, staff: Cast, own_only: None
) -> None:
    with db.read() as session:
        with pytest.raises(NotFound) as hidden:
            scope.case(session, staff.alice, two[0])
        with pytest.raises(NotFound) as missing:
            scope.case(session, staff.alice, 99_999)
    assert str(hidden.value) == str(missing.value)


def test_nothing_is_found_without_an_id(db: Database, staff: Cast) -> None:
    """A call that goes on has no case yet."""
    with db.read() as session:
        assert scope.find(session, staff.alice, None) is None
        assert scope.find(session, SYSTEM, None) is None


def test_lists_counts_and_search_are_narrowed(
    two: tuple[int, int], db: Database, keys: Keys, staff: Cast, own_only: None
) -> None:
    with db.write() as session:
        free = filed(session, keys, "free", None, "nobody's")
        reference = scope.case(session, SYSTEM, two[0]).reference or ""
        assert listed(session, staff.alice) == [MINE]
        assert listed(session, staff.alice, "passport") == [MINE]
        assert listed(session, staff.alice, "pa") == [MINE], "words of two letters go another way"
        assert listed(session, staff.alice, reference) == [], "nor by the whole reference"
        assert listing.find(session, Wanted(), staff.alice).total == 1
        assert [row.summary for row in rows.owned(session, staff.alice)] == [MINE]
        assert (rows.count_unclaimed(session, staff.alice), rows.count_unclaimed(session, SYSTEM)) == (0, 1)
        assert rows.unclaimed(session, staff.alice, at=now()).rows == []
        with pytest.raises(NotFound):
            work.claim(session, free.id, staff.alice)
        assert scope.case(session, SYSTEM, free.id).owner_id is None


def test_the_page_and_every_act_on_it_are_narrowed(
    two: tuple[int, int], db: Database, keys: Keys, staff: Cast, settings: Settings, own_only: None
) -> None:
    theirs, mine = two
    alice = staff.alice
    with db.write() as session:
        contact = session.exec(select(Contact).where(col(Contact.case_id) == theirs)).one()
        made = Recording(
            contact_id=contact.id,
            spool_name="one",
            vault_key="a",
            sha256="b",
            rate_hz=8000,
            duration_s=1,
            kind=RecordingKind.MESSAGE,
            recorded_at=now(),
        )
        session.add(made)
        session.flush()
        for act in (
            lambda: case_page.read(session, theirs, alice),
            lambda: work.add_note(session, theirs, "seen", alice),
            lambda: drafts.save(session, theirs, "seen", alice),
            lambda: safety_form.set_safety(session, theirs, alice, in_danger=True),
            lambda: identity.show_number(session, keys, theirs, alice, settings),
            lambda: identity.show_number_of_call(session, keys, contact, alice, settings),
            lambda: joining.join_call(session, contact.id, mine, alice),
            lambda: transcripts.load(session, made.id, alice),
            lambda: transcripts.mark_heard(session, made.id, alice),
            lambda: work.dispose(session, theirs, contact.id, Disposition.TEST, alice),
        ):
            with pytest.raises(NotFound):
                act()
        assert transcripts.load(session, made.id, staff.bob).id == made.id


def test_the_history_of_a_telephone_is_narrowed(
    two: tuple[int, int], db: Database, staff: Cast, own_only: None
) -> None:
    theirs, mine = two
    with db.read() as session:
        shown = case_page.read(session, mine, staff.alice)
        assert (shown.others, shown.others_more) == ([], 0)
        call = session.exec(select(Contact).where(col(Contact.case_id) == mine)).one()
        assert screen_pop.before(session, call, staff.alice) == []
        session.get_one(Safety, theirs).in_danger = True
        assert screen_pop.warnings(session, call, staff.alice) == []
        assert [k.case.id for k in screen_pop.warnings(session, call, staff.bob)] == [theirs]


def test_the_board_is_narrowed_but_not_the_rule(
    two: tuple[int, int], db: Database, keys: Keys, staff: Cast, settings: Settings, own_only: None
) -> None:
    """A case that one may not see is neither listed nor named; what it says of safety forbids all the same."""
    theirs, mine = two
    with db.write() as session:
        item = session.exec(select(Callback)).one()
        assert callback_board.board(session, now(), settings, staff.alice) == []
        assert callback_board.count_due(session, now(), settings, staff.alice) == 0
        assert callback_board.count_open(session, staff.alice) == 0
        with pytest.raises(NotFound):
            callback_board.row(session, item, now(), settings, staff.alice)
        for act in (
            lambda: callbacks.load(session, item.id, staff.alice),
            lambda: callbacks.take(session, item.id, staff.alice, now()),
            lambda: callbacks.close_item(session, item.id, staff.alice, "enough", now()),
            lambda: callbacks.open_for_case(session, theirs, staff.alice, now()),
        ):
            with pytest.raises(NotFound):
                act()
        with pytest.raises(Refused, match=r"case \?"):
            callbacks.open_for_case(session, mine, staff.alice, now())
        safety_form.set_safety(session, theirs, staff.bob, callback=CallbackSafety.UNSAFE)
        safety_form.set_safety(session, mine, staff.alice, callback=CallbackSafety.SAFE)
        item.case_id = mine
        session.add(item)
        session.flush()
        [row] = callback_board.board(session, now(), settings, staff.alice)
        assert row.refusal is not None
        assert (row.refusal.code, row.refusal.about) == (Reason.OTHER_CASE_UNSAFE, "?")


def test_that_somebody_else_answered_is_kept_though_the_case_may_not_be_seen_any_more(
    db: Database, keys: Keys, staff: Cast, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    case_id = owed_callbacks.a_call(db, keys)
    owed_callbacks.say_safe(db, case_id, staff)
    with db.write() as session:
        item = session.exec(select(Callback)).one()
        callback_attempts.begin_attempt(session, keys, item.id, staff.alice, now(), settings)
        before = scope.visible_cases
        monkeypatch.setattr(scope, "visible_cases", lambda who: before(who if who is SYSTEM else staff.adam))
        outcome = AttemptOutcome.SOMEBODY_ELSE
        callback_attempts.said(session, item.id, outcome, staff.alice, now(), settings)
        assert session.get_one(Safety, case_id).callback is CallbackSafety.UNSAFE


def test_limits_and_calls_to_describe_stay_without_their_case(
    two: tuple[int, int], db: Database, staff: Cast, settings: Settings, own_only: None
) -> None:
    theirs, _mine = two
    with db.write() as session:
        caller = scope.case(session, SYSTEM, theirs)
        caller.owner_id = staff.sofia.id
        session.flush()
        caller_limits.limit(session, theirs, "threats", staff.sofia, now(), settings)
        caller.owner_id = staff.bob.id
        call = session.exec(select(Contact).where(col(Contact.case_id) == theirs)).one()
        call.answered_at, call.handler_id = call.arrived_at, staff.alice.id
        session.flush()
        [limit] = caller_limits.all_limits(session, staff.sofia, now())
        assert (limit.case_id, limit.reference) == (None, None)
        [(contact, case)] = wrap_ups.undescribed(session, staff.alice, now())
        assert (contact.id, case) == (call.id, None)
