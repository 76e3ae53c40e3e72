"""Changes that the switchboard has to write: one small change each, applied in the order they happened.

A change can be applied twice without harm. `apply` returns the names of the nudges to give once it is committed.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from sqlmodel import Session

from hotline import nudges as events
from hotline.callbacks import attempts as callback_attempts
from hotline.calls import conversations
from hotline.calls import facts as calls
from hotline.calls.facts import Fact, Seen
from hotline.keys import Keys
from hotline.settings import Settings
from hotline.staff import states as agents
from models import AgentStatus, Contact, Conversation, Direction, Party, PartyKind, Place


@dataclass(frozen=True)
class ChangeContext:
    """What every change needs: the keys that seal, and the organisation's settings."""

    keys: Keys
    settings: Settings


class Change(Protocol):
    """Something that happened and has to be in the database."""

    def apply(self, session: Session, desk: ChangeContext) -> Iterable[str]:
        """Write it; the names of the nudges it causes."""
        ...


@dataclass(frozen=True)
class CallRef:
    """How a call is known: by the Linkedid, and by its own id once Asterisk has said it; never by neither.

    The rest is from its arrival, for a row that nobody else has made. Never the caller's number: events do not say
    whether it is withheld, so it comes from the dialplan alone, through ivr, the net's note or `NumberSeen`.
    `ours` is a call that we made: the console wrote its row before it rang, so none is ever made of it here.
    """

    linkedid: str | None
    call: str | None = None
    arrived_at: datetime | None = None
    line: str | None = None
    ours: bool = False

    @property
    def name(self) -> str:
        """The call's id, or one made of the Linkedid until its own is known."""
        return self.call or f"{calls.UNNAMED}{self.linkedid}"

    def find(self, session: Session) -> Contact | None:
        """Its row, if there is one."""
        return calls.find(session, self.call, self.linkedid)

    def saw(
        self, session: Session, desk: ChangeContext, fact: Fact, at: datetime, seen: Seen | None = None
    ) -> Contact | None:
        """Keep a fact; never before the arrival, however the clock was moved. None for a call of ours without a row."""
        contact = self.find(session)
        if contact is None and self.ours:
            return None
        if contact is None and fact is not Fact.ARRIVED:
            contact = self.arrive(session, desk, at)
        if contact is not None and fact is not Fact.ARRIVED:
            at = max(at, contact.arrived_at)
        # A call without a name of its own must not take over a row that has one.
        name = contact.call if contact is not None and self.call is None else self.name
        seen = replace(seen or Seen(), linkedid=self.linkedid)
        return calls.saw(session, desk.keys, name, fact, at, seen, desk.settings.numbering)

    def arrive(self, session: Session, desk: ChangeContext, at: datetime) -> Contact | None:
        """Keep the arrival with all that is known of it; `at` when its moment was not seen."""
        return self.saw(session, desk, Fact.ARRIVED, self.arrived_at or at, Seen(line=self.line))


def _close(session: Session, desk: ChangeContext, contact: Contact, at: datetime) -> Contact:
    ours = desk.settings
    calls.close(session, contact, at, join_within_s=ours.join_within_s, brief_s=ours.brief_abandon_s)
    callback_attempts.unanswered(session, contact, at, ours)
    return contact


def _told(contact: Contact | None) -> list[str]:
    if contact is None:
        return []
    names = [events.QUEUE_CHANGED, events.call_changed(contact.id)]
    return [*names, events.case_changed(contact.case_id)] if contact.case_id else names


def _has(
    session: Session, desk: ChangeContext, contact: Contact, agent_id: int, at: datetime, *, now_first: bool
) -> list[str]:
    """This agent has the call: their state, the conversation, and the case to write in. Idempotent."""
    agents.on_call(session, agent_id, contact.call, at)
    before = session.get(Conversation, contact.call)
    if now_first or before is None or before.agent_id != agent_id:
        conversations.begin(session, contact.call, agent_id, at)
        calls.answered(session, contact, agent_id, at, join_within_s=desk.settings.join_within_s)
    return [*_told(contact), events.AGENTS_CHANGED, events.CALLBACKS_CHANGED]


@dataclass(frozen=True)
class Arrived:
    """A call came in."""

    call: CallRef
    at: datetime

    def apply(self, session: Session, desk: ChangeContext) -> Iterable[str]:
        """Make or fill in its row."""
        return _told(self.call.arrive(session, desk, self.at))


@dataclass(frozen=True)
class NumberSeen:
    """The number of a call, as the dialplan has it; empty when it is withheld."""

    call: CallRef
    at: datetime
    number: str = field(repr=False)

    def apply(self, session: Session, desk: ChangeContext) -> Iterable[str]:
        """Fill it in where nobody else has, sealed."""
        return _told(self.call.saw(session, desk, Fact.ARRIVED, self.at, Seen(number=self.number)))


