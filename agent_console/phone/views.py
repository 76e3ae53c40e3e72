"""The phone in a page: what it registers with, and that it is there. The connection itself is in sip_proxy.py."""

import json
import secrets
from datetime import timedelta

from agent_console.asterisk_limit import PHONES, turn
from agent_console.console import Request
from hotline.nudges import AGENTS_CHANGED
from hotline.permissions import Permission
from hotline.staff import states as agents
from models import AgentState, AgentStatus
from telephony.asterisk import ice
from telephony.operator.operator import LineFailed
from web.request import Answer, Bytes
from web.routes import Routes

routes = Routes()
# A sign-in goes on under a call; what the relay takes must not end before.
A_LONG_CALL = timedelta(hours=1)


@routes.post("/phone/credentials", Permission.USE_PHONE, transaction="own")
def credentials(ask: Request) -> Answer:
    """A fresh secret for this page, each time it opens its connection. Whoever had one before is refused from now on.

    With it go the servers that lead through firewalls, and what the relay takes from the agent while they are signed in.

    503 when Asterisk does not answer: the page tries again.
    """
    agent_id = ask.agent.id
    # No transaction stays open while Asterisk is asked.
    ask.session.close()
    try:
        with turn(PHONES):
            phone = ask.site.operator.new_phone(agent_id)
    except LineFailed:
        return _json({}, 503)
    page = secrets.token_hex(16)
    ask.site.phones.heard(page)
    with ask.site.database.write() as session:
        agents.page_took(session, agent_id, page)
    ask.tell(AGENTS_CHANGED)
    given = {"user": phone.user, "secret": phone.secret, "realm": phone.realm, "domain": phone.realm, "page": page}
    servers = ice.for_page(ask.site.settings, secrets.token_hex(8), (ask.until or ask.now) + A_LONG_CALL)
    return _json({**given, "ice": servers})


@routes.post("/phone/heartbeat", Permission.USE_PHONE, transaction="own")
def heartbeat(ask: Request) -> Answer:
    """The page with the phone is there. One that was silent and speaks again is told what became of it."""
    agent_id, page = ask.agent.id, ask.form.get("page", "")
    state = ask.session.get(AgentState, agent_id)
    if state is None or not page or state.page != page:
        return _json({"yours": False})
    ask.site.phones.heard(page)
    if (state.status, state.reason) == (AgentStatus.NOT_READY, agents.PAGE_LOST):
        with ask.site.database.write() as session:
            agents.page_back(session, agent_id)
        ask.tell(AGENTS_CHANGED)
    return _json({"yours": True})


def _json(what: dict[str, object], status: int = 200) -> Bytes:
    return Bytes(json.dumps(what).encode(), "application/json", status=status)
