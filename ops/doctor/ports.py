"""The ports: free or ours, and enough of them for the sound."""

import socket
from collections.abc import Iterator

from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import col, func, select

from hotline.settings import Settings
from models import Agent, Database
from ops.doctor.finding import Finding, bad, ok, warn
from ops.supervision.health import console_answers
from ops.supervision.probe import ivr_answers
from telephony.asterisk.process import ready as asterisk_ready

A_LEG = 2  # RTP and RTCP
TCP, UDP = socket.SOCK_STREAM, socket.SOCK_DGRAM


def check(settings: Settings) -> Iterator[Finding]:
    """Check that each port is available, and that the RTP range is large enough."""
    asterisk = asterisk_ready(settings)
    if not settings.apart:  # each container has its own; `running` checks whether its process answers
        yield from _to_be_had(settings, asterisk=asterisk)
    yield _enough(settings)
    yield from _rtp(settings, running=asterisk or settings.apart)


def _to_be_had(settings: Settings, *, asterisk: bool) -> Iterator[Finding]:
    wanted = {
        "CONSOLE_PORT": (settings.console_host, settings.console_port, TCP, console_answers(settings)),
        "SIP_PORT": (settings.sip_host, settings.sip_port, UDP, asterisk),
        "AMI_PORT": (settings.ami_host, settings.ami_port, TCP, asterisk),
        "AGI_PORT": (settings.agi_host, settings.agi_port, TCP, ivr_answers(settings)),
        "ASTERISK_HTTP_PORT": (settings.asterisk_http_host, settings.asterisk_http_port, TCP, asterisk),
    }
    fine = []
    for name, (host, port, kind, ours) in wanted.items():
        why = None if ours else not_free(host, port, kind)
        if why:
            yield bad(f"port {port} {why}", f"stop what holds it (`ss -lnptu`), or set FREELINE_{name}")
        else:
            fine.append(f"{port} {'ours' if ours else 'free'}")
    if fine:
        yield ok(", ".join(fine))


def not_free(host: str, port: int, kind: socket.SocketKind) -> str | None:
    """Return why a port is not available, or None."""
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind) as probe:
            if kind is TCP:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except PermissionError:
        return "needs root: ports under 1024 do"
    except OSError as error:
        return "is taken by another program" if error.errno == 98 else f"cannot be had on {host}: {error.strerror}"
    return None


def _ends(settings: Settings) -> tuple[int, int]:
    first, _, last = settings.rtp_ports.partition("-")
    return int(first), int(last)


def _enough(settings: Settings) -> Finding:
    first, last = _ends(settings)
    have, agents = last - first + 1, _agents(settings)
    callers = A_LEG * settings.calls_at_once
    all_legs = callers + A_LEG * agents
    words = f"{have} RTP ports: a leg takes {A_LEG}"
    larger = f"{first}-{first + all_legs - 1}"
    mend = f"set FREELINE_RTP_PORTS={larger} and open it in the firewall, or lower FREELINE_CALLS_AT_ONCE"
    if have < callers:
        return bad(f"{words}, and CALLS_AT_ONCE is {settings.calls_at_once}", mend)
    if have < all_legs:
        return warn(f"{words}: enough for {settings.calls_at_once} callers, not for {agents} agents besides", mend)
    return ok(f"{words}, enough for {settings.calls_at_once} callers and {agents} agents")


def _agents(settings: Settings) -> int:
    db = Database(settings.database, busy_s=2.0)
    try:
        with db.read() as session:
            return session.exec(select(func.count()).select_from(Agent).where(col(Agent.active))).one()
    except SQLAlchemyError:
        return 0
    finally:
        db.dispose()


def _rtp(settings: Settings, *, running: bool) -> Iterator[Finding]:
    first, last = _ends(settings)
    if first <= settings.sip_port <= last:
        yield bad("SIP_PORT is inside RTP_PORTS", "move one of them")
    if running:
        return
    taken = [port for port in range(first, last + 1) if not_free("0.0.0.0", port, UDP)]  # noqa: S104
    if taken:
        yield warn(
            f"{len(taken)} of the RTP ports are taken, {taken[0]} first", "stop what holds them, or move RTP_PORTS"
        )