@dataclass(frozen=True)
class Failed:
    """A caller was told that no message can be kept."""

    call: CallRef
    at: datetime

    def apply(self, session: Session, desk: ChangeContext) -> Iterable[str]:
        """Keep it; the outcome of a call that is over is worked out again with it."""
        return _told(self.call.saw(session, desk, Fact.FAILED, self.at))


@dataclass(frozen=True)
class Queued:
    """A caller waits in the queue of a language, for the first time or again."""

    call: CallRef
    at: datetime
    queue: str

    def apply(self, session: Session, desk: ChangeContext) -> Iterable[str]:
        """Keep since when. Which queue does not tell whether the caller chose its language or pressed nothing."""
        seen = Seen(queue=self.queue, language=self.queue, chosen=False)
        contact = self.call.saw(session, desk, Fact.QUEUED, self.at, seen)
        if contact is None:
            return []
        nobody_has_her = conversations.end(session, contact.call)
        calls.waits_again(session, contact, self.at, self.queue)
        return [*_told(contact), *([events.AGENTS_CHANGED] if nobody_has_her else [])]


@dataclass(frozen=True)
class Answered:
    """An agent and a worker talk for the first time; `still` unless it is known that they no longer do.

    `agent_id` is None when nobody saw whose leg it is: then the row of a call that we made says it.
    """

    call: CallRef
    at: datetime
    agent_id: int | None
    still: bool = True

    def apply(self, session: Session, desk: ChangeContext) -> Iterable[str]:
        """Keep who answered, and that they have this call."""
        before = self.call.find(session)
        now_first = before is None or before.answered_at is None
        contact = self.call.saw(session, desk, Fact.ANSWERED, self.at, Seen(handler_id=self.agent_id))
        if contact is None:
            return []
        if contact.ended_at is not None:
            return _told(_close(session, desk, contact, contact.ended_at))
        agent_id = self.agent_id or contact.handler_id
        if not self.still or agent_id is None:
            return _told(contact)
        return _has(session, desk, contact, agent_id, self.at, now_first=now_first)


@dataclass(frozen=True)
class Resumed:
    """An agent has a worker who was answered before: the same whose leg broke off, or another who was given the call."""

    call: CallRef
    at: datetime
    agent_id: int

    def apply(self, session: Session, desk: ChangeContext) -> Iterable[str]:
        """The call is theirs now. Before the first answer it means nothing: the queue has not given it yet."""
        contact = self.call.find(session)
        if contact is None or contact.answered_at is None or contact.ended_at is not None:
            return []
        return _has(session, desk, contact, self.agent_id, self.at, now_first=False)


@dataclass(frozen=True)
class CallbackDialled:
    """An agent has picked up their own phone, and from there the worker is called."""

    call: CallRef
    at: datetime
    agent_id: int

    def apply(self, session: Session, desk: ChangeContext) -> Iterable[str]:  # noqa: ARG002
        """The agent is on this call, before anybody answers it."""
        contact = self.call.find(session)
        if contact is None or contact.direction is not Direction.OUTBOUND or contact.ended_at is not None:
            return []
        contact.linkedid = contact.linkedid or self.call.linkedid
        session.add(contact)
        conversations.begin(session, contact.call, self.agent_id, self.at)
        agents.on_call(session, self.agent_id, contact.call, self.at)
        return [*_told(contact), events.AGENTS_CHANGED]


@dataclass(frozen=True)
class LeftCall:
    """An agent's part in a call ended. `call` is the call's id; a call they have had since is left alone.

    `wrap_up` for one who led it: what they heard has to be written down. Who was only asked is at once what they were.
    `broke`: their line broke off while others have the worker, so they may rejoin.
    """

    agent_id: int
    call: str | None
    at: datetime
    wrap_up: bool = True
    broke: bool = False

    def apply(self, session: Session, desk: ChangeContext) -> Iterable[str]:
        """The agent wraps it up, or is free again."""
        state = agents.state_of(session, self.agent_id)
        if self.call and state.call and state.call != self.call:
            return []
        if agents.stopped_ringing(session, self.agent_id, self.call, self.at):
            return [events.AGENTS_CHANGED]
        if state.status is not AgentStatus.ON_CALL:
            return []
        reason = agents.LINE_BROKE if self.broke else None
        agents.off_call(session, self.agent_id, self.at, desk.settings.wrap_up_s if self.wrap_up else 0, reason)
        return [events.AGENTS_CHANGED, events.QUEUE_CHANGED]


@dataclass(frozen=True)
class WorkerMoved:
    """Where the worker is in a conversation."""

    call: CallRef
    place: Place
    at: datetime

    def apply(self, session: Session, desk: ChangeContext) -> Iterable[str]:  # noqa: ARG002
        """Keep it, if somebody has the worker."""
        contact = self.call.find(session)
        talk = session.get(Conversation, contact.call) if contact is not None else None
        if contact is None or talk is None or talk.place is self.place:
            return []
        conversations.put(session, contact.call, self.place, self.at)
        return _told(contact)


