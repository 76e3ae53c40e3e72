"""Notes that are being written: kept as they are typed."""

from agent_console.asking import Answer, Bytes, Request
from agent_console.routes import Routes
from hotline.cases import drafts
from hotline.permissions import Permission

routes = Routes()


@routes.post("/cases/{id}/draft", Permission.WORK_CASES)
def keep(ask: Request) -> Answer:
    """Keep what is typed so far; the answer is the time of it on the line's clock, or nothing when nothing is kept."""
    kept = drafts.keep(ask.session, ask.number("id"), ask.form.get("text", ""), ask.agent)
    when = kept.at.astimezone(ask.console.settings.zone).strftime("%H:%M") if kept is not None else ""
    return Bytes(when.encode(), "text/plain")
