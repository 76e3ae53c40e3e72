"""The calls we owe: who may be called now, the call itself, and what came of it. Nothing here dials by itself."""

from collections.abc import Callable
from typing import Any

from sqlmodel import Session

from agent_console.asking import Answer, Page, Redirect, Request, own_path, whole
from agent_console.asterisk_limit import ACTS, turn
from agent_console.callbacks import items as callback_items
from agent_console.cases import page as case_view
from agent_console.labels import callbacks as callback_labels
from agent_console.routes import Routes
from agent_console.words import gettext as _
from hotline.callbacks import attempts as callback_attempts
from hotline.callbacks import board as callback_board
from hotline.callbacks import items as callbacks
from hotline.callbacks.attempts import DialRefused
from hotline.errors import Refused
from hotline.nudges import AGENTS_CHANGED, CALLBACKS_CHANGED, QUEUE_CHANGED, case_changed
from hotline.permissions import Permission
from models import Agent, AttemptOutcome, CallbackAttempt, Contact
from models.db.types import now
from telephony.operator.ami_actions import HALF_DONE
from telephony.operator.operator import LineFailed

routes = Routes()
Find = Callable[[Session, Agent], int]


@routes.get("/callbacks", Permission.CALL_BACK)
def page(ask: Request) -> Answer:
    """The whole page."""
    return Page("callbacks/page.html", owed_now(ask))


@routes.get("/callbacks/list", Permission.CALL_BACK)
def listed(ask: Request) -> Answer:
    """What is owed now."""
    return Page("callbacks/_list.html", owed_now(ask))


@routes.get("/callbacks/count", Permission.CALL_BACK)
def count(ask: Request) -> Answer:
    """How many workers may be called now, and how many call-backs are open, for the navigation."""
    due = callback_board.count_due(ask.session, ask.now, ask.console.settings, ask.agent)
    return Page("callbacks/_count.html", {"due": due, "open": callback_board.count_open(ask.session, ask.agent)})


def owed_now(ask: Request) -> dict[str, Any]:
    """What _list.html shows, each item in one place only."""
    owed = callback_items.board(ask)
    rest = [item for item in owed if not item.asks]
    supervised = [item for item in rest if item.row.for_supervisor]
    others = [item for item in rest if not item.row.for_supervisor]
    waiting = [item for item in others if item.row.refusal is not None]
    return {
        "asking": [item for item in owed if item.asks],
        "due": [item for item in others if item.row.refusal is None],
        "later": [item for item in waiting if item.row.opens_at is not None],
        "not_dialled": [item for item in waiting if item.row.opens_at is None],
        "supervised": supervised,
        "more": max(0, callback_board.count_open(ask.session, ask.agent) - len(owed)),
        "wrong_id": ask.visit.match.get("id", ""),
        **callback_items.values(ask),
    }


@routes.post("/callbacks/{id}/dial", Permission.CALL_BACK, transaction="own")
def dial(ask: Request) -> Answer:
    """Call her, from the agent's own phone."""
    callback_id = ask.number("id")
    return back(ask, _call(ask, lambda _session, _by: callback_id))


@routes.post("/cases/{id}/callback", Permission.CALL_BACK, transaction="own")
def call_from_case(ask: Request) -> Answer:
    """Call the worker of a case; a call-back that was not on the list is put there with it."""
    case_id = ask.number("id")
    return back(ask, _call(ask, lambda session, by: callbacks.open_for_case(session, case_id, by, now()).id or 0))


@routes.post("/cases/{id}/callback/listing", Permission.CALL_BACK)
def list_case(ask: Request) -> Answer:
    """Put a call-back on the list, to be made later."""
    item = callbacks.open_for_case(ask.session, ask.number("id"), ask.agent, ask.now)
    return _done(ask, item.case_id)


