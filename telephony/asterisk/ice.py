"""How sound finds its way past NAT and firewalls: our addresses, and the STUN and TURN servers (RFC 8489, RFC 8656)."""

import base64
import hashlib
import hmac
import ipaddress
import re
from dataclasses import dataclass
from datetime import datetime

import ifaddr

from hotline.settings import Settings

PORT, PORT_TLS = 3478, 5349
_URL = re.compile(r"(stuns?|turns?):(\[[^\]]+\]|[^:?]+)(?::(\d+))?(?:\?transport=(udp|tcp))?")


@dataclass(frozen=True)
class IceServer:
    """One STUN or TURN server. `transport` is udp, tcp or tls."""

    host: str
    port: int
    transport: str

    @classmethod
    def of(cls, url: str) -> "IceServer":
        """The server of a URL. Raises ValueError for anything else."""
        found = _URL.fullmatch(url)
        if found is None:
            raise ValueError(f"{url!r} is no URL of a STUN or TURN server")
        scheme, host, port, transport = found.groups()
        tls = scheme.endswith("s")
        return cls(host.strip("[]"), int(port or (PORT_TLS if tls else PORT)), "tls" if tls else transport or "udp")


def turn_credentials(secret: str, name: str, until: datetime) -> tuple[str, str]:
    """A user and password that a TURN server with this static-auth-secret takes until then; it keeps no list of them.

    As coturn's `use-auth-secret` wants them: the end in seconds since 1970, and an HMAC of the user.
    """
    user = f"{int(until.timestamp())}:{name}"
    digest = hmac.new(secret.encode(), user.encode(), hashlib.sha1).digest()
    return user, base64.b64encode(digest).decode()


def for_page(settings: Settings, page: str, until: datetime) -> list[dict[str, object]]:
    """The servers for a page's RTCPeerConnection. `page` is random: the TURN server's log shows nobody's name."""
    found: list[dict[str, object]] = []
    if settings.stun_servers:
        found.append({"urls": settings.stun_servers})
    if settings.turn_servers:
        user, password = turn_credentials(settings.turn_secret, page, until)
        found.append({"urls": settings.turn_servers, "username": user, "credential": password})
    return found


def own_addresses() -> list[str]:
    """This machine's own IPv4 addresses without loopback, private ones too."""
    found = [ip.ip for adapter in ifaddr.get_adapters() for ip in adapter.ips if isinstance(ip.ip, str)]
    return [address for address in found if not ipaddress.ip_address(address).is_loopback]


def advertised_instead(settings: Settings) -> list[str]:
    """Own addresses that Asterisk must tell to browsers as EXTERNAL_IP: none of them is reached from outside."""
    if not settings.external_ip or settings.external_ip in (own := own_addresses()):
        return []
    return own


def stun_for_asterisk(settings: Settings) -> str:
    """The server that Asterisk asks for its own address at each call; empty when it is known or none is set.

    Asterisk speaks plain UDP with it.
    """
    if settings.external_ip:
        return ""
    servers = [IceServer.of(url) for url in settings.stun_servers]
    return next((f"{s.host}:{s.port}" for s in servers if s.transport == "udp" and ":" not in s.host), "")
