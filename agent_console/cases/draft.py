"""Notes that are being written: kept as they are typed."""

from agent_console.console import Request
from hotline.cases import drafts
from hotline.permissions import Permission
from web.request import Answer, Bytes
from web.routes import Routes

routes = Routes()


@routes.post("/cases/{id}/draft", Permission.WORK_CASES)
def save(ask: Request) -> Answer:
    """Keep what is typed so far; the answer is the time of it on the line's clock, or nothing when nothing is kept."""
    kept = drafts.save(ask.session, ask.number("id"), ask.form.get("text", ""), ask.agent)
    when = kept.at.astimezone(ask.site.settings.zone).strftime("%H:%M") if kept is not None else ""
    return Bytes(when.encode(), "text/plain")
