"""That somebody looks at a case of others: audited once an hour, and slowed down when it is too much too soon."""

from dataclasses import replace
from datetime import timedelta

from sqlalchemy.exc import SQLAlchemyError

from agent_console.console import Console, Request
from hotline import scope
from hotline.alerts import alerts
from hotline.cases import reading
from hotline.cases.reading import Held
from hotline.log import log
from hotline.nudges import ALERTS_CHANGED
from models import Agent
from models.db.database import is_writing
from models.db.types import now
from web.dispatch import Reply, refusal
from web.i18n import gettext as _
from web.i18n import ngettext
from web.request import RequestData

TOO_MANY = 429
DID_NOT_HAPPEN = 409


def note(ask: Request, case_id: int) -> None:
    """Audit that this case is shown to who asks. Writes at most once an hour; what fetches itself again only looks.

    A database that cannot be written stops no page: it is logged. Raises `Held` for an unusual amount, `NotFound`.
    """
    settings, case = ask.site.settings, scope.case(ask.session, ask.agent, case_id)
    if not reading.must_be_noted(ask.session, case, ask.agent):
        return
    # An act is done when its page is drawn: only looking can be held up.
    free = ask.visit.method != "GET"
    if is_writing(ask.session):
        alert = reading.note_reading(ask.session, case, ask.agent, settings, free=free)
    else:
        try:
            with ask.site.database.write() as session:
                by = session.get_one(Agent, ask.agent.id)
                shown = scope.case(session, by, case_id)
                alert = reading.note_reading(session, shown, by, settings, free=free)
        except (SQLAlchemyError, OSError) as error:
            log().warning("a look at a case could not be audited", error=error)
            return
    if alert is not None:
        ask.tell(ALERTS_CHANGED)


def held(console: Console, visit: RequestData, why: Held) -> Reply:
    """Tell supervisors, and the reader when to go on. No thread and no transaction waits for that."""
    try:
        _alert(console, why)
    except (SQLAlchemyError, OSError) as error:
        log().warning("an alert could not be kept", error=error)
    words = ngettext(
        "You have looked at far more than usual within the hour. Go on in %(n)s second; supervisors see this.",
        "You have looked at far more than usual within the hour. Go on in %(n)s seconds; supervisors see this.",
        why.wait_s,
    ) % {"n": why.wait_s}
    if visit.htmx and visit.method == "POST":
        sent = refusal(console, visit, DID_NOT_HAPPEN, words)
    else:
        sent = replace(refusal(console, visit, TOO_MANY, words), body=_page(console, visit, words, why.wait_s))
    return replace(sent, headers=sent.headers | {"Retry-After": str(why.wait_s)})


def _alert(console: Console, why: Held) -> None:
    with console.database.read() as session:
        if alerts.is_told(session, why.kind, why.agent_id, why.amount):
            return
    with console.database.write() as session:
        alert = alerts.of_amount(session, why.kind, why.agent_id, why.amount, why.allowed)
    if alert is not None:
        console.nudges.tell(ALERTS_CHANGED)


def _page(console: Console, visit: RequestData, words: str, wait_s: int) -> bytes:
    again = visit.path if visit.method == "GET" else "/"
    until = now() + timedelta(seconds=wait_s)
    return (
        console.templates.get_template("held.html")
        .render(why=words, until=until, again=again, title=_("Slow down"))
        .encode()
    )
