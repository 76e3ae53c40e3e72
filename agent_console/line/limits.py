"""Telephones whose calls go to the message only: set on a case, looked at again here. No number is shown."""

from agent_console.console import Request
from hotline.calls import caller_limits as hotline_limits
from hotline.nudges import case_changed
from hotline.permissions import Permission
from models import CallerLimit
from web.i18n import gettext as _
from web.request import Answer, Redirect, page
from web.routes import Routes

routes = Routes()


@routes.get("/settings/limits", Permission.LIMIT_CALLERS)
def limits(ask: Request) -> Answer:
    """All that were not lifted; those that somebody has to look at stand first."""
    found = hotline_limits.all_limits(ask.session, ask.agent, ask.now)
    return page("line/limits.html", limits=found, due=sum(not row.applies for row in found), days=_days(ask))


@routes.post("/settings/limits/{id}/renewal", Permission.LIMIT_CALLERS)
def renew(ask: Request) -> Answer:
    """Somebody looked, and it goes on."""
    row = hotline_limits.renew(ask.session, ask.number("id"), ask.agent, ask.now, ask.site.settings)
    return _back(ask, row, _("Goes on for %(n)s days from now.") % {"n": _days(ask)})


@routes.post("/settings/limits/{id}/lifting", Permission.LIMIT_CALLERS)
def lift(ask: Request) -> Answer:
    """Its calls are answered again."""
    row = hotline_limits.lift(ask.session, ask.number("id"), ask.agent, ask.now)
    return _back(ask, row, _("Lifted. Calls of this telephone are answered again."))


def _back(ask: Request, row: CallerLimit, said: str) -> Answer:
    if row.case_id is not None:
        ask.tell(case_changed(row.case_id))
    return Redirect("/settings/limits", said=said)


def _days(ask: Request) -> int:
    return ask.site.settings.limit_days
