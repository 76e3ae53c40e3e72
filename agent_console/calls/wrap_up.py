"""After a call: what it was, in one key, and what the agent does next."""

from agent_console.calls.bar import change, drawn, state_now
from agent_console.console import Request
from hotline.calls import facts as calls
from hotline.calls import wrap_ups
from hotline.errors import Invalid
from hotline.nudges import AGENTS_CHANGED, ALERTS_CHANGED, QUEUE_CHANGED, case_changed
from hotline.permissions import Permission
from hotline.staff import states as agents
from models import AgentStatus, Disposition
from web.i18n import gettext as _
from web.request import Answer, Page
from web.routes import Routes

routes = Routes()
MORE_S = 60


def again(ask: Request) -> Answer:
    """The bar with what is missing."""
    return Page("calls/_bar.html", state_now(ask))


@routes.get("/desk/undescribed", Permission.WORK_CASES)
def undescribed(ask: Request) -> Answer:
    """Calls of the agent that nobody has described yet."""
    return Page("desk/_undescribed.html", undescribed_now(ask))


@routes.post("/wrap-up", Permission.SET_OWN_STATE, on_invalid=again)
def wrap_up(ask: Request) -> Answer:
    """Store what the call was; then, if the agent says so, be ready, take a break, or have more time.

    `call` names the call: a form that was drawn for an earlier one never describes the next. `then` is empty while the agent
    goes on writing.
    """
    said, call, then = ask.form.get("disposition", ""), ask.form.get("call", ""), ask.form.get("then", "")
    if said:
        if said not in set(Disposition):
            raise Invalid(disposition=_("Choose what the call was."))
        contact = wrap_ups.describe(ask.session, call, Disposition(said), ask.agent)
        ask.tell(case_changed(contact.case_id or 0), QUEUE_CHANGED, AGENTS_CHANGED, ALERTS_CHANGED)
    if "from_desk" in ask.form and ask.visit.htmx:
        return Page("desk/_undescribed.html", undescribed_now(ask), triggers=("agents-changed", "queue-changed"))
    if "more" in ask.form:
        agents.more_time(ask.session, ask.agent.id, MORE_S)
    elif then:
        _go_on(ask, call, then)
    return drawn(ask)


def _go_on(ask: Request, call: str, then: str) -> None:
    agent_id = ask.agent.id
    state = agents.state_of(ask.session, agent_id)
    if state.status is AgentStatus.WRAP_UP:
        if state.call == call and wrap_ups.has_to_tell(ask.session, calls.find(ask.session, call), agent_id):
            raise Invalid(disposition=_("Say first what it was."))
        agents.finish_wrap_up(ask.session, agent_id, ask.now)
        ask.tell(AGENTS_CHANGED, QUEUE_CHANGED)
    elif state.status in agents.WITH_A_CALL:
        # The wrap-up ended by itself and the next call has come: what was said is kept, the rest can wait.
        return
    to, _colon, reason = then.partition(":")
    change(ask, to, reason)


def undescribed_now(ask: Request) -> dict[str, object]:
    """What _undescribed.html shows; the call that is wrapped up just now is asked about in the bar."""
    bar = state_now(ask)
    state = agents.state_of(ask.session, ask.agent.id)
    found = wrap_ups.undescribed(ask.session, ask.agent, ask.now)
    return {
        "undescribed": [row for row in found if state.status is not AgentStatus.WRAP_UP or row[0].call != state.call],
        "words": bar["words"],
    }
