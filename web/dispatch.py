"""From a request to an answer: guard, view, template and commit, all in one worker thread."""

import contextlib
import json
import secrets
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar
from urllib.parse import quote, unquote, urlencode

from aiohttp import web
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlmodel import Session

from hotline.errors import FreelineError, Invalid, NotAllowed, NotFound, PartMissing
from hotline.log import log
from hotline.staff import sign_ins
from models import Agent, SignIn
from web import admission, bodies, templating
from web import guard as gate
from web.byte_ranges import ranged
from web.i18n import gettext as _
from web.i18n import read_in
from web.request import Answer, Bytes, Cookie, Page, Proof, Redirect, Request, RequestData, TryLater
from web.routes import Route, SignedIn, Transaction, View
from web.site import SITE, Site

T = TypeVar("T")
SAID = "freeline_said"
SAID_AGE_S = 60
WATCHED = ("HX-Request", "HX-Boosted", "HX-Target", "HX-History-Restore-Request", "Sec-Fetch-Site", "X-CSRF", "Range")
STATUS = {NotAllowed: 403, gate.StrangeForm: 403, NotFound: 404, PartMissing: 503}
REFUSED = 409
AWAY = (OperationalError, PoolTimeout)  # locked, full, restarting or gone: the next try may be answered


@dataclass
class Reply:
    """What goes back, as plain bytes."""

    status: int = 200
    body: bytes = b""
    content_type: str = "text/html"
    headers: dict[str, str] = field(default_factory=dict)
    cookies: list[Cookie] = field(default_factory=list)


class Run(Protocol):
    """Runs work in a thread."""

    async def __call__(self, work: Callable[[], T]) -> T:
        """Return what the work returns."""


Prove = Callable[[Run, Route, RequestData], Awaitable[Proof | None]]
Refusal = Callable[[RequestData, Any], Reply]


@dataclass(frozen=True)
class Hooks:
    """What the room that serves decides itself.

    `prove` checks the password in a form whose route `proves` one, before the view runs; it may raise `TryLater`.
    `refusals` make the answer to the room's own kinds of errors.
    """

    prove: Prove | None = None
    refusals: Mapping[type[FreelineError], Refusal] = field(default_factory=dict)


def handler(route: Route, hooks: Hooks) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Return the route as aiohttp wants it. It carries its `route`, which the tests walk.

    Raises ValueError for one that proves a password on a site that checks none.
    """
    if route.proves and hooks.prove is None:
        raise ValueError(f"nothing checks the password of {route.path}")

    async def handle(request: web.Request) -> web.StreamResponse:
        site = request.app[SITE]
        run = site.for_stranger if admission.is_stranger(request) else site.in_thread
        visit = await visit_of(request)
        if route.stream is not None:
            signed = await run(lambda: let_stay(site, route, visit))
            if isinstance(signed, Reply):
                return response(signed, site)
            del visit  # a connection that stays open keeps nothing of how it began
            admission.leave(request)
            return await route.stream(request, signed)
        if route.proves and hooks.prove is not None:
            try:
                visit = replace(visit, proof=await hooks.prove(run, route, visit))
            except TryLater as error:
                later = error
                return response(await run(lambda: _later(site, visit, later)), site)
        return response(await run(lambda: serve(site, route, visit, hooks)), site)

    handle.route = route  # type: ignore[attr-defined]
    return handle


async def visit_of(request: web.Request) -> RequestData:
    """The request as plain values. Raises what `bodies.read` does, and HTTPBadRequest for a body that is no form."""
    stranger = admission.is_stranger(request)
    most, within_s = (bodies.STRANGER_MOST, bodies.STRANGER_S) if stranger else (bodies.MOST, bodies.READ_S)
    body = await bodies.read(request, most, within_s)
    try:
        lists = bodies.parse(body, request.charset or "utf-8")
    except (ValueError, LookupError) as error:
        raise web.HTTPBadRequest from error
    return RequestData(
        method=request.method,
        path=request.path,
        match=dict(request.match_info),
        query={name: request.query[name].replace("\x00", "") for name in request.query},
        form={name: values[0] for name, values in lists.items()},
        lists=lists,
        headers={name: request.headers[name] for name in WATCHED if name in request.headers},
        cookies=dict(request.cookies),
        address=admission.client_address(request),
    )


def serve(site: Site, route: Route, visit: RequestData, hooks: Hooks) -> Reply:
    """Guard, view, template, commit, nudge. What is refused becomes a page that says so."""
    try:
        return _answer_or_form(site, route, visit)
    except gate.SignedOut:
        return _to_sign_in(visit)
    except gate.NewPasswordFirst:
        return _go(visit, Redirect("/account/password"))
    except gate.PasswordAgain:
        return _go(visit, Redirect(f"/account/confirm?{urlencode({'next': _page_of(visit)})}"))
    except FreelineError as error:
        own = next((make for kind, make in hooks.refusals.items() if isinstance(error, kind)), None)
        return own(visit, error) if own is not None else refusal(site, visit, status_of(error), str(error))
    except AWAY as error:
        return _away(site, visit, error)


def _answer_or_form(site: Site, route: Route, visit: RequestData) -> Reply:
    """The view's answer, or the form again with what is wrong in it. What the form is about may be gone by then."""
    try:
        return _answer(site, route, route.view, visit, route.transaction)
    except Invalid as error:
        if route.on_invalid is None:
            return refusal(site, visit, 422, str(error))
        sent = _answer(site, route, route.on_invalid, visit, "read", error.fields)
        # A form with errors is no place to come back to.
        return replace(sent, status=422, headers=sent.headers | {"HX-Push-Url": "false"})


