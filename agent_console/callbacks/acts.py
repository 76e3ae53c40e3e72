"""What is done with a call-back: on the page of call-backs, and beside its case. Nothing here dials by itself."""

from collections.abc import Callable

from sqlmodel import Session

from agent_console.asterisk_limit import ACTS, turn
from agent_console.callbacks import items as callback_items
from agent_console.console import Request
from agent_console.labels import callbacks as callback_labels
from hotline.callbacks import attempts as callback_attempts
from hotline.callbacks import items as callbacks
from hotline.callbacks.attempts import DialRefused
from hotline.errors import Refused
from hotline.nudges import AGENTS_CHANGED, CALLBACKS_CHANGED, QUEUE_CHANGED, case_changed
from models import Agent, AttemptOutcome, CallbackAttempt, Contact
from models.db.types import now
from telephony.operator.ami_actions import HALF_DONE
from telephony.operator.operator import LineFailed
from web.i18n import gettext as _
from web.request import whole

Find = Callable[[Session, Agent], int]


def call(ask: Request, find: Find) -> int:
    """Call the worker of the item that `find` gives; its case. The rules are looked at again, and nothing else dials.

    Raises `Refused` with the reason, `LineFailed` with what the line said. No transaction is open while Asterisk is asked.
    """
    if why := callback_items.why_no_phone(ask):
        raise Refused(why)
    agent_id, console = ask.agent.id, ask.site
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
    tell(ask, contact.case_id or 0)
    try:
        with turn(ACTS):
            console.operator.call_back(contact.call, agent_id, number, contact.language or "")
    except LineFailed as error:
        # Asked and not answered: the agent's phone may ring all the same. Then the attempt stays, to be described.
        if str(error) != HALF_DONE:
            _undo(ask, contact, "line")
        raise
    except ValueError as error:
        _undo(ask, contact, "number")
        raise Refused(_("This number cannot be dialled. Close the call-back, or look at the number.")) from error
    return contact.case_id or 0


def _undo(ask: Request, contact: Contact, why: str) -> None:
    with ask.site.database.write() as session:
        callback_attempts.attempt_failed(session, contact.id, now(), why)
    ask.site.nudges.tell(*ask.told)


def _why(refused: DialRefused) -> str:
    """The reason in the reader's language. The rule's own sentence has the hour, when there is one."""
    return refused.refusal.sentence if refused.refusal.opens_at else callback_labels.refusal_words(refused.refusal)


def record_outcome(ask: Request, callback_id: int) -> int:
    """Write down what came of the newest try; the case. A form that was drawn for an earlier try says nothing of it."""
    outcome = ask.form.get("outcome", "")
    if outcome not in set(AttemptOutcome):
        raise Refused(_("Choose what came of the call."))
    _same_try(ask, callback_id)
    item = callback_attempts.said(
        ask.session, callback_id, AttemptOutcome(outcome), ask.agent, ask.now, ask.site.settings
    )
    tell(ask, item.case_id)
    return item.case_id


def _same_try(ask: Request, callback_id: int) -> None:
    wanted = whole(ask.form.get("attempt", ""))
    attempt = ask.session.get(CallbackAttempt, wanted) if wanted is not None else None
    if attempt is None or attempt.callback_id != callback_id:
        raise Refused(_("Nobody has called the worker yet."))
    newest = callback_items.newest_try(ask.session, callback_id)
    if newest != attempt.id:
        raise Refused(_("The worker was called again since. Say what came of the newest call."))


def close(ask: Request, callback_id: int) -> int:
    """End it without a call, with the reason; the case. Raises `Invalid` without one."""
    item = callbacks.close_item(ask.session, callback_id, ask.agent, ask.form.get("reason", ""), ask.now)
    tell(ask, item.case_id)
    return item.case_id


def tell(ask: Request, case_id: int) -> None:
    """Nudge whoever shows this call-back, its case or the queue."""
    ask.tell(CALLBACKS_CHANGED, AGENTS_CHANGED, QUEUE_CHANGED, case_changed(case_id))
