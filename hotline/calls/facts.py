"""One row a call. Each process that observes a fact calls `saw`, the one that sees the end `close`. Both are idempotent."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, or_, select

from hotline.callbacks import items as callbacks
from hotline.callers.callers import find_or_add
from hotline.cases import filing
from hotline.keys import Keys
from hotline.numbers import Numbering
from models import (
    Agent,
    CallbackSafety,
    Caller,
    Channel,
    Contact,
    Direction,
    MessageEnd,
    Outcome,
    Recording,
    RecordingKind,
    TalkRecording,
)


class Fact(StrEnum):
    """A fact that can be seen of a call. Each is a moment, kept the first time it is said."""

    ARRIVED = "arrived_at"
    KEY = "key_at"
    LANGUAGE = "language_at"
    QUEUED = "queued_at"
    ANSWERED = "answered_at"
    MESSAGE = "message_at"
    CALLBACK = "callback_at"
    FAILED = "failed_at"
    DROPPED = "dropped_at"
    ENDED = "ended_at"


@dataclass(frozen=True)
class Seen:
    """All that came with a fact. `number` is as the trunk sent it; it is sealed at once, and only when it is certain.

    `chosen` is False for a language that the caller did not choose: it is not offered when they call again.
    """

    linkedid: str | None = None
    line: str | None = None
    language: str | None = None
    queue: str | None = None
    handler_id: int | None = None
    number: str | None = field(default=None, repr=False)
    callback_said: CallbackSafety | None = None
    chosen: bool = True
    message_end: MessageEnd | None = None


def find(session: Session, call: str | None = None, linkedid: str | None = None) -> Contact | None:
    """The row of a call by its id, else by Asterisk's linkedid."""
    if call is not None:
        contact = session.exec(select(Contact).where(col(Contact.call) == call)).first()
        if contact is not None:
            return contact
    if linkedid is None:
        return None
    return session.exec(select(Contact).where(col(Contact.linkedid) == linkedid)).first()


def saw(
    session: Session,
    keys: Keys,
    call: str,
    fact: Fact,
    at: datetime,
    seen: Seen,
    numbering: Numbering,
) -> Contact:
    """Keep a fact of a call: insert the row or fill in what it lacks; never overwrite.

    `call` is FREELINE_CALL; `numbering` says how its trunk writes numbers. A row that the sweep made from Asterisk's
    records alone is taken over by its linkedid.
    """
    contact = find(session, call, seen.linkedid)
    if contact is None:
        contact = _insert(session, call, seen.linkedid, at)
    _hold(session, contact)
    if contact.call != call and contact.call.startswith(UNNAMED):
        contact.call = call
    if fact is Fact.ARRIVED:
        contact.arrived_at = min(contact.arrived_at, at)
    elif getattr(contact, fact.value) is None:
        setattr(contact, fact.value, at)
    for name in ("linkedid", "line", "language", "queue", "handler_id", "message_end"):
        if getattr(contact, name) is None:
            setattr(contact, name, getattr(seen, name))
    if seen.callback_said is not None and contact.callback_said is CallbackSafety.UNKNOWN:
        contact.callback_said = seen.callback_said
    _recognise(session, keys, contact, seen, at, numbering)
    session.add(contact)
    session.flush()
    if contact.ended_at is not None and contact.case_id is not None:
        settle(session, contact)
        filing.fill_in(session, contact)
        callbacks.note_call(session, contact, at)
    return contact


UNNAMED = "linkedid:"
# By how much the times of Asterisk's records and of the spool's files may differ, of one call.
NEAR = timedelta(seconds=15)


def met_by_time(session: Session, first: datetime, last: datetime) -> str | None:
    """The Linkedid of a call that is over and is known by Asterisk's records alone, if one went on between these moments.

    For what lies in the spool and tells nothing but the call's id: a full disk took no more of it. None when there is none.
    """
    query = (
        select(Contact.linkedid)
        .where(
            col(Contact.call).startswith(UNNAMED),
            col(Contact.arrived_at) <= first + NEAR,
            col(Contact.ended_at) >= last - NEAR,
        )
        .order_by(col(Contact.arrived_at))
    )
    return session.exec(query).first()


def _insert(session: Session, call: str, linkedid: str | None, at: datetime) -> Contact:
    """Insert the row, or take the one that another process inserted at the same moment."""
    try:
        with session.begin_nested():
            contact = Contact(call=call, linkedid=linkedid, arrived_at=at)
            session.add(contact)
            session.flush()
        return contact
    except IntegrityError:
        found = find(session, call, linkedid)
        if found is None:
            raise
        return found


def _hold(session: Session, contact: Contact) -> None:
    """Read the row again and let nobody else change it before we commit: PostgreSQL lets two close a call at once."""
    session.flush()
    session.refresh(contact, with_for_update=True)


def _recognise(session: Session, keys: Keys, contact: Contact, seen: Seen, at: datetime, numbering: Numbering) -> None:
    caller: Caller | None = None
    if contact.caller_id is None and seen.number is not None:
        caller = find_or_add(session, keys, seen.number, numbering, at)
        contact.caller_id = caller.id if caller else None
        contact.number_form = numbering.form(seen.number)
    if seen.language is not None and seen.chosen and contact.caller_id is not None:
        caller = caller or session.get(Caller, contact.caller_id)
        if caller is not None:
            caller.last_language = seen.language
            session.add(caller)


