"""Finds what no event told: calls whose channel is gone, calls nobody wrote down, agents held by a call that is over."""

import contextlib
import json
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlmodel import Session, col, select

from hotline.calls import facts as calls
from hotline.calls.facts import NEAR, Fact
from hotline.log import log
from models import AgentState, AgentStatus, Contact, Conversation, Direction, Party
from telephony import names
from telephony.clients.ami import AmiMessage
from telephony.clients.cel import UUID, Trail
from telephony.switchboard.call_state import leg_of
from telephony.switchboard.changes.calls import (
    AgentsGone,
    Answered,
    Arrived,
    CallRef,
    Change,
    Dropped,
    Ended,
    Failed,
    LeftCall,
    PartyGone,
)

# How long ivr and the transcriber have to write a call before its records alone make the row.
OTHERS_HAVE_S = 120
CONSOLE_HAS_S = 30
WARN_BEFORE_S = 600
# How long the leg of somebody who was just called in may take to be there.
CALLED_IN_S = 10


@dataclass(frozen=True)
class DatabaseSnapshot:
    """The database as it was, read *before* Asterisk was asked: a call that is missing there afterwards is over."""

    open_calls: Sequence[Contact]
    held: Sequence[AgentState]
    known: dict[str, Contact]  # by linkedid
    talks: Sequence[Conversation]
    parties: Sequence[Party]
    unmet: Sequence[Contact] = ()  # calls that came in, and whose Linkedid nobody knows


def read_books(session: Session, trails: Mapping[str, Trail]) -> DatabaseSnapshot:
    """Read what a sweep needs; `trails` are what the records show, by Linkedid."""
    linkedids = sorted(trails)
    by_name = {trail.call: linkedid for linkedid, trail in trails.items() if trail.call is not None}
    known: dict[str, Contact] = {}
    for first in range(0, len(linkedids), 500):
        some = linkedids[first : first + 500]
        named = [trail.call for linkedid in some if (trail := trails[linkedid]).call is not None]
        query = select(Contact).where(col(Contact.linkedid).in_(some) | col(Contact.call).in_(named))
        # A row that was made from the spool alone has no Linkedid: it is the call that the record names.
        known |= {row.linkedid or by_name[row.call]: row for row in session.exec(query)}
    unmet: list[Contact] = []
    if starts := [trail.started_at for trail in trails.values() if trail.call is None and trail.started_at]:
        query = select(Contact).where(
            col(Contact.linkedid).is_(None),
            col(Contact.direction) == Direction.INBOUND,
            col(Contact.arrived_at) >= min(starts) - NEAR,
        )
        unmet = [row for row in session.exec(query.order_by(col(Contact.arrived_at))) if row not in known.values()]
    held = session.exec(
        select(AgentState).where(col(AgentState.status).in_([AgentStatus.ON_CALL, AgentStatus.RINGING]))
    )
    talks, parties = session.exec(select(Conversation)), session.exec(select(Party))
    books = DatabaseSnapshot(calls.in_progress(session), list(held), known, list(talks), list(parties), unmet)
    session.expunge_all()  # they are looked at after the session has ended
    return books


@dataclass(frozen=True)
class AsteriskSnapshot:
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
    def of(cls, channels: Iterable[AmiMessage]) -> "AsteriskSnapshot":
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
class Reconciliation:
    """The changes that a sweep has to write, and the trails it has to see again."""

    changes: list[Change]
    unsettled: list[Trail]


