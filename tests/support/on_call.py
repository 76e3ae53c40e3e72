"""Calls in progress, as the switchboard would have written them: the data behind the bar, the card and the desk."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import Session, select

from hotline import scope
from hotline.calls import conversations
from hotline.calls import facts as calls
from hotline.calls.facts import Fact
from hotline.cases import work
from hotline.intake import safety_form
from hotline.keys import Keys
from hotline.staff import states as agents
from models import Agent, AgentStatus, CallbackSafety, Contact, PartyKind, Place
from models.db.types import now
from tests.support import seed
from tests.support.thailand import saw

WRAP_UP_S = 120


@dataclass
class Line:
    """Makes things happen to a call at a moment so many seconds ago."""

    session: Session
    keys: Keys
    number: str | None = "0899990001"

    def _evening(self, ago_s: float) -> seed.Evening:
        return seed.Evening(self.session, self.keys, now() - timedelta(seconds=ago_s), 870000000)

    def waits(self, language: str = "my", ago_s: float = 7) -> Contact:
        """A caller joins a queue."""
        return self._evening(0).call(language, ago_s, number=self.number)

    def rings(self, agent: Agent, language: str = "my", ago_s: float = 7) -> Contact:
        """A caller waits, and this agent's phone rings."""
        contact = self.waits(language, ago_s)
        ready(self.session, agent)
        assert agents.rings(self.session, agent.id, contact.call, now() - timedelta(seconds=min(ago_s, 4)))
        return contact

    def answered(self, agent: Agent, language: str = "my", talked_s: float = 252) -> Contact:
        """This agent talks with a worker since so many seconds."""
        at = now() - timedelta(seconds=talked_s)
        contact = self._evening(talked_s).call(language, 9, number=self.number)
        saw(self.session, self.keys, contact.call, Fact.ANSWERED, at, calls.Seen(handler_id=agent.id))
        ready(self.session, agent)
        self.has(agent, contact, at)
        return contact

    def has(self, agent: Agent, contact: Contact, at: datetime | None = None) -> None:
        """The agent has this call now."""
        moment = at or now()
        agents.on_call(self.session, agent.id, contact.call, moment)
        conversations.begin(self.session, contact.call, agent.id, moment)
        calls.answered(self.session, contact, agent.id, moment, join_within_s=900)

    def over(self, agent: Agent, contact: Contact, wrap_up_s: int = WRAP_UP_S) -> None:
        """Everybody hung up: the call is closed and the agent wraps it up."""
        agents.off_call(self.session, agent.id, now(), wrap_up_s)
        conversations.end(self.session, contact.call)
        calls.close(self.session, contact, now(), join_within_s=900, brief_s=10)

    def with_party(
        self,
        contact: Contact,
        agent: Agent | None,
        *,
        place: Place = Place.ROOM,
        worker: Place = Place.HELD,
        ago_s: float = 12,
    ) -> str:
        """Call a participant in; return that leg."""
        at = now() - timedelta(seconds=ago_s)
        leg = "ab" * 8
        kind = PartyKind.AGENT if agent is not None else PartyKind.OUTSIDE
        conversations.add_party(self.session, contact.call, leg, kind, at, agent_id=agent.id if agent else None)
        conversations.party_at(self.session, leg, place, at)
        conversations.put(self.session, contact.call, worker, at)
        if agent is not None and place is not Place.RINGING:
            agents.on_call(self.session, agent.id, contact.call, at)
        return leg


def ready(session: Session, agent: Agent) -> None:
    """Register the agent's phone and set the agent ready."""
    agents.set_reachable(session, agent.id, True)
    agents.set_status(session, agent.id, AgentStatus.READY, at=now() - timedelta(minutes=14))


def known_caller(line: Line, by: Agent) -> Contact:
    """A telephone that has called before: an open case with all that changes how one answers."""
    contact = line.waits("my", 86_400)
    calls.close(line.session, contact, now() - timedelta(days=1), join_within_s=900, brief_s=10)
    case_id = contact.case_id or 0
    work.summarise(line.session, case_id, "Passport held, gate locked at night", by)
    case = scope.case(line.session, scope.SYSTEM, case_id)
    case.level = "P1"
    line.session.add(case)
    safety_form.set_safety(
        line.session, case_id, by,
        in_danger=True, can_talk=False, near="a foreman", phone_owner="employer",
        callback=CallbackSafety.UNSAFE, cover_phrase="Clinic appointment",
    )  # fmt: skip
    return contact


def person(session: Session, login: str) -> Agent:
    """A member of the cast."""
    return session.exec(select(Agent).where(Agent.login == login)).one()
