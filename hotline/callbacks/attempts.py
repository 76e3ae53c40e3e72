"""Calling a worker back: a person's click, checked again under a lock, and what came of it.

The number is opened in `begin_attempt` and nowhere else, and goes to the telephone, never to a page.
"""

import uuid
from datetime import datetime

from sqlmodel import Session, col, or_, select

from hotline import scope
from hotline.audit import note_act
from hotline.callbacks import items as callbacks
from hotline.cases import timeline
from hotline.errors import Refused
from hotline.intake import safety_form
from hotline.keys import Keys
from hotline.numbers import BARRED_WORDS, Barred, Numbering
from hotline.permissions import Permission, may, need
from hotline.safety.gate import WE_CALL_BACK, Reason, Refusal, again_at
from hotline.settings import Settings
from hotline.staff.states import IN_A_CALL, state_of
from models import (
    Agent,
    AttemptOutcome,
    Callback,
    CallbackAttempt,
    CallbackEnd,
    CallbackKind,
    Caller,
    Case,
    Contact,
    Direction,
    EventKind,
    Outcome,
    Safety,
)

# It is kept in rows as it stands here, and is found again by these words: they stay.
DROPPED_AND_NOT_AGREED = "the line dropped, and she had not said that we may call back"


class DialRefused(Refused):
    """A rule forbids this call. Its transaction is rolled back, so `note_refusal` audits it in another."""

    def __init__(self, callback_id: int, case_id: int, refusal: Refusal) -> None:
        super().__init__(refusal.sentence)
        self.callback_id = callback_id
        self.case_id = case_id
        self.refusal = refusal


def begin_attempt(
    session: Session, keys: Keys, callback_id: int, by: Agent, at: datetime, settings: Settings
) -> tuple[Contact, str]:
    """Begin one try to reach a worker: return its call, and the number in E.164 for `Operator.call_back` alone.

    All rules are looked at again, and nobody can change what they rest on before we commit. Dial after the commit. Raises
    `DialRefused` with the rule, `Refused` when the agent is in a call, `NotAllowed`, `NotFound`.
    """
    need(by, Permission.CALL_BACK)
    item = callbacks.hold(session, callback_id, by)
    _hold_safety(session, item)
    refusal = callbacks.may_dial(session, item, by, at, settings)
    if refusal is not None:
        raise DialRefused(callback_id, item.case_id, refusal)
    if state_of(session, by.id).status in IN_A_CALL:
        raise Refused("You are on a call. Call the worker back when it is over.")
    caller = session.get_one(Caller, item.caller_id)
    number = keys.open(caller.number_sealed).decode()
    refusal = _barred(settings.numbering, number, certain=caller.certain)
    if refusal is not None:
        raise DialRefused(callback_id, item.case_id, refusal)
    contact = Contact(
        call=str(uuid.uuid4()),
        direction=Direction.OUTBOUND,
        language=item.language,
        caller_id=item.caller_id,
        case_id=item.case_id,
        handler_id=by.id,
        arrived_at=at,
    )
    session.add(contact)
    session.flush()
    session.add(CallbackAttempt(callback_id=callback_id, contact_id=contact.id, by_id=by.id, at=at))
    item.attempts += 1
    item.owner_id, item.locked_until = by.id, at + callbacks.LOCK
    session.add(item)
    case = scope.case(session, scope.SYSTEM, item.case_id)
    case.touched_at, case.version = case.touched_at or at, case.version + 1
    session.add(case)
    note_act(session, "called_back", f"case:{case.id}", by_id=by.id, callback=item.id, contact=contact.id)
    timeline.tell(session, case, EventKind.CALLBACK, at, by, what="dialled", contact=contact.id, attempt=item.attempts)
    return contact, number


def _barred(numbering: Numbering, number: str, *, certain: bool) -> Refusal | None:
    """Why this number is not dialled, whatever the worker said."""
    barred = numbering.barred(number, certain=certain)
    if barred is None:
        return None
    code = Reason.NUMBER_DOUBTFUL if barred is Barred.DOUBTFUL else Reason.NUMBER_BARRED
    return Refusal(code, BARRED_WORDS[barred])


