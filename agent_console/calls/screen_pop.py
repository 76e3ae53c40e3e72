"""What is shown while the agent's phone rings: who calls, as far as it is known."""

from agent_console.console import Request
from agent_console.labels import cases as case_labels
from hotline.calls import facts as calls
from hotline.calls import screen_pop
from hotline.cases import identity
from hotline.errors import NotFound
from hotline.nudges import case_changed
from hotline.permissions import Permission
from hotline.queue import waiting as queue_waiting
from web.request import Answer, Page, Redirect
from web.routes import Routes

routes = Routes()


@routes.get("/phone/calls/{call}", Permission.USE_PHONE)
def pop(ask: Request) -> Answer:
    """The card of a call that rings; an empty one when that is over."""
    return _draw(ask)


@routes.post("/phone/calls/{call}/number", Permission.SEE_NUMBER)
def number(ask: Request) -> Answer:
    """Show the caller's number, once, to this person; audited. It stands in the answer only, in no address and no log."""
    contact = calls.find(ask.session, ask.visit.match["call"])
    if contact is None:
        raise NotFound("There is no such call.")
    shown = identity.show_number_of_call(ask.session, ask.site.keys, contact, ask.agent, ask.site.settings)
    if contact.case_id is not None:
        ask.tell(case_changed(contact.case_id))
    return _draw(ask, shown) if ask.visit.htmx else Redirect("/")


def _draw(ask: Request, number: str | None = None) -> Page:
    call = ask.visit.match["call"]
    shown = screen_pop.read(ask.session, call, ask.agent, ask.query.get("kind", "queue"))
    values = {"pop": shown, "words": case_labels, "late_s": queue_waiting.LATE_S, "number": number}
    return Page("calls/_pop.html", values)
