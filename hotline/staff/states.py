"""States of agents: what they are doing now. Every change is a row, and is kept."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import Session, col, or_, select

from hotline.errors import Invalid, Refused
from models import Agent, AgentLanguage, AgentState, AgentStateChange, AgentStatus, Proficiency
from models.db.types import now

# Why an agent is not ready, when it was not their own choice.
MISSED = "missed_ring"
DECLINED = "declined"
PAGE_LOST = "page_lost"  # the agent's page was silent
PAGE_BACK = "page_back"  # and speaks again: the agent is told, and chooses Ready
MOBILE_MISSED = "mobile_missed"  # the mobile rang at home, and nobody took it there
MOBILE_RESTS = "mobile_rests"  # and again: it is left alone until `until`

LINE_BROKE = "line_broke"  # why an agent wraps up a call that goes on with others: the line was lost, nobody hung up

# Why an agent takes a break, and how long one usually lasts. Past it nothing happens but that it shows.
BREAKS = {
    "short": timedelta(minutes=15),
    "meal": timedelta(minutes=60),
    "after_a_hard_call": timedelta(minutes=20),
    "meeting": timedelta(minutes=60),
    "training": timedelta(hours=2),
}

CLOCK_SET_BACK = timedelta(minutes=1)

# A call has the agent: their state does not change by a button.
IN_A_CALL = {AgentStatus.RINGING, AgentStatus.ON_CALL}
WITH_A_CALL = IN_A_CALL | {AgentStatus.WRAP_UP}


def state_of(session: Session, agent_id: int) -> AgentState:
    """An agent's state row, made when there is none."""
    state = session.get(AgentState, agent_id)
    if state is None:
        state = AgentState(agent_id=agent_id)
        session.add(state)
        session.flush()
    return state


def _held(session: Session, agent_id: int) -> AgentState:
    """The same, read again and kept from others until we commit: a button and the switchboard may write at once."""
    state = state_of(session, agent_id)
    session.flush()
    session.refresh(state, with_for_update={"key_share": True})
    return state


def set_status(
    session: Session,
    agent_id: int,
    status: AgentStatus,
    reason: str | None = None,
    at: datetime | None = None,
    *,
    call: str | None = None,
    until: datetime | None = None,
) -> AgentState:
    """Change what an agent does now, and keep the change. The same status and reason again change nothing.

    `call` and `until` are kept only with a status that has one; see `AgentState`.
    """
    state = _held(session, agent_id)
    if (state.status, state.reason) == (status, reason) and (status not in WITH_A_CALL or state.call == call):
        return state
    moment = at or now()
    state.status, state.reason, state.since, state.until = status, reason, moment, until
    state.call = call if status in WITH_A_CALL else None
    session.add(state)
    session.add(AgentStateChange(agent_id=agent_id, at=moment, status=status, reason=reason))
    session.flush()
    return state


def choose_status(session: Session, agent: Agent, ready: bool) -> AgentState:
    """The agent's own Ready button. During a call, and while it is wrapped up, it is refused: the call comes first."""
    _free_to_choose(session, agent)
    return set_status(session, agent.id, AgentStatus.READY if ready else AgentStatus.NOT_READY)


def take_break(session: Session, agent: Agent, reason: str, at: datetime | None = None) -> AgentState:
    """A break with its reason, one of `BREAKS`. Refused during a call. Raises `Invalid`."""
    if reason not in BREAKS:
        raise Invalid(reason="Choose what kind of break it is.")
    _free_to_choose(session, agent)
    moment = at or now()
    return set_status(session, agent.id, AgentStatus.BREAK, reason, moment, until=moment + BREAKS[reason])


def go_off_duty(session: Session, agent: Agent) -> AgentState:
    """End an agent's shift. Raises `Refused` during a call."""
    _free_to_choose(session, agent)
    return set_status(session, agent.id, AgentStatus.OFFLINE)


def _free_to_choose(session: Session, agent: Agent) -> None:
    status = _held(session, agent.id).status
    if status in IN_A_CALL:
        raise Refused("You are on a call. Your state changes when it ends.")
    if status is AgentStatus.WRAP_UP:
        raise Refused("Say first what the call was; then choose.")


def rings(session: Session, agent_id: int, call: str, at: datetime) -> bool:
    """Keep that a phone rings with this call. Only a ready agent changes; one asked in a call keeps their state."""
    if _held(session, agent_id).status is not AgentStatus.READY:
        return False
    set_status(session, agent_id, AgentStatus.RINGING, at=at, call=call)
    return True


