"""Cases as lists show them: plain rows for reading, in a handful of queries however many there are."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, bindparam
from sqlalchemy import case as sql_case
from sqlalchemy.orm import defer
from sqlmodel import Session, col, func, select
from sqlmodel.sql.expression import SelectOfScalar

from hotline import scope
from hotline.alerts import dangers
from hotline.scope import Who
from models import (
    Agent,
    CallbackSafety,
    Case,
    CaseStatus,
    Contact,
    Outcome,
    Recording,
    RecordingKind,
    RecordingState,
    Safety,
    Transcript,
)
from models.db.types import stored

MOST = 50  # of a list that every change fetches anew; more on demand
MOST_OWNED = 100
FIRST_WORDS = 110
# The longest columns, which no list shows.
NOT_LISTED: tuple[Any, ...] = (Recording.peaks, Transcript.words)
# A case without a level is listened to before a P2 is acted on: nobody knows yet what it is.
RANK = {"P0": 0, "P1": 1, None: 2, "P2": 3, "P3": 4, "P4": 5}
ACT_WITHIN = {
    "P0": timedelta(minutes=15),
    "P1": timedelta(hours=24),
    None: timedelta(minutes=30),
    "P2": timedelta(hours=72),
    "P3": timedelta(days=7),
}


@dataclass(frozen=True)
class CaseRow:
    """A case in a list. Facts of its newest call come with it; lengths are seconds, `sure` is 0 to 1.

    `first_words` is the start of a draft transcript. `act_by` is when somebody should have acted first; None: no clock.
    """

    case_id: int
    reference: str | None
    level: str | None
    status: CaseStatus
    summary: str
    language: str | None
    opened_at: datetime
    act_by: datetime | None
    workers_affected: int | None
    workers_estimated: bool
    contacts: int
    withheld: bool
    last_call_at: datetime | None
    outcome: Outcome | None
    wait_s: int | None
    talk_s: int | None
    duration_s: int | None
    recording: RecordingState | None
    recorded_s: float | None
    heard: bool
    first_words: str
    sure: float | None
    in_danger: bool
    callback: CallbackSafety
    window: str | None
    reviewed_at: datetime | None

    def late(self, at: datetime) -> bool:
        """Whether the first action is overdue."""
        return self.act_by is not None and at > self.act_by


@dataclass(frozen=True)
class Board:
    """A list of cases: the rows shown, how many there are with these choices, and how many without."""

    rows: list[CaseRow]
    found: int
    all: int


class Order(StrEnum):
    """How a list of cases is ordered."""

    URGENT = "urgent"
    OLDEST = "oldest"
    NEWEST = "newest"


def count_unclaimed(session: Session, who: Who) -> int:
    """Return how many open cases nobody has claimed, of those this reader may see."""
    every = scope.cases(who, select(func.count()).select_from(Case))
    return session.exec(every.where(col(Case.owner_id).is_(None), is_open())).one()


def is_open() -> ColumnElement[bool]:
    """Whether a case is open. The value stands in the statement itself: only so does a database see that `ix_case_open`,
    which holds the open cases alone, has all that is asked for.
    """
    closed: BindParameter[str] = bindparam("closed", CaseStatus.CLOSED, type_=stored(CaseStatus), literal_execute=True)
    return col(Case.status) != closed


def unclaimed(
    session: Session,
    who: Who,
    *,
    languages: Iterable[str] | None = None,
    first: Iterable[str] = (),
    outcome: Outcome | None = None,
    older_than: timedelta | None = None,
    order: Order = Order.URGENT,
    most: int = MOST,
    at: datetime,
) -> Board:
    """Return the open cases that nobody has claimed and this reader may see.

    `languages` also lets through cases whose language is not known. Of two that are as urgent, one in the languages of
    `first`, or of unknown language, stands before another. Only cases opened `older_than` before `at` or earlier.
    """
    query = scope.cases(who, select(Case.id).where(col(Case.owner_id).is_(None), is_open()))
    if languages is not None:
        query = query.where(col(Case.language).in_(list(languages)) | col(Case.language).is_(None))
    if older_than is not None:
        query = query.where(col(Case.opened_at) <= at - older_than)
    if outcome is not None:
        query = query.where(_newest_outcome() == outcome)
    every = count_unclaimed(session, who)
    narrowed = languages is not None or older_than is not None or outcome is not None
    found = session.exec(select(func.count()).select_from(query.subquery())).one() if narrowed else every
    return Board(rows(session, _first(session, who, query, order, most, list(first))), found, every)


def _first(
    session: Session, who: Who, query: SelectOfScalar[Any], order: Order, most: int, spoken: list[str] | None = None
) -> list[Case]:
    """The first of these cases. Which they are is found in the index; only they are read whole."""
    rank = sql_case(
        {level: place for level, place in RANK.items() if level is not None}, value=col(Case.level), else_=RANK[None]
    )
    orders: dict[Order, tuple[Any, ...]] = {
        Order.URGENT: (rank, *_others_last(spoken or []), col(Case.opened_at), col(Case.id)),
        Order.OLDEST: (col(Case.opened_at), col(Case.id)),
        Order.NEWEST: (col(Case.opened_at).desc(), col(Case.id).desc()),
    }
    ids = session.exec(query.order_by(*orders[order]).limit(most)).all()
    found = scope.cases(who, select(Case).where(col(Case.id).in_(ids)))
    cases = {case.id: case for case in session.exec(found)}
    return [cases[case_id] for case_id in ids if case_id in cases]


def _others_last(spoken: list[str]) -> tuple[Any, ...]:
    if not spoken:
        return ()
    mine = col(Case.language).in_(spoken) | col(Case.language).is_(None)
    return (sql_case((mine, 0), else_=1),)


def _newest_outcome() -> Any:
    newest = (
        select(Contact.outcome)
        .where(col(Contact.case_id) == col(Case.id))
        .order_by(col(Contact.arrived_at).desc())
        .limit(1)
    )
    return newest.scalar_subquery()


def owned(session: Session, by: Agent, most: int = MOST_OWNED) -> list[CaseRow]:
    """Return the open cases of an agent, most urgent first."""
    mine = scope.cases(by, select(Case.id).where(col(Case.owner_id) == by.id, is_open()))
    return rows(session, _first(session, by, mine, Order.URGENT, most))


def rows(session: Session, cases: Sequence[Case]) -> list[CaseRow]:
    """These cases as rows, in the same order, in a handful of queries however many there are."""
    ids = [c.id for c in cases]
    contacts: dict[int, list[Contact]] = defaultdict(list)
    for c in session.exec(select(Contact).where(col(Contact.case_id).in_(ids)).order_by(col(Contact.arrived_at))):
        contacts[c.case_id or 0].append(c)
    newest = {case_id: found[-1] for case_id, found in contacts.items()}
    recordings: dict[int, tuple[Recording, Transcript | None]] = {}
    for recording, transcript in session.exec(
        select(Recording, Transcript)
        .join(Transcript, col(Transcript.recording_id) == col(Recording.id), isouter=True)
        .where(
            col(Recording.contact_id).in_([c.id for c in newest.values()]),
            # Whose conversation it was knows what was said; its first words are a greeting.
            col(Recording.kind) == RecordingKind.MESSAGE,
        )
        .order_by(col(Recording.recorded_at))
        .options(*(defer(column, raiseload=True) for column in NOT_LISTED))
    ):
        recordings[recording.contact_id] = (recording, transcript)
    safety = {s.case_id: s for s in session.exec(select(Safety).where(col(Safety.case_id).in_(ids)))}
    danger = dangers.since(session, ids)
    return [_row(c, contacts[c.id], recordings, safety.get(c.id), danger.get(c.id)) for c in cases]


def _act_by(case: Case, safety: Safety | None, danger_since: datetime | None) -> datetime | None:
    """When somebody should act first. In danger the clock runs from when that was written down until it is taken."""
    if safety is not None and safety.in_danger:
        return danger_since + dangers.ACT_WITHIN if danger_since is not None else None
    within = ACT_WITHIN.get(case.level)
    return case.opened_at + within if within is not None else None


def _row(
    case: Case,
    contacts: list[Contact],
    recordings: dict[int, tuple[Recording, Transcript | None]],
    safety: Safety | None,
    danger_since: datetime | None,
) -> CaseRow:
    last = contacts[-1] if contacts else None
    recording, transcript = recordings.get(last.id, (None, None)) if last else (None, None)
    return CaseRow(
        case_id=case.id,
        reference=case.reference,
        level=case.level,
        status=case.status,
        summary=case.summary,
        language=case.language,
        opened_at=case.opened_at,
        act_by=_act_by(case, safety, danger_since),
        workers_affected=case.workers_affected,
        workers_estimated=case.workers_estimated,
        contacts=len(contacts),
        withheld=case.caller_id is None,
        last_call_at=last.arrived_at if last else None,
        outcome=last.outcome if last else None,
        wait_s=last.wait_s if last else None,
        talk_s=last.talk_s if last else None,
        duration_s=last.duration_s if last else None,
        recording=recording.state if recording else None,
        recorded_s=recording.duration_s if recording else None,
        heard=recording is not None and recording.heard_at is not None,
        first_words=_first_words(transcript),
        sure=transcript.sure if transcript and transcript.corrected_text is None else None,
        in_danger=bool(safety and safety.in_danger),
        callback=safety.callback if safety else CallbackSafety.UNKNOWN,
        window=safety.window if safety else None,
        reviewed_at=safety.reviewed_at if safety else None,
    )


def _first_words(transcript: Transcript | None) -> str:
    """The start of what was said, cut at a word; scripts without spaces are cut at a character."""
    if transcript is None:
        return ""
    text = " ".join((transcript.corrected_text or transcript.text).split())
    if len(text) <= FIRST_WORDS:
        return text
    cut = text[:FIRST_WORDS].rsplit(" ", 1)[0]
    return (cut if len(cut) > FIRST_WORDS // 2 else text[:FIRST_WORDS]).rstrip(" ,.;") + "…"
