"""Workers in danger: what every supervisor's page shows until one of them takes it."""

from agent_console.console import Request
from agent_console.staff.access_requests import names_of
from hotline.alerts import dangers
from hotline.intake import dangers as intake_dangers
from hotline.nudges import ALERTS_CHANGED, QUEUE_CHANGED, case_changed
from hotline.permissions import Permission
from web.i18n import gettext as _
from web.request import Answer, Page, Redirect
from web.routes import Routes

routes = Routes()


@routes.get("/dangers", Permission.EMERGENCY_HELP)
def standing(ask: Request) -> Answer:
    """The strip of workers in danger whom nobody has taken yet."""
    found = dangers.standing(ask.session, ask.agent)
    values = {"dangers": found, "names": names_of(ask) if found else {}, "within_s": dangers.ACT_WITHIN.total_seconds()}
    return Page("alerts/_dangers.html", values)


@routes.post("/cases/{id}/danger/taking", Permission.EMERGENCY_HELP)
def take(ask: Request) -> Answer:
    """Take it: the strip leaves the pages of the others, and the case says who has it."""
    case_id = ask.number("id")
    intake_dangers.take(ask.session, case_id, ask.agent)
    ask.tell(ALERTS_CHANGED, QUEUE_CHANGED, case_changed(case_id))
    if ask.visit.htmx and not ask.visit.boosted:
        return standing(ask)
    return Redirect(f"/cases/{case_id}", _("It is yours. The other supervisors see that you have it."))
