"""What holds for every answer: security headers, and a page for whatever went wrong."""

from aiohttp import web
from aiohttp.typedefs import Handler

from hotline.log import log
from web import templating
from web.i18n import gettext as _
from web.site import SITE

POLICY = "; ".join(
    (
        "default-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "object-src 'none'",
        "img-src 'self'",
        "media-src 'self' blob:",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Server": "freeline",
}
A_YEAR_S = 31_536_000
UNREAD = {408, 413, 415}  # the rest of what was sent is on its way still
WHY = {
    400: "The browser sent something we cannot read.",
    404: "The address may be wrong, or what was here is gone.",
    405: "This address does not take that kind of request.",
    408: "What the browser sent came too slowly. Nothing was kept.",
    413: "What was sent is larger than anything this page takes. Nothing was kept.",
    415: "The browser sent something of a kind that no page here takes. Nothing was kept.",
}


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Headers on every answer. Pages are never kept by the browser; static files, stamped, for ever."""
    for name, value in HEADERS.items():
        response.headers[name] = value
    if request.app[SITE].settings.secure_cookies:
        response.headers.setdefault("Strict-Transport-Security", f"max-age={A_YEAR_S}")
    if request.path.startswith("/static/"):
        # What is missing today may be there after the next update: only what was found is kept.
        found = response.status in {200, 206, 304}
        kept = f"public, max-age={A_YEAR_S}, immutable" if found and "v" in request.query else "no-cache"
        response.headers["Cache-Control"] = kept
    else:
        response.headers.setdefault("Cache-Control", "no-store")


@web.middleware
async def say_what_went_wrong(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn an error into a page that says what happened and holds nothing personal."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        keep = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
        page = _page(request, error.status, keep)
        if error.status in UNREAD:
            page.force_close()
        return page
    except ConnectionResetError:
        raise
    except Exception as error:  # noqa: BLE001  (whatever it is, the reader gets a page and the log its name)
        log().error("a page broke", route=_route(request), error=error)
        return _page(request, 500, {})


def _page(request: web.Request, status: int, headers: dict[str, str]) -> web.Response:
    why = _(WHY.get(status, "It was our mistake, not yours. What you typed may not be kept: go back and look."))
    text = templating.draw_error(request.app[SITE], status, why)
    return web.Response(status=status, text=text, content_type="text/html", headers=headers)


def _route(request: web.Request) -> str:
    """The pattern of the path, never the path: an id belongs to no log of errors."""
    resource = request.match_info.route.resource
    return resource.canonical if resource else "?"
