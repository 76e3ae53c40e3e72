"""Notes that are being written."""

import threading

import pytest
from sqlmodel import select

from hotline.calls import facts as calls
from hotline.calls.facts import Fact
from hotline.cases import drafts, work
from hotline.errors import Invalid, NotAllowed, NotFound
from hotline.keys import Keys
from models import Case, Database, Draft
from models.db.types import now
from tests.support.cast import Cast
from tests.support.thailand import saw
from tests.support.wait import PATIENCE_S


def a_case(db: Database, keys: Keys) -> int:
    with db.write() as s:
        contact = saw(s, keys, "a", Fact.KEY, now())
        calls.close(s, contact, now(), join_within_s=0, brief_s=10)
        return contact.case_id or 0


def test_a_draft_is_kept_for_each_agent_and_gone_with_the_note(db: Database, staff: Cast, keys: Keys) -> None:
    case_id = a_case(db, keys)
    with db.write() as s:
        drafts.save(s, case_id, "She is", staff.alice)
        drafts.save(s, case_id, "She is afraid\x00\r\nof him", staff.alice)
        drafts.save(s, case_id, "mine", staff.bob)
    with db.write() as s:
        kept = drafts.read(s, case_id, staff.alice)
        assert kept is not None
        assert kept.text == "She is afraid\nof him"
        work.add_note(s, case_id, kept.text, staff.alice)
    with db.read() as s:
        assert drafts.read(s, case_id, staff.alice) is None
        assert drafts.read(s, case_id, staff.bob) is not None


def test_an_empty_draft_is_none(db: Database, staff: Cast, keys: Keys) -> None:
    case_id = a_case(db, keys)
    with db.write() as s:
        drafts.save(s, case_id, "words", staff.alice)
        assert drafts.save(s, case_id, " \n", staff.alice) is None
        assert s.exec(select(Draft)).all() == []
        drafts.throw_away(s, case_id, staff.alice)


def test_what_is_too_long_or_on_no_case_is_refused(db: Database, staff: Cast, keys: Keys) -> None:
    case_id = a_case(db, keys)
    with db.write() as s:
        with pytest.raises(Invalid):
            drafts.save(s, case_id, "x" * (work.NOTE_MAX + 1), staff.alice)
        with pytest.raises(NotFound):
            drafts.save(s, 99_999, "words", staff.alice)
        with pytest.raises(NotAllowed):
            drafts.save(s, case_id, "words", staff.adam)


def test_a_draft_is_kept_up_to_the_length_of_a_note(db: Database, staff: Cast, keys: Keys) -> None:
    case_id = a_case(db, keys)
    with db.write() as s:
        kept = drafts.save(s, case_id, "x" * work.NOTE_MAX, staff.alice)
        assert kept is not None
        assert len(kept.text) == len(work.add_note(s, case_id, kept.text, staff.alice).text) == work.NOTE_MAX


def test_throwing_a_draft_away_leaves_those_of_others_and_of_other_cases(db: Database, staff: Cast, keys: Keys) -> None:
    case_id = a_case(db, keys)
    with db.write() as s:
        other = Case()
        s.add(other)
        s.flush()
        for where, who in ((case_id, staff.alice), (case_id, staff.bob), (other.id, staff.alice)):
            drafts.save(s, where, "words", who)
        drafts.throw_away(s, case_id, staff.alice)
        left = {tuple(one) for one in s.exec(select(Draft.case_id, Draft.agent_id))}
        assert left == {(case_id, staff.bob.id), (other.id, staff.alice.id)}


def test_two_pages_that_keep_at_once_make_one_draft(db: Database, staff: Cast, keys: Keys) -> None:
    case_id = a_case(db, keys)
    kept, never, errors = threading.Event(), threading.Event(), []

    def first() -> None:
        with db.write() as s:
            drafts.save(s, case_id, "one", staff.alice)
            kept.set()
            never.wait(0.5)  # not committed yet while the other page keeps

    def second() -> None:
        try:
            with db.write() as s:
                drafts.save(s, case_id, "two", staff.alice)
        except Exception as error:
            errors.append(error)

    both = [threading.Thread(target=page) for page in (first, second)]
    both[0].start()
    assert kept.wait(PATIENCE_S)
    both[1].start()
    for one in both:
        one.join()
    assert errors == []
    with db.read() as s:
        assert s.exec(select(Draft)).one().text == "two"
