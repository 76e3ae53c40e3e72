"""STUN and TURN, probed as an agent's browser would."""

from collections.abc import Iterator

from hotline.settings import Settings
from ops.doctor import probes
from ops.doctor.finding import Finding, bad, ok, warn
from ops.doctor.web import only_here
from telephony.asterisk.ice import IceServer

FULL = {486, 508}


def check(settings: Settings) -> Iterator[Finding]:
    """Check each server of the settings."""
    if not settings.turn_servers and not only_here(settings):
        yield warn(
            "no relay is set: agents behind a strict firewall hear nothing",
            "install coturn, then FREELINE_TURN_URLS and FREELINE_TURN_SECRET (docs/operations.md, NAT and TURN)",
        )
    for url in settings.stun_servers:
        yield _stun(url, settings.external_ip)
    for url in settings.turn_servers:
        yield _turn(url, settings.turn_secret)


def _stun(url: str, external_ip: str) -> Finding:
    server = IceServer.of(url)
    if server.transport != "udp":
        return ok(f"{url} is for browsers only; it is not asked")
    try:
        seen = probes.seen_from_outside(server)
    except probes.NoAnswer as error:
        return bad(f"{url}: {error}", "look at the name and port, and whether the firewall lets UDP out and back")
    if external_ip and seen != external_ip:
        # On the same network the server sees our address there.
        return warn(
            f"{url} sees us at another address than EXTERNAL_IP",
            f"unless it is on your own network: FREELINE_EXTERNAL_IP={seen}",
        )
    return ok(f"{url} answers")


def _turn(url: str, secret: str) -> Finding:
    try:
        probes.relayed_address(IceServer.of(url), secret)
        return ok(f"{url} relays")
    except probes.TurnRefused as error:
        if error.code in FULL:
            return bad(
                f"{url} has no room for another call", "raise user-quota, total-quota or max-port in turnserver.conf"
            )
        if error.code in {401, 403, 438, 441}:
            return bad(
                f"{url} refuses our secret",
                "use-auth-secret, and the same static-auth-secret as FREELINE_TURN_SECRET; then look at both clocks",
            )
        return bad(f"{url} refuses with {error.code}", "look at the log of coturn")
    except probes.NoAnswer as error:
        return bad(f"{url}: {error}", "look at the name and port, whether coturn runs, and at the firewall")
