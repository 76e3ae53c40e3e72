"""One's own account: password, phone, and how the screen behaves."""

from agent_console.console import Request
from agent_console.staff import mobile_values
from agent_console.staff.passwords import need_right, remember_browser
from agent_console.staff.sign_in import end_phones, start_of
from hotline.errors import Invalid, Refused
from hotline.nudges import AGENTS_CHANGED
from hotline.permissions import Permission
from hotline.staff import people, sign_ins
from hotline.staff import states as agents
from models import Agent, AgentState
from web.guard import SESSION, session_cookie
from web.i18n import gettext as _
from web.i18n import screen_languages
from web.request import Answer, Cookie, Page, Redirect, own_path, page
from web.routes import Open, Routes

routes = Routes()
A_YEAR_S = 365 * 24 * 3600


@routes.get("/account", Open.SIGNED_IN)
def account(ask: Request) -> Answer:
    """The whole page."""
    return _page(ask)


@routes.post("/account/screen", Open.SIGNED_IN, on_invalid=account)
def screen(ask: Request) -> Answer:
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
    return Redirect("/account", said=_("Kept."), cookies=cookies)


@routes.post("/account/phone", Permission.SET_OWN_STATE, on_invalid=account, confirmed=True)
def phone(ask: Request) -> Answer:
    """A new secret for one's own phone, shown this once and not kept."""
    secret = people.new_phone_secret(ask.session, ask.agent.id, by_id=ask.agent.id)
    ask.tell(AGENTS_CHANGED)
    return _page(ask, secret)


@routes.post("/account/mobile", Permission.SET_OWN_STATE, on_invalid=account, confirmed=True)
def mobile(ask: Request) -> Answer:
    """The number on which one is rung at home; an empty one forgets it."""
    kept = mobile_values.save(ask, ask.agent.id)
    ask.tell(AGENTS_CHANGED)
    return Redirect("/account", said=_("The number is kept, sealed.") if kept else _("The number is forgotten."))


def _page(ask: Request, secret: str | None = None) -> Page:
    return page(
        "staff/account.html",
        screen_languages=screen_languages(),
        sip_port=ask.site.settings.sip_port,
        secret=secret,
        **mobile_values.of(ask, ask.agent),
    )


@routes.get("/account/password", Open.SIGNED_IN, new_password_first=False)
def password(_ask: Request) -> Answer:
    """The form for a new password."""
    return page("staff/password.html")


@routes.post(
    "/account/password",
    Open.SIGNED_IN,
    on_invalid=password,
    transaction="own",
    new_password_first=False,
    proves="old",
)
def new_password(ask: Request) -> Answer:
    """Change one's own password. Every other sign-in and every phone's secret ends; this browser gets a new sign-in.

    Refused in a call: the phone's line hangs on the sign-in that ends.
    """
    agent_id = ask.agent.id
    state = ask.session.get(AgentState, agent_id)
    if state is not None and state.status in agents.IN_A_CALL:
        raise Refused(_("You are in a call, and a new password would cut it. Change it when the call is over."))
    old, new = ask.form.get("old", ""), ask.form.get("new", "")
    if new != ask.form.get("again", ""):
        raise Invalid(again=_("The two are not the same."))
    if new == old:
        raise Invalid(new=_("Choose one that is not the old one."))
    if len(new) < people.PASSWORD_MIN:
        raise Invalid(new=_("At least %(n)s characters. Several words are easy to keep.") % {"n": people.PASSWORD_MIN})
    need_right(ask, "old")
    # No transaction stays open while it is hashed and Asterisk is asked.
    ask.session.close()
    hashed = people.hash_password(new)
    with ask.site.database.write() as session:
        agent = session.get_one(Agent, agent_id)
        people.keep_password(session, agent, hashed, by_id=agent_id, must_change=False)
        granted = sign_ins.grant(session, agent, ask.site.settings.sign_in_h)
        browser = remember_browser(ask, session, agent_id)
        had_phone = agents.page_left(session, agent_id)
    end_phones(ask, agent_id, had_phone=had_phone)
    ask.site.strangers.met(sign_ins.sha256(granted.token))
    cookies = (session_cookie(granted.token, ask.site.settings), browser)
    return Redirect(start_of(ask.agent), said=_("Your password is changed."), cookies=cookies)


@routes.get("/account/confirm", Open.SIGNED_IN)
def confirm(ask: Request) -> Answer:
    """Asks for the password again, before something that a page left open must not be enough for."""
    return page("staff/confirm.html", next=own_path(ask.form.get("next") or ask.query.get("next", "")) or "/account")


@routes.post("/account/confirm", Open.SIGNED_IN, on_invalid=confirm, proves="password")
def confirmed(ask: Request) -> Answer:
    """Whoever sits here knows the password; for some minutes that is enough."""
    need_right(ask, "password")
    sign_ins.confirm(ask.session, sign_ins.sha256(ask.visit.cookies[SESSION]))
    return Redirect(own_path(ask.form.get("next", "")) or "/account", said=_("Thank you. You can change it now."))
