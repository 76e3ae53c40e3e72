"""A small SIP phone: it calls, registers, answers, speaks, presses keys and keeps what it hears.

Own code: `freeline call` and the tests need a real SIP party on loopback, and the packaged ones want root, a sound card
or a compiler. It speaks plain UDP and mu-law, and is never a part of the running hotline.
"""

import contextlib
import queue
import secrets
import socket
import threading
import time
from collections.abc import Callable
from types import TracebackType

from telephony.softphone import sip
from telephony.softphone.rtp import Audio
from telephony.softphone.sip import SipMessage

T1_S = 0.5


class SoftphoneCall:
    """One call of a phone. `status` is the last SIP status seen; 200 once answered."""

    def __init__(self, phone: "Phone", call_id: str, ours: str, theirs: str, target: str) -> None:
        self.phone, self.call_id = phone, call_id
        self.ours, self.theirs, self.target = ours, theirs, target
        self.audio = Audio(phone.host)
        self.status = 0
        self.cseq = 1
        self.answered = threading.Event()
        self.ended = threading.Event()
        self.invite: SipMessage | None = None
        self.last_answer: SipMessage | None = None
        self.incoming = False
        self.from_uri = ""

    def wait_answered(self, within_s: float = 60.0) -> bool:
        """Wait until the call is answered; False when it ended or time ran out first."""
        return _wait(lambda: self.answered.is_set() or self.ended.is_set(), within_s) and self.answered.is_set()

    def wait_ended(self, within_s: float = 60.0) -> bool:
        """Wait until either side has hung up."""
        return self.ended.wait(within_s)

    def wait_said(self, within_s: float = 60.0) -> bool:
        """Wait until all that was queued by `say` and `press` has been sent."""
        return _wait(lambda: self.audio.quiet or self.ended.is_set(), within_s)

    def say(self, pcm: bytes) -> None:
        """Send 16-bit 8 kHz mono samples."""
        self.audio.say(pcm)

    def press(self, digits: str) -> None:
        """Press keys."""
        self.audio.press(digits)

    @property
    def heard(self) -> bytes:
        """What was heard so far: 16-bit 8 kHz mono samples."""
        return bytes(self.audio.heard)

    def answer(self) -> None:
        """Answer an incoming call."""
        if self.invite is None or self.ended.is_set():
            return
        self.phone.respond(self, self.invite, 200, "OK", with_sdp=True)
        media = sip.media_of(self.invite.body)
        if media:
            self.audio.start(media)
        self.status = 200
        self.answered.set()

    def reject(self, status: int = 486) -> None:
        """Refuse an incoming call."""
        if self.invite is not None and not self.answered.is_set():
            self.phone.respond(self, self.invite, status, "Busy Here")
        self.over()

    def hangup(self) -> None:
        """End the call from our side: BYE, or CANCEL before it was answered."""
        if self.ended.is_set():
            return
        if self.incoming and not self.answered.is_set():
            self.reject()
            return
        if self.answered.is_set():
            self.cseq += 1
            self.phone.send(self.phone.request("BYE", self.target, self))
        else:
            self.phone.cancel(self)
        self.over()

    def vanish(self) -> None:
        """Stop without a word, as a phone does whose battery is empty."""
        self.over()

    def over(self) -> None:
        """Mark the call as ended and free its audio."""
        self.ended.set()
        self.audio.stop()

    def __enter__(self) -> "SoftphoneCall":
        return self

    def __exit__(self, *_: object) -> None:
        self.hangup()


