"""Calls we owe: one open item for a telephone, made by calls that were missed, worked by people, dialled by nobody else.

Calling is in hotline.callbacks.attempts, the list to read in hotline.callbacks.board, the rules in hotline.safety.gate.
"""

from datetime import datetime, timedelta

from sqlalchemy import update
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, or_, select

from hotline import scope
from hotline.audit import note_act
from hotline.callbacks import facts as callback_facts
from hotline.cases import filing, timeline
from hotline.errors import Invalid, NotFound, Refused
from hotline.permissions import Permission, may, need
from hotline.safety.gate import Refusal, kind_of, more_pressing, why_not
from hotline.scope import Who
from hotline.settings import Settings
from models import (
    Agent,
    AttemptOutcome,
    Callback,
    CallbackAttempt,
    CallbackEnd,
    CallbackKind,
    Case,
    CaseStatus,
    Contact,
    Direction,
    EventKind,
    Safety,
)

LOCK = timedelta(minutes=10)
ANSWERS_WITHIN = timedelta(hours=24)
REASON_MAX = 200
NOT_ONE_PERSONS = {"shared", "employer"}
_TRIES_TO_INSERT = 3


def note_call(session: Session, contact: Contact, at: datetime) -> Callback | None:
    """Owe the caller of an ended call a call-back, when the call leaves one. Idempotent, in any order.

    A telephone has one open item: a further call makes it newer, and its kind the more pressing of the two. None when
    nothing is owed: the number is withheld, the caller was heard, hung up within seconds, or has reached us since.
    """
    if contact.direction is not Direction.INBOUND or contact.caller_id is None or contact.ended_at is None:
        return None
    case = scope.find(session, scope.SYSTEM, contact.case_id)
    kind = kind_of(contact)
    if case is None or kind is None or case.closing_reason == filing.BRIEF or _heard_since(session, contact):
        return None
    item = _open_of(session, contact.caller_id)
    if item is None:
        if _owed_before(session, contact):
            return None
        item, made = _insert(session, contact, case, kind, contact.ended_at)
    else:
        made = False
    if not made and not _again(session, item, contact, case, kind):
        return item
    timeline.tell(session, case, EventKind.CALLBACK, at, what="noted", why=kind, contact=contact.id)
    return item


def _again(session: Session, item: Callback, contact: Contact, case: Case, kind: CallbackKind) -> bool:
    """Put a further call into an open item. False when it was in it before; a late fact can still make it more pressing."""
    newest = session.get(Contact, item.contact_id)
    newest_at = newest.ended_at if newest is not None and newest.ended_at is not None else item.created_at
    ended_at = contact.ended_at or newest_at
    known = item.contact_id == contact.id or item.created_at <= ended_at <= newest_at
    item.kind = more_pressing(item.kind, kind)
    if not known:
        item.calls += 1
        item.created_at = min(item.created_at, ended_at)
        if ended_at > newest_at:
            item.contact_id = contact.id
            item.language = contact.language or item.language
            if not _loses_what_was_said(session, item.case_id, case):
                item.case_id = case.id
    session.add(item)
    session.flush()
    return not known


def _loses_what_was_said(session: Session, old_case_id: int, new: Case) -> bool:
    """Whether the worker said in the old case what is safe, and nobody has asked in the new one: then the old one stays."""
    old, newer = session.get(Safety, old_case_id), session.get(Safety, new.id)
    said = old is not None and old.reviewed_at is not None
    return said and (newer is None or newer.reviewed_at is None)


def _heard_since(session: Session, contact: Contact) -> bool:
    """Whether a person spoke with this telephone after the call, so that a late word about it owes nothing.

    In another language it was somebody else on a shared telephone, and the worker of this call is owed a call still.
    """
    answered = select(Contact.language).where(
        col(Contact.caller_id) == contact.caller_id,
        col(Contact.direction) == Direction.INBOUND,
        col(Contact.answered_at) > contact.ended_at,
    )
    if any(_same_language(language, contact.language) for language in session.exec(answered)):
        return True
    reached = select(Callback.language).where(
        col(Callback.caller_id) == contact.caller_id,
        col(Callback.end).in_([CallbackEnd.REACHED, CallbackEnd.REACHED_US]),
        col(Callback.ended_at) > contact.ended_at,
    )
    return any(_same_language(language, contact.language) for language in session.exec(reached))


