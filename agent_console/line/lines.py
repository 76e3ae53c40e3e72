"""The numbers that workers dial."""

from agent_console.console import Request
from agent_console.labels import refused_calls as refused_call_labels
from hotline.line import lines as hotline_lines
from hotline.line import refused_calls
from hotline.permissions import Permission
from web.i18n import gettext as _
from web.request import Answer, Redirect, page
from web.routes import Routes

routes = Routes()


@routes.get("/settings/lines", Permission.MANAGE_LINE)
def lines(ask: Request) -> Answer:
    """All lines, and which calls reached none of them."""
    return page(
        "line/lines.html",
        lines=hotline_lines.all_lines(ask.session),
        wrong=ask.visit.match.get("number"),
        refused=refused_calls.recent(ask.session, ask.now, ask.site.settings.zone),
        says=refused_call_labels,
    )


@routes.post("/settings/lines", Permission.MANAGE_LINE, on_invalid=lines)
def add(ask: Request) -> Answer:
    """Add a line."""
    hotline_lines.add_line(
        ask.session,
        ask.form.get("number", ""),
        ask.form.get("name", ""),
        toll_free="toll_free" in ask.form,
        by_id=ask.agent.id,
    )
    return Redirect("/settings/lines", said=_("The line is on the list. Its trunk has to deliver it to this machine."))


@routes.post("/settings/lines/{number}", Permission.MANAGE_LINE, on_invalid=lines)
def change(ask: Request) -> Answer:
    """Change a line's name."""
    hotline_lines.change_line(
        ask.session,
        ask.visit.match["number"],
        ask.form.get("name", ""),
        toll_free="toll_free" in ask.form,
        by_id=ask.agent.id,
    )
    return Redirect("/settings/lines", said=_("Kept."))


@routes.post("/settings/lines/{number}/removal", Permission.MANAGE_LINE)
def remove(ask: Request) -> Answer:
    """Take a line off the list."""
    hotline_lines.remove_line(ask.session, ask.visit.match["number"], by_id=ask.agent.id)
    return Redirect("/settings/lines", said=_("Taken off the list. Its calls and cases stay."))
