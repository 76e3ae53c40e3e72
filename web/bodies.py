"""Reads what a form sends: so much and no more, within so many seconds, and never in parts (multipart)."""

import asyncio
from urllib.parse import parse_qsl

from aiohttp import web

FORM = "application/x-www-form-urlencoded"
MOST = 1024 * 1024  # a note is 20,000 characters; nothing larger is ever sent to us
STRANGER_MOST = 16 * 1024  # a name and a password
# In all, not between two pieces: one that drips is left as well.
READ_S = 60.0
STRANGER_S = 15.0
FIELDS_MOST = 1000


def refuse_unread(request: web.Request, most: int) -> None:
    """Raise for a body that is too large or of a kind that no page of ours sends, before a byte of it is read."""
    if not request.can_read_body:
        return
    if (request.content_length or 0) > most:
        raise web.HTTPRequestEntityTooLarge(most)
    if request.content_type.startswith("multipart/") or "Content-Encoding" in request.headers:
        raise web.HTTPUnsupportedMediaType


async def read(request: web.Request, most: int, within_s: float) -> bytes:
    """The body. Raises HTTPRequestEntityTooLarge, HTTPRequestTimeout, HTTPBadRequest."""
    refuse_unread(request, most)
    if request.method != "POST" or request.content_type != FORM:
        return b""
    body = bytearray()
    try:
        async with asyncio.timeout(within_s):
            while piece := await request.content.readany():
                body += piece
                if len(body) > most:
                    raise web.HTTPRequestEntityTooLarge(most)
    except TimeoutError as error:
        raise web.HTTPRequestTimeout from error
    except (web.RequestPayloadError, ValueError) as error:
        raise web.HTTPBadRequest from error
    return bytes(body)


def parse(body: bytes, charset: str) -> dict[str, list[str]]:
    """The fields of a form, in the order in which they came. Raises ValueError, LookupError for what is none."""
    pairs = parse_qsl(
        body.decode(charset).rstrip(),
        keep_blank_values=True,
        encoding=charset,
        errors="replace",
        max_num_fields=FIELDS_MOST,
    )
    lists: dict[str, list[str]] = {}
    for name, value in pairs:
        lists.setdefault(name, []).append(value.replace("\x00", ""))
    return lists
