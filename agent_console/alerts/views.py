"""Alerts about staff: what every page of a supervisor shows until somebody takes note."""

from dataclasses import dataclass

from agent_console.console import Request
from agent_console.staff.access_requests import names_of, what
from hotline.alerts import alerts
from hotline.nudges import ALERTS_CHANGED
from hotline.permissions import Permission
from models import AccessRequest, Alert, AlertKind
from web.i18n import gettext as _
from web.i18n import ngettext
from web.request import Answer, Page, Redirect, own_path
from web.routes import Routes

routes = Routes()


@dataclass(frozen=True)
class Shown:
    """An alert with its words. `mine`: it is about the reader, who does not take note of it. `waits`: of a request."""

    alert: Alert
    who: str
    what: str
    mine: bool
    waits: bool
    taken_by: str | None


@routes.get("/alerts", Permission.OVERSEE)
def open_now(ask: Request) -> Answer:
    """The strip of open alerts."""
    return Page("alerts/_alerts.html", {"alerts": shown(ask, alerts.open_alerts(ask.session))})


@routes.post("/alerts/{id}/note", Permission.OVERSEE)
def take_note(ask: Request) -> Answer:
    """Take note of one: it leaves every page."""
    alerts.take_note(ask.session, ask.number("id"), ask.agent)
    ask.tell(ALERTS_CHANGED)
    if ask.visit.htmx and not ask.visit.boosted:
        return open_now(ask)
    return Redirect(own_path(ask.form.get("next", "")) or "/", said=_("Noted."))


def shown(ask: Request, found: list[Alert]) -> list[Shown]:
    """These alerts with their words."""
    names = names_of(ask)
    rows = []
    for alert in found:
        request = ask.session.get(AccessRequest, alert.request_id) if alert.request_id is not None else None
        alone = not alerts.others_oversee(ask.session, ask.agent)
        rows.append(
            Shown(
                alert=alert,
                who=names.get(alert.agent_id, "?"),
                what=_asks(request, names) if request is not None else _amount(alert),
                mine=alerts.concerns(ask.session, alert, ask.agent) and not alone,
                waits=request is not None and request.ended_at is None,
                taken_by=names.get(alert.taken_by_id) if alert.taken_by_id is not None else None,
            )
        )
    return rows


def _asks(request: AccessRequest, names: dict[int, str]) -> str:
    return what(request.kind, request.role, names.get(request.agent_id, "?"))


def _amount(alert: Alert) -> str:
    n = alert.amount or 0
    words = {
        AlertKind.NUMBERS: ngettext("saw %(n)s number within the hour", "saw %(n)s numbers within the hour", n),
        AlertKind.CASES: ngettext(
            "looked at %(n)s case of others within the hour", "looked at %(n)s cases of others within the hour", n
        ),
        AlertKind.AUDIO: ngettext("heard %(n)s recording within the hour", "heard %(n)s recordings within the hour", n),
    }
    usual = _("usual are %(n)s") % {"n": alert.allowed}
    return f"{words[alert.kind] % {'n': n}} ({usual})"