def _owed_before(session: Session, contact: Contact) -> bool:
    """Whether an item that has ended had this call in it."""
    ended = select(Callback, Contact).where(
        col(Callback.caller_id) == contact.caller_id,
        col(Callback.contact_id) == col(Contact.id),
        col(Callback.ended_at).is_not(None),
        col(Callback.created_at) <= contact.ended_at,
    )
    moment = contact.ended_at
    return any(
        newest.id == contact.id or (newest.ended_at is not None and moment is not None and newest.ended_at >= moment)
        for _, newest in session.exec(ended)
    )


def _open_of(session: Session, caller_id: int) -> Callback | None:
    """The open item of a telephone, held until we commit."""
    query = select(Callback).where(col(Callback.open_for) == caller_id)
    return session.exec(query.with_for_update().execution_options(populate_existing=True)).first()


def _insert(
    session: Session, contact: Contact, case: Case, kind: CallbackKind, since: datetime
) -> tuple[Callback, bool]:
    """Insert the item, or take the one that another process inserted at the same moment. True when it is ours."""
    for _ in range(_TRIES_TO_INSERT):
        item = Callback(
            open_for=contact.caller_id,
            caller_id=contact.caller_id or 0,
            case_id=case.id,
            contact_id=contact.id,
            kind=kind,
            language=contact.language or case.language,
            created_at=since,
            due_at=since,
        )
        try:
            with session.begin_nested():
                session.add(item)
                session.flush()
            return item, True
        except IntegrityError:
            found = _open_of(session, contact.caller_id or 0)
            if found is not None:
                return found, False
    raise Refused("This call-back was changed a moment ago. Try again.")


def reached_us(session: Session, contact: Contact, at: datetime) -> Callback | None:
    """End the item that a caller's telephone had open, because an agent has their call; both cases tell it. Idempotent.

    An item in another language stays: people share phones, and somebody else may wait for it. So does one that is newer
    than this call. Return the item that ended; None when there was none.
    """
    if contact.caller_id is None or contact.direction is not Direction.INBOUND:
        return None
    item = _open_of(session, contact.caller_id)
    if item is None or not _same_language(item.language, contact.language):
        return None
    newest = session.get(Contact, item.contact_id)
    if newest is not None and (newest.arrived_at > contact.arrived_at or _made_by(item, contact)):
        return None
    end(session, item, CallbackEnd.REACHED_US, at, contact=contact.id)
    case = scope.find(session, scope.SYSTEM, contact.case_id)
    if case is not None and case.id != item.case_id:
        timeline.tell(session, case, EventKind.CALLBACK, at, what=CallbackEnd.REACHED_US, contact=contact.id)
    return item


def _made_by(item: Callback, contact: Contact) -> bool:
    """The item was made in this very call, by hand, or by its end: its answer, told once more, does not close it."""
    return item.contact_id == contact.id and (contact.ended_at is None or kind_of(contact) is not None)


def _same_language(one: str | None, other: str | None) -> bool:
    return one is None or other is None or one == other


def case_to_answer(session: Session, contact: Contact) -> Case | None:
    """Return the case that a call joins by itself, as the answer to ours: we tried this telephone within a day.

    Not when the language differs, when anybody said that this telephone is shared or the employer's (whoever saw the missed
    call may be calling), or when the case is closed: then the call is filed as its own, and a person may join it.
    """
    if contact.caller_id is None or contact.direction is not Direction.INBOUND:
        return None
    item = session.exec(select(Callback).where(col(Callback.open_for) == contact.caller_id)).first()
    if item is None or not _same_language(item.language, contact.language):
        return None
    tried = session.exec(
        select(CallbackAttempt.id).where(
            col(CallbackAttempt.callback_id) == item.id,
            col(CallbackAttempt.at) <= contact.arrived_at,
            col(CallbackAttempt.at) >= contact.arrived_at - ANSWERS_WITHIN,
            or_(
                col(CallbackAttempt.outcome).is_(None),
                col(CallbackAttempt.outcome) != AttemptOutcome.SOMEBODY_ELSE,
            ),
        )
    ).first()
    owners = session.exec(
        scope.cases(scope.SYSTEM, select(Safety.phone_owner).join(Case, col(Case.id) == col(Safety.case_id))).where(
            col(Case.caller_id) == contact.caller_id
        )
    )
    if tried is None or NOT_ONE_PERSONS & set(owners):
        return None
    case = scope.find(session, scope.SYSTEM, item.case_id)
    return case if case is not None and case.status is not CaseStatus.CLOSED else None