def note_refusal(session: Session, refused: DialRefused, by: Agent) -> None:
    """Audit that a rule forbade a call. In a transaction of its own: the one that was refused is rolled back."""
    note_act(
        session,
        "call_back_refused",
        f"case:{refused.case_id}",
        by_id=by.id,
        callback=refused.callback_id,
        reason=refused.refusal.code,
    )


def attempt_failed(session: Session, contact_id: int, at: datetime, why: str = "") -> bool:
    """The line refused before anything rang: this was no try. False when it rang after all, or was undone before.

    `why` is a code or a few words without a number, for the case's timeline.
    """
    contact = session.get(Contact, contact_id)
    if contact is None:
        return False
    session.flush()
    session.refresh(contact, with_for_update={"key_share": True})
    attempt = _attempt_of(session, contact_id)
    if attempt is None or attempt.outcome is not None or contact.answered_at is not None:
        return False
    item = callbacks.hold(session, attempt.callback_id, scope.SYSTEM)
    session.delete(attempt)
    item.attempts = max(0, item.attempts - 1)
    session.add(item)
    contact.failed_at, contact.ended_at = contact.failed_at or at, contact.ended_at or max(at, contact.arrived_at)
    contact.outcome = Outcome.NOT_REACHED
    session.add(contact)
    session.flush()
    case = scope.case(session, scope.SYSTEM, item.case_id)
    timeline.tell(
        session, case, EventKind.CALLBACK, at, what="line_failed", contact=contact_id, reason=why[:120] or None
    )
    return True


def said(
    session: Session, callback_id: int, outcome: AttemptOutcome, by: Agent, at: datetime, settings: Settings
) -> Callback:
    """Keep what came of the last try, by whoever made it or a supervisor. Idempotent.

    Reached ends the item. Nobody and a machine: again later, inside the worker's hours. Somebody else: calling is unsafe
    from now on, and the item ends. A dropped line: again only if the worker said that we call back then, else the item ends.
    Tried as often as is allowed: to a supervisor. Raises `Refused` when there was no try, or something else was said of it.
    """
    need(by, Permission.CALL_BACK)
    # Whoever made the call must be able to say that somebody else answered, also when they may no longer see the case.
    item = callbacks.hold(session, callback_id, scope.SYSTEM)
    attempt = session.exec(
        select(CallbackAttempt)
        .where(col(CallbackAttempt.callback_id) == callback_id)
        .order_by(col(CallbackAttempt.id).desc())
        .limit(1)
    ).first()
    if attempt is None:
        raise Refused("Nobody has called the worker yet.")
    if attempt.by_id != by.id and not may(by, Permission.HAND_OVER_ANY):
        raise Refused("Only whoever called the worker, or a supervisor, can say what came of it.")
    before = attempt.outcome
    if before is outcome:
        return item
    # The line says `nobody` by itself. And whoever finds out late that it was somebody else must be able to say so.
    if before not in {None, AttemptOutcome.NOBODY} and outcome is not AttemptOutcome.SOMEBODY_ELSE:
        raise Refused("What came of this call was said already.")
    attempt.outcome = outcome
    session.add(attempt)
    note_act(
        session,
        "call_back_said",
        f"case:{item.case_id}",
        by_id=by.id,
        callback=item.id,
        contact=attempt.contact_id,
        outcome=outcome,
    )
    _follow(session, item, outcome, at, settings, by, before)
    session.flush()
    return item


