"""My state: ready or not. The bar at the top of every page and the desk show it."""

from sqlmodel import col, select

from agent_console.asking import Answer, Ask, Go, Page, page
from agent_console.routes import Routes
from agent_console.views.access import ours
from hotline import agents
from hotline.errors import Invalid
from hotline.events import AGENTS_CHANGED
from hotline.permissions import Permission
from models import Contact, Speaks

routes = Routes()


@routes.get("/state", Permission.SET_OWN_STATE)
def bar(ask: Ask) -> Answer:
    """The bar."""
    return page("_bar.html", **state_now(ask))


@routes.post("/state", Permission.SET_OWN_STATE)
def choose(ask: Ask) -> Answer:
    """Ready or not ready, by her own choice."""
    to = ask.form.get("to")
    if to not in {"ready", "not_ready"}:
        raise Invalid(to="Choose ready or not ready.")
    agents.choose_status(ask.session, ask.agent, to == "ready")
    ask.tell(AGENTS_CHANGED)
    if ask.visit.htmx and not ask.visit.boosted:
        return Page("_bar.html", state_now(ask), triggers=("agents-changed",))
    return Go(ours(ask.form.get("next", "")) or "/")


def state_now(ask: Ask) -> dict[str, object]:
    """Her state, her languages, and the call she is on."""
    state = agents.state_of(ask.session, ask.agent.id or 0)
    call = None
    if state.call is not None:
        call = ask.session.exec(select(Contact).where(col(Contact.call) == state.call)).first()
    speaks = ask.session.exec(select(Speaks).where(col(Speaks.agent_id) == ask.agent.id)).all()
    return {"state": state, "call": call, "speaks": sorted(speaks, key=lambda s: s.language)}