def may_dial(session: Session, callback: Callback, by: Agent, at: datetime, settings: Settings) -> Refusal | None:
    """Return why this person may not call this worker now, with its code and sentence; None when they may."""
    facts = callback_facts.gather(session, [callback], by, at, settings.callback_tries)[callback.id]
    return why_not(facts, at, settings.zone, supervisor=may(by, Permission.HAND_OVER_ANY))


def load(session: Session, callback_id: int, who: Who) -> Callback:
    """Return an item. Raises `NotFound` when there is none, or when it belongs to a case that `who` may not see."""
    item = session.get(Callback, callback_id)
    if item is None or scope.find(session, who, item.case_id) is None:
        raise NotFound("There is no such call-back.")
    return item


def hold(session: Session, callback_id: int, who: Who) -> Callback:
    """Lock an item and its case until the commit, and read both again. Raises `NotFound` as `load`."""
    item = load(session, callback_id, who)
    # The case first: whoever closes a call has the case before they want the item.
    case = scope.find(session, scope.SYSTEM, item.case_id)
    session.flush()
    if case is not None:
        session.refresh(case, with_for_update={"key_share": True})
    session.refresh(item, with_for_update={"key_share": True})
    return item


def open_for_case(session: Session, case_id: int, by: Agent, at: datetime) -> Callback:
    """Owe a call-back by hand: an agent wants to call the worker of a case. The same rules hold for it as for any other.

    The item that is open for this case already, if there is one. Raises `Refused` when the case is closed or without a
    number, or when its telephone has an open call-back for another case.
    """
    need(by, Permission.CALL_BACK)
    case = scope.case(session, by, case_id)
    if case.status is CaseStatus.CLOSED:
        raise Refused("This case is closed. Reopen it first.")
    if case.caller_id is None:
        raise Refused("The number is withheld or not certain, so there is nobody to call back.")
    contact = _newest_call(session, case)
    if contact is None:
        raise Refused("No call belongs to this case, so there is nothing to call back.")
    item = _open_of(session, case.caller_id)
    if item is None:
        item, made = _insert(session, contact, case, CallbackKind.REQUESTED, at)
        if made:
            carry_on(session, item)
            session.flush()
            note_act(session, "callback_opened", f"case:{case_id}", by_id=by.id, callback=item.id)
            timeline.tell(session, case, EventKind.CALLBACK, at, by, what="opened")
            return item
    if item.case_id != case_id:
        other = scope.find(session, by, item.case_id)
        raise Refused(f"This telephone has an open call-back already, for case {other.reference if other else '?'}.")
    return item


def carry_on(session: Session, item: Callback) -> None:
    """An item that somebody closed and opens again by hand is no fresh start: its tries count, and its time stands."""
    ended = select(Callback).where(col(Callback.caller_id) == item.caller_id, col(Callback.ended_at).is_not(None))
    before = session.exec(ended.order_by(col(Callback.ended_at).desc(), col(Callback.id).desc()).limit(1)).first()
    if before is None or before.end is not CallbackEnd.CLOSED:
        return
    heard = select(Contact.id).where(
        col(Contact.caller_id) == item.caller_id,
        col(Contact.direction) == Direction.INBOUND,
        col(Contact.answered_at) > before.ended_at,
    )
    if session.exec(heard.limit(1)).first() is None:
        item.attempts, item.for_supervisor_at = before.attempts, before.for_supervisor_at
        item.due_at = max(item.due_at, before.due_at)


