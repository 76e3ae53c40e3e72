"""The console behind TLS: cookies, the front, and its certificate."""

import http.client
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

from hotline.settings import Settings
from models.db.types import now
from ops.doctor.finding import Finding, bad, ok, warn

LOOPBACK = {"127.0.0.1", "::1", "localhost"}
WITHIN_S = 5.0
DAYS_LEFT = 14
FRONT = "put a TLS front before it (docs/operations.md, DNS and TLS)"


def only_here(settings: Settings) -> bool:
    """Return whether the console is for browsers on this machine only."""
    return settings.console_host in LOOPBACK and not settings.secure_cookies and not settings.public_url


def check(settings: Settings) -> Iterator[Finding]:
    """Check that passwords and sound go over TLS, and how long the certificate is valid."""
    loopback = settings.console_host in LOOPBACK
    if only_here(settings):
        yield warn("only browsers on this machine reach the console", f"for agents elsewhere {FRONT}")
        return
    if not settings.secure_cookies:
        yield bad(
            "cookies may travel without TLS, and with them every sign-in", f"{FRONT}, then FREELINE_SECURE_COOKIES=true"
        )
    elif not settings.behind_proxy:
        yield warn(
            "every sign-in seems to come from the front's address",
            "FREELINE_BEHIND_PROXY=true, and let it set X-Forwarded-For",
        )
    else:
        yield ok("cookies go over TLS only, and the front tells who asks")
    if settings.behind_proxy and not loopback and not settings.apart:
        yield warn(
            f"the console listens on {settings.console_host}: who goes round the front may claim any address",
            "FREELINE_CONSOLE_HOST=127.0.0.1, or let the firewall pass only the front",
        )
    if settings.public_url:
        yield from _front(settings.public_url, settings.front)
    else:
        yield warn(
            "where agents open the console is not known, so its certificate is not looked at",
            "set FREELINE_PUBLIC_URL=https://…",
        )


def _front(url: str, inside: str) -> Iterator[Finding]:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 443
    if parts.scheme != "https":
        yield bad("PUBLIC_URL does not begin with https: browsers give no microphone there", FRONT)
        return
    try:
        socket.getaddrinfo(host, port)
        # From inside a container its own name may lead nowhere, and `localhost` leads to the container.
        at, _, at_port = inside.partition(":")
        with (
            socket.create_connection((at or host, int(at_port or port)), timeout=WITHIN_S) as line,
            ssl.create_default_context().wrap_socket(line, server_hostname=host) as secured,
        ):
            certificate = secured.getpeercert() or {}
            said = _alive(secured, host, f"{parts.path.rstrip('/')}/alive")
    except ssl.SSLCertVerificationError as error:
        yield bad(
            f"the certificate of {host} is refused: {error.verify_message}",
            "renew it, for this very name; Caddy does so by itself, when FREELINE_TLS is your e-mail address"
            if inside
            else "renew it, for this very name; Caddy does so by itself",
        )
        return
    except socket.gaierror:
        yield bad(f"{host} has no address in DNS", "add an A record with this machine's outer address")
        return
    except OSError as error:
        yield bad(
            f"nothing serves TLS at {host}:{port} ({error.strerror or type(error).__name__})",
            "start the front, and open the port",
        )
        return
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate["notAfter"])), UTC)
    days = (ends - now()).days
    if days < DAYS_LEFT:
        yield warn(
            f"the certificate of {host} ends in {days} days", "look why it was not renewed: the front's log says so"
        )
    else:
        yield ok(f"the certificate of {host} is good for {days} days")
    if said == "200":
        yield ok("the console answers through its front")
    else:
        yield bad(
            f"the front does not pass pages on to the console ({said})",
            "let it pass everything on to CONSOLE_HOST and CONSOLE_PORT",
        )


def _alive(secured: ssl.SSLSocket, host: str, path: str) -> str:
    """The status with which the console answers through its front, or the error."""
    asked = http.client.HTTPConnection(host, timeout=WITHIN_S)
    asked.sock = secured
    try:
        asked.request("GET", path)
        return str(asked.getresponse().status)
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__