def _answer(
    site: Site,
    route: Route,
    view: View | None,
    visit: RequestData,
    transaction: Transaction,
    errors: dict[str, str] | None = None,
) -> Reply:
    if view is None:
        raise RuntimeError("this route has no view")
    with _session(site, transaction) as session:
        ask = Request(site, visit, session, errors=errors or {})
        through = _guarded(site, session, route, visit)
        hello: list[Cookie] = []
        if through is None:
            ask.csrf = visit.cookies.get(gate.HELLO) or secrets.token_urlsafe(24)
            hello = [Cookie(gate.HELLO, ask.csrf)] if gate.HELLO not in visit.cookies else []
        else:
            ask.who, sign_in = through
            ask.csrf, ask.until = sign_in.csrf, sign_in.expires_at
            if transaction == "write":
                sign_ins.seen(session, sign_in)
        read_in(ask.who.screen_language if ask.who else "en")
        sent = _draw(ask, view(ask))
        sent.cookies.extend(hello)
    if ask.told:
        site.nudges.tell(*ask.told)
    return sent


def _guarded(site: Site, session: Session, route: Route, visit: RequestData) -> tuple[Agent, SignIn] | None:
    """Run the guard. From the next request on, a session that it admits is not served among strangers."""
    try:
        through = gate.guard(session, route, visit)
    except gate.SignedOut:
        site.strangers.lost(sign_ins.sha256(visit.cookies.get(gate.SESSION, "")))
        raise
    if through is not None:
        site.strangers.met(through[1].token_sha256)
    return through


@contextlib.contextmanager
def _session(site: Site, transaction: Transaction) -> Iterator[Session]:
    if transaction == "write":
        with site.database.write() as session:
            yield session
    else:
        with site.database.read() as session:
            yield session


def _draw(ask: Request[Any], answer: Answer) -> Reply:
    if isinstance(answer, Redirect):
        return _go(ask.visit, answer)
    if isinstance(answer, Bytes):
        part = ranged(answer.body, ask.visit.headers.get("Range"))
        headers = {"Accept-Ranges": "bytes"}
        if part.content_range:
            headers["Content-Range"] = part.content_range
        if answer.filename:
            headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(answer.filename)}"
        status = answer.status if part.status == 200 else part.status
        return Reply(status, part.body, answer.content_type, headers)
    return draw_page(ask, answer)


def draw_page(ask: Request[Any], answer: Page) -> Reply:
    """The template, filled in. A line said on the way here is shown once."""
    said = "" if ask.visit.in_part else unquote(ask.visit.cookies.get(SAID, ""))
    sent = Reply(answer.status, templating.draw(ask, answer, said).encode())
    if said:
        sent.cookies.append(Cookie(SAID, ""))
    if answer.triggers:
        sent.headers["HX-Trigger"] = ", ".join(answer.triggers)
    return sent


