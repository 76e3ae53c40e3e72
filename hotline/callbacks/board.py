"""The call-backs we owe, as plain rows for reading."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from sqlalchemy import case as sql_case
from sqlmodel import Session, col, func, select
from sqlmodel.sql.expression import SelectOfScalar

from hotline import scope
from hotline.callbacks import facts as callback_facts
from hotline.errors import NotFound
from hotline.permissions import Permission, may, need
from hotline.safety.gate import Refusal, may_leave_message, opens_at, why_not
from hotline.settings import Settings
from models import Agent, Callback, CallbackKind, CallbackSafety, Case, Safety

MOST = 200
Row = TypeVar("Row")


@dataclass(frozen=True)
class CallbackRow:
    """A call-back in the list. `refusal` is why the reader may not call now; None: they may.

    `opens_at` is the next moment to call the worker as far as safety and time go; None when time alone does not help.
    `since` is when the first of its `calls` was missed. `owner` works on it until `locked_until`. `window` is as written.
    """

    callback_id: int
    case_id: int
    reference: str | None
    level: str | None
    summary: str
    kind: CallbackKind
    language: str | None
    calls: int
    since: datetime
    due_at: datetime
    attempts: int
    for_supervisor: bool
    refusal: Refusal | None
    opens_at: datetime | None
    safety: CallbackSafety
    window: str | None
    reviewed_at: datetime | None
    may_leave_message: bool
    cover_phrase: str | None
    phone_owner: str | None
    in_danger: bool
    owner: str | None
    mine: bool
    locked_until: datetime | None


def board(session: Session, at: datetime, settings: Settings, by: Agent) -> list[CallbackRow]:
    """Return the open call-backs for this reader: those to call now, then by when they open, then those no time helps.

    At most `MOST`, the safe ones first; `count_open` says how many there are.
    """
    need(by, Permission.CALL_BACK)
    safe_first = sql_case((col(Safety.callback) == CallbackSafety.SAFE, 0), else_=1)
    query = (
        _visible(by, select(Callback))
        .join(Safety, col(Safety.case_id) == col(Callback.case_id), isouter=True)
        .where(col(Callback.ended_at).is_(None))
        .order_by(safe_first, col(Callback.created_at), col(Callback.id))
        .limit(MOST)
    )
    return _rows(session, session.exec(query).all(), at, settings, by)


def row(session: Session, callback: Callback, at: datetime, settings: Settings, by: Agent) -> CallbackRow:
    """Return one call-back as a row, ended or not. Raises `NotFound` when `by` may not see its case."""
    found = _rows(session, [callback], at, settings, by)
    if not found:
        raise NotFound("There is no such call-back.")
    return found[0]


def count_due(session: Session, at: datetime, settings: Settings, by: Agent) -> int:
    """Return how many workers this reader may call now. Cheap: only safe and due items are looked at."""
    due = session.exec(
        _visible(by, select(Callback))
        .join(Safety, col(Safety.case_id) == col(Callback.case_id))
        .where(
            col(Callback.ended_at).is_(None), col(Callback.due_at) <= at, col(Safety.callback) == CallbackSafety.SAFE
        )
        .limit(MOST)
    ).all()
    if not due or not may(by, Permission.CALL_BACK):
        return 0
    supervisor = may(by, Permission.HAND_OVER_ANY)
    facts = callback_facts.gather(session, due, by, at, settings.callback_tries)
    return sum(why_not(f, at, settings.zone, supervisor=supervisor) is None for f in facts.values())


def count_open(session: Session, by: Agent) -> int:
    """Return how many call-backs are open, of the cases this reader may see."""
    query = _visible(by, select(func.count()).select_from(Callback))
    return session.exec(query.where(col(Callback.ended_at).is_(None))).one()


def _visible(by: Agent, query: SelectOfScalar[Row]) -> SelectOfScalar[Row]:
    """Narrow a statement over call-backs to those whose case this reader may see."""
    return scope.cases(by, query.join(Case, col(Case.id) == col(Callback.case_id)))


def _rows(
    session: Session, items: Sequence[Callback], at: datetime, settings: Settings, by: Agent
) -> list[CallbackRow]:
    supervisor = may(by, Permission.HAND_OVER_ANY)
    facts = callback_facts.gather(session, items, by, at, settings.callback_tries)
    seen = scope.cases(by, select(Case).where(col(Case.id).in_({i.case_id for i in items})))
    cases = {c.id: c for c in session.exec(seen)}
    names = {a.id: a.name for a in session.exec(select(Agent))}
    rows = []
    for item in items:
        if item.case_id not in cases:
            continue
        known, case = facts[item.id], cases[item.case_id]
        safety = known.safety or Safety(case_id=item.case_id)
        locked = item.locked(at)
        rows.append(
            CallbackRow(
                callback_id=item.id,
                case_id=item.case_id,
                reference=case.reference,
                level=case.level,
                summary=case.summary,
                kind=item.kind,
                language=item.language,
                calls=item.calls,
                since=item.created_at,
                due_at=item.due_at,
                attempts=item.attempts,
                for_supervisor=item.for_supervisor_at is not None,
                refusal=why_not(known, at, settings.zone, supervisor=supervisor),
                opens_at=opens_at(known, at, settings.zone),
                safety=safety.callback,
                window=safety.window,
                reviewed_at=safety.reviewed_at,
                may_leave_message=may_leave_message(safety),
                cover_phrase=safety.cover_phrase,
                phone_owner=safety.phone_owner,
                in_danger=bool(safety.in_danger),
                owner=names.get(item.owner_id) if locked and item.owner_id is not None else None,
                mine=locked and item.owner_id == by.id,
                locked_until=item.locked_until if locked else None,
            )
        )
    return sorted(rows, key=_order)


def _order(row: CallbackRow) -> tuple[bool, bool, datetime, int, datetime, int]:
    """Return the place of a row: who may be called now first, then the soonest to open, the most pressing, the oldest."""
    return (
        row.refusal is not None,
        row.opens_at is None,
        row.opens_at
        if row.opens_at is not None and row.refusal is not None
        else row.since.min.replace(tzinfo=row.since.tzinfo),
        list(CallbackKind).index(row.kind),
        row.since,
        row.callback_id,
    )