def _call(ask: Request, find: Find) -> int:
    """Call the worker of the item that `find` gives; its case. The rules are looked at again, and nothing else dials.

    Raises `Refused` with the reason, `LineFailed` with what the line said. No transaction is open while Asterisk is asked.
    """
    if why := callback_items.why_no_phone(ask):
        raise Refused(why)
    agent_id, console = ask.agent.id or 0, ask.console
    # A read that stays open would hold up who writes.
    ask.session.close()
    try:
        with console.database.write() as session:
            by = session.get_one(Agent, agent_id)
            contact, number = callback_attempts.begin_attempt(
                session, console.keys, find(session, by), by, now(), console.settings
            )
    except DialRefused as refused:
        with console.database.write() as session:
            callback_attempts.note_refusal(session, refused, session.get_one(Agent, agent_id))
        raise Refused(_why(refused)) from refused
    _tell(ask, contact.case_id or 0)
    try:
        with turn(ACTS):
            console.operator.call_back(contact.call, agent_id, number, contact.language or "")
    except LineFailed as error:
        # Asked and not answered: her phone may ring all the same. Then the try stays, and what came of it is said.
        if str(error) != HALF_DONE:
            _undo(ask, contact, "line")
        raise
    except ValueError as error:
        _undo(ask, contact, "number")
        raise Refused(_("This number cannot be dialled. Close the call-back, or look at the number.")) from error
    return contact.case_id or 0


def _undo(ask: Request, contact: Contact, why: str) -> None:
    with ask.console.database.write() as session:
        callback_attempts.attempt_failed(session, contact.id or 0, now(), why)
    ask.console.nudges.tell(*ask.told)


def _why(refused: DialRefused) -> str:
    """The reason in the reader's language. The rule's own sentence has the hour, when there is one."""
    return refused.refusal.sentence if refused.refusal.opens_at else callback_labels.refusal_words(refused.refusal)


@routes.post("/callbacks/{id}/said", Permission.CALL_BACK)
def said(ask: Request) -> Answer:
    """What came of the newest try. A form that was drawn for an earlier one says nothing of it."""
    callback_id, outcome = ask.number("id"), ask.form.get("outcome", "")
    if outcome not in set(AttemptOutcome):
        raise Refused(_("Choose what came of the call."))
    _same_try(ask, callback_id)
    item = callback_attempts.said(
        ask.session, callback_id, AttemptOutcome(outcome), ask.agent, ask.now, ask.console.settings
    )
    return _done(ask, item.case_id)


def _same_try(ask: Request, callback_id: int) -> None:
    wanted = whole(ask.form.get("attempt", ""))
    attempt = ask.session.get(CallbackAttempt, wanted) if wanted is not None else None
    if attempt is None or attempt.callback_id != callback_id:
        raise Refused(_("Nobody has called the worker yet."))
    newest = callback_items.newest_try(ask.session, callback_id)
    if newest != attempt.id:
        raise Refused(_("She was called again since. Say what came of the newest call."))


@routes.post("/callbacks/{id}/lock", Permission.CALL_BACK)
def take(ask: Request) -> Answer:
    """Work on it, so that nobody else calls her."""
    return _done(ask, callbacks.take(ask.session, ask.number("id"), ask.agent, ask.now).case_id)


@routes.post("/callbacks/{id}/lock/end", Permission.CALL_BACK)
def let_go(ask: Request) -> Answer:
    """Leave it to others."""
    return _done(ask, callbacks.let_go(ask.session, ask.number("id"), ask.agent).case_id)


def again(ask: Request) -> Answer:
    """The page once more, with what is wrong."""
    if _from_case(ask):
        return case_view.draw(ask, callbacks.load(ask.session, ask.number("id"), ask.agent).case_id)
    return Page("callbacks/_list.html" if case_view.in_part(ask) else "callbacks/page.html", owed_now(ask))


@routes.post("/callbacks/{id}/closing", Permission.CALL_BACK, on_invalid=again)
def close(ask: Request) -> Answer:
    """End it without a call, with the reason."""
    item = callbacks.close_item(ask.session, ask.number("id"), ask.agent, ask.form.get("reason", ""), ask.now)
    return _done(ask, item.case_id)


def _done(ask: Request, case_id: int) -> Answer:
    _tell(ask, case_id)
    return back(ask, case_id)


def _tell(ask: Request, case_id: int) -> None:
    ask.tell(CALLBACKS_CHANGED, AGENTS_CHANGED, QUEUE_CHANGED, case_changed(case_id))


def _from_case(ask: Request) -> bool:
    return case_view.in_part(ask) and ask.visit.headers.get("HX-Target") == "case"


def back(ask: Request, case_id: int) -> Answer:
    """Where the act was made: the case anew, the list anew, or the page."""
    if _from_case(ask):
        return case_view.draw(ask, case_id)
    if case_view.in_part(ask):
        return Page("callbacks/_list.html", owed_now(ask), triggers=(CALLBACKS_CHANGED,))
    on_case = ask.visit.path.startswith("/cases/")
    return Redirect(own_path(ask.form.get("next", "")) or (f"/cases/{case_id}" if on_case else "/callbacks"))
