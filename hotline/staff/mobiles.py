"""Agents who are rung at home, on their mobiles: whose number is known, and who is on duty there."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlmodel import Session, col, select

from hotline.audit import note_act
from hotline.errors import Invalid, NotFound
from hotline.keys import Keys
from hotline.numbers import BARRED_WORDS, PLUS, Numbering, for_the_eye
from hotline.roster import shifts
from hotline.settings import Settings
from hotline.staff.states import DECLINED, MOBILE_RESTS
from models import Agent, AgentState, AgentStatus

_MOMENT = timedelta(microseconds=1)


def set_mobile(
    session: Session,
    keys: Keys,
    agent_id: int,
    number: str | None,
    *,
    by_id: int | None,
    numbering: Numbering,
) -> Agent:
    """Keep the number on which a person is rung at home, sealed; None or an empty one forgets it. Audited.

    Raises `NotFound`, and `Invalid` for what is no valid number or may not be dialled.
    """
    agent = session.get(Agent, agent_id)
    if agent is None:
        raise NotFound("There is no such person.")
    if number is None or not number.strip():
        if agent.mobile_sealed is not None:
            agent.mobile_sealed = None
            session.add(agent)
            session.flush()
            note_act(session, "mobile_removed", f"agent:{agent_id}", by_id=by_id)
        return agent
    spelling = numbering.typed(number)
    if spelling is None or not spelling.startswith(PLUS):
        raise Invalid(mobile="This is no telephone number. Give it with its country, such as +66 81 234 5678.")
    if (barred := numbering.barred(spelling)) is not None:
        raise Invalid(mobile=BARRED_WORDS[barred])
    agent.mobile_sealed = keys.seal(spelling.encode())
    session.add(agent)
    session.flush()
    note_act(session, "mobile_set", f"agent:{agent_id}", by_id=by_id)
    return agent


def numbers(session: Session, keys: Keys, agent_ids: Iterable[int], numbering: Numbering) -> dict[int, str]:
    """The mobiles of these active agents in E.164, for the telephone alone.

    Agents without one, and those whose number may not be dialled, are left out.
    """
    query = select(Agent).where(col(Agent.id).in_(list(agent_ids)), col(Agent.active))
    found = {a.id: keys.open(a.mobile_sealed).decode() for a in session.exec(query) if a.mobile_sealed is not None}
    return {agent_id: number for agent_id, number in found.items() if numbering.barred(number) is None}


def with_mobile(session: Session) -> list[int]:
    """The active agents whose mobile is known."""
    query = select(Agent.id).where(col(Agent.active), col(Agent.mobile_sealed).is_not(None)).order_by(col(Agent.id))
    return [agent_id for agent_id in session.exec(query) if agent_id is not None]


def show(keys: Keys, agent: Agent) -> str | None:
    """Return a person's mobile as people read it, for them and for whoever manages people; None when it is not known."""
    return for_the_eye(keys.open(agent.mobile_sealed).decode()) if agent.mobile_sealed is not None else None


def on_duty(session: Session, at: datetime, settings: Settings) -> list[int]:
    """Agents who are rung at home at this moment: on an at-home shift, with a mobile, and not away by their own choice.

    Offline is no choice: at home nobody has to sign in. A break, Not ready and a declined ring are: they still the mobile.
    A ring that was missed and a page that fell silent are not: then the mobile is what is left. One that nobody took
    twice in a row rests for a while. Without a trunk there is nobody: no mobile can be dialled.
    """
    if not settings.trunk_host:
        return []
    at_home = {span.agent_id for span in shifts.spans(session, at, at + _MOMENT, settings.zone) if span.at_home}
    if not at_home:
        return []
    away = {
        state.agent_id
        for state in session.exec(select(AgentState).where(col(AgentState.agent_id).in_(at_home)))
        if _away(state) or _rests(state, at)
    }
    return [agent_id for agent_id in with_mobile(session) if agent_id in at_home - away]


def resting(session: Session, at: datetime) -> dict[int, datetime]:
    """Agents whose mobile is left alone now, each with until when."""
    states = session.exec(select(AgentState).where(col(AgentState.reason) == MOBILE_RESTS))
    return {s.agent_id: s.until for s in states if s.until is not None and at < s.until}


def _rests(state: AgentState, at: datetime) -> bool:
    return state.reason == MOBILE_RESTS and state.until is not None and at < state.until


def _away(state: AgentState) -> bool:
    if state.status is AgentStatus.BREAK:
        return True
    return state.status is AgentStatus.NOT_READY and state.reason in {None, DECLINED}
