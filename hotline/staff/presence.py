"""Presence: every agent with what they do, and who could be rung for a language or in an emergency."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from hotline.permissions import Permission, may
from hotline.staff.states import IN_A_CALL, WITH_A_CALL
from models import Agent, AgentLanguage, AgentState, AgentStatus, Contact, Proficiency, Role

# How a floor is read: who can be rung first, who is away last.
ORDER = [
    AgentStatus.READY,
    AgentStatus.RINGING,
    AgentStatus.ON_CALL,
    AgentStatus.WRAP_UP,
    AgentStatus.NOT_READY,
    AgentStatus.BREAK,
    AgentStatus.OFFLINE,
]


@dataclass(frozen=True)
class Person:
    """An agent and what they do now. `talks` is the language of the call they are in; `languages` those they speak."""

    agent_id: int
    name: str
    role: Role
    status: AgentStatus
    reason: str | None
    since: datetime | None
    until: datetime | None
    reachable: bool
    languages: tuple[str, ...]
    talks: str | None

    @property
    def rung(self) -> bool:
        """Whether the queue would ring them."""
        return self.reachable and self.status is AgentStatus.READY

    @property
    def askable(self) -> bool:
        """Whether a colleague may call them in: their phone is there and they are in no call."""
        return self.reachable and self.status not in WITH_A_CALL


@dataclass(frozen=True)
class Ready:
    """How many could be rung for a language now; `backups` are basic speakers."""

    language: str
    ready: int
    backups: int


def people(session: Session) -> list[Person]:
    """Everybody who answers calls, those who can be rung first, then by name."""
    spoken: dict[int, list[str]] = defaultdict(list)
    for row in session.exec(select(AgentLanguage).order_by(col(AgentLanguage.language))):
        spoken[row.agent_id].append(row.language)
    states = {state.agent_id: state for state in session.exec(select(AgentState))}
    talked = {s.call for s in states.values() if s.call is not None}
    languages = dict(session.exec(select(Contact.call, Contact.language).where(col(Contact.call).in_(talked))).all())
    found = [
        _person(agent, states.get(agent.id), tuple(spoken[agent.id]), languages)
        for agent in session.exec(select(Agent).where(col(Agent.active)).order_by(col(Agent.name)))
        if may(agent, Permission.USE_PHONE)
    ]
    return sorted(found, key=lambda p: (not p.rung, ORDER.index(p.status)))


def _person(
    agent: Agent, state: AgentState | None, spoken: tuple[str, ...], languages: dict[str, str | None]
) -> Person:
    return Person(
        agent_id=agent.id,
        name=agent.name,
        role=agent.role,
        status=state.status if state else AgentStatus.OFFLINE,
        reason=state.reason if state else None,
        since=state.since if state else None,
        until=state.until if state else None,
        reachable=bool(state and state.reachable),
        languages=spoken,
        talks=languages.get(state.call) if state and state.call else None,
    )


def ready_by_language(session: Session, codes: list[str], but: int) -> list[Ready]:
    """How many could be rung for each of these languages, without one agent who asks."""
    there = {p.agent_id for p in people(session) if p.rung and p.agent_id != but}
    ready: dict[str, int] = defaultdict(int)
    backups: dict[str, int] = defaultdict(int)
    for row in session.exec(select(AgentLanguage)):
        if row.agent_id in there:
            (backups if row.proficiency is Proficiency.BASIC else ready)[row.language] += 1
    return [Ready(code, ready[code], backups[code]) for code in codes]


def helpers(session: Session, but: int) -> list[int]:
    """Supervisors who can be rung in an emergency: their phone is there and no call has them, whatever else they do."""
    found = [p for p in people(session) if p.agent_id != but and p.reachable and p.status not in IN_A_CALL]
    allowed = {
        agent.id
        for agent in session.exec(select(Agent).where(col(Agent.active)))
        if may(agent, Permission.EMERGENCY_HELP)
    }
    return [p.agent_id for p in found if p.agent_id in allowed]
