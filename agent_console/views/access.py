"""Signing in and out."""

import math
from urllib.parse import urlsplit

from agent_console.asking import Answer, Ask, Cookie, Go, page
from agent_console.guard import HELLO, SESSION, session_cookie
from agent_console.phones import SIGNED_OUT
from agent_console.routes import Open, Routes
from agent_console.turns import PHONES, turn
from agent_console.words import gettext as _
from agent_console.words import ngettext
from hotline import agents, people, sign_ins
from hotline.errors import Invalid
from hotline.events import AGENTS_CHANGED
from hotline.log import log
from hotline.permissions import Permission, may
from models import Agent, AgentStatus
from telephony.operator import LineFailed

routes = Routes()


@routes.get("/sign-in", Open.PUBLIC, opens="nothing")
def sign_in(ask: Ask) -> Answer:
    """The sign-in page. `ended`: a page was open when its sign-in ended, and nobody there had asked for that."""
    next_page = ours(ask.form.get("next") or ask.query.get("next", ""))
    return page("sign_in.html", next=next_page, ended=ask.query.get("ended") == "1")


@routes.post("/sign-in", Open.PUBLIC, opens="nothing", on_invalid=sign_in)
def enter(ask: Ask) -> Answer:
    """Check who it is; three short sessions, because hashing is slow on purpose and must not hold the writer."""
    login, key = ask.form.get("login", ""), ask.console.keys.index
    database, address = ask.console.database, ask.visit.address
    try:
        with database.write() as session:
            sign_ins.begin(session, login, address, key)
    except sign_ins.TooMany as error:
        minutes = math.ceil(error.wait_s / 60)
        raise Invalid(
            login=ngettext(
                "Too many failed sign-ins. Try again in %(n)s minute.",
                "Too many failed sign-ins. Try again in %(n)s minutes.",
                minutes,
            )
            % {"n": minutes}
        ) from error
    with database.read() as session:
        known = people.check_password(session, login, ask.form.get("password", ""))
        agent_id = known.id if known else None
    if agent_id is None:
        raise Invalid(login=_("This name and password do not fit together."))
    with database.write() as session:
        agent = session.get_one(Agent, agent_id)
        before = sign_ins.find(session, ask.visit.cookies.get(SESSION, ""))
        if before is not None:
            # Whoever sat at this browser before is signed out: her token is lost, and must open nothing any more.
            sign_ins.end(session, before[1])
        granted = sign_ins.grant(session, agent, login, address, key, ask.console.settings.sign_in_h)
        to = "/account/password" if agent.must_change_password else ours(ask.form.get("next", "")) or start_of(agent)
    # She is signed in here and nowhere else: a phone that another page has is let go of now.
    ask.console.phones.end_of(agent_id, SIGNED_OUT)
    cookies = (session_cookie(granted.token, ask.console.settings), Cookie(HELLO, ""))
    return Go(to, cookies=cookies)


@routes.post("/sign-out", Open.SIGNED_IN, opens="nothing", new_password_first=False)
def leave(ask: Ask) -> Answer:
    """Sign this browser out, and take its phone away."""
    agent_id = ask.agent.id or 0
    # No transaction stays open while Asterisk is asked.
    ask.session.close()
    with ask.console.database.write() as session:
        found = sign_ins.find(session, ask.visit.cookies.get(SESSION, ""))
        if found is not None:
            sign_ins.end(session, found[1])
        had_phone = agents.page_left(session, agent_id)
        if had_phone and agents.state_of(session, agent_id).status not in agents.IN_A_CALL:
            # Ready without a page would ring her the moment she opens one again, days later.
            agents.set_status(session, agent_id, AgentStatus.OFFLINE)
    ask.console.phones.end_of(agent_id, SIGNED_OUT)
    if had_phone:
        ask.tell(AGENTS_CHANGED)
        try:
            with turn(PHONES):
                ask.console.operator.drop_phone(agent_id)
        except LineFailed as error:
            # Its secret is known to no page any more, and dies with the next one.
            log().warning("a phone stays in Asterisk after its sign-out", error=error)
    return Go("/sign-in", said=_("You are signed out."), cookies=(Cookie(SESSION, ""),))


def start_of(agent: Agent) -> str:
    """Where a person begins: her desk, or the settings for one who works no cases."""
    return "/" if may(agent, Permission.WORK_CASES) else "/settings"


def ours(address: str) -> str:
    """A path of this console, or nothing: a sign-in must not send anybody elsewhere."""
    parts = urlsplit(address)
    if (
        parts.scheme
        or parts.netloc
        or not address.startswith("/")
        or address.startswith(("//", "/\\"))
        or "\\" in address
    ):
        return ""
    return "" if any(ord(c) < 32 for c in address) else address
