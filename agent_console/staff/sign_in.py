"""Signing in and out."""

from agent_console.asterisk_limit import PHONES, turn
from agent_console.console import Request
from agent_console.phone.registry import SIGNED_OUT
from agent_console.staff.passwords import need_right, remember_browser
from hotline.audit import note_act
from hotline.log import log
from hotline.nudges import AGENTS_CHANGED
from hotline.permissions import Permission, may
from hotline.staff import sign_ins
from hotline.staff import states as agents
from models import Agent, AgentStatus
from telephony.operator.operator import LineFailed
from web.guard import HELLO, SESSION, session_cookie
from web.i18n import gettext as _
from web.request import Answer, Cookie, Redirect, own_path, page
from web.routes import Open, Routes

routes = Routes()


@routes.get("/sign-in", Open.PUBLIC, transaction="own")
def sign_in(ask: Request) -> Answer:
    """The sign-in page. `ended`: a page was open when its sign-in ended, and nobody there had asked for that."""
    next_page = own_path(ask.form.get("next") or ask.query.get("next", ""))
    return page("staff/sign_in.html", next=next_page, ended=ask.query.get("ended") == "1")


@routes.post("/sign-in", Open.PUBLIC, transaction="own", on_invalid=sign_in, proves="password")
def enter(ask: Request) -> Answer:
    """Let in who has given the right password; it was looked at before this view."""
    proof = need_right(ask, "login")
    agent_id = proof.agent_id or 0
    with ask.site.database.write() as session:
        agent = session.get_one(Agent, agent_id)
        before = sign_ins.find(session, ask.visit.cookies.get(SESSION, ""))
        if before is not None:
            # Whoever sat at this browser before is signed out: that token is lost, and must open nothing any more.
            sign_ins.end(session, before[1])
        granted = sign_ins.grant(session, agent, ask.site.settings.sign_in_h)
        browser = remember_browser(ask, session, agent_id)
        told = {"failed_before": proof.failed_before} if proof.failed_before else {}
        note_act(session, "signed_in", f"agent:{agent_id}", by_id=agent_id, new_browser=not proof.known, **told)
        to = (
            "/account/password" if agent.must_change_password else own_path(ask.form.get("next", "")) or start_of(agent)
        )
    # They are signed in here and nowhere else: a phone that another page has is let go of now.
    ask.site.phones.end_of(agent_id, SIGNED_OUT)
    ask.site.strangers.met(sign_ins.sha256(granted.token))
    return Redirect(to, cookies=(session_cookie(granted.token, ask.site.settings), browser, Cookie(HELLO, "")))


@routes.post("/sign-out", Open.SIGNED_IN, transaction="own", new_password_first=False)
def leave(ask: Request) -> Answer:
    """Sign this browser out, and take its phone away."""
    agent_id = ask.agent.id
    # No transaction stays open while Asterisk is asked.
    ask.session.close()
    with ask.site.database.write() as session:
        found = sign_ins.find(session, ask.visit.cookies.get(SESSION, ""))
        if found is not None:
            sign_ins.end(session, found[1])
            note_act(session, "signed_out", f"agent:{agent_id}", by_id=agent_id)
        had_phone = agents.page_left(session, agent_id)
        if had_phone and agents.state_of(session, agent_id).status not in agents.IN_A_CALL:
            # Ready without a page would ring the agent the moment they open one again, days later.
            agents.set_status(session, agent_id, AgentStatus.OFFLINE)
    ask.site.phones.end_of(agent_id, SIGNED_OUT)
    if had_phone:
        ask.tell(AGENTS_CHANGED)
        drop_phone(ask, agent_id)
    return Redirect("/sign-in", said=_("You are signed out."), cookies=(Cookie(SESSION, ""),))


def drop_phone(ask: Request, agent_id: int) -> None:
    """Take the secret of a page's phone out of Asterisk, as far as it answers."""
    try:
        with turn(PHONES):
            ask.site.operator.drop_phone(agent_id)
    except LineFailed as error:
        # Its secret is known to no page any more, and dies with the next one.
        log().warning("a phone stays in Asterisk after its sign-out", error=error)


def end_phones(ask: Request, agent_id: int, *, had_phone: bool) -> None:
    """A person's password is a new one: whatever phone was registered with the old one is told to come again."""
    ask.site.phones.end_of(agent_id, SIGNED_OUT)
    ask.tell(AGENTS_CHANGED)
    if had_phone:
        drop_phone(ask, agent_id)


def start_of(agent: Agent) -> str:
    """Where a person begins: their desk, or the settings for one who works no cases."""
    return "/" if may(agent, Permission.WORK_CASES) else "/settings"