def _newest_call(session: Session, case: Case) -> Contact | None:
    query = select(Contact).where(col(Contact.case_id) == case.id, col(Contact.caller_id) == case.caller_id)
    return session.exec(query.order_by(col(Contact.arrived_at).desc())).first()


def open_of_case(session: Session, case_id: int) -> Callback | None:
    """The open item of a case; None when there is none."""
    query = select(Callback).where(col(Callback.case_id) == case_id, col(Callback.ended_at).is_(None))
    return session.exec(query).first()


def take(session: Session, callback_id: int, by: Agent, at: datetime) -> Callback:
    """Work on an item for ten minutes, so that two do not call one worker. When two click, one wins (`Refused`)."""
    need(by, Permission.CALL_BACK)
    item = load(session, callback_id, by)
    taken = session.execute(
        update(Callback)
        .where(
            col(Callback.id) == callback_id,
            col(Callback.ended_at).is_(None),
            or_(
                col(Callback.owner_id).is_(None),
                col(Callback.owner_id) == by.id,
                col(Callback.locked_until).is_(None),
                col(Callback.locked_until) <= at,
            ),
        )
        .values(owner_id=by.id, locked_until=at + LOCK)
        .execution_options(synchronize_session=False)
    )
    session.refresh(item)
    if taken.rowcount == 0:  # type: ignore[attr-defined]
        if item.ended_at is not None:
            raise Refused("This call-back has ended.")
        raise Refused("Somebody else works on this call-back now.")
    return item


def let_go(session: Session, callback_id: int, by: Agent) -> Callback:
    """Stop working on an item; a supervisor may do it for another. Without a lock nothing happens."""
    need(by, Permission.CALL_BACK)
    item = hold(session, callback_id, by)
    if item.owner_id is not None and item.owner_id != by.id and not may(by, Permission.HAND_OVER_ANY):
        raise Refused("Somebody else works on this call-back now.")
    item.owner_id, item.locked_until = None, None
    session.add(item)
    session.flush()
    return item


def close_item(session: Session, callback_id: int, by: Agent, reason: str, at: datetime) -> Callback:
    """End an item without calling, with the reason. Audited. Raises `Invalid` without one, `Refused` when it has ended."""
    need(by, Permission.CALL_BACK)
    reason = " ".join(reason.replace("\x00", "").split())
    if not reason:
        raise Invalid(reason="Say why the worker is not called back.")
    if len(reason) > REASON_MAX:
        raise Invalid(reason=f"Keep it under {REASON_MAX} characters.")
    item = hold(session, callback_id, by)
    if item.ended_at is not None:
        raise Refused("This call-back has ended.")
    locked = item.locked_for(by.id, at)
    if locked and not may(by, Permission.HAND_OVER_ANY):
        raise Refused("Somebody else works on this call-back now.")
    unsaid = select(CallbackAttempt.id).where(
        col(CallbackAttempt.callback_id) == callback_id, col(CallbackAttempt.outcome).is_(None)
    )
    if session.exec(unsaid).first() is not None:
        raise Refused("Say first what came of the call.")
    note_act(session, "callback_closed", f"case:{item.case_id}", by_id=by.id, callback=item.id)
    return end(session, item, CallbackEnd.CLOSED, at, by, reason=reason)


def end(
    session: Session,
    item: Callback,
    how: CallbackEnd,
    at: datetime,
    by: Agent | None = None,
    *,
    reason: str | None = None,
    **detail: object,
) -> Callback:
    """End an item, and tell its case how."""
    item.open_for, item.ended_at, item.end, item.end_reason = None, at, how, reason
    item.ended_by_id = by.id if by is not None else None
    item.owner_id, item.locked_until = None, None
    session.add(item)
    session.flush()
    case = scope.find(session, scope.SYSTEM, item.case_id)
    if case is not None:
        said = {"reason": reason} if reason else {}
        timeline.tell(session, case, EventKind.CALLBACK, at, by, what=how, callback=item.id, **said, **detail)
    return item