def sweep(
    books: DatabaseSnapshot,
    there: AsteriskSnapshot,
    trails: dict[str, Trail],
    noted: set[str],
    at: datetime,
    *,
    lines: Mapping[str, str],
    unmet: Sequence[datetime] = (),
    lost_at: datetime | None = None,
    lost_agents: Set[int] = frozenset(),
) -> Reconciliation:
    """Compare what was written with what is there. `at` and `lost_at` have a time zone.

    `noted` are the Linkedids and call ids that wait in the spool for the transcriber; `lost_at` is when Asterisk was last
    heard, if it was silent since: the end of a call whose end nobody recorded. `lost_agents` broke off and are waited for;
    `lines` maps what was dialled to the line's number. `unmet` is when what lies in the spool without a Linkedid was
    written: one of these and a record without an id, at the same time, are one call.
    """
    changes = [
        *_calls_over(books, there, trails, at, lost_at),
        *_agents_left(books, there, at, lost_agents),
        *_talks_over(books, there, at, lost_agents),
    ]
    unsettled = []
    waiting, rows = list(unmet), list(books.unmet)
    for linkedid, trail in trails.items():
        line, row = lines.get(trail.line or ""), books.known.get(linkedid)
        if line is None and row is None:
            continue  # not on a line of ours, nor a call that we made
        late = _told_late(row, trail)
        changes += late
        if late or row is None or row.ended_at is None:
            unsettled.append(trail)
        # Asked for every record: what lies in the spool is taken for the first call that it fits.
        in_spool = _in_spool(linkedid, trail, noted, waiting, at)
        gone = linkedid not in there.uniqueids
        if line is not None and row is None and gone and not in_spool and _old(trail, at):
            name = trail.call or _take_row_near(trail, rows, at)
            changes += _from_records(CallRef(linkedid, name, arrived_at=trail.started_at, line=line), trail, at)
    return Reconciliation(changes, unsettled)


def _calls_over(
    books: DatabaseSnapshot,
    there: AsteriskSnapshot,
    trails: Mapping[str, Trail],
    at: datetime,
    lost_at: datetime | None,
) -> list[Change]:
    """End the open calls whose channel is gone."""
    changes: list[Change] = []
    in_talk = {talk.call for talk in books.talks}
    for contact in books.open_calls:
        if there.has(contact) or _about_to_ring(contact, at):
            continue
        trail = _trail_of(contact, books, trails)
        changes += _answer(_call_of(contact), contact, trail)
        ended_at = _end_of(contact, trail, lost_at, at)
        if lost_at is not None and contact.call in in_talk and trail is not None and trail.ended_at is None:
            # Asterisk died in the conversation, and wrote no end: nobody ended it.
            changes.append(Dropped(_call_of(contact), ended_at))
        changes.append(Ended(_call_of(contact), ended_at))
    return changes


def _agents_left(books: DatabaseSnapshot, there: AsteriskSnapshot, at: datetime, lost_agents: Set[int]) -> list[Change]:
    """Free the agents whose leg is gone, but not those who are waited for."""
    return [
        LeftCall(state.agent_id, state.call, at)
        for state in books.held
        if (state.agent_id, state.call) not in there.agents and state.agent_id not in lost_agents
    ]


def _told_late(row: Contact | None, trail: Trail) -> list[Change]:
    """Return what the records of a call that has ended show and its row lacks."""
    if row is None or row.ended_at is None:
        return []
    return [*_answer(_call_of(row), row, trail), *_failed(_call_of(row), row, trail)]


def _in_spool(linkedid: str, trail: Trail, noted: Set[str], waiting: list[datetime], at: datetime) -> bool:
    """Whether the spool still holds this call. Something without a Linkedid, of its time, is taken for this call alone."""
    named = linkedid in noted or trail.call in noted
    return named or (trail.call is None and _take_near(trail, waiting, at))


def _from_records(call: CallRef, trail: Trail, at: datetime) -> list[Change]:
    """Make the row of a call that nobody wrote down, from its records alone."""
    ended = Ended(call, trail.ended_at or trail.last_at or at)
    return [Arrived(call, at), *_answer(call, None, trail), *_failed(call, None, trail), ended]


def _trail_of(contact: Contact, books: DatabaseSnapshot, trails: Mapping[str, Trail]) -> Trail | None:
    linkedid = contact.linkedid or next((key for key, row in books.known.items() if row.id == contact.id), "")
    return trails.get(linkedid)


def _during(trail: Trail, moment: datetime, at: datetime) -> bool:
    """Whether something was written while this call lasted."""
    first, last = trail.started_at or at, trail.ended_at or trail.last_at or at
    return first - NEAR <= moment <= last + NEAR