def outcome_of(contact: Contact, *, recorded: bool) -> Outcome:
    """Return what the line saw, from the facts. A message that was recorded counts before a call-back asked for earlier."""
    if contact.answered_at is not None:
        return Outcome.ANSWERED
    if contact.direction is Direction.OUTBOUND:
        return Outcome.NOT_REACHED
    if recorded:
        return Outcome.VOICEMAIL
    if contact.callback_at is not None:
        return Outcome.CALLBACK_REQUESTED
    if contact.failed_at is not None:
        return Outcome.FAILED
    if contact.queued_at is not None:
        return Outcome.ABANDONED_IN_QUEUE
    return Outcome.ABANDONED_IN_MENU


def settle(session: Session, contact: Contact) -> None:
    """Set the outcome again from the facts, and the channel: a fact can come late, a recording after the hang-up."""
    messages = select(Recording.id).where(
        col(Recording.contact_id) == contact.id, col(Recording.kind) == RecordingKind.MESSAGE
    )
    recorded = session.exec(messages).first() is not None
    contact.outcome = outcome_of(contact, recorded=recorded)
    contact.channel = Channel.VOICEMAIL if contact.outcome is Outcome.VOICEMAIL else Channel.VOICE
    session.add(contact)
    session.flush()


def close(session: Session, contact: Contact, at: datetime, *, join_within_s: int, brief_s: int) -> Contact:
    """End a call: its outcome and its one case, in the caller's transaction. Idempotent.

    `join_within_s` and `brief_s` are seconds; see hotline.cases.filing.file_call for the rules.
    """
    _hold(session, contact)
    if contact.ended_at is None:
        contact.ended_at = max(at, contact.arrived_at)
    settle(session, contact)
    if contact.case_id is None:
        answers = callbacks.case_to_answer(session, contact)
        filing.file_call(session, contact, join_within_s=join_within_s, brief_s=brief_s, answers=answers)
    else:
        filing.settle_brief(session, contact, brief_s=brief_s)
    callbacks.note_call(session, contact, at)
    session.flush()
    return contact


def answered(session: Session, contact: Contact, agent_id: int, at: datetime, *, join_within_s: int) -> None:
    """Keep that an agent has this call: its case is filed or joined now, to be written in, and theirs if nobody has it.

    Idempotent. `join_within_s` as for `close`.
    """
    _hold(session, contact)
    contact.waits_again_at = None
    session.add(contact)
    if contact.ended_at is None and contact.case_id is None:
        answers = callbacks.case_to_answer(session, contact)
        filing.file_call(session, contact, join_within_s=join_within_s, brief_s=0, answers=answers)
    agent = session.get(Agent, agent_id)
    if contact.case_id is not None and agent is not None:
        filing.take_with_call(session, contact, agent, at)
    if contact.direction is Direction.INBOUND:
        callbacks.reached_us(session, contact, at)
    session.flush()


def waits_again(session: Session, contact: Contact, at: datetime, queue: str | None = None) -> None:
    """Keep that an answered caller is in a queue once more: the agent broke off, or sent them on. `queue` is where now."""
    if contact.answered_at is not None and contact.ended_at is None and contact.waits_again_at is None:
        contact.waits_again_at, contact.queue = at, queue or contact.queue
        not_recorded(contact)
        session.add(contact)
        session.flush()


def not_recorded(contact: Contact) -> bool:
    """Keep that whoever had a conversation recorded left it. False when nothing was said to run."""
    if contact.recording is not TalkRecording.RUNNING:
        return False
    contact.recording = TalkRecording.CONSENTED
    return True


def attach(session: Session, contact: Contact, recording: Recording) -> bool:
    """Keep a recording with its call. False when the same spool file was attached before."""
    before = session.exec(select(Recording.id).where(col(Recording.spool_name) == recording.spool_name)).first()
    if before is not None:
        return False
    recording.contact_id = contact.id
    session.add(recording)
    session.flush()
    if contact.ended_at is not None:
        settle(session, contact)
    if contact.case_id is not None:
        filing.recorded(session, contact, recording)
    callbacks.note_call(session, contact, recording.ingested_at)
    return True


def in_progress(session: Session) -> list[Contact]:
    """Calls that have not ended, oldest first."""
    query = select(Contact).where(col(Contact.ended_at).is_(None)).order_by(col(Contact.arrived_at))
    return list(session.exec(query))


def waiting(session: Session) -> list[Contact]:
    """Callers in a queue now, those who are back in one first, then by the longest wait."""
    query = (
        select(Contact)
        .where(
            col(Contact.ended_at).is_(None),
            col(Contact.queued_at).is_not(None),
            or_(col(Contact.answered_at).is_(None), col(Contact.waits_again_at).is_not(None)),
            col(Contact.message_at).is_(None),
            col(Contact.callback_at).is_(None),
        )
        .order_by(col(Contact.waits_again_at).is_(None), col(Contact.queued_at))
    )
    return list(session.exec(query))
