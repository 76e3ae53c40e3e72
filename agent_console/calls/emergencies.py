"""Emergencies: what every supervisor's page shows until one of them is there, or the call is over."""

from agent_console.calls.bar import party_name
from agent_console.console import Request
from hotline import scope
from hotline.calls import conversations
from hotline.permissions import Permission
from models import Agent, PartyKind, Place
from web.request import Answer, Page
from web.routes import Routes

routes = Routes()


@routes.get("/phone/emergencies", Permission.EMERGENCY_HELP)
def emergencies(ask: Request) -> Answer:
    """Who asks for help, in which case, and who is with them."""
    rows = []
    for talk in conversations.emergencies(ask.session):
        if talk.talk.agent_id == ask.agent.id:
            continue
        there = [p for p in talk.parties if p.kind is PartyKind.SUPERVISOR]
        case = scope.find(ask.session, ask.agent, talk.contact.case_id)
        rows.append(
            {
                "talk": talk,
                "asker": ask.session.get_one(Agent, talk.talk.agent_id).name,
                "case": case,
                "beside": [party_name(ask, p) for p in there if p.place is not Place.RINGING],
                "rings": any(p.place is Place.RINGING for p in there),
            }
        )
    return Page("calls/_emergencies.html", {"emergencies": rows})