class Phone:
    """A phone on `host` that talks to the SIP server at `server`; `secret` is for registering or authenticated calls.

    On a `port` of its own it can stand in for a provider: the server calls it there without a registration.
    """

    def __init__(
        self,
        server: tuple[str, int],
        user: str = "phone",
        secret: str = "",
        host: str = "127.0.0.1",
        ring: bool = True,
        port: int = 0,
    ) -> None:
        self.server, self.user, self.secret, self.host = server, user, secret, host
        self.ring = ring
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((host, port))
        self.port: int = self._socket.getsockname()[1]
        self.calls: dict[str, SoftphoneCall] = {}
        self.incoming: queue.Queue[SoftphoneCall] = queue.Queue()
        self.on_ring: Callable[[SoftphoneCall], None] | None = None
        self._replies: dict[tuple[str, str], queue.Queue[SipMessage]] = {}
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._receive, daemon=True, name="sip")
        self._thread.start()

    def call(self, number: str, from_number: str | None = "0812345678") -> SoftphoneCall:
        """Call a number; None withholds ours. Returns at once: wait with `wait_answered`."""
        host, port = self.server
        target = f"sip:{number}@{host}:{port}"
        tag = secrets.token_hex(6)
        if self.secret:
            ours = f"<sip:{self.user}@{host}>;tag={tag}"
        elif from_number is None:
            ours = f'"Anonymous" <sip:anonymous@anonymous.invalid>;tag={tag}'
        else:
            ours = f"<sip:{from_number}@{self.host}>;tag={tag}"
        call = SoftphoneCall(self, f"{secrets.token_hex(10)}@{self.host}", ours, f"<{target}>", target)
        self.calls[call.call_id] = call
        threading.Thread(target=self._invite, args=(call, target), daemon=True, name="invite").start()
        return call

    def wait_ring(self, within_s: float = 60.0) -> SoftphoneCall | None:
        """The next incoming call, or None when none came in time."""
        with contextlib.suppress(queue.Empty):
            return self.incoming.get(timeout=within_s)
        return None

    def register(self, expires_s: int = 300) -> int:
        """Register with the server; 0 seconds takes the registration away. Returns the final SIP status."""
        host, port = self.server
        call_id = f"{secrets.token_hex(10)}@{self.host}"
        authorization, status = "", 0
        for cseq in (1, 2):
            headers = self._start("REGISTER", call_id, cseq, f"<sip:{self.user}@{host}>;tag={secrets.token_hex(6)}")
            headers.insert(2, ("To", f"<sip:{self.user}@{host}>"))
            headers += [("Contact", f"<sip:{self.user}@{self.host}:{self.port}>"), ("Expires", str(expires_s))]
            if authorization:
                headers.append(("Authorization", authorization))
            reply = self._ask(SipMessage(f"REGISTER sip:{host}:{port} SIP/2.0", headers), call_id)
            status = reply.status if reply else 408
            if reply is None or status != 401:
                break
            challenge = reply.get("WWW-Authenticate")
            authorization = sip.digest(challenge, "REGISTER", f"sip:{host}:{port}", self.user, self.secret)
        return status

    def close(self) -> None:
        """Hang up everything and free the port."""
        for call in list(self.calls.values()):
            call.hangup()
        self._closed.set()
        self._thread.join(timeout=2)
        self._socket.close()

    def __enter__(self) -> "Phone":
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    # Sending

    def send(self, message: SipMessage) -> None:
        """Put a message on the wire."""
        with contextlib.suppress(OSError):
            self._socket.sendto(message.to_bytes(), self.server)

    def _start(self, method: str, call_id: str, cseq: int, ours: str, branch: str = "") -> list[tuple[str, str]]:
        branch = branch or f"z9hG4bK{secrets.token_hex(8)}"
        return [
            ("Via", f"SIP/2.0/UDP {self.host}:{self.port};rport;branch={branch}"),
            ("From", ours),
            ("Call-ID", call_id),
            ("CSeq", f"{cseq} {method}"),
            ("Max-Forwards", "70"),
            ("User-Agent", "freeline-phone"),
        ]

    def request(self, method: str, target: str, call: SoftphoneCall, branch: str = "") -> SipMessage:
        """A request inside a call."""
        headers = self._start(method, call.call_id, call.cseq, call.ours, branch)
        headers.insert(2, ("To", call.theirs))
        return SipMessage(f"{method} {target} SIP/2.0", headers)

    def respond(
        self, call: SoftphoneCall, request: SipMessage, status: int, reason: str, *, with_sdp: bool = False
    ) -> None:
        """Answer a request of a call, and keep the answer for when the request comes again."""
        reply = sip.answer_to(request, status, reason, tag=call.ours.partition("tag=")[2])
        reply.headers.append(("Contact", f"<sip:{self.user}@{self.host}:{self.port}>"))
        if with_sdp:
            reply.headers.append(("Content-Type", "application/sdp"))
            reply.body = sip.sdp(self.host, call.audio.port)
        if request.method == "INVITE":
            call.last_answer = reply
        self.send(reply)

    def cancel(self, call: SoftphoneCall) -> None:
        """Take back a call that was not answered."""
        if call.invite is not None:
            branch = call.invite.get("Via").partition("branch=")[2]
            self.send(self.request("CANCEL", call.invite.first.split()[1], call, branch))

    def _ask(self, request: SipMessage, call_id: str, within_s: float = 8.0) -> SipMessage | None:
        """Send a request again and again until a final response comes."""
        waiting: queue.Queue[SipMessage] = queue.Queue()
        key = (call_id, request.get("CSeq"))
        self._replies[key] = waiting
        end, pause = time.monotonic() + within_s, T1_S
        provisional = False
        try:
            while time.monotonic() < end and not self._closed.is_set():
                if not provisional:
                    self.send(request)
                with contextlib.suppress(queue.Empty):
                    reply = waiting.get(timeout=min(pause, max(0.01, end - time.monotonic())))
                    if reply.status >= 200:
                        return reply
                    provisional = True
                pause = min(pause * 2, 4.0)
            return None
        finally:
            self._replies.pop(key, None)

    def _invite(self, call: SoftphoneCall, target: str) -> None:
        authorization: tuple[str, str] | None = None
        for _ in range(2):
            request = self.request("INVITE", target, call)
            request.headers.append(("Contact", f"<sip:{self.user}@{self.host}:{self.port}>"))
            request.headers.append(("Content-Type", "application/sdp"))
            if authorization:
                request.headers.append(authorization)
            request.body = sip.sdp(self.host, call.audio.port)
            call.invite = request
            reply = self._ask(request, call.call_id, within_s=120.0)
            if reply is None:
                call.status = call.status or 408
                call.over()
                return
            call.status = reply.status
            call.theirs = reply.get("To")
            if reply.status < 300:
                call.target = sip.uri_of(reply.get("Contact")) or target
                self._acknowledge(call)
                media = sip.media_of(reply.body)
                if media and not call.ended.is_set():
                    call.audio.start(media)
                    call.answered.set()
                elif call.ended.is_set():
                    call.cseq += 1
                    self.send(self.request("BYE", call.target, call))
                return
            branch = request.get("Via").partition("branch=")[2]
            self.send(self.request("ACK", target, call, branch))
            challenge = reply.get("WWW-Authenticate") or reply.get("Proxy-Authenticate")
            if reply.status not in {401, 407} or authorization or not self.secret:
                call.over()
                return
            name = "Authorization" if reply.status == 401 else "Proxy-Authorization"
            authorization = (name, sip.digest(challenge, "INVITE", target, self.user, self.secret))
            call.theirs = f"<{target}>"
            call.cseq += 1

    def _acknowledge(self, call: SoftphoneCall) -> None:
        ack = self.request("ACK", call.target, call)
        ack.headers = [("CSeq", f"{call.cseq} ACK") if k == "CSeq" else (k, v) for k, v in ack.headers]
        self.send(ack)

    # Receiving

    def _receive(self) -> None:
        self._socket.settimeout(0.2)
        while not self._closed.is_set():
            try:
                packet, _ = self._socket.recvfrom(65535)
            except TimeoutError:
                continue
            except OSError:
                return
            message = sip.read(packet)
            if message is None:
                continue
            if message.status:
                self._reply(message)
            else:
                self._request(message)

    def _reply(self, message: SipMessage) -> None:
        call = self.calls.get(message.get("Call-ID"))
        if call is not None and message.method == "INVITE":
            call.status = message.status
            if 200 <= message.status < 300 and call.answered.is_set():
                self._acknowledge(call)  # our first ACK was lost
        waiting = self._replies.get((message.get("Call-ID"), message.get("CSeq")))
        if waiting is not None:
            waiting.put(message)

    def _request(self, message: SipMessage) -> None:
        call = self.calls.get(message.get("Call-ID"))
        if message.method == "INVITE":
            self._rung(message, call)
        elif message.method == "ACK":
            return
        elif call is None:
            known = message.method in {"OPTIONS", "NOTIFY"}
            self.send(sip.answer_to(message, *((200, "OK") if known else (481, "No Such Call")), secrets.token_hex(4)))
        else:
            self.send(sip.answer_to(message, 200, "OK", call.ours.partition("tag=")[2]))
            if message.method == "CANCEL" and call.invite is not None and not call.answered.is_set():
                self.respond(call, call.invite, 487, "Request Terminated")
            if message.method in {"BYE", "CANCEL"}:
                call.over()

    def _rung(self, message: SipMessage, call: SoftphoneCall | None) -> None:
        if call is not None:
            if call.answered.is_set() and call.invite is not None and call.invite.get("CSeq") != message.get("CSeq"):
                call.invite = message  # a change of the media while we talk
                self.respond(call, message, 200, "OK", with_sdp=True)
                media = sip.media_of(message.body)
                if media:
                    call.audio.start(media)
            elif call.last_answer is not None:
                self.send(call.last_answer)
            return
        ours = f"{message.get('To')};tag={secrets.token_hex(6)}"
        target = sip.uri_of(message.get("Contact")) or sip.uri_of(message.get("From"))
        call = SoftphoneCall(self, message.get("Call-ID"), ours, message.get("From"), target)
        call.incoming, call.invite, call.from_uri = True, message, sip.uri_of(message.get("From"))
        call.cseq = 100
        with self._lock:
            self.calls[call.call_id] = call
        if self.ring:
            self.respond(call, message, 180, "Ringing")
            self.incoming.put(call)
            if self.on_ring is not None:
                self.on_ring(call)


def _wait(condition: Callable[[], bool], within_s: float) -> bool:
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return condition()
