"""One's own account: password, phone, and how the screen behaves."""

from agent_console import mobile_values
from agent_console.asking import Answer, Ask, Cookie, Go, Page, page
from agent_console.guard import session_cookie
from agent_console.routes import Open, Routes
from agent_console.views.access import start_of
from agent_console.words import gettext as _
from agent_console.words import screen_languages
from hotline import agents, people, sign_ins
from hotline.errors import Invalid, Refused
from hotline.events import AGENTS_CHANGED
from hotline.permissions import Permission
from models import Agent, AgentState

routes = Routes()
A_YEAR_S = 365 * 24 * 3600


@routes.get("/account", Open.SIGNED_IN)
def account(ask: Ask) -> Answer:
    """The whole page."""
    return _page(ask)


@routes.post("/account/screen", Open.SIGNED_IN, on_invalid=account)
def screen(ask: Ask) -> Answer:
    """How the screen looks and which keys it takes: of this browser; its language: of the person."""
    language = ask.form.get("screen_language", "en")
    if language not in screen_languages():
        raise Invalid(screen_language="Choose one of the languages.")
    ask.agent.screen_language = language
    ask.session.add(ask.agent)
    theme = ask.form.get("theme", "")
    cookies = (
        Cookie("freeline_theme", theme if theme in {"light", "dark"} else "", A_YEAR_S),
        Cookie("freeline_keys", "" if ask.form.get("letter_keys") else "off", A_YEAR_S),
    )
    return Go("/account", said=_("Kept."), cookies=cookies)


@routes.post("/account/phone", Permission.SET_OWN_STATE, on_invalid=account)
def phone(ask: Ask) -> Answer:
    """A new secret for her phone, shown this once and not kept."""
    secret = people.new_phone_secret(ask.session, ask.agent.id or 0, by_id=ask.agent.id)
    ask.tell(AGENTS_CHANGED)
    return _page(ask, secret)


@routes.post("/account/mobile", Permission.SET_OWN_STATE, on_invalid=account)
def mobile(ask: Ask) -> Answer:
    """The number on which she is rung at home; an empty one forgets it."""
    kept = mobile_values.keep(ask, ask.agent.id or 0)
    ask.tell(AGENTS_CHANGED)
    return Go("/account", said=_("The number is kept, sealed.") if kept else _("The number is forgotten."))


def _page(ask: Ask, secret: str | None = None) -> Page:
    return page(
        "account.html",
        screen_languages=screen_languages(),
        sip_port=ask.console.settings.sip_port,
        secret=secret,
        **mobile_values.of(ask, ask.agent),
    )


@routes.get("/account/password", Open.SIGNED_IN, new_password_first=False)
def password(_ask: Ask) -> Answer:
    """The form for a new password."""
    return page("password.html")


@routes.post("/account/password", Open.SIGNED_IN, on_invalid=password, opens="nothing", new_password_first=False)
def new_password(ask: Ask) -> Answer:
    """Change one's own password. Every other sign-in of hers ends; this browser gets a new one.

    Refused in a call: her phone's line hangs on the sign-in that ends.
    """
    state = ask.session.get(AgentState, ask.agent.id)
    if state is not None and state.status in agents.IN_A_CALL:
        raise Refused(_("You are in a call, and a new password would cut it. Change it when the call is over."))
    database, agent_id, login = ask.console.database, ask.agent.id, ask.agent.login
    old, new = ask.form.get("old", ""), ask.form.get("new", "")
    key, address = ask.console.keys.index, ask.visit.address
    if new != ask.form.get("again", ""):
        raise Invalid(again=_("The two are not the same."))
    if new == old:
        raise Invalid(new=_("Choose one that is not the old one."))
    if len(new) < people.PASSWORD_MIN:
        raise Invalid(new=_("At least %(n)s characters. Several words are easy to keep.") % {"n": people.PASSWORD_MIN})
    with database.write() as session:
        sign_ins.begin(session, login, address, key)
    with database.read() as session:
        known = people.check_password(session, login, old) is not None
    if not known:
        raise Invalid(old=_("This is not your password now."))
    with database.write() as session:
        agent = session.get_one(Agent, agent_id)
        people.set_password(session, agent, new, by_id=agent_id, must_change=False)
        granted = sign_ins.grant(session, agent, login, address, key, ask.console.settings.sign_in_h)
    cookies = (session_cookie(granted.token, ask.console.settings),)
    return Go(start_of(ask.agent), said=_("Your password is changed."), cookies=cookies)
