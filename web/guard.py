"""Who asks, and whether they may. Runs in the thread of the request, before the view."""

import hmac

from sqlmodel import Session

from hotline.errors import FreelineError
from hotline.permissions import need
from hotline.settings import Settings
from hotline.staff import sign_ins
from models import Agent, SignIn
from web.request import Cookie, RequestData
from web.routes import Open, Route

SESSION = "freeline_session"
HELLO = "freeline_hello"  # pairs the sign-in form with the browser it was drawn for
FIELD = "csrf"


class SignedOut(FreelineError):
    """Nobody is signed in, or the sign-in ended."""


class NewPasswordFirst(FreelineError):
    """The person was given a password by somebody else and has to choose their own."""


class PasswordAgain(FreelineError):
    """The act wants the password to have been typed a few minutes ago."""


class StrangeForm(FreelineError):
    """The form was not drawn by us for this browser."""


def signed_in(session: Session, visit: RequestData) -> tuple[Agent, SignIn]:
    """Who is signed in. Raises `SignedOut`."""
    found = sign_ins.find(session, visit.cookies.get(SESSION, ""))
    if found is None:
        raise SignedOut("Sign in first.")
    return found


def session_cookie(token: str, settings: Settings) -> Cookie:
    """What the browser keeps. The table says when the sign-in runs out; under a call it goes on, so this lasts longer."""
    return Cookie(SESSION, token, settings.sign_in_h * 3600 + settings.limit_talking_s)


def guard(session: Session, route: Route, visit: RequestData) -> tuple[Agent, SignIn] | None:
    """Let the request through or raise: `SignedOut`, `StrangeForm`, `NewPasswordFirst`, `NotAllowed`,
    `PasswordAgain`.
    """
    if route.guarded is Open.PUBLIC:
        if visit.method == "POST":
            _check_form(visit, visit.cookies.get(HELLO, ""))
        return None
    agent, sign_in = signed_in(session, visit)
    if visit.method == "POST":
        _check_form(visit, sign_in.csrf)
    if agent.must_change_password and route.new_password_first:
        raise NewPasswordFirst("Choose a new password first.")
    if not isinstance(route.guarded, Open):
        need(agent, route.guarded)
    if route.confirmed and not sign_ins.is_confirmed(sign_in):
        raise PasswordAgain("Type your password again first.")
    return agent, sign_in


def _check_form(visit: RequestData, token: str) -> None:
    """The token of the form, and the browser's own word on where the request comes from."""
    if visit.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
        raise StrangeForm("This form came from another site.")
    given = visit.form.get(FIELD) or visit.headers.get("X-CSRF") or ""
    if not token or not hmac.compare_digest(token.encode(), given.encode()):
        raise StrangeForm("This form is too old. Go back, load the page again and send it once more.")
