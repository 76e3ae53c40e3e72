"""My desk: my call, my cases, what I have not described yet, and who is there now."""

from agent_console.calls.bar import state_now
from agent_console.calls.wrap_up import undescribed_now
from agent_console.console import Request
from agent_console.labels import agents as agent_labels
from agent_console.labels import cases as case_labels
from agent_console.staff.sign_in import start_of
from hotline.callers import callers
from hotline.calls import conversations, screen_pop
from hotline.cases import rows as case_rows
from hotline.permissions import Permission
from hotline.staff import presence
from models import AgentStatus, Contact
from web.request import Answer, Redirect, page
from web.routes import Open, Routes

routes = Routes()


@routes.get("/", Open.SIGNED_IN)
def desk(ask: Request) -> Answer:
    """The whole page. One who works no cases starts elsewhere."""
    if not ask.may(Permission.WORK_CASES):
        return Redirect(start_of(ask.agent))
    mine = case_rows.owned(ask.session, ask.agent)
    return page("desk/page.html", **undescribed_now(ask) | desk_now(ask) | floor_now(ask), mine=mine)


@routes.get("/desk/state", Permission.SET_OWN_STATE)
def state(ask: Request) -> Answer:
    """My state, phone and call."""
    return page("desk/_state.html", **desk_now(ask))


@routes.get("/desk/cases", Permission.WORK_CASES)
def cases(ask: Request) -> Answer:
    """My open cases."""
    return page("desk/_cases.html", mine=case_rows.owned(ask.session, ask.agent))


@routes.get("/desk/people", Permission.WORK_CASES)
def people(ask: Request) -> Answer:
    """Who is there now: colleagues, or the whole floor for who supervises it."""
    return page("desk/_people_now.html", **floor_now(ask))


def desk_now(ask: Request) -> dict[str, object]:
    """The agent's state, how their phone is reached, and what came before their call."""
    shown = state_now(ask)
    call = shown["call"] if isinstance(shown["call"], Contact) else None
    return shown | {
        "has_secret": ask.agent.phone_secret_ha1 is not None,
        "before": screen_pop.before(ask.session, call, ask.agent) if call is not None else [],
        "called_before": callers.times_called(ask.session, call.caller_id, call.arrived_at) if call is not None else 0,
    }


def floor_now(ask: Request) -> dict[str, object]:
    """Everybody who answers calls, with how many do what; who is in an emergency stands out."""
    everybody = presence.people(ask.session)
    counts = {status: sum(p.status is status for p in everybody) for status in AgentStatus}
    counts[AgentStatus.READY] = sum(p.rung for p in everybody)
    return {
        "everybody": everybody,
        "counts": counts,
        "in_emergency": {talk.talk.agent_id for talk in conversations.emergencies(ask.session)},
        "says": agent_labels,
        "words": case_labels,
    }
