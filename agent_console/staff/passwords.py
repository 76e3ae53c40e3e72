"""Whether the password in a form is right, found out before its view runs: no page's thread waits for that."""

import math
from dataclasses import dataclass

from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlmodel import Session

from agent_console.console import BROWSER, Console, Request
from hotline.errors import FreelineError, Invalid
from hotline.staff import known_browsers, people
from hotline.throttle import TooMany, network_of
from web import guard
from web.dispatch import Run
from web.i18n import gettext as _
from web.i18n import ngettext
from web.request import Cookie, Proof, RequestData
from web.routes import Open, Route

DO_NOT_FIT = "This name and password do not fit together."


@dataclass(frozen=True)
class _Claim:
    """Who somebody says to be; `stored` is the hash to hold the password against, made up when there is no such person."""

    login: str
    agent_id: int | None
    stored: str
    browser: str


async def check(console: Console, run: Run, route: Route, visit: RequestData) -> Proof | None:
    """Look at the password; None when the guard would not let the form through, or the database is away.

    `run` says in which threads the database is asked. A try counts before it is looked at. Raises `Busy`.
    """
    claim = await run(lambda: _claim(console, route, visit))
    if claim is None:
        return None
    try:
        attempt = console.throttle.begin(claim.login, visit.address, claim.browser)
    except TooMany as error:
        console.failed_sign_ins.failed(claim.agent_id)
        return Proof(agent_id=None, wait_s=error.wait_s)
    looked_at = False
    try:
        await console.hashing.delay(attempt.delay_s, network_of(visit.address))
        password = visit.form.get(route.proves, "")
        right = await console.hashing.verify(claim.stored, password, bool(claim.browser))
        looked_at = True
    finally:
        if not looked_at:
            console.throttle.undo(attempt)
    if not right or claim.agent_id is None:
        console.failed_sign_ins.failed(claim.agent_id)
        return Proof(agent_id=None)
    console.throttle.passed(attempt)
    return Proof(claim.agent_id, known=bool(claim.browser), failed_before=console.failed_sign_ins.told(claim.agent_id))


def _claim(console: Console, route: Route, visit: RequestData) -> _Claim | None:
    try:
        with console.database.read() as session:
            through = guard.guard(session, route, visit)
            login = visit.form.get("login", "") if route.guarded is Open.PUBLIC or through is None else through[0].login
            agent_id, stored = people.stored_password(session, login)
            return _Claim(login, agent_id, stored, _known(console, session, visit, agent_id))
    except (FreelineError, OperationalError, PoolTimeout):
        return None  # what refuses it here refuses it again before the view, and draws the page that says so


def _known(console: Console, session: Session, visit: RequestData, agent_id: int | None) -> str:
    mark = console.known_browser(visit.cookies)
    # Asked of an unknown name too, so that both cost the same.
    return mark if known_browsers.is_known(session, mark, agent_id or 0) else ""


def need_right(ask: Request, field: str) -> Proof:
    """The proof of a right password. Raises `Invalid` at this field otherwise, in words that tell nothing more."""
    proof = ask.visit.proof
    if proof is not None and proof.wait_s:
        minutes = math.ceil(proof.wait_s / 60)
        words = ngettext(
            "Too many failed sign-ins. Try again in %(n)s minute.",
            "Too many failed sign-ins. Try again in %(n)s minutes.",
            minutes,
        )
        raise Invalid(**{field: words % {"n": minutes}})
    if proof is None or proof.agent_id is None:
        raise Invalid(**{field: _("This is not your password now.") if ask.who else _(DO_NOT_FIT)})
    return proof


def remember_browser(ask: Request, session: Session, agent_id: int) -> Cookie:
    """This person signed in here with the right password: their browser is known from now on."""
    mark = ask.site.known_browser(ask.visit.cookies)
    cookie = known_browsers.remember(session, mark, agent_id, ask.site.keys.index)
    return Cookie(BROWSER, cookie, int(known_browsers.KEPT_FOR.total_seconds()))