def stopped_ringing(session: Session, agent_id: int, call: str | None, at: datetime) -> bool:
    """Make an agent ready again whose ring ended by no doing of theirs. A ring of another call is left alone."""
    state = _held(session, agent_id)
    if state.status is not AgentStatus.RINGING or (call is not None and state.call not in {None, call}):
        return False
    set_status(session, agent_id, AgentStatus.READY, at=at)
    return True


def missed(session: Session, agent_id: int, at: datetime, reason: str = MISSED) -> bool:
    """Make an agent who did not take a ring not ready, and say why. Whoever was not rung as ready is left alone."""
    if _held(session, agent_id).status not in {AgentStatus.READY, AgentStatus.RINGING}:
        return False
    set_status(session, agent_id, AgentStatus.NOT_READY, reason, at)
    return True


def mobile_missed(session: Session, agent_id: int, at: datetime, rests_s: int) -> bool:
    """Keep that a mobile rang for the queue and nobody took it; after two in a row it rests for so many seconds."""
    state = _held(session, agent_id)
    if state.status in {AgentStatus.READY, AgentStatus.RINGING}:
        status = AgentStatus.NOT_READY
    elif state.status in {AgentStatus.OFFLINE, AgentStatus.NOT_READY}:
        status = state.status
    else:
        return False
    # The agent's own word stills the mobile anyway, and is not overwritten by a ring that was under way.
    if status is AgentStatus.NOT_READY and state.status is status and state.reason in {None, DECLINED}:
        return False
    if state.reason == MOBILE_RESTS and state.until is not None and at < state.until:
        return False
    rests = state.reason in {MOBILE_MISSED, MOBILE_RESTS}
    until = at + timedelta(seconds=rests_s) if rests else None
    state.reason = None if rests else state.reason
    set_status(session, agent_id, status, MOBILE_RESTS if rests else MOBILE_MISSED, at, until=until)
    return True


def on_call(session: Session, agent_id: int, call: str, at: datetime) -> AgentState:
    """The agent has this call now."""
    return set_status(session, agent_id, AgentStatus.ON_CALL, at=at, call=call)


def off_call(
    session: Session, agent_id: int, at: datetime, wrap_up_s: int = 0, reason: str | None = None
) -> AgentState:
    """The agent's call ended: they wrap it up for so many seconds, or are at once what they were before.

    `reason` is `LINE_BROKE` for an agent who lost a call that others have now.

    An agent who pressed Not ready while their phone rang, and answered, does not get another call.
    """
    state = _held(session, agent_id)
    if state.status is not AgentStatus.ON_CALL:
        return state
    if wrap_up_s > 0:
        until = at + timedelta(seconds=wrap_up_s)
        return set_status(session, agent_id, AgentStatus.WRAP_UP, reason, at=at, call=state.call, until=until)
    return _as_before(session, agent_id, at)


def may_rejoin(state: AgentState) -> bool:
    """Whether this agent lost a call that others had at that moment."""
    return state.status is AgentStatus.WRAP_UP and state.reason == LINE_BROKE


def finish_wrap_up(session: Session, agent_id: int, at: datetime | None = None) -> AgentState:
    """End a wrap-up: the agent is what they were before the call."""
    state = _held(session, agent_id)
    return _as_before(session, agent_id, at or now()) if state.status is AgentStatus.WRAP_UP else state


def more_time(session: Session, agent_id: int, seconds: int, at: datetime | None = None) -> AgentState:
    """Let a wrap-up last so many seconds longer than it would, or than now. Without one nothing happens."""
    state = _held(session, agent_id)
    if state.status is AgentStatus.WRAP_UP and state.until is not None:
        state.until = max(state.until, at or now()) + timedelta(seconds=seconds)
        session.add(state)
        session.flush()
    return state


def end_due_wrap_ups(session: Session, at: datetime) -> list[int]:
    """End the wrap-ups whose time is over, and whose clock was set back: a wrap-up never lasts for hours. Their agents."""
    due = session.exec(
        select(AgentState).where(
            col(AgentState.status) == AgentStatus.WRAP_UP,
            or_(
                col(AgentState.until) <= at,
                col(AgentState.until).is_(None),
                col(AgentState.since) > at + CLOCK_SET_BACK,
            ),
        )
    ).all()
    for state in due:
        _as_before(session, state.agent_id, at)
    return [state.agent_id for state in due]


