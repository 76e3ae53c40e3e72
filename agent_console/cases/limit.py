"""Only messages from the telephone of a case, for some days: set, renewed and lifted beside the case."""

from agent_console.cases import page as case
from agent_console.console import Request
from hotline.calls import caller_limits
from hotline.errors import NotFound
from hotline.permissions import Permission
from models import CallerLimit
from web.i18n import gettext as _
from web.request import Answer
from web.routes import Routes

routes = Routes()


@routes.post("/cases/{id}/limit", Permission.LIMIT_CALLERS, on_invalid=case.case)
def limit(ask: Request) -> Answer:
    """Take only messages from the telephone of a case."""
    case_id = ask.number("id")
    caller_limits.limit(ask.session, case_id, ask.form.get("reason", ""), ask.agent, ask.now, ask.site.settings)
    return case.done(ask, case_id, _("From its next call on, this telephone can only leave a message."))


@routes.post("/cases/{id}/limit/renewal", Permission.LIMIT_CALLERS)
def renew(ask: Request) -> Answer:
    """Somebody looked, and it goes on."""
    caller_limits.renew(ask.session, _limit(ask).id, ask.agent, ask.now, ask.site.settings)
    days = ask.site.settings.limit_days
    return case.done(ask, ask.number("id"), _("Goes on for %(n)s days from now.") % {"n": days})


@routes.post("/cases/{id}/limit/lifting", Permission.LIMIT_CALLERS)
def lift(ask: Request) -> Answer:
    """Its calls are answered again."""
    caller_limits.lift(ask.session, _limit(ask).id, ask.agent, ask.now)
    return case.done(ask, ask.number("id"), _("Lifted. Calls of this telephone are answered again."))


def _limit(ask: Request) -> CallerLimit:
    """The limit of the case's telephone. Raises `NotFound` when there is none."""
    found = caller_limits.of_case(ask.session, ask.number("id"), ask.agent, ask.now)
    if found is None:
        raise NotFound("This telephone is not limited.")
    return found