def _go(visit: RequestData, answer: Redirect) -> Reply:
    cookies = list(answer.cookies)
    if answer.said:
        cookies.append(Cookie(SAID, quote(answer.said), SAID_AGE_S))
    if visit.htmx and not visit.boosted:
        where = {"path": answer.to, "target": "#main", "swap": "outerHTML show:window:top"}
        return Reply(204, headers={"HX-Location": json.dumps(where)}, cookies=cookies)
    return Reply(303, headers={"Location": answer.to}, cookies=cookies)


def _to_sign_in(visit: RequestData, *, kept_open: bool = False) -> Reply:
    """To the sign-in page: the whole browser, not a piece of the page."""
    back = f"?next={quote(visit.path)}" if visit.method == "GET" and not visit.htmx and visit.path != "/" else ""
    if visit.htmx or kept_open:
        return Reply(401, headers={"HX-Redirect": "/sign-in"})
    return Reply(303, headers={"Location": f"/sign-in{back}"})


def _away(site: Site, visit: RequestData, error: Exception) -> Reply:
    log().warning("the database did not answer", error=error)
    return refusal(site, visit, 503, _("The database does not answer. Nothing was changed. Try again."))


def _later(site: Site, visit: RequestData, error: TryLater) -> Reply:
    sent = refusal(site, visit, 503, str(error))
    return replace(sent, headers=sent.headers | {"Retry-After": str(error.retry_after_s)})


def _page_of(visit: RequestData) -> str:
    """The page that a refused form stands on: every such form is one of /account or of /settings/people/N."""
    return visit.path.rpartition("/")[0]


def status_of(error: FreelineError) -> int:
    """The status of a refusal, by its kind or the kind it is a case of."""
    return next((status for kind, status in STATUS.items() if isinstance(error, kind)), REFUSED)


def refusal(site: Site, visit: RequestData, status: int, why: str) -> Reply:
    """Say why not: as a line on the page for htmx, else as a page of its own."""
    # What an act on the phone could not do is said under the bar: the page below it may be about something else.
    notice = site.notices.get(visit.headers.get("HX-Target", ""))
    if visit.htmx and (status in {409, 422} or (notice is not None and status < 500)):
        body = site.templates.get_template("_said.html").render(said=_(why), bad=True)
        headers = {
            "HX-Retarget": notice or "#said",
            "HX-Reswap": "innerHTML",
            "HX-Push-Url": "false",
            "HX-Trigger": "refetch",
        }
        return Reply(REFUSED if notice is not None else status, body.encode(), headers=headers)
    return Reply(status, templating.draw_error(site, status, _(why)).encode())


def let_stay(site: Site, route: Route, visit: RequestData) -> SignedIn | Reply:
    """Guard a connection that stays open; ids only leave the thread."""
    try:
        with site.database.read() as session:
            through = _guarded(site, session, route, visit)
            if through is None:
                raise gate.SignedOut("Sign in first.")
            agent, sign_in = through
            return SignedIn(agent.id, sign_in.token_sha256)
    except gate.SignedOut:
        return _to_sign_in(visit, kept_open=True)
    except FreelineError as error:
        return refusal(site, visit, status_of(error), str(error))
    except AWAY as error:
        return _away(site, visit, error)


def response(sent: Reply, site: Site) -> web.Response:
    """What goes back, as aiohttp wants it."""
    answer = web.Response(status=sent.status, body=sent.body, headers=sent.headers)
    if sent.status != 204:
        answer.content_type = sent.content_type
        if sent.content_type.startswith("text/"):
            answer.charset = "utf-8"
    for cookie in sent.cookies:
        if cookie.value == "":
            answer.del_cookie(cookie.name, path="/")
        else:
            answer.set_cookie(
                cookie.name,
                cookie.value,
                max_age=cookie.age_s,
                path="/",
                httponly=True,
                samesite=cookie.same_site,
                secure=site.settings.secure_cookies,
            )
    return answer
