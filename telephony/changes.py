"""What the switchboard has to write: one small change each, applied in the order they happened.

A change can be applied twice without harm. `apply` returns the names of the nudges to give once it is committed.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from sqlmodel import Session

from hotline import agents, calls, events
from hotline.calls import Fact, Seen
from hotline.keys import Keys
from hotline.settings import Settings
from models import AgentStatus, Contact

NOTHING_MORE = Seen()


@dataclass(frozen=True)
class Desk:
    """What every change needs: the keys that seal, and the organisation's settings."""

    keys: Keys
    settings: Settings


class Change(Protocol):
    """Something that happened and has to be in the database."""

    def apply(self, session: Session, desk: Desk) -> Iterable[str]:
        """Write it; the names of the nudges it causes."""
        ...


@dataclass(frozen=True)
class Call:
    """How a call is known: by the Linkedid, and by its own id once Asterisk has said it; never by neither.

    The rest is from its arrival, for a row that nobody else has made. Never the caller's number: AMI does not say
    whether she withheld it, so that comes from the dialplan alone, through ivr or the net's note.
    """

    linkedid: str | None
    call: str | None = None
    arrived_at: datetime | None = None
    line: str | None = None

    @property
    def name(self) -> str:
        """The call's id, or one made of the Linkedid until its own is known."""
        return self.call or f"{calls.UNNAMED}{self.linkedid}"

    def find(self, session: Session) -> Contact | None:
        """Its row, if there is one."""
        return calls.find(session, self.call, self.linkedid)

    def saw(self, session: Session, desk: Desk, fact: Fact, at: datetime, seen: Seen = NOTHING_MORE) -> Contact:
        """Keep a fact; never before the arrival, however the clock was moved."""
        contact = self.find(session)
        if contact is None and fact is not Fact.ARRIVED:
            contact = self.arrive(session, desk, at)
        if contact is not None and fact is not Fact.ARRIVED:
            at = max(at, contact.arrived_at)
        # A call without a name of its own must not take over a row that has one.
        name = contact.call if contact is not None and self.call is None else self.name
        seen = replace(seen, linkedid=self.linkedid)
        return calls.saw(session, desk.keys, name, fact, at, seen, desk.settings.country)

    def arrive(self, session: Session, desk: Desk, at: datetime) -> Contact:
        """Keep the arrival with all that is known of it; `at` when its moment was not seen."""
        return self.saw(session, desk, Fact.ARRIVED, self.arrived_at or at, Seen(line=self.line))


def _close(session: Session, desk: Desk, contact: Contact, at: datetime) -> Contact:
    ours = desk.settings
    return calls.close(session, contact, at, join_within_s=ours.join_within_s, brief_s=ours.brief_abandon_s)


def _told(contact: Contact) -> list[str]:
    names = [events.QUEUE_CHANGED, events.call_changed(contact.id or 0)]
    return [*names, events.case_changed(contact.case_id)] if contact.case_id else names


@dataclass(frozen=True)
class Arrived:
    """A call came in."""

    call: Call
    at: datetime

    def apply(self, session: Session, desk: Desk) -> Iterable[str]:
        """Make or fill in its row."""
        return _told(self.call.arrive(session, desk, self.at))


@dataclass(frozen=True)
class Queued:
    """A caller waits in the queue of a language."""

    call: Call
    at: datetime
    queue: str

    def apply(self, session: Session, desk: Desk) -> Iterable[str]:
        """Keep since when. Which queue does not tell whether she chose its language or pressed nothing."""
        seen = Seen(queue=self.queue, language=self.queue, chosen=False)
        return _told(self.call.saw(session, desk, Fact.QUEUED, self.at, seen))


@dataclass(frozen=True)
class Answered:
    """An agent and a caller talk; `still` unless it is known that they no longer do."""

    call: Call
    at: datetime
    agent_id: int
    still: bool = True

    def apply(self, session: Session, desk: Desk) -> Iterable[str]:
        """Keep who answered, and that she is on this call."""
        contact = self.call.saw(session, desk, Fact.ANSWERED, self.at, Seen(handler_id=self.agent_id))
        if contact.ended_at is not None:
            return _told(_close(session, desk, contact, contact.ended_at))
        if not self.still:
            return _told(contact)
        agents.on_call(session, self.agent_id, contact.call, self.at)
        return [*_told(contact), events.AGENTS_CHANGED]


@dataclass(frozen=True)
class Resumed:
    """An agent whose leg broke off talks with the same caller again. Before the first answer it means nothing."""

    call: Call
    at: datetime
    agent_id: int

    def apply(self, session: Session, desk: Desk) -> Iterable[str]:  # noqa: ARG002
        """She is on this call again."""
        contact = self.call.find(session)
        if contact is None or contact.answered_at is None or contact.ended_at is not None:
            return []
        agents.on_call(session, self.agent_id, contact.call, self.at)
        return [*_told(contact), events.AGENTS_CHANGED]


@dataclass(frozen=True)
class LeftCall:
    """An agent's part in a call ended. `call` is the call's id; a call she has had since is left alone."""

    agent_id: int
    call: str | None
    at: datetime

    def apply(self, session: Session, desk: Desk) -> Iterable[str]:  # noqa: ARG002
        """She is free again."""
        state = agents.state_of(session, self.agent_id)
        if state.status is not AgentStatus.ON_CALL or (self.call and state.call and state.call != self.call):
            return []
        agents.off_call(session, self.agent_id, self.at)
        return [events.AGENTS_CHANGED, events.QUEUE_CHANGED]


@dataclass(frozen=True)
class Missed:
    """A ready agent's phone rang and she did not answer: she is asked to say that she is there."""

    agent_id: int
    at: datetime

    def apply(self, session: Session, desk: Desk) -> Iterable[str]:  # noqa: ARG002
        """She is not ready, and the reason says why."""
        if agents.state_of(session, self.agent_id).status is not AgentStatus.READY:
            return []
        agents.set_status(session, self.agent_id, AgentStatus.NOT_READY, agents.MISSED, self.at)
        return [events.AGENTS_CHANGED]


@dataclass(frozen=True)
class PhoneSeen:
    """An agent's phone can or cannot be rung."""

    agent_id: int
    reachable: bool

    def apply(self, session: Session, desk: Desk) -> Iterable[str]:  # noqa: ARG002
        """Keep it."""
        return [events.AGENTS_CHANGED] if agents.set_reachable(session, self.agent_id, self.reachable) else []


@dataclass(frozen=True)
class Ended:
    """The caller's channel is gone."""

    call: Call
    at: datetime

    def apply(self, session: Session, desk: Desk) -> Iterable[str]:
        """Close the call: its outcome and its one case."""
        contact = self.call.find(session)
        if contact is None or (self.call.call and contact.call != self.call.call):
            contact = self.call.arrive(session, desk, self.at)
        return [*_told(_close(session, desk, contact, self.at)), events.SPOOL_CHANGED]


@dataclass(frozen=True)
class Changed:
    """Something that is only looked at: nothing to write, pages to wake."""

    names: tuple[str, ...]

    def apply(self, session: Session, desk: Desk) -> Iterable[str]:  # noqa: ARG002
        """Nothing but the nudges."""
        return self.names
