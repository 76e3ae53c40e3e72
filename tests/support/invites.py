"""Bare INVITEs, as carriers write them: one packet, and the final answer."""

import contextlib
import secrets
import socket
from collections.abc import Iterator, Sequence
from typing import Any

from telephony.softphone import sip
from telephony.softphone.sip import SipMessage

G729 = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio 40000 RTP/AVP 18\r\na=rtpmap:18 G729/8000\r\n"
)


def invite(server: tuple[str, int], uri: str, **how: Any) -> int:
    """The final status of an INVITE, see `inviting`; an answered call is hung up at once."""
    with inviting(server, uri, **how) as status:
        return status


@contextlib.contextmanager
def inviting(
    server: tuple[str, int],
    uri: str,
    *,
    caller: str = "<sip:0812345678@127.0.0.1>",
    headers: Sequence[tuple[str, str]] = (),
    host: str = "127.0.0.1",
    sdp: str | None = None,
    within_s: float = 15.0,
) -> Iterator[int]:
    """Send an INVITE for exactly this Request-URI and yield its final status; an answered call is hung up at the end.

    `uri` is written verbatim, with SERVER for the server's address. 0 when no final answer came in time.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.bind((host, 0))
        line.settimeout(within_s)
        port = line.getsockname()[1]
        target = uri.replace("SERVER", f"{server[0]}:{server[1]}")
        call_id, tag = secrets.token_hex(8), secrets.token_hex(4)

        def send(method: str, to_uri: str, to: str, cseq: int, branch: str, body: str = "") -> None:
            sent = [
                ("Via", f"SIP/2.0/UDP {host}:{port};rport;branch=z9hG4bK{branch}"),
                ("From", f"{caller};tag={tag}"),
                ("To", to),
                ("Call-ID", call_id),
                ("CSeq", f"{cseq} {method}"),
                ("Contact", f"<sip:carrier@{host}:{port}>"),
                ("Max-Forwards", "70"),
            ]
            sent += [*headers, ("Content-Type", "application/sdp")] if body else []
            line.sendto(SipMessage(f"{method} {to_uri} SIP/2.0", sent, body).to_bytes(), server)

        branch = secrets.token_hex(8)
        send("INVITE", target, f"<{target}>", 1, branch, sip.sdp(host, 40000) if sdp is None else sdp)
        final = _final(line, call_id)
        if final is None:
            yield 0
        elif final.status >= 300:
            send("ACK", target, final.get("To"), 1, branch)
            yield final.status
        else:
            remote = sip.uri_of(final.get("Contact"))
            send("ACK", remote, final.get("To"), 1, secrets.token_hex(8))
            try:
                yield final.status
            finally:
                send("BYE", remote, final.get("To"), 2, secrets.token_hex(8))


def _final(line: socket.socket, call_id: str) -> SipMessage | None:
    with contextlib.suppress(TimeoutError):
        while True:
            answer = sip.read(line.recv(65535))
            if answer is not None and answer.status >= 200 and answer.get("Call-ID") == call_id:
                return answer
    return None
