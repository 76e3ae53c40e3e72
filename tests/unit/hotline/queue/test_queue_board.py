"""What the queue shows, on both databases."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlmodel import col, select

from hotline.calls import facts as calls
from hotline.calls.facts import Fact, Seen
from hotline.cases import rows as case_rows
from hotline.cases.rows import Order
from hotline.keys import Keys
from hotline.queue import waiting as queue_waiting
from hotline.roster.coverage import gaps
from hotline.scope import SYSTEM
from hotline.staff import states as agents
from models import AgentState, AgentStatus, Case, Database, Line, Outcome, RecordingState
from models.db.types import now
from tests.support import seed
from tests.support.cast import LINE, Cast
from tests.support.thailand import saw

BANGKOK = ZoneInfo("Asia/Bangkok")


@pytest.fixture
def board(db: Database, keys: Keys, staff: Cast) -> datetime:
    """The seed's evening; the moment it was told at."""
    at = now()
    with db.write() as session:
        seed.evening(session, keys, [staff.alice, staff.bob], at)
    return at


def test_the_longest_wait_stands_first_with_who_can_be_rung(db: Database, staff: Cast, board: datetime) -> None:
    """Ready and reachable counts; a basic speaker counts apart, and the reader is told that it is she."""
    with db.write() as session:
        khmer, burmese = queue_waiting.waiting(session, staff.alice.id)
        assert [(w.language, w.ready, w.backups, w.you) for w in (khmer, burmese)] == [
            ("km", 0, 0, False),
            ("my", 1, 0, True),
        ]
        assert (khmer.withheld, khmer.called_before, burmese.withheld) == (False, 1, True)
        assert khmer.since < burmese.since <= board
        agents.set_status(session, staff.bob.id, AgentStatus.READY)
        agents.set_reachable(session, staff.bob.id, True)
        khmer, burmese = queue_waiting.waiting(session, staff.bob.id)
        assert (khmer.ready, khmer.backups, khmer.you, burmese.you) == (0, 1, True, False)


def test_answered_calls_and_ended_ones_wait_no_more(db: Database, board: datetime) -> None:
    """Each counts in its own place."""
    with db.write() as session:
        assert (queue_waiting.count_waiting(session), queue_waiting.answered_now(session)) == (2, 1)
        for contact in calls.in_progress(session):
            contact.ended_at = board
            session.add(contact)
        session.flush()
        assert (queue_waiting.count_waiting(session), queue_waiting.answered_now(session)) == (0, 0)


def test_a_row_of_the_queue_tells_the_wait_there_the_line_and_who_called_before(
    db: Database, keys: Keys, staff: Cast
) -> None:
    """Since they are in the queue, not since the call came in. Of a withheld number nobody knows whether it called before;
    a call that goes on is not one of before."""
    at = now()
    with db.write() as session:
        session.exec(select(Line).where(col(Line.number) == LINE)).one().name = "Workers' line"
        for n in range(2):
            before = saw(session, keys, f"before {n}", Fact.KEY, at, Seen(number="0812345678"))
            calls.close(session, before, at, join_within_s=0, brief_s=10)
        for minute, (name, number, line) in enumerate(
            [("known", "0812345678", LINE), ("new", "0899999999", "1800999999"), ("withheld", None, None)]
        ):
            came = at - timedelta(minutes=9 - minute)
            saw(session, keys, name, Fact.ARRIVED, came, Seen(number=number, line=line, language="th"))
            saw(session, keys, name, Fact.QUEUED, came + timedelta(seconds=30), Seen(queue="my"))
        rows = queue_waiting.waiting(session, staff.alice.id)
        assert [w.contact_id for w in rows] == [one.id for one in calls.waiting(session)]
    assert [(w.called_before, w.withheld, w.line, w.language) for w in rows] == [
        (2, False, "Workers' line", "my"),
        (0, False, None, "my"),
        (0, True, None, "my"),
    ]
    assert [w.since for w in rows] == [at - timedelta(minutes=9 - n) + timedelta(seconds=30) for n in range(3)]


