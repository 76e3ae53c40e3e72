"""My desk: my phone, my call, my cases."""

from agent_console.asking import Answer, Ask, Go, page
from agent_console.routes import Open, Routes
from agent_console.views.access import start_of
from agent_console.views.state import state_now
from hotline import queue_board
from hotline.permissions import Permission

routes = Routes()


@routes.get("/", Open.SIGNED_IN)
def desk(ask: Ask) -> Answer:
    """The whole page. One who works no cases starts elsewhere."""
    if not ask.may(Permission.WORK_CASES):
        return Go(start_of(ask.agent))
    return page("desk.html", **state_now(ask), **phone(ask), mine=queue_board.owned(ask.session, ask.agent.id or 0))


@routes.get("/desk/state", Permission.SET_OWN_STATE)
def state(ask: Ask) -> Answer:
    """My state, phone and call."""
    return page("_desk_state.html", **state_now(ask), **phone(ask))


@routes.get("/desk/cases", Permission.WORK_CASES)
def cases(ask: Ask) -> Answer:
    """My open cases."""
    return page("_desk_cases.html", mine=queue_board.owned(ask.session, ask.agent.id or 0))


def phone(ask: Ask) -> dict[str, object]:
    """How her phone is reached; `has_secret` says whether one can register at all."""
    settings = ask.console.settings
    return {"has_secret": ask.agent.phone_secret_ha1 is not None, "sip_port": settings.sip_port}
