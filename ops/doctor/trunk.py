"""The trunk to the carrier, and whether the world can find us behind NAT."""

import ipaddress
from collections.abc import Iterator

from hotline.settings import Settings
from ops import registration
from ops.doctor import probes
from ops.doctor.finding import Finding, bad, ok, warn
from ops.doctor.web import LOOPBACK, only_here
from ops.registration import REGISTERED, SIP_PORT
from telephony.asterisk.ice import own_addresses
from telephony.asterisk.process import ready as asterisk_ready


def check(settings: Settings) -> Iterator[Finding]:
    """Check the carrier's side, then ours."""
    yield from _carrier(settings)
    yield from _ours(settings)


def _carrier(settings: Settings) -> Iterator[Finding]:
    networks = [part.strip() for part in settings.trunk_match.split(",")]
    if any(part.endswith("/0") for part in networks):
        yield bad("TRUNK_MATCH takes the whole internet for your carrier", "list the addresses your carrier calls from")
    if not settings.trunk_host:
        yield warn(
            "no trunk is set: only phones of your own reach the line",
            "set FREELINE_TRUNK_HOST and FREELINE_TRUNK_MATCH",
        )
        return
    host, _, port = settings.trunk_host.partition(":")
    if port and not port.isdigit():
        yield bad(
            "TRUNK_HOST is no server's name", "give it as sip.carrier.example, or with a port: sip.carrier.example:5070"
        )
        return
    registered = registration.state(settings) if settings.trunk_user else ""
    try:
        status = probes.options(host, int(port or SIP_PORT))
        yield ok(f"the carrier answers OPTIONS ({status})")
    except probes.NoAnswer as error:
        text = f"the carrier does not answer OPTIONS at TRUNK_HOST ({error})"
        if registered == REGISTERED:
            yield ok(f"{text}; some never do, and we are registered")
        else:
            yield bad(text, "look at the host and port the carrier gave, and whether the firewall lets SIP out")
    if settings.trunk_user:
        yield _registration(settings, registered)


def _registration(settings: Settings, state: str) -> Finding:
    if state == REGISTERED:
        return ok("we are registered with the carrier")
    if not state:
        return warn("whether we are registered cannot be seen now", "look again while Freeline runs on this machine")
    why = registration.why(settings)
    if why == registration.NO_ANSWER:
        return bad(
            "we are not registered: nobody answers at TRUNK_HOST",
            "look at TRUNK_HOST, and whether the firewall lets SIP out and back",
        )
    if why.startswith(registration.BAD_PASSWORD):
        return bad(
            f"the carrier refuses our user or password {why.rpartition(' ')[2]}",
            "look at FREELINE_TRUNK_USER and FREELINE_TRUNK_PASSWORD",
        )
    if registration.refused(why):
        return bad(
            f"the carrier refuses our registration: {why}",
            "ask the carrier: the account may be locked, or bound to another address",
        )
    return bad("we are not registered with the carrier", "look again in a minute; Asterisk tries again by itself")


def _ours(settings: Settings) -> Iterator[Finding]:
    outside = bool(settings.trunk_host) or not only_here(settings)
    if settings.trunk_host and settings.sip_host in LOOPBACK:
        yield bad("SIP_HOST is this machine alone: no call of the carrier arrives", "FREELINE_SIP_HOST=0.0.0.0")
    public = [address for address in own_addresses() if ipaddress.ip_address(address).is_global]
    mend = "set FREELINE_EXTERNAL_IP to the address the world sees, and pass SIP_PORT and RTP_PORTS on to this machine"
    if not settings.external_ip and outside and not public and not settings.stun_servers:
        words = "this machine has only private addresses: callers and agents elsewhere would hear nothing"
        yield bad(words, mend)
    elif not settings.external_ip and settings.trunk_host and not public:
        yield bad("EXTERNAL_IP is not set: STUN helps the agents' sound, but not the carrier's", mend)
    elif public and not settings.external_ip:
        yield ok("this machine has an address of its own on the internet")
    if settings.external_ip:
        yield from _external(settings)


def _external(settings: Settings) -> Iterator[Finding]:
    if ipaddress.ip_address(settings.external_ip).is_loopback:
        yield bad("EXTERNAL_IP is loopback: the world cannot reach that", "give the address the world sees")
    if asterisk_ready(settings) and settings.trunk_host:
        try:
            probes.options(settings.external_ip, settings.sip_port)
            yield ok("our own SIP port answers at EXTERNAL_IP")
        except probes.NoAnswer:
            yield warn(
                "our SIP port does not answer at EXTERNAL_IP, asked from here; not every router passes that back",
                "pass SIP_PORT and RTP_PORTS (UDP) on to this machine; then call your number from a mobile phone",
            )
    else:
        yield ok(f"the world is told {settings.external_ip}")
