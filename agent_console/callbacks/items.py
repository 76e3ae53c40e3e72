"""Call-backs as pages show them: the row that the rules made, the newest try, and what the reader may do now."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlmodel import Session, col, select

from agent_console.console import Request
from agent_console.labels import callbacks as callback_labels
from agent_console.labels import cases as case_labels
from hotline import scope
from hotline.callbacks import board as callback_board
from hotline.callbacks import items as callbacks
from hotline.callbacks.board import CallbackRow
from hotline.permissions import Permission
from hotline.staff import states as agents
from models import (
    Agent,
    Callback,
    CallbackAttempt,
    CallbackKind,
    Case,
    CaseStatus,
    Contact,
    Safety,
)
from web.i18n import gettext as _


@dataclass(frozen=True)
class Tried:
    """The newest try to reach a worker. `over`: its call has ended. `mine`: the reader made it."""

    attempt: CallbackAttempt
    by: str
    mine: bool
    over: bool


@dataclass(frozen=True)
class Item:
    """One call-back on a page. `asks`: the reader is to say what came of the newest try before anything else."""

    row: CallbackRow
    tried: Tried | None
    asks: bool
    if_drops: str | None


def items(ask: Request, rows: Iterable[CallbackRow]) -> list[Item]:
    """These rows with their newest tries."""
    known = list(rows)
    tries = _newest_tries(ask, [row.callback_id for row in known])
    dropped = _if_drops(ask.session, [row.case_id for row in known])
    supervises = ask.may(Permission.HAND_OVER_ANY)
    made = []
    for row in known:
        tried = tries.get(row.callback_id)
        asks = tried is not None and tried.attempt.outcome is None and (tried.mine or supervises)
        made.append(Item(row, tried, asks, dropped.get(row.case_id)))
    return made


def board(ask: Request) -> list[Item]:
    """All that is owed, in the order of the list."""
    settings = ask.site.settings
    return items(ask, callback_board.board(ask.session, ask.now, settings, ask.agent))


@dataclass(frozen=True)
class Owed:
    """What a case's page says of calling back. `item` is None when there is nobody to call, or another case has it.

    `listed`: it is on the list. `elsewhere` is the other case of this telephone that has the open call-back.
    """

    item: Item | None
    listed: bool
    elsewhere: Case | None = None


def of_case(ask: Request, case: Case, newest: Contact | None) -> Owed:
    """Whether the worker of a case may be called now, by the same rule, on the list or not yet."""
    if case.caller_id is None or newest is None or not ask.may(Permission.CALL_BACK):
        return Owed(None, listed=False)
    query = select(Callback).where(col(Callback.open_for) == case.caller_id)
    known = ask.session.exec(query).first()
    if known is not None and known.case_id != case.id:
        return Owed(None, listed=False, elsewhere=scope.find(ask.session, ask.agent, known.case_id))
    if known is None and (case.status is CaseStatus.CLOSED or newest.ended_at is None):
        return Owed(None, listed=False)
    # Not on the list yet: what the rule would say of it. This row is never kept.
    item = known or Callback(
        caller_id=case.caller_id,
        case_id=case.id,
        contact_id=newest.id,
        kind=CallbackKind.REQUESTED,
        language=newest.language or case.language,
        created_at=ask.now,
        due_at=ask.now,
    )
    if known is None:
        callbacks.carry_on(ask.session, item)
    settings = ask.site.settings
    row = callback_board.row(ask.session, item, ask.now, settings, ask.agent)
    return Owed(items(ask, [row])[0], listed=known is not None)


def why_no_phone(ask: Request) -> str:
    """Why this agent can call nobody at this moment, whoever it is; empty when they can."""
    state = agents.state_of(ask.session, ask.agent.id)
    if state.status in agents.IN_A_CALL:
        return _("You are on a call. Call the worker back when it is over.")
    if not ask.site.settings.trunk_host:
        return _("No trunk is set up, so nobody outside can be called. An administrator sets one.")
    if not state.reachable:
        return _("Your phone is not on, so nothing can be dialled from here.")
    return ""


def values(ask: Request) -> dict[str, Any]:
    """What every template of an item needs."""
    return {
        "no_phone": why_no_phone(ask),
        "tries": ask.site.settings.callback_tries,
        "says": callback_labels,
        "words": case_labels,
    }


def newest_try(session: Session, callback_id: int) -> int | None:
    """The id of the newest try of an item; None when nobody has called the worker."""
    query = select(CallbackAttempt.id).where(col(CallbackAttempt.callback_id) == callback_id)
    return session.exec(query.order_by(col(CallbackAttempt.id).desc()).limit(1)).first()


def _newest_tries(ask: Request, ids: list[int]) -> dict[int, Tried]:
    query = (
        select(CallbackAttempt, Contact, Agent)
        .join(Contact, col(Contact.id) == col(CallbackAttempt.contact_id))
        .join(Agent, col(Agent.id) == col(CallbackAttempt.by_id))
        .where(col(CallbackAttempt.callback_id).in_(ids))
        .order_by(col(CallbackAttempt.id))
    )
    return {
        attempt.callback_id: Tried(attempt, by.name, by.id == ask.agent.id, contact.ended_at is not None)
        for attempt, contact, by in ask.session.exec(query)
    }


def _if_drops(session: Session, case_ids: list[int]) -> dict[int, str | None]:
    query = select(Safety.case_id, Safety.if_drops).where(col(Safety.case_id).in_(case_ids))
    return dict(session.exec(query).all())
