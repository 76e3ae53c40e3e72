"""Telephones that go to the message only, and never for longer than somebody looks."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlmodel import Session, select

from hotline.calls import caller_limits
from hotline.calls import facts as calls
from hotline.calls.facts import Fact, Seen
from hotline.errors import Invalid, NotAllowed, NotFound, Refused
from hotline.keys import Keys
from hotline.queue import routing
from hotline.queue.routing import Way
from hotline.scope import SYSTEM
from hotline.settings import Settings
from hotline.staff import states as agents
from models import AgentStatus, AuditEntry, CallerLimit, Case, CaseEvent, Database, EventKind
from models.db.types import now
from tests.support.cast import Cast
from tests.support.thailand import saw

BANGKOK = ZoneInfo("Asia/Bangkok")
LINE = Settings(timezone="Asia/Bangkok")
AT = datetime(2026, 11, 23, 10, tzinfo=BANGKOK)
WEEK = timedelta(days=7)


def a_case(s: Session, keys: Keys, name: str = "a", number: str | None = "0812345678") -> Case:
    contact = saw(s, keys, name, Fact.KEY, now(), Seen(language="my", number=number))
    calls.close(s, contact, now(), join_within_s=0, brief_s=10)
    return s.get_one(Case, contact.case_id)


def test_a_limit_holds_for_a_week_and_ends_by_itself(db: Database, staff: Cast, keys: Keys, settings: Settings) -> None:
    with db.write() as s:
        case, other = a_case(s, keys), a_case(s, keys, "b", "0899999999")
        row = caller_limits.limit(s, case.id, " forty calls\nan hour ", staff.sofia, AT, settings)
        assert (row.reason, row.review_at) == ("forty calls an hour", AT + WEEK)
        for at, limited in (
            (AT - timedelta(seconds=1), False),
            (AT, True),
            (AT + WEEK - timedelta(seconds=1), True),
            (AT + WEEK, False),
        ):
            assert caller_limits.is_limited(s, case.caller_id, at) is limited
        assert not caller_limits.is_limited(s, other.caller_id, AT)
        assert not caller_limits.is_limited(s, None, AT)
        assert caller_limits.of_case(s, case.id, staff.sofia, AT) is not None
        assert caller_limits.of_case(s, other.id, staff.sofia, AT) is None
        assert caller_limits.due_for_review(s, staff.sofia, AT) == []
        [due] = caller_limits.due_for_review(s, staff.sofia, AT + WEEK)
        assert (due.limit_id, due.applies, due.reference, due.by) == (row.id, False, case.reference, "Sofia")


def test_renewing_and_lifting_are_told_and_audited(db: Database, staff: Cast, keys: Keys, settings: Settings) -> None:
    with db.write() as s:
        case = a_case(s, keys)
        row = caller_limits.limit(s, case.id, "threats", staff.sofia, AT, settings)
        renewed = caller_limits.renew(s, row.id, staff.sofia, AT + 2 * WEEK, settings)
        assert (renewed, renewed.review_at) == (row, AT + 3 * WEEK)
        assert caller_limits.is_limited(s, case.caller_id, AT + 2 * WEEK)
        caller_limits.lift(s, row.id, staff.sofia, AT + 2 * WEEK)
        caller_limits.lift(s, row.id, staff.sofia, AT + 2 * WEEK)
        assert not caller_limits.is_limited(s, case.caller_id, AT + 2 * WEEK)
        with pytest.raises(Refused):
            caller_limits.renew(s, row.id, staff.sofia, AT + 2 * WEEK, settings)
        assert caller_limits.all_limits(s, staff.sofia, AT) == []
        told = [e.detail["what"] for e in s.exec(select(CaseEvent)) if e.kind is EventKind.LIMITED]
        assert told == ["limited", "renewed", "lifted"]
        entries = [e for e in s.exec(select(AuditEntry)) if e.act.startswith("caller_")]
        assert [e.act for e in entries] == ["caller_limited", "caller_renewed", "caller_lifted"]
        about = (f"limit:{row.id}", staff.sofia.id, {"case": case.id})
        assert [(e.subject, e.by_id, e.detail) for e in entries] == [about] * 3
        assert (row.lifted_at, row.lifted_by_id) == (AT + 2 * WEEK, staff.sofia.id)


def test_a_telephone_is_limited_once_and_anew_after_its_review(
    db: Database, staff: Cast, keys: Keys, settings: Settings
) -> None:
    with db.write() as s:
        case = a_case(s, keys)
        caller_limits.limit(s, case.id, "threats", staff.sofia, AT, settings)
        with pytest.raises(Refused, match="already"):
            caller_limits.limit(s, case.id, "threats", staff.sofia, AT, settings)
        caller_limits.limit(s, case.id, "threats again", staff.sofia, AT + WEEK, settings)
        assert len(caller_limits.all_limits(s, staff.sofia, AT + WEEK)) == 1, "the old one is over"
        assert len(s.exec(select(CallerLimit)).all()) == 2


def test_what_cannot_be_limited_is_refused(db: Database, staff: Cast, keys: Keys, settings: Settings) -> None:
    with db.write() as s:
        case, withheld = a_case(s, keys), a_case(s, keys, "b", None)
        for reason in ("", " \n", "x" * 201):
            with pytest.raises(Invalid):
                caller_limits.limit(s, case.id, reason, staff.sofia, AT, settings)
        with pytest.raises(Refused, match="withheld"):
            caller_limits.limit(s, withheld.id, "threats", staff.sofia, AT, settings)
        with pytest.raises(NotFound):
            caller_limits.limit(s, 99_999, "threats", staff.sofia, AT, settings)
        with pytest.raises(NotFound):
            caller_limits.lift(s, 99_999, staff.sofia, AT)
        for outsider in (staff.alice, staff.adam, staff.charlie):
            with pytest.raises(NotAllowed):
                caller_limits.limit(s, case.id, "threats", outsider, AT, settings)


def test_a_limited_telephone_goes_to_the_message(db: Database, staff: Cast, keys: Keys, settings: Settings) -> None:
    with db.write() as s:
        case = a_case(s, keys)
        agents.set_status(s, staff.alice.id, AgentStatus.READY)
        agents.set_reachable(s, staff.alice.id, True)
        caller_limits.limit(s, case.id, "threats", staff.sofia, AT, settings)
        assert routing.route(s, "my", AT, LINE, case.caller_id).way is Way.MESSAGE
        assert routing.route(s, "my", AT + WEEK, LINE, case.caller_id).way is Way.QUEUE
        assert routing.route(s, "my", AT, LINE).way is Way.QUEUE


@pytest.mark.parametrize(
    ("after", "holds"),
    [(-timedelta(seconds=1), False), (timedelta(), True), (WEEK - timedelta(seconds=1), True), (WEEK, False)],
)
def test_a_case_shows_the_limit_of_its_telephone_while_it_holds(
    db: Database, staff: Cast, keys: Keys, settings: Settings, after: timedelta, holds: bool
) -> None:
    """From its first moment up to that of its review. One that was lifted, and one of another telephone, show nowhere."""
    with db.write() as s:
        case, other, withheld = a_case(s, keys), a_case(s, keys, "b", "0899999999"), a_case(s, keys, "c", None)
        lifted = caller_limits.limit(s, other.id, "threats", staff.sofia, AT, settings)
        caller_limits.lift(s, lifted.id, staff.sofia, AT)
        row = caller_limits.limit(s, case.id, "threats", staff.sofia, AT, settings)
        assert caller_limits.of_case(s, case.id, SYSTEM, AT + after) == (row if holds else None)
        assert caller_limits.of_case(s, other.id, SYSTEM, AT + after) is None
        assert caller_limits.of_case(s, withheld.id, SYSTEM, AT + after) is None
        (shown,) = caller_limits.all_limits(s, staff.sofia, AT + after)
        assert (shown.limit_id, shown.case_id, shown.applies) == (row.id, case.id, holds)
        due = [one.limit_id for one in caller_limits.due_for_review(s, staff.sofia, AT + after)]
        assert due == ([row.id] if after >= WEEK else [])


def test_a_reason_is_kept_up_to_two_hundred_characters(
    db: Database, staff: Cast, keys: Keys, settings: Settings
) -> None:
    with db.write() as s:
        row = caller_limits.limit(s, a_case(s, keys).id, "x" * 200, staff.sofia, AT, settings)
        assert row.reason == "x" * 200
