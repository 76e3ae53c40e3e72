"""Finds what no event told: calls whose channel is gone, calls nobody wrote down, agents held by a call that is over."""

import contextlib
import json
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlmodel import Session, col, select

from hotline import calls
from hotline.calls import Fact
from hotline.log import log
from models import AgentState, AgentStatus, Contact, Direction, Party, Talk
from telephony import names
from telephony.ami import Message
from telephony.cel import Trail
from telephony.changes import Alone, Answered, Arrived, Call, Change, Dropped, Ended, LeftCall, PartyGone
from telephony.conversations import leg_of

# How long ivr and the transcriber have to write a call before its records alone make the row.
OTHERS_HAVE_S = 120
CONSOLE_HAS_S = 30
WARN_BEFORE_S = 600
# How long the leg of somebody who was just called in may take to be there.
CALLED_IN_S = 10


@dataclass(frozen=True)
class Books:
    """What the database said, read *before* Asterisk was asked: a call that is missing there afterwards is over."""

    open_calls: Sequence[Contact]
    held: Sequence[AgentState]
    known: dict[str, Contact]
    talks: Sequence[Talk]
    parties: Sequence[Party]


def read_books(session: Session, trails: Iterable[str]) -> Books:
    """Read what a sweep needs; `trails` are the Linkedids that the records show."""
    linkedids = sorted(trails)
    known: dict[str, Contact] = {}
    for first in range(0, len(linkedids), 500):
        query = select(Contact).where(col(Contact.linkedid).in_(linkedids[first : first + 500]))
        known |= {row.linkedid: row for row in session.exec(query) if row.linkedid}
    held = session.exec(
        select(AgentState).where(col(AgentState.status).in_([AgentStatus.ON_CALL, AgentStatus.RINGING]))
    )
    talks, parties = session.exec(select(Talk)), session.exec(select(Party))
    books = Books(calls.in_progress(session), list(held), known, list(talks), list(parties))
    session.expunge_all()  # they are looked at after the session has ended
    return books


@dataclass(frozen=True)
class There:
    """The channels that Asterisk has now, from CoreShowChannels.

    `workers` are the calls whose worker is there, `agents` who has a leg of which call, `callers_back` the calls from whose
    agent's leg a worker is called, `parties` the ids of those who were called in, `queues` the calls in a queue.
    """

    uniqueids: frozenset[str]
    workers: frozenset[str]
    agents: frozenset[tuple[int, str]]
    callers_back: frozenset[str] = frozenset()
    parties: frozenset[str] = frozenset()
    queues: frozenset[str] = frozenset()

    @classmethod
    def of(cls, channels: Iterable[Message]) -> "There":
        """Read the rows."""
        rows = [(leg_of(row), row.variables.get(names.CALL, ""), row) for row in channels]
        return cls(
            uniqueids=frozenset(leg.uniqueid for leg, _, _ in rows),
            workers=frozenset(call for leg, call, _ in rows if leg.worker) - {""},
            agents=frozenset((leg.agent_id, call) for leg, call, _ in rows if leg.agent_id is not None),
            callers_back=frozenset(call for leg, call, _ in rows if leg.calls_back) - {""},
            parties=frozenset(leg.party for leg, _, _ in rows) - {""},
            queues=frozenset(call for leg, call, row in rows if leg.worker and row.get("Application") == "Queue"),
        )

    def has(self, contact: Contact) -> bool:
        """Whether this call goes on: the worker is there, or one whom we call was not reached yet."""
        if contact.direction is Direction.OUTBOUND:
            rings = contact.answered_at is None and contact.call in self.callers_back
            return rings or contact.call in self.workers
        if contact.linkedid is not None and contact.linkedid in self.uniqueids:
            return True
        return contact.call in self.workers


@dataclass(frozen=True)
class Found:
    """What a sweep has to write, and the trails it has to see again."""

    changes: list[Change]
    unsettled: list[Trail]