def unanswered(session: Session, contact: Contact, at: datetime, settings: Settings) -> Callback | None:
    """Count a call of ours that nobody took, and that has ended, as `nobody` by itself. Idempotent.

    Return the item; None when this was no try, was answered, or something was said of it before.
    """
    if contact.direction is not Direction.OUTBOUND or contact.ended_at is None or contact.answered_at is not None:
        return None
    attempt = _attempt_of(session, contact.id)
    if attempt is None or attempt.outcome is not None:
        return None
    item = callbacks.hold(session, attempt.callback_id, scope.SYSTEM)
    session.refresh(attempt, with_for_update=True)
    if attempt.outcome is not None:
        return None
    attempt.outcome = AttemptOutcome.NOBODY
    session.add(attempt)
    _follow(session, item, AttemptOutcome.NOBODY, at, settings)
    session.flush()
    return item


def unsaid(session: Session, agent_id: int) -> CallbackAttempt | None:
    """Return the newest try of this agent that was answered, is over, and whose outcome is not said; None without one."""
    return session.exec(
        select(CallbackAttempt)
        .join(Contact, col(Contact.id) == col(CallbackAttempt.contact_id))
        .where(
            col(CallbackAttempt.by_id) == agent_id,
            col(CallbackAttempt.outcome).is_(None),
            col(Contact.ended_at).is_not(None),
        )
        .order_by(col(CallbackAttempt.id).desc())
        .limit(1)
    ).first()


def of_call(session: Session, call: str) -> tuple[Callback, CallbackAttempt] | None:
    """Return the item and the try behind a call of ours; None for any other call."""
    return session.exec(
        select(Callback, CallbackAttempt)
        .join(CallbackAttempt, col(CallbackAttempt.callback_id) == col(Callback.id))
        .join(Contact, col(Contact.id) == col(CallbackAttempt.contact_id))
        .where(col(Contact.call) == call)
    ).first()


def _follow(
    session: Session,
    item: Callback,
    outcome: AttemptOutcome,
    at: datetime,
    settings: Settings,
    by: Agent | None = None,
    before: AttemptOutcome | None = None,
) -> None:
    """Do to the item what follows from an outcome. One that ended meanwhile stays so, but `somebody else` is always kept."""
    if outcome is AttemptOutcome.SOMEBODY_ELSE and by is not None:
        safety_form.not_safe_to_call(session, item.case_id, by)
        callbacks.end(session, item, CallbackEnd.UNSAFE, at, by)
        return
    if item.ended_at is not None:
        return
    safety = session.get(Safety, item.case_id)
    if outcome is AttemptOutcome.REACHED:
        callbacks.end(session, item, CallbackEnd.REACHED, at, by)
        return
    if outcome is AttemptOutcome.DROPPED and (safety is None or safety.if_drops != WE_CALL_BACK):
        callbacks.end(session, item, CallbackEnd.CLOSED, at, by, reason=DROPPED_AND_NOT_AGREED)
        return
    if outcome is AttemptOutcome.DROPPED:
        item.kind, item.due_at = CallbackKind.DROPPED, at
    elif before is None:
        item.due_at = again_at(safety, at, settings.zone, settings.callback_again_s)
    item.owner_id, item.locked_until = None, None
    case = scope.case(session, scope.SYSTEM, item.case_id)
    timeline.tell(session, case, EventKind.CALLBACK, at, by, what=outcome, attempt=item.attempts)
    if item.attempts >= settings.callback_tries and item.for_supervisor_at is None:
        item.for_supervisor_at = at
        timeline.tell(session, case, EventKind.CALLBACK, at, what="for_supervisor", attempt=item.attempts)
    session.add(item)


def _attempt_of(session: Session, contact_id: int) -> CallbackAttempt | None:
    return session.exec(select(CallbackAttempt).where(col(CallbackAttempt.contact_id) == contact_id)).first()


def _hold_safety(session: Session, item: Callback) -> None:
    """Read again what is safe, in every case of this telephone; who says `unsafe` now waits until we have dialled."""
    query = (
        scope.cases(scope.SYSTEM, select(Safety).join(Case, col(Case.id) == col(Safety.case_id)))
        .where(or_(col(Case.caller_id) == item.caller_id, col(Case.id) == item.case_id))
        .order_by(col(Safety.case_id))
        .with_for_update(of=Safety)
        .execution_options(populate_existing=True)
    )
    session.exec(query).all()
