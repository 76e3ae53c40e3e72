"""Whom the worker can be handed to and who can be called in: the card under the bar, and the step before a number."""

from agent_console.console import Request
from agent_console.labels import agents as agent_labels
from hotline.calls import conversations
from hotline.errors import NotFound
from hotline.line import languages
from hotline.permissions import Permission
from hotline.referrals import directory
from hotline.staff import presence
from models import AgentStatus, DirectoryEntry
from web.request import Answer, Page, whole
from web.routes import Routes

routes = Routes()


@routes.get("/phone/calls/{call}/transfer", Permission.USE_PHONE)
def choices(ask: Request) -> Answer:
    """Languages with who is ready, colleagues by what they do, and the directory; with `entry` the step before the call."""
    call = ask.visit.match["call"]
    talk = conversations.led_by(ask.session, call, ask.agent)
    if "entry" in ask.query:
        return Page("calls/_sure.html", {"call": call, "entry": _entry(ask, ask.query["entry"]), "says": agent_labels})
    codes = [row.code for row in languages.spoken(ask.session)]
    ready = presence.ready_by_language(ask.session, codes, ask.agent.id)
    language = talk.contact.queue or talk.contact.language
    colleagues = [p for p in presence.people(ask.session) if p.agent_id != ask.agent.id]
    # Whoever is off duty is only counted: the queues and the directory must be in view without a search.
    there = [p for p in colleagues if p.askable or p.status is not AgentStatus.OFFLINE]
    return Page(
        "calls/_transfer.html",
        {
            "call": call,
            "talk": talk,
            "language": language,
            "queues": sorted(ready, key=lambda r: (r.language != language, not r.ready, not r.backups)),
            # Colleagues who speak the worker's language stand first among those who do the same.
            "colleagues": sorted(there, key=lambda p: (not p.rung, not p.askable, language not in p.languages)),
            "off_duty": len(colleagues) - len(there),
            "entries": directory.entries(ask.session),
            "says": agent_labels,
        },
    )


def _entry(ask: Request, text: str) -> DirectoryEntry:
    found = whole(text)
    if found is None:
        raise NotFound("There is no such entry in the directory.")
    return directory.load(ask.session, found)
