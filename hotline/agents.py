"""What agents are doing now. Every change is a row, and is kept."""

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from hotline.errors import Refused
from models import Agent, AgentState, AgentStateChange, AgentStatus, Proficiency, Speaks
from models.types import now

MISSED = "missed_ring"


def state_of(session: Session, agent_id: int) -> AgentState:
    """An agent's state row, made when there is none."""
    state = session.get(AgentState, agent_id)
    if state is None:
        state = AgentState(agent_id=agent_id)
        session.add(state)
        session.flush()
    return state


def set_status(
    session: Session, agent_id: int, status: AgentStatus, reason: str | None = None, at: datetime | None = None
) -> AgentState:
    """Change what an agent does now, and keep the change. The same status again changes nothing."""
    state = state_of(session, agent_id)
    if (state.status, state.reason) == (status, reason):
        return state
    moment = at or now()
    state.status, state.reason, state.since = status, reason, moment
    if status is not AgentStatus.ON_CALL:
        state.call = None
    session.add(state)
    session.add(AgentStateChange(agent_id=agent_id, at=moment, status=status, reason=reason))
    session.flush()
    return state


def choose_status(session: Session, agent: Agent, ready: bool) -> AgentState:
    """The agent's own Ready button. During a call it is refused: the call decides."""
    state = state_of(session, agent.id or 0)
    if state.status is AgentStatus.ON_CALL:
        raise Refused("You are on a call. Your state changes when it ends.")
    return set_status(session, agent.id or 0, AgentStatus.READY if ready else AgentStatus.NOT_READY)


def on_call(session: Session, agent_id: int, call: str, at: datetime) -> AgentState:
    """The agent has this call now."""
    state = set_status(session, agent_id, AgentStatus.ON_CALL, at=at)
    state.call = call
    session.add(state)
    session.flush()
    return state


def off_call(session: Session, agent_id: int, at: datetime) -> AgentState:
    """The agent's call ended: she is what she was before it, unless she is not on a call any more.

    An agent who pressed Not ready while her phone rang, and answered, does not get another call.
    """
    state = state_of(session, agent_id)
    if state.status is not AgentStatus.ON_CALL:
        return state
    before = session.exec(
        select(AgentStateChange)
        .where(col(AgentStateChange.agent_id) == agent_id, col(AgentStateChange.status) != AgentStatus.ON_CALL)
        .order_by(col(AgentStateChange.id).desc())
        .limit(1)
    ).first()
    if before is not None and before.status is not AgentStatus.READY:
        return set_status(session, agent_id, before.status, before.reason, at=at)
    return set_status(session, agent_id, AgentStatus.READY, at=at)


def set_reachable(session: Session, agent_id: int, reachable: bool) -> bool:
    """Keep whether her phone is registered; only the switchboard says so. True when it changed."""
    state = state_of(session, agent_id)
    if state.reachable == reachable:
        return False
    state.reachable = reachable
    session.add(state)
    session.flush()
    return True


@dataclass(frozen=True)
class Speaker:
    """An agent who speaks a language, and what she does now."""

    agent_id: int
    language: str
    proficiency: Proficiency
    status: AgentStatus
    reachable: bool

    @property
    def backup(self) -> bool:
        """Basic speakers are rung only when a caller has waited."""
        return self.proficiency is Proficiency.BASIC


def speakers(session: Session, language: str | None = None) -> list[Speaker]:
    """All active agents by language, or those of one language."""
    query = (
        select(Speaks, AgentState)
        .join(Agent, col(Agent.id) == col(Speaks.agent_id))
        .join(AgentState, col(AgentState.agent_id) == col(Speaks.agent_id), isouter=True)
        .where(col(Agent.active))
        .order_by(col(Speaks.language), col(Speaks.agent_id))
    )
    if language is not None:
        query = query.where(col(Speaks.language) == language)
    return [
        Speaker(
            speaks.agent_id,
            speaks.language,
            speaks.proficiency,
            state.status if state else AgentStatus.OFFLINE,
            bool(state and state.reachable),
        )
        for speaks, state in session.exec(query)
    ]