def _take_near(trail: Trail, waiting: list[datetime], at: datetime) -> bool:
    """Whether one of these was written during the call; it is taken for this one's, and for no other's."""
    found = next((moment for moment in waiting if _during(trail, moment, at)), None)
    if found is not None:
        waiting.remove(found)
    return found is not None


def _take_row_near(trail: Trail, rows: list[Contact], at: datetime) -> str | None:
    """The id of a call whose Linkedid nobody knew and which came in during this one: they are one."""
    found = next((row for row in rows if _during(trail, row.arrived_at, at)), None)
    if found is None:
        return None
    rows.remove(found)
    return found.call


def _talks_over(books: DatabaseSnapshot, there: AsteriskSnapshot, at: datetime, lost_agents: Set[int]) -> list[Change]:
    """Conversations that no agent is in any more, and parties without a leg."""
    changes: list[Change] = []
    has_agent = {call for _, call in there.agents}
    for talk in books.talks:
        if talk.call not in has_agent and talk.agent_id not in lost_agents:
            changes.append(AgentsGone(talk.call, at, waits=talk.call in there.queues))
    for party in books.parties:
        # Supervisors who ring have no word yet: the call for them has the party's id for its own.
        if party.leg not in there.parties | there.uniqueids and (at - party.since).total_seconds() > CALLED_IN_S:
            changes.append(PartyGone(CallRef(None, party.call), party.leg, at))
    return changes


@dataclass(frozen=True)
class InSpool:
    """All that waits in the spool: the Linkedids and ids of calls with a note, and when what tells none was written."""

    noted: set[str]
    unmet: list[datetime]


def look_in(spool: Path) -> InSpool:
    """Return what Asterisk and the net left there."""
    told: dict[str, str] = {}
    written: dict[str, datetime] = {}
    with contextlib.suppress(OSError):
        for path in spool.iterdir():
            if path.suffix not in {".call", ".sln"} or not UUID.fullmatch(path.stem):
                continue
            with contextlib.suppress(OSError):
                written[path.stem] = datetime.fromtimestamp(path.stat().st_mtime, UTC)
                if path.suffix == ".call":
                    told[path.stem] = _linkedid_in(path.read_bytes())
    linkedids = {linkedid for linkedid in told.values() if linkedid}
    unmet = [at for call, at in written.items() if not told.get(call)]
    return InSpool(linkedids | told.keys(), sorted(unmet))


def _linkedid_in(note: bytes) -> str:
    for line in note.splitlines():
        with contextlib.suppress(ValueError, AttributeError):
            if linkedid := str(json.loads(line).get("linkedid", "")):
                return linkedid
    return ""


def warn_of_long_talks(books: DatabaseSnapshot, limit_talking_s: int, at: datetime, warned: set[int]) -> None:
    """Say once in the log that a conversation is ten minutes from its limit."""
    near = timedelta(seconds=limit_talking_s - WARN_BEFORE_S)
    for contact in books.open_calls:
        if contact.answered_at and at - contact.answered_at > near:
            if contact.id not in warned:
                log().warning("a conversation will be ended at its limit within ten minutes", contact=contact.id)
            warned.add(contact.id)


def _about_to_ring(contact: Contact, at: datetime) -> bool:
    """Whether this is a call of ours that the console has written down and Asterisk may not have begun yet."""
    young = abs((at - contact.arrived_at).total_seconds()) < CONSOLE_HAS_S
    return contact.direction is Direction.OUTBOUND and contact.linkedid is None and young


def _call_of(contact: Contact) -> CallRef:
    named = None if contact.call.startswith(calls.UNNAMED) else contact.call
    return CallRef(contact.linkedid, named, contact.arrived_at, ours=contact.direction is Direction.OUTBOUND)


def _answer(call: CallRef, contact: Contact | None, trail: Trail | None) -> list[Change]:
    if trail is None or trail.answered is None or (contact is not None and contact.answered_at is not None):
        return []
    agent_id, at = trail.answered
    return [Answered(call, at, agent_id, still=False)]


def _failed(call: CallRef, contact: Contact | None, trail: Trail) -> list[Change]:
    if trail.failed_at is None or (contact is not None and contact.failed_at is not None):
        return []
    return [Failed(call, trail.failed_at)]


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
