"""Old addresses of forms that have new ones. They are followed for one version, so that an open page still works."""

from collections.abc import Mapping
from urllib.parse import quote

from aiohttp import web
from aiohttp.typedefs import Handler


def add(app: web.Application, moved: Mapping[str, str]) -> None:
    """Answer a POST to an old path with 308, which sends the same form to the new one. The guard stands there.

    Both are patterns with the same names, such as `/callbacks/{id}/dial`.
    """
    for old, new in moved.items():
        app.router.add_post(old, _redirect(new))


def _redirect(new: str) -> Handler:
    async def follow(request: web.Request) -> web.StreamResponse:
        return web.Response(
            status=308,
            headers={"Location": new.format(**{n: quote(v, safe="") for n, v in request.match_info.items()})},
        )

    return follow
