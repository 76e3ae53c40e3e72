"""Conversations in progress: who leads, who was called in, and where everybody is. Each change is idempotent.

The console writes what it had done, the switchboard what it saw happen; so either may be first.
"""

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from hotline import scope
from hotline.audit import note_act
from hotline.cases import timeline
from hotline.errors import NotFound, Refused
from models import Agent, Case, Contact, Conversation, EventKind, Party, PartyKind, Place


@dataclass(frozen=True)
class TalkNow:
    """A conversation as it is at this moment."""

    talk: Conversation
    contact: Contact
    parties: list[Party] = field(default_factory=list)

    @property
    def worker_held(self) -> bool:
        """Whether the worker hears music."""
        return self.talk.place is Place.HELD

    @property
    def party(self) -> Party | None:
        """The one who was called in last and is not the emergency's supervisor; consulting is with them."""
        asked = [p for p in self.parties if p.kind is not PartyKind.SUPERVISOR]
        return asked[-1] if asked else None


def begin(session: Session, call: str, agent_id: int, at: datetime) -> Conversation:
    """An agent and a worker talk. Another agent than before leads from now on: see `hand_to`."""
    talk = session.get(Conversation, call)
    if talk is None:
        talk = Conversation(call=call, agent_id=agent_id, since=at)
        session.add(talk)
        session.flush()
    elif talk.agent_id != agent_id:
        hand_to(session, call, agent_id, at)
    return talk


def of_agent(session: Session, agent_id: int) -> TalkNow | None:
    """Return the conversation that this agent leads or was called into; None when they are in none."""
    talk = session.exec(
        select(Conversation).where(col(Conversation.agent_id) == agent_id).order_by(col(Conversation.since).desc())
    ).first()
    if talk is None:
        part = session.exec(
            select(Party)
            .where(col(Party.agent_id) == agent_id, col(Party.place) != Place.RINGING)
            .order_by(col(Party.since).desc())
        ).first()
        talk = session.get(Conversation, part.call) if part is not None else None
    return of_call(session, talk.call) if talk is not None else None


def of_call(session: Session, call: str) -> TalkNow | None:
    """The conversation of a call; None when nobody has it."""
    talk = session.get(Conversation, call)
    contact = session.exec(select(Contact).where(col(Contact.call) == call)).first()
    if talk is None or contact is None:
        return None
    parties = session.exec(select(Party).where(col(Party.call) == call).order_by(col(Party.since), col(Party.leg)))
    return TalkNow(talk, contact, list(parties))


def led_by(session: Session, call: str, agent: Agent) -> TalkNow:
    """The conversation, for whoever leads it. Raises `NotFound` when it is over, `Refused` for everybody else."""
    talk_now = of_call(session, call)
    if talk_now is None:
        raise NotFound("This call is over.")
    if talk_now.talk.agent_id != agent.id:
        raise Refused("Somebody else has this call now.")
    return talk_now


def put(session: Session, call: str, place: Place, at: datetime) -> None:
    """Where the worker is: with the agent, or held."""
    talk = session.get(Conversation, call)
    if talk is not None and talk.place is not place:
        talk.place, talk.held_since = place, at if place is Place.HELD else None
        session.add(talk)
        session.flush()


def add_party(
    session: Session,
    call: str,
    leg: str,
    kind: PartyKind,
    at: datetime,
    *,
    agent_id: int | None = None,
    entry_id: int | None = None,
    by: Agent | None = None,
) -> Party:
    """Keep that somebody is called into a conversation; told on the case. `leg` is the FREELINE_LEG of their channel."""
    party = session.get(Party, leg)
    if party is not None:
        return _known(session, party, entry_id)
    try:
        with session.begin_nested():
            party = Party(leg=leg, call=call, kind=kind, agent_id=agent_id, entry_id=entry_id, since=at)
            session.add(party)
            session.flush()
    except IntegrityError:
        # The other process has written the party in this very moment, and told the case.
        party = session.get(Party, leg)
        if party is None:
            raise
        return _known(session, party, entry_id)
    case = _case_of(session, call)
    if case is not None:
        timeline.tell(session, case, EventKind.CALLED_IN, at, by, who=kind, agent=agent_id, entry=entry_id)
    return party


