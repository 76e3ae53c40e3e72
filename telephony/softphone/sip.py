"""SIP messages: reading, writing and answering a digest challenge (RFC 3261, RFC 2617). Just what our phone needs."""

import hashlib
import re
import secrets
from dataclasses import dataclass, field

LINE = "\r\n"


@dataclass
class SipMessage:
    """A SIP message. `first` is its first line; headers keep their order, names in their usual spelling."""

    first: str
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: str = ""

    def get(self, name: str, otherwise: str = "") -> str:
        """The first header of this name."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), otherwise)

    def all(self, name: str) -> list[str]:
        """All headers of this name, in order."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    @property
    def status(self) -> int:
        """The status of a response, 0 for a request."""
        return int(self.first.split()[1]) if self.first.startswith("SIP/2.0") else 0

    @property
    def method(self) -> str:
        """The method of a request, or of the request that a response answers."""
        return self.get("CSeq").split()[-1] if self.status else self.first.split()[0]

    def to_bytes(self) -> bytes:
        """The message on the wire."""
        body = self.body.encode()
        lines = [self.first, *(f"{k}: {v}" for k, v in self.headers), f"Content-Length: {len(body)}"]
        return (LINE.join(lines) + LINE * 2).encode() + body


SHORT = {"v": "Via", "f": "From", "t": "To", "i": "Call-ID", "m": "Contact", "l": "Content-Length", "c": "Content-Type"}


def read(packet: bytes) -> SipMessage | None:
    """The message in a packet, or None when it is none (a keep-alive, garbage)."""
    head, _, body = packet.decode(errors="replace").partition(LINE * 2)
    lines = head.split(LINE)
    if "SIP/2.0" not in lines[0]:
        return None
    headers = []
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if colon:
            headers.append((SHORT.get(name.strip().lower(), name.strip()), value.strip()))
    return SipMessage(lines[0], [h for h in headers if h[0].lower() != "content-length"], body)


def answer_to(request: SipMessage, status: int, reason: str, tag: str = "") -> SipMessage:
    """A response to a request: the same Via, From, Call-ID and CSeq; the To gets our tag."""
    to = request.get("To")
    if tag and "tag=" not in to:
        to = f"{to};tag={tag}"
    headers = [("Via", via) for via in request.all("Via")]
    headers += [("From", request.get("From")), ("To", to)]
    headers += [("Call-ID", request.get("Call-ID")), ("CSeq", request.get("CSeq"))]
    return SipMessage(f"SIP/2.0 {status} {reason}", headers)


def digest(challenge: str, method: str, uri: str, user: str, secret: str) -> str:
    """The Authorization header for a challenge (MD5, with or without qop=auth)."""
    asked = dict(re.findall(r'(\w+)="?([^",]*)"?', challenge))
    realm, nonce = asked.get("realm", ""), asked.get("nonce", "")
    ha1, ha2 = _md5(f"{user}:{realm}:{secret}"), _md5(f"{method}:{uri}")
    parts = f'Digest username="{user}", realm="{realm}", nonce="{nonce}", uri="{uri}", algorithm=MD5'
    if "qop" in asked:
        cnonce = secrets.token_hex(8)
        response = _md5(f"{ha1}:{nonce}:00000001:{cnonce}:auth:{ha2}")
        parts += f', qop=auth, nc=00000001, cnonce="{cnonce}"'
    else:
        response = _md5(f"{ha1}:{nonce}:{ha2}")
    if "opaque" in asked:
        parts += f', opaque="{asked["opaque"]}"'
    return f'{parts}, response="{response}"'


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()  # noqa: S324  (SIP digest is MD5)


def uri_of(header: str) -> str:
    """The URI inside a Contact, From or To header."""
    inside = re.search(r"<([^>]+)>", header)
    return inside.group(1) if inside else header.split(";", maxsplit=1)[0].strip()


def sdp(host: str, port: int) -> str:
    """An offer or answer: mu-law and telephone events."""
    lines = [
        "v=0",
        f"o=- {secrets.randbits(31)} 1 IN IP4 {host}",
        "s=-",
        f"c=IN IP4 {host}",
        "t=0 0",
        f"m=audio {port} RTP/AVP 0 101",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:101 0-16",
        "a=ptime:20",
        "a=sendrecv",
    ]
    return LINE.join(lines) + LINE


def media_of(body: str) -> tuple[str, int] | None:
    """Where the other side wants its audio, from its SDP; None when it says nothing of it."""
    host = re.search(r"^c=IN IP4 (\S+)", body, re.MULTILINE)
    port = re.search(r"^m=audio (\d+)", body, re.MULTILINE)
    return (host.group(1), int(port.group(1))) if host and port else None
