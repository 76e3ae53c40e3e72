"""Malformed SIP, each message with one known name and one known number in all of its fields.

The name is also written in encodings other than UTF-8. Wherever one of the two is found, a caller's data was kept.
"""

import random
import secrets
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

NUMBER = "0898765432"
NAME = "Quillfeather"
NAMES = (
    NAME.encode(),
    NAME.encode() + b" \xca\xc1\xaa\xd2\xc2",  # TIS-620
    NAME.encode() + b" Ren\xe9e",  # Latin-1
    f"{NAME} สมชาย".encode(),
    NAME.encode() + b"\x00\x01\x07\x1b[31m",
    NAME.encode() + b'\\" \\\\ <sip:x>',
)
LINE = "1800123456"
FORGED = quote(f"{NUMBER}\r\n\r\nEvent: AgentRingNoAnswer\r\nInterface: PJSIP/agent1\r\nMemberName: {NAME}", safe="")
FIELDS = (
    "Via",
    "From",
    "To",
    "Call-ID",
    "CSeq",
    "Max-Forwards",
    "Contact",
    "Diversion",
    "P-Asserted-Identity",
    "Remote-Party-ID",
    "Privacy",
    "User-Agent",
    "Subject",
    "Reason",
    "Referred-By",
    "History-Info",
    "Call-Info",
    "Alert-Info",
    "Organization",
    "Authorization",
    "Warning",
    "Route",
    "Require",
    "Supported",
    "Session-Expires",
    "Replaces",
    "Identity",
    "Geolocation",
    "X-Freeline-Call",
    "Content-Type",
)
METHODS = (
    *("INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "REGISTER", "INFO", "UPDATE", "PRACK", "NOTIFY", "SUBSCRIBE"),
    *("PUBLISH", "MESSAGE", "REFER", NAME.upper()),
)


def sdp(name: bytes) -> bytes:
    """An offer with the name and the number wherever it has words."""
    who = name.replace(b" ", b"_")
    lines = [
        b"v=0",
        b"o=" + who + NUMBER.encode() + b" 1 1 IN IP4 127.0.0.1",
        b"s=" + name + NUMBER.encode(),
        b"i=" + name,
        b"e=" + who + b"@h",
        b"p=+" + NUMBER.encode(),
        b"c=IN IP4 127.0.0.1",
        b"t=0 0",
        b"m=audio 4000 RTP/AVP 0 96 101",
        b"a=rtpmap:96 " + who + b"/8000",
        b"a=rtpmap:101 telephone-event/8000",
        b"a=X-" + who + b":" + NUMBER.encode(),
    ]
    return b"\r\n".join(lines) + b"\r\n"


def message(
    name: bytes = NAMES[0],
    method: str = "INVITE",
    uri: str = f"sip:{LINE}@127.0.0.1",
    without: str = "",
    change: tuple[str, bytes] | None = None,
    user: str = NUMBER,
    body: bytes | None = None,
    length: str | None = None,
) -> bytes:
    """One request with all fields; `without` leaves one out, `change` gives one another value."""
    n, word = NUMBER.encode(), name.replace(b" ", b"_")
    there = sdp(name) if body is None else body
    values: dict[str, bytes] = {
        "Via": b"SIP/2.0/UDP 127.0.0.9:9;rport;branch=z9hG4bK" + secrets.token_hex(8).encode(),
        "From": b'"'
        + name
        + b'" <sip:'
        + user.encode()
        + b"@127.0.0.1;x="
        + n
        + b">;tag="
        + n
        + secrets.token_hex(4).encode(),
        "To": b'"' + name + b'" <sip:' + n + b"@127.0.0.1>",
        "Call-ID": NAME.encode() + n + b"-" + secrets.token_hex(8).encode(),
        "CSeq": f"1 {method}".encode(),
        "Max-Forwards": b"70",
        "Contact": b'"' + name + b'" <sip:' + n + b"@127.0.0.1:9>",
        "P-Asserted-Identity": b'"' + name + b'" <sip:' + n + b"@h>",
        "Remote-Party-ID": b'"' + name + b'" <sip:' + n + b"@h>;party=calling",
        "Diversion": b'"' + name + b'" <sip:' + n + b'@h>;reason="' + word + b'"',
        "Reason": b'Q.850;cause=16;text="' + name + n + b'"',
        "Content-Type": b"application/sdp",
    }
    for field in FIELDS:
        values.setdefault(field, name + b" <sip:" + n + b"@h>")
    for refused in ("Require", "Replaces", "Route", "Session-Expires"):  # each in a message of its own
        del values[refused]
    if change is not None:
        values[change[0]] = change[1]
    values.pop(without, None)
    head = [f"{method} {uri} SIP/2.0".encode(), *(k.encode() + b": " + v for k, v in values.items())]
    head.append(f"Content-Length: {len(there) if length is None else length}".encode())
    return b"\r\n".join(head) + b"\r\n\r\n" + there


def corpus() -> Iterator[bytes]:
    """Yield the messages, some 270."""
    n = NUMBER.encode()
    yield from (message(name) for name in NAMES)
    yield from (message(without=field) for field in FIELDS)
    yield from (
        message(name, without=field) for field in ("CSeq", "Call-ID", "To", "From", "Via") for name in NAMES[1:3]
    )
    yield from (message(method=method) for method in METHODS)
    yield from (message(method=method, without="Contact") for method in METHODS)
    yield message(user=FORGED)
    yield message(user=FORGED, uri=f"sip:{FORGED}@127.0.0.1")
    for uri in (
        # Digits alone are a dialled number: calls to other numbers are counted by it.
        f"sip:{NUMBER}x@{NAME}",
        f"sip:{LINE};{NAME}={NUMBER}@127.0.0.1;user={NAME}",
        f"tel:55512;phone-context={NAME}{NUMBER}",
        f"{NAME}:{NUMBER}",
        f"sip:{quote(NAME)}%00{NUMBER}@127.0.0.1",
        f"<sip:{LINE}@127.0.0.1>",
        f"sip:{LINE}@127.0.0.1?{NAME}={NUMBER}",
        "sips:" + f"{NUMBER}." * 40 + "@h",
    ):
        yield message(uri=uri)
    for field in FIELDS:
        for value in (
            b"",
            NAMES[1] + n,
            b'"' + NAME.encode() + n,
            b"<sip:" + n + b"@" + NAME.encode() + b">;tag=" + n,
            (NAME.encode() + n) * 60,
        ):
            yield message(change=(field, value))
    for cseq in (b"99999999999999999999 INVITE", b"-1 INVITE", b"1 BYE", b"x INVITE", b"1"):
        yield message(change=("CSeq", cseq))
    for length in ("-1", "0", "99999", "1 2", NAME, "4294967297"):
        yield message(length=length)
    for body in (
        b"",
        NAME.encode() + n,
        sdp(NAMES[1])[:60],
        b"v=0\r\n" * 500 + n,
        sdp(NAMES[0]).replace(b"RTP/AVP", NAME.encode()),
        sdp(NAMES[0]).replace(b"IN IP4 127.0.0.1", b"IN IP4 " + NAME.encode()),
        sdp(NAMES[0]).replace(b"0 96 101", b"18 4"),
        b"\xff\xfe" + NAME.encode("utf-16") + n,
        bytes(range(256)) + n,
    ):
        yield message(body=body)
    for kind in (b"multipart/mixed;boundary=" + NAME.encode(), b"application/isup", b"text/" + NAME.encode()):
        yield message(change=("Content-Type", kind))
    yield b"SIP/2.0 200 " + NAME.encode() + n + b"\r\n\r\n"
    yield message().replace(b"INVITE sip", b"SIP/2.0 486 " + NAME.encode(), 1)
    yield message().replace(b"\r\n", b"\n")
    yield message().replace(b": ", b" \t:\r\n ")
    yield message().replace(b"SIP/2.0", b"SIP/7.0")
    yield message()[:200]
    yield NAME.encode() + b" " + n + b"\r\n\r\n"
    yield b"\x00" * 20 + n + NAME.encode()
    yield b"GET /" + NAME.encode() + n + b" HTTP/1.1\r\nHost: h\r\n\r\n"


def fuzzed(seed: int) -> Iterator[bytes]:
    """The same messages for ever, each with a few bytes, lines or words changed. The same seed gives the same changes."""
    chance = random.Random(seed)
    while True:
        for whole in corpus():
            lines = whole.split(b"\r\n")
            for _ in range(chance.randrange(4)):
                at = chance.randrange(len(lines))
                what = chance.randrange(5)
                if what == 0:
                    lines.insert(at, lines[chance.randrange(len(lines))])
                elif what == 1:
                    del lines[at]
                    lines = lines or [b""]
                elif what == 2 and lines[at]:
                    cut = chance.randrange(len(lines[at]))
                    lines[at] = lines[at][:cut] + chance.randbytes(chance.randrange(1, 6)) + lines[at][cut:]
                elif what == 3:
                    lines[at] = lines[at].replace(b":", chance.choice([b"", b"::", b";", b"=", b":\t\r\n "]), 1)
                else:
                    lines[at] = lines[at][: chance.randrange(len(lines[at]) + 1)]
            yield b"\r\n".join(lines)[:60_000]


def kept_in(folder: Path) -> list[str]:
    """The files in which the name or the number is, in any of the ways in which it may be written.

    The net's notes are left out: a number may be there until it is ingested.
    """
    wanted = []
    for word in (NAME, NUMBER):
        raw = word.encode()
        percent = "".join(f"%{byte:02x}" for byte in raw).encode()
        wanted += [raw, raw.hex().encode(), percent, word.encode("utf-16-le"), word.encode("utf-16-be")]
    found = []
    for path in folder.rglob("*"):
        if path.is_file() and path.suffix != ".call":
            there = path.read_bytes().lower()
            if any(way.lower() in there for way in wanted):
                found.append(str(path.relative_to(folder)))
    return found