def sweep(
    books: Books,
    there: There,
    trails: dict[str, Trail],
    noted: set[str],
    at: datetime,
    *,
    lines: Mapping[str, str],
    lost_at: datetime | None = None,
    lost_agents: Set[int] = frozenset(),
) -> Found:
    """Compare. `noted` are the Linkedids that wait in the spool for the transcriber; `lost_at` is when Asterisk was last
    heard, if it was silent since: the end of a call whose end nobody recorded. `lost_agents` broke off and are waited for;
    `lines` maps what was dialled to the line's number.
    """
    changes: list[Change] = []
    in_talk = {talk.call for talk in books.talks}
    for contact in books.open_calls:
        if not there.has(contact) and not _about_to_ring(contact, at):
            trail = trails.get(contact.linkedid or "")
            changes += _answer(_call_of(contact), contact, trail)
            ended_at = _end_of(contact, trail, lost_at, at)
            if lost_at is not None and contact.call in in_talk and trail is not None and trail.ended_at is None:
                # Asterisk died in her conversation, and wrote no end: nobody ended it.
                changes.append(Dropped(_call_of(contact), ended_at))
            changes.append(Ended(_call_of(contact), ended_at))
    for state in books.held:
        if (state.agent_id, state.call) not in there.agents and state.agent_id not in lost_agents:
            changes.append(LeftCall(state.agent_id, state.call, at))
    changes += _talks_over(books, there, at, lost_agents)
    unsettled = []
    for linkedid, trail in trails.items():
        line, row = lines.get(trail.line or ""), books.known.get(linkedid)
        if line is None and row is None:
            continue  # not on a line of ours, nor a call that we made
        if row is not None and row.ended_at is not None:
            late = _answer(_call_of(row), row, trail)
            changes += late
            unsettled += [trail] if late else []
        else:
            unsettled.append(trail)
        gone = linkedid not in there.uniqueids
        if line is not None and row is None and gone and linkedid not in noted and _old(trail, at):
            call = Call(linkedid, arrived_at=trail.started_at, line=line)
            changes.append(Arrived(call, at))
            changes += _answer(call, None, trail)
            changes.append(Ended(call, trail.ended_at or trail.last_at or at))
    return Found(changes, unsettled)


def _talks_over(books: Books, there: There, at: datetime, lost_agents: Set[int]) -> list[Change]:
    """Conversations that no agent is in any more, and parties without a leg."""
    changes: list[Change] = []
    has_agent = {call for _, call in there.agents}
    for talk in books.talks:
        if talk.call not in has_agent and talk.agent_id not in lost_agents:
            changes.append(Alone(talk.call, at, waits=talk.call in there.queues))
    for party in books.parties:
        # Supervisors who ring have no word yet: the call for them has the party's id for its own.
        if party.leg not in there.parties | there.uniqueids and (at - party.since).total_seconds() > CALLED_IN_S:
            changes.append(PartyGone(Call(None, party.call), party.leg, at))
    return changes


def noted_in(spool: Path) -> set[str]:
    """The Linkedids of the net's notes that wait in the spool."""
    found = set()
    with contextlib.suppress(OSError):
        for note in spool.glob("*.call"):
            with contextlib.suppress(OSError, UnicodeDecodeError):
                for line in note.read_text().splitlines():
                    with contextlib.suppress(ValueError, AttributeError):
                        found.add(str(json.loads(line).get("linkedid", "")))
    return found


def warn_of_long_talks(books: Books, limit_talking_s: int, at: datetime, warned: set[int]) -> None:
    """Say once in the log that a conversation is ten minutes from its limit."""
    near = timedelta(seconds=limit_talking_s - WARN_BEFORE_S)
    for contact in books.open_calls:
        if contact.id is not None and contact.answered_at and at - contact.answered_at > near:
            if contact.id not in warned:
                log().warning("a conversation will be ended at its limit within ten minutes", contact=contact.id)
            warned.add(contact.id)


def _about_to_ring(contact: Contact, at: datetime) -> bool:
    """Whether this is a call of ours that the console has written down and Asterisk may not have begun yet."""
    young = abs((at - contact.arrived_at).total_seconds()) < CONSOLE_HAS_S
    return contact.direction is Direction.OUTBOUND and contact.linkedid is None and young


def _call_of(contact: Contact) -> Call:
    named = None if contact.call.startswith(calls.UNNAMED) else contact.call
    return Call(contact.linkedid, named, contact.arrived_at, ours=contact.direction is Direction.OUTBOUND)


def _answer(call: Call, contact: Contact | None, trail: Trail | None) -> list[Change]:
    if trail is None or trail.answered is None or (contact is not None and contact.answered_at is not None):
        return []
    agent_id, at = trail.answered
    return [Answered(call, at, agent_id, still=False)]


def _end_of(contact: Contact, trail: Trail | None, lost_at: datetime | None, at: datetime) -> datetime:
    if trail is not None and trail.ended_at is not None:
        return trail.ended_at
    facts: list[datetime] = [moment for fact in Fact if (moment := getattr(contact, fact.value)) is not None]
    signs = [*facts, *([trail.last_at] if trail is not None and trail.last_at else []), lost_at or at]
    return min(max(signs), at)


def _old(trail: Trail, at: datetime) -> bool:
    """Whether the others had their time. A clock that was set back makes an end lie ahead: then they had it too."""
    last = trail.ended_at or trail.last_at or at
    return abs((at - last).total_seconds()) > OTHERS_HAVE_S
