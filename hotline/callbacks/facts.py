"""The facts that decide about call-backs, read for many of them in a handful of queries."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import case as sql_case
from sqlmodel import Session, col, select

from hotline import scope
from hotline.safety.gate import CallFacts, kind_of
from models import (
    Agent,
    AttemptOutcome,
    Callback,
    CallbackAttempt,
    CallbackKind,
    CallbackSafety,
    Caller,
    Case,
    CaseStatus,
    Contact,
    Safety,
)

FORBIDDEN = (CallbackSafety.UNSAFE, CallbackSafety.NEVER)


@dataclass(frozen=True)
class _Known:
    """All that was read about some items: by the ids of callers, cases, contacts, items and staff; `forbidden` by caller."""

    callers: dict[int | None, Caller]
    cases: dict[int | None, Case]
    safety: dict[int, Safety]
    newest: dict[int | None, Contact]
    on_line: set[int | None]
    attempts: dict[int, CallbackAttempt]
    of_phones: dict[int, CallbackAttempt]
    forbidden: dict[int, list[tuple[int, str]]]
    names: dict[int | None, str]


def gather(session: Session, items: Sequence[Callback], by: Agent, at: datetime, tries: int) -> dict[int, CallFacts]:
    """Return the facts about these items, by id, as `by` is concerned at this moment.

    `tries` is how often one may be tried.
    """
    known = _read(session, items, by)
    return {item.id: _facts_of(item, known, by, at, tries) for item in items}


def _read(session: Session, items: Sequence[Callback], by: Agent) -> _Known:
    """Read what decides, in a query for each kind."""
    callers, case_ids = {item.caller_id for item in items}, {item.case_id for item in items}
    cases = scope.cases(scope.SYSTEM, select(Case).where(col(Case.id).in_(case_ids)))
    newest = select(Contact).where(col(Contact.id).in_({item.contact_id for item in items}))
    on_line = select(Contact.caller_id).where(col(Contact.caller_id).in_(callers), col(Contact.ended_at).is_(None))
    return _Known(
        callers={c.id: c for c in session.exec(select(Caller).where(col(Caller.id).in_(callers)))},
        cases={c.id: c for c in session.exec(cases)},
        safety={s.case_id: s for s in session.exec(select(Safety).where(col(Safety.case_id).in_(case_ids)))},
        newest={c.id: c for c in session.exec(newest)},
        on_line=set(session.exec(on_line)),
        attempts=_newest_attempts(session, [item.id for item in items]),
        of_phones=_newest_of_phones(session, callers),
        forbidden=_forbidden(session, by, callers),
        names={a.id: a.name for a in session.exec(select(Agent))},
    )


def _facts_of(item: Callback, known: _Known, by: Agent, at: datetime, tries: int) -> CallFacts:
    """Return what decides about one item."""
    case, contact = known.cases.get(item.case_id), known.newest.get(item.contact_id)
    last, locked = known.attempts.get(item.id), item.locked_for(by.id, at)
    return CallFacts(
        due_at=item.due_at,
        safety=known.safety.get(item.case_id),
        ended=item.ended_at is not None,
        withheld=_withheld(known.callers.get(item.caller_id)),
        case_closed=case is None or case.status is CaseStatus.CLOSED,
        other_unsafe=_other_unsafe(item, known),
        other_telephone=case is not None and case.caller_id != item.caller_id,
        dropped=_dropped(contact, known.of_phones.get(item.caller_id)),
        on_line=item.caller_id in known.on_line,
        unsaid_by=_unsaid_by(last, known),
        tries_used_up=item.for_supervisor_at is not None or item.attempts >= tries,
        locked_by=known.names.get(item.owner_id, "?") if locked else None,
        locked_until=item.locked_until if locked else None,
        latest=_latest(item, contact, last),
    )


def _withheld(caller: Caller | None) -> bool:
    return caller is None or not caller.number_sealed


def _other_unsafe(item: Callback, known: _Known) -> str | None:
    """The reference of another case of this telephone that forbids calling."""
    return next((ref for case_id, ref in known.forbidden[item.caller_id] if case_id != item.case_id), None)


def _unsaid_by(last: CallbackAttempt | None, known: _Known) -> str | None:
    """Return who made the newest try and has not said what came of it."""
    return known.names.get(last.by_id, "?") if last is not None and last.outcome is None else None


def _latest(item: Callback, contact: Contact | None, last: CallbackAttempt | None) -> datetime:
    moments = [item.created_at, contact.ended_at if contact else None, last.at if last else None]
    return max(moment for moment in moments if moment is not None)


def _newest_attempts(session: Session, ids: Sequence[int]) -> dict[int, CallbackAttempt]:
    query = select(CallbackAttempt).where(col(CallbackAttempt.callback_id).in_(ids)).order_by(col(CallbackAttempt.id))
    return {attempt.callback_id: attempt for attempt in session.exec(query)}


def _newest_of_phones(session: Session, callers: set[int]) -> dict[int, CallbackAttempt]:
    """The newest try of each telephone, whatever became of the item that it was made for."""
    query = (
        select(Callback.caller_id, CallbackAttempt)
        .join(CallbackAttempt, col(CallbackAttempt.callback_id) == col(Callback.id))
        .where(col(Callback.caller_id).in_(callers))
        .order_by(col(CallbackAttempt.id))
    )
    return dict(session.exec(query).all())


def _dropped(contact: Contact | None, last: CallbackAttempt | None) -> bool:
    """Whether the line dropped when the worker was last spoken with: in a call of theirs, or in ours."""
    ours = last is not None and last.outcome is AttemptOutcome.DROPPED
    if ours and last is not None and contact is not None and contact.answered_at is not None:
        ours = contact.arrived_at <= last.at
    return ours or (contact is not None and kind_of(contact) is CallbackKind.DROPPED)


def _forbidden(session: Session, by: Agent, callers: set[int]) -> dict[int, list[tuple[int, str]]]:
    """Return the cases of these telephones that forbid calling, closed ones too: id and reference.

    Cases that `by` may not see forbid as well, but are not named: their reference is `?`.
    """
    reference = sql_case((scope.visible_cases(by), col(Case.reference)), else_=None)
    every = scope.cases(scope.SYSTEM, select(Case.caller_id, Case.id, reference))
    rows = session.exec(
        every.join(Safety, col(Safety.case_id) == col(Case.id))
        .where(col(Case.caller_id).in_(callers), col(Safety.callback).in_(FORBIDDEN))
        .order_by(col(Case.id))
    )
    found: dict[int, list[tuple[int, str]]] = defaultdict(list)
    for caller_id, case_id, reference in rows:
        found[caller_id or 0].append((case_id or 0, reference or "?"))
    return found