def _known(session: Session, party: Party, entry_id: int | None) -> Party:
    """Fill in a party who is there already. The switchboard, which may write it first, cannot know the directory's entry."""
    if party.entry_id is None and entry_id is not None:
        party.entry_id = entry_id
        session.add(party)
        session.flush()
    return party


def party_at(session: Session, leg: str, place: Place, at: datetime, agent_id: int | None = None) -> Party | None:
    """Where a party is. `agent_id` says which of several supervisors answered. None when there is no such party."""
    party = session.get(Party, leg)
    if party is None:
        return None
    if party.place is Place.RINGING and place is not Place.RINGING:
        party.since = at
    party.place, party.agent_id = place, agent_id or party.agent_id
    session.add(party)
    session.flush()
    return party


def party_gone(session: Session, leg: str) -> Party | None:
    """A party hung up, did not answer or was sent away. The row as it was; None when it is gone already."""
    party = session.get(Party, leg)
    if party is not None:
        session.delete(party)
        session.flush()
    return party


def hand_to(session: Session, call: str, agent_id: int, at: datetime) -> None:
    """Let another agent lead from now on. The case follows them unless somebody else had it; they are no party any more.

    A supervisor who takes the call for which they were asked ends the emergency: it would ask for ever.
    """
    talk = session.get(Conversation, call)
    if talk is None or talk.agent_id == agent_id:
        return
    before, talk.agent_id = talk.agent_id, agent_id
    theirs = select(Party).where(col(Party.call) == call, col(Party.agent_id) == agent_id)
    for party in session.exec(theirs).all():
        if party.kind is PartyKind.SUPERVISOR:
            talk.emergency_at = None
        session.delete(party)
    session.add(talk)
    case = _case_of(session, call)
    if case is not None:
        if case.owner_id in {None, before}:
            case.owner_id, case.claimed_at = agent_id, at
            session.add(case)
        contact = session.exec(select(Contact.id).where(col(Contact.call) == call)).first()
        by = session.get(Agent, before)
        timeline.tell(session, case, EventKind.TRANSFERRED, at, by, to=agent_id, contact=contact)
    session.flush()


def emergency(session: Session, call: str, by: Agent, at: datetime) -> None:
    """An agent asks for a supervisor at once. Audited, and told on the case."""
    talk = session.get(Conversation, call)
    if talk is None:
        raise NotFound("This call is over.")
    talk.emergency_at = talk.emergency_at or at
    session.add(talk)
    case = _case_of(session, call)
    if case is not None:
        timeline.tell(session, case, EventKind.EMERGENCY, at, by)
        note_act(session, "emergency", f"case:{case.id}", by_id=by.id)
    session.flush()


def emergencies(session: Session) -> list[TalkNow]:
    """The conversations in which a supervisor was asked for, newest first."""
    asked = session.exec(
        select(Conversation.call)
        .where(col(Conversation.emergency_at).is_not(None))
        .order_by(col(Conversation.since).desc())
    )
    return [found for call in asked.all() if (found := of_call(session, call)) is not None]


def end(session: Session, call: str) -> bool:
    """The conversation is over, for everybody in it. False when it was already."""
    talk = session.get(Conversation, call)
    session.execute(delete(Party).where(col(Party.call) == call))
    if talk is None:
        return False
    session.delete(talk)
    session.flush()
    return True


def _case_of(session: Session, call: str) -> Case | None:
    contact = session.exec(select(Contact).where(col(Contact.call) == call)).first()
    return scope.find(session, scope.SYSTEM, contact.case_id) if contact is not None else None