@dataclass(frozen=True)
class PartyMoved:
    """Somebody who was called into a conversation is in it, or is held. `leg` is the FREELINE_LEG of their channel."""

    call: CallRef
    leg: str
    place: Place
    at: datetime
    agent_id: int | None = None

    def apply(self, session: Session, desk: ChangeContext) -> Iterable[str]:  # noqa: ARG002
        """Keep it; an agent is on this call now. Whoever called them in may write it only after us."""
        contact = self.call.find(session)
        talk = session.get(Conversation, contact.call) if contact is not None else None
        if contact is None or talk is None or talk.agent_id == self.agent_id:
            return []
        if session.get(Party, self.leg) is None:
            asked = PartyKind.SUPERVISOR if talk.emergency_at else PartyKind.AGENT
            kind = PartyKind.OUTSIDE if self.agent_id is None else asked
            conversations.add_party(session, contact.call, self.leg, kind, self.at, agent_id=self.agent_id)
        conversations.party_at(session, self.leg, self.place, self.at, self.agent_id)
        if self.agent_id is None:
            return _told(contact)
        agents.on_call(session, self.agent_id, contact.call, self.at)
        return [*_told(contact), events.AGENTS_CHANGED]


@dataclass(frozen=True)
class PartyGone:
    """The last leg of somebody who was called into a conversation is gone."""

    call: CallRef
    leg: str
    at: datetime

    def apply(self, session: Session, desk: ChangeContext) -> Iterable[str]:  # noqa: ARG002
        """They are in it no more."""
        return _told(self.call.find(session)) if conversations.party_gone(session, self.leg) is not None else []


@dataclass(frozen=True)
class Dropped:
    """A conversation broke off: the worker is gone before anybody came back."""

    call: CallRef
    at: datetime

    def apply(self, session: Session, desk: ChangeContext) -> Iterable[str]:
        """Keep it, before the call is closed: whoever sees to call-backs has to know."""
        return _told(self.call.saw(session, desk, Fact.DROPPED, self.at))


@dataclass(frozen=True)
class AgentsGone:
    """A conversation in which nobody is left, found by the sweep. `waits`: the worker is there, in a queue."""

    call: str
    at: datetime
    waits: bool

    def apply(self, session: Session, desk: ChangeContext) -> Iterable[str]:  # noqa: ARG002
        """It is over; who waits shows among those who wait."""
        contact = calls.find(session, self.call)
        ended = conversations.end(session, self.call)
        if contact is not None and self.waits:
            calls.waits_again(session, contact, self.at)
        return [*_told(contact), events.AGENTS_CHANGED] if ended else []


@dataclass(frozen=True)
class WrapUpsDue:
    """The time of some wrap-ups is over."""

    at: datetime

    def apply(self, session: Session, desk: ChangeContext) -> Iterable[str]:  # noqa: ARG002
        """Their agents are what they were before the call."""
        return [events.AGENTS_CHANGED, events.QUEUE_CHANGED] if agents.end_due_wrap_ups(session, self.at) else []


@dataclass(frozen=True)
class PhoneSeen:
    """An agent's phone can or cannot be rung."""

    agent_id: int
    reachable: bool

    def apply(self, session: Session, desk: ChangeContext) -> Iterable[str]:  # noqa: ARG002
        """Keep it."""
        return [events.AGENTS_CHANGED] if agents.set_reachable(session, self.agent_id, self.reachable) else []


@dataclass(frozen=True)
class Ended:
    """The caller's channel is gone. Not `dialled`: the agent did not pick up their own phone, so no worker was rung."""

    call: CallRef
    at: datetime
    dialled: bool = True

    def apply(self, session: Session, desk: ChangeContext) -> Iterable[str]:
        """Close the call: its outcome and its one case. The conversation is over for whoever is still in it."""
        contact = self.call.find(session)
        if contact is None or (self.call.call and contact.call != self.call.call):
            contact = self.call.arrive(session, desk, self.at)
        if contact is None:
            return []
        conversations.end(session, contact.call)
        if not self.dialled:
            callback_attempts.attempt_failed(session, contact.id, self.at, "own_phone")
        _close(session, desk, contact, self.at)
        return [*_told(contact), events.SPOOL_CHANGED, events.CALLBACKS_CHANGED, events.AGENTS_CHANGED]


@dataclass(frozen=True)
class Changed:
    """Something that is only looked at: nothing to write, pages to wake."""

    names: tuple[str, ...]

    def apply(self, session: Session, desk: ChangeContext) -> Iterable[str]:  # noqa: ARG002
        """Nothing but the nudges."""
        return self.names