@pytest.mark.parametrize("reachable", [False, True])
@pytest.mark.parametrize("status", list(AgentStatus))
def test_only_who_is_ready_and_can_be_reached_counts_as_one_to_be_rung(
    db: Database, keys: Keys, staff: Cast, status: AgentStatus, reachable: bool
) -> None:
    with db.write() as session:
        saw(session, keys, "a", Fact.QUEUED, now(), Seen(queue="my"))
        session.merge(AgentState(agent_id=staff.alice.id, status=status, reachable=reachable))
        session.flush()
        (row,) = queue_waiting.waiting(session, staff.alice.id)
    rung = reachable and status is AgentStatus.READY
    assert (row.ready, row.you) == (int(rung), rung)


def test_a_row_tells_the_newest_call_of_its_case(db: Database, board: datetime) -> None:
    """Its lengths, its recording, the first words and how sure the engine was."""
    with db.read() as session:
        found = case_rows.unclaimed(session, SYSTEM, at=board)
        rows = {row.summary or row.outcome: row for row in found.rows}
    assert found.found == found.all == len(found.rows) == 7
    held = rows["Passport and phone held, guarded dormitory"]
    assert (held.level, held.recorded_s, held.sure, held.heard) == ("P1", 112, 0.81, False)
    assert held.first_words.startswith("I am calling from the dormitory")
    assert rows[Outcome.VOICEMAIL].recording is RecordingState.NEEDS_LISTENER
    assert rows["Wages not paid since September"].talk_s == 861
    left = [row for row in found.rows if row.outcome is Outcome.ABANDONED_IN_QUEUE]
    assert sorted(row.wait_s or 0 for row in left) == [40, 80]
    assert [row.late(board) for row in sorted(left, key=lambda r: r.opened_at)] == [True, False]


@pytest.mark.parametrize(
    ("choices", "levels"),
    [
        ({}, ["P1", None, None, None, None, "P2", "P4"]),
        ({"languages": ["th"]}, [None, "P2", "P4"]),
        ({"outcome": Outcome.ANSWERED}, ["P2", "P4"]),
        ({"older_than": timedelta(hours=1)}, ["P1", None]),
        ({"order": Order.NEWEST, "most": 2}, ["P4", None]),
        ({"order": Order.OLDEST, "most": 1}, ["P1"]),
        ({"languages": []}, []),
    ],
)
def test_choices_narrow_and_order_the_list(
    db: Database, board: datetime, choices: dict[str, object], levels: list[str | None]
) -> None:
    """A case without a level stands above P2: nobody knows yet what it is."""
    with db.read() as session:
        found = case_rows.unclaimed(session, SYSTEM, at=board, **choices)  # type: ignore[arg-type]
    assert [row.level for row in found.rows] == levels
    assert found.all == 7


def test_my_cases_are_those_i_own_and_did_not_close(db: Database, staff: Cast, board: datetime) -> None:
    """Most urgent first."""
    with db.read() as session:
        assert [row.level for row in case_rows.owned(session, staff.alice)] == ["P2", "P3", "P4"]
        assert case_rows.owned(session, staff.bob) == []


def test_first_words_of_a_script_without_spaces_are_cut_at_a_character(db: Database, keys: Keys, staff: Cast) -> None:
    """Thai and Burmese have no spaces to cut at."""
    with db.write() as session:
        it = seed.Evening(session, keys, now())
        case = it.voicemail("th", 60, 30, "ก" * 300, 0.4)
        row = case_rows.rows(session, [session.get_one(Case, case.id)])[0]
    assert row.first_words == "ก" * case_rows.FIRST_WORDS + "…"


def test_a_gap_is_named_from_when_to_when_until_it_is_over() -> None:
    """Languages with the same gap stand together; midnight ends the day."""
    day = date(2026, 11, 22)
    cover = {"km": [0] * 4 + [1] * 40 + [0] * 4, "lo": [0] * 4 + [2] * 44, "my": [1] * 48}
    noon = datetime(2026, 11, 22, 12, tzinfo=BANGKOK)
    found = gaps(cover, day, BANGKOK, noon - timedelta(hours=12))
    local = [
        (g.languages, f"{g.starts.astimezone(BANGKOK):%H:%M}", f"{g.ends.astimezone(BANGKOK):%H:%M}") for g in found
    ]
    assert local == [(("km", "lo"), "00:00", "02:00"), (("km",), "22:00", "00:00")]
    assert [g.languages for g in gaps(cover, day, BANGKOK, noon)] == [("km",)]
