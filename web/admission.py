"""The door of every request: who is not known to be signed in is kept to what strangers may take (strangers.py)."""

from aiohttp import web
from aiohttp.typedefs import Handler
from sqlalchemy.exc import SQLAlchemyError

from hotline.staff import sign_ins
from web import bodies
from web.client_address import address_of
from web.connections import Guest
from web.guard import SESSION
from web.site import SITE, Site
from web.strangers import Crowded

RETRY_AFTER_S = 3
CROWDED = "Too many requests at once. Try again in a few seconds.\n"
LEAVE = web.RequestKey("leave", object)


def client_address(request: web.Request) -> str:
    """Where the request comes from; behind a proxy, by what the proxy wrote."""
    forwarded = request.headers.getall("X-Forwarded-For", [])
    return address_of(request.remote, forwarded, behind_proxy=request.app[SITE].settings.behind_proxy)


@web.middleware
async def admit(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let a request in. A body that is too large, or in parts, is refused here, before anything is read of it."""
    site, guest = request.app[SITE], request.protocol
    token = request.cookies.get(SESSION, "")
    known = site.strangers.knows(token)
    if not isinstance(guest, Guest):
        return await _served(site, request, handler, token, known=known)
    guest.begins(known=known)
    try:
        return await _served(site, request, handler, token, known=known)
    finally:
        guest.ends()


async def _served(site: Site, request: web.Request, handler: Handler, token: str, *, known: bool) -> web.StreamResponse:
    if known:
        bodies.refuse_unread(request, bodies.MOST)
        return await handler(request)
    try:
        leave = site.strangers.enter(client_address(request), site.known_browser(request.cookies))
    except Crowded:
        return crowded()
    request[LEAVE] = leave
    try:
        bodies.refuse_unread(request, bodies.MOST)
        if not await _recognised(site, request, token):
            bodies.refuse_unread(request, bodies.STRANGER_MOST)
        return await handler(request)
    finally:
        leave()


def is_stranger(request: web.Request) -> bool:
    """Whether nobody has been seen to be signed in there."""
    return LEAVE in request


def leave(request: web.Request) -> None:
    """The guard has let this one in: from here on it takes no stranger's place."""
    taken = request.get(LEAVE)
    if callable(taken):
        taken()
        del request[LEAVE]
    if isinstance(request.protocol, Guest):
        request.protocol.welcome()


def crowded() -> web.Response:
    """Sent away for a moment; costs nothing to make."""
    answer = web.Response(status=503, text=CROWDED, headers={"Retry-After": str(RETRY_AFTER_S)})
    answer.force_close()
    return answer


async def _recognised(site: Site, request: web.Request, token: str) -> bool:
    """Whether it comes from somebody signed in whom this process has not met since it started: a stranger no more."""
    if not token or not await site.for_stranger(lambda: _signed_in(site, token)):
        return False
    site.strangers.met(sign_ins.sha256(token))
    leave(request)
    return True


def _signed_in(site: Site, token: str) -> bool:
    try:
        with site.database.read() as session:
            return sign_ins.find(session, token) is not None
    except SQLAlchemyError:  # the page says it
        return False
