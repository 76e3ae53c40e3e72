"""The doctor's probes over the network: SIP OPTIONS, a STUN server, a TURN server."""

import asyncio
import secrets
import socket
import ssl
from datetime import timedelta

from aioice import stun, turn

from models.db.types import now
from telephony.asterisk.ice import IceServer, turn_credentials
from telephony.softphone import sip

WITHIN_S = 3.0
TRIES = 3


class NoAnswer(Exception):
    """Nobody answered; the text says at which step."""


class TurnRefused(Exception):
    """The TURN server refused: `code` is of RFC 8656."""

    def __init__(self, code: int) -> None:
        super().__init__(str(code))
        self.code = code


def options(host: str, port: int) -> int:
    """The SIP status with which OPTIONS is answered; any status shows that the other side works. Raises `NoAnswer`."""
    address = _address(host, port, socket.SOCK_DGRAM)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.connect(address)
        own, own_port = line.getsockname()
        headers = [
            ("Via", f"SIP/2.0/UDP {own}:{own_port};rport;branch=z9hG4bK{secrets.token_hex(8)}"),
            ("From", f"<sip:doctor@{own}>;tag={secrets.token_hex(6)}"),
            ("To", f"<sip:{host}>"),
            ("Call-ID", f"{secrets.token_hex(10)}@{own}"),
            ("CSeq", "1 OPTIONS"),
            ("Contact", f"<sip:doctor@{own}:{own_port}>"),
            ("Max-Forwards", "70"),
        ]
        request = sip.SipMessage(f"OPTIONS sip:{host}:{port} SIP/2.0", headers).to_bytes()
        reply = sip.read(_ask(line, request))
    return reply.status if reply else 0


def register(host: str, port: int, user: str, password: str) -> tuple[int, bool]:
    """The final SIP status of a REGISTER that only asks what is registered, and whether our password was asked for.

    Without a Contact it changes nothing at the carrier. Raises `NoAnswer`.
    """
    address = _address(host, port, socket.SOCK_DGRAM)
    uri, call_id, tag = f"sip:{host}:{port}", secrets.token_hex(10), secrets.token_hex(6)
    credentials: list[tuple[str, str]] = []
    status = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.connect(address)
        own, own_port = line.getsockname()
        for cseq in (1, 2):
            headers = [
                ("Via", f"SIP/2.0/UDP {own}:{own_port};rport;branch=z9hG4bK{secrets.token_hex(8)}"),
                ("From", f"<sip:{user}@{host}>;tag={tag}"),
                ("To", f"<sip:{user}@{host}>"),
                ("Call-ID", f"{call_id}@{own}"),
                ("CSeq", f"{cseq} REGISTER"),
                ("Max-Forwards", "70"),
                *credentials,
            ]
            reply = sip.read(_ask(line, sip.SipMessage(f"REGISTER {uri} SIP/2.0", headers).to_bytes()))
            # A provisional answer, or the answer to an earlier request, may come first.
            while reply is not None and (reply.status < 200 or not reply.get("CSeq").startswith(f"{cseq} ")):
                reply = sip.read(_hear(line))
            if reply is None:
                raise NoAnswer("something else than SIP answers")
            status = reply.status
            asks = {401: "Authorization", 407: "Proxy-Authorization"}.get(status)
            if asks is None or credentials:
                break
            challenge = reply.get("WWW-Authenticate") or reply.get("Proxy-Authenticate")
            credentials = [(asks, sip.digest(challenge, "REGISTER", uri, user, password))]
    return status, bool(credentials)


def seen_from_outside(server: IceServer) -> str:
    """The address that a STUN server sees us come from. Raises `NoAnswer`."""
    address = _address(server.host, server.port, socket.SOCK_DGRAM)
    request = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.connect(address)
        try:
            attributes = stun.parse_message(_ask(line, bytes(request))).attributes
        except ValueError as error:
            raise NoAnswer("something else than a STUN server answers") from error
    mapped = attributes.get("XOR-MAPPED-ADDRESS") or attributes.get("MAPPED-ADDRESS")
    if mapped is None:
        raise NoAnswer("it does not tell our address")
    return str(mapped[0])


def relayed_address(server: IceServer, secret: str) -> str:
    """The address that a TURN server gives us for some seconds. Raises `NoAnswer` and `TurnRefused`."""
    user, password = turn_credentials(secret, secrets.token_hex(8), now() + timedelta(minutes=5))
    kind = socket.SOCK_DGRAM if server.transport == "udp" else socket.SOCK_STREAM
    address = _address(server.host, server.port, kind)
    if server.transport == "tls":
        address = server.host, server.port  # the certificate is for the name

    async def allocate() -> str:
        async with asyncio.timeout(WITHIN_S * TRIES):
            transport, _protocol = await turn.create_turn_endpoint(
                asyncio.DatagramProtocol,
                server_addr=address,
                username=user,
                password=password,
                ssl=ssl.create_default_context() if server.transport == "tls" else None,
                transport="udp" if server.transport == "udp" else "tcp",
            )
        given = str(transport.get_extra_info("sockname")[0])
        transport.close()
        await asyncio.sleep(0.1)  # it releases the allocation in the background
        return given

    try:
        return asyncio.run(allocate())
    except stun.TransactionFailed as error:
        raise TurnRefused(error.response.error_code or 0) from error
    except ssl.SSLError as error:
        raise NoAnswer(f"its certificate is refused ({error.reason})") from error
    except (TimeoutError, stun.TransactionTimeout) as error:
        raise NoAnswer("no answer") from error
    except OSError as error:
        raise NoAnswer(error.strerror or type(error).__name__) from error


def _address(host: str, port: int, kind: socket.SocketKind) -> tuple[str, int]:
    try:
        found = socket.getaddrinfo(host, port, socket.AF_INET, kind)
    except socket.gaierror as error:
        raise NoAnswer("its name has no address in DNS") from error
    return str(found[0][4][0]), int(found[0][4][1])


def _hear(line: socket.socket) -> bytes:
    try:
        return line.recv(4096)
    except OSError as error:
        raise NoAnswer("no final answer") from error


def _ask(line: socket.socket, request: bytes) -> bytes:
    line.settimeout(WITHIN_S / TRIES)
    for _turn in range(TRIES):
        try:
            line.send(request)
            return line.recv(4096)
        except TimeoutError:
            continue
        except OSError as error:
            raise NoAnswer(error.strerror or type(error).__name__) from error
    raise NoAnswer("no answer")