def _as_before(session: Session, agent_id: int, at: datetime) -> AgentState:
    before = session.exec(
        select(AgentStateChange)
        .where(col(AgentStateChange.agent_id) == agent_id, col(AgentStateChange.status).not_in(WITH_A_CALL))
        .order_by(col(AgentStateChange.id).desc())
        .limit(1)
    ).first()
    if before is None:
        return set_status(session, agent_id, AgentStatus.OFFLINE, at=at)
    reason = before.reason
    if reason in {MOBILE_MISSED, MOBILE_RESTS}:
        # The agent has taken a call since: the missed ones are no longer in a row.
        reason = MISSED if before.status is AgentStatus.NOT_READY else None
    until = before.at + BREAKS[reason] if reason in BREAKS else None
    return set_status(session, agent_id, before.status, reason, at, until=until)


def page_took(session: Session, agent_id: int, page: str) -> AgentState:
    """Give the agent's phone to this page, and take it from another. One whose page was silent is told it is back."""
    state = _held(session, agent_id)
    state.page = page
    session.add(state)
    session.flush()
    page_back(session, agent_id)
    return state


def page_left(session: Session, agent_id: int, page: str | None = None) -> bool:
    """Take the phone from the page that gave it back. With `page`, only if it is that one. True when something changed."""
    state = _held(session, agent_id)
    if state.page is None or (page is not None and state.page != page):
        return False
    state.page = None
    session.add(state)
    session.flush()
    return True


def page_lost(session: Session, agent_id: int, at: datetime) -> bool:
    """Make an agent whose page is silent not ready: nothing can ring there. A call they have goes on, and decides itself."""
    state = _held(session, agent_id)
    if state.page is None or state.status not in {AgentStatus.READY, AgentStatus.RINGING, AgentStatus.WRAP_UP}:
        return False
    set_status(session, agent_id, AgentStatus.NOT_READY, PAGE_LOST, at)
    return True


def page_gone(session: Session, agent_id: int, at: datetime) -> bool:
    """Make an agent not ready whose phone no page has had for a while; when they are back they are told."""
    state = _held(session, agent_id)
    waits = state.status in {AgentStatus.READY, AgentStatus.RINGING, AgentStatus.WRAP_UP}
    if state.page is not None or state.reachable or not waits:
        return False
    set_status(session, agent_id, AgentStatus.NOT_READY, PAGE_LOST, at)
    return True


def page_back(session: Session, agent_id: int) -> bool:
    """Keep that a lost page speaks again: the agent stays not ready until they say so, and the reason tells them."""
    state = _held(session, agent_id)
    if state.status is not AgentStatus.NOT_READY or state.reason != PAGE_LOST:
        return False
    set_status(session, agent_id, AgentStatus.NOT_READY, PAGE_BACK)
    return True


def set_reachable(session: Session, agent_id: int, reachable: bool) -> bool:
    """Keep whether an agent's phone is registered; only the switchboard says so. True when it changed."""
    state = _held(session, agent_id)
    if state.reachable == reachable:
        return False
    state.reachable = reachable
    session.add(state)
    session.flush()
    return True


@dataclass(frozen=True)
class Speaker:
    """An agent who speaks a language, and what they do now.

    `comes_back`: their page has the phone but cannot be rung at this moment, as when it is loaded again.
    """

    agent_id: int
    language: str
    proficiency: Proficiency
    status: AgentStatus
    reachable: bool
    comes_back: bool = False

    @property
    def backup(self) -> bool:
        """Basic speakers are rung only when a caller has waited."""
        return self.proficiency is Proficiency.BASIC


def speakers(session: Session, language: str | None = None) -> list[Speaker]:
    """All active agents by language, or those of one language."""
    query = (
        select(AgentLanguage.agent_id, AgentLanguage.language, col(AgentLanguage.proficiency), AgentState)
        .join(Agent, col(Agent.id) == col(AgentLanguage.agent_id))
        .join(AgentState, col(AgentState.agent_id) == col(AgentLanguage.agent_id), isouter=True)
        .where(col(Agent.active))
        .order_by(col(AgentLanguage.language), col(AgentLanguage.agent_id))
    )
    if language is not None:
        query = query.where(col(AgentLanguage.language) == language)
    return [
        Speaker(
            agent_id,
            spoken,
            proficiency,
            state.status if state else AgentStatus.OFFLINE,
            bool(state and state.reachable),
            bool(state and state.page and not state.reachable),
        )
        for agent_id, spoken, proficiency, state in session.exec(query)
    ]
