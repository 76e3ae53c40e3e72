"""The audio of one call: sends what is to be said, keeps what is heard, presses keys (RFC 3550, RFC 4733)."""

import contextlib
import secrets
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Iterator

from telephony.softphone.g711 import FRAME_SAMPLES, pcm_to_ulaw, ulaw_to_pcm

FRAME_S = 0.02
SILENCE = b"\xff" * FRAME_SAMPLES
DIGITS = {digit: code for code, digit in enumerate("0123456789*#ABCD")}
EVENT = 101


class Audio:
    """A two-way audio stream on a port of its own. One thread sends a frame each 20 ms and listens in between."""

    def __init__(self, host: str) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((host, 0))
        self.port: int = self._socket.getsockname()[1]
        self.heard = bytearray()
        self.packets_in = 0
        self.pressed = ""  # the keys that the other side pressed
        self._pressed_at = -1
        self.send_nothing = False
        self._peer: tuple[str, int] | None = None
        self._queued: deque[bytes | str] = deque()  # frames and keys, in the order in which they were asked for
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="rtp")

    def start(self, peer: tuple[str, int]) -> None:
        """Begin to talk with this address; again with another one to follow a change."""
        started = self._peer is not None
        self._peer = peer
        if not started:
            self._thread.start()

    def say(self, pcm: bytes) -> None:
        """Queue 16-bit 8 kHz mono samples to be sent."""
        coded = pcm_to_ulaw(pcm[: len(pcm) // 2 * 2])
        for start in range(0, len(coded), FRAME_SAMPLES):
            self._queued.append(coded[start : start + FRAME_SAMPLES].ljust(FRAME_SAMPLES, b"\xff"))

    def press(self, digits: str) -> None:
        """Queue key presses, sent after what was queued before them and before what is queued later."""
        self._queued.extend(d for d in digits if d in DIGITS)

    @property
    def quiet(self) -> bool:
        """Whether all that was queued has been sent."""
        return not self._queued

    def stop(self) -> None:
        """End the stream and free its port."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=2)
        self._socket.close()

    def _run(self) -> None:
        ssrc, sequence, stamp = secrets.randbits(32), secrets.randbits(15), secrets.randbits(30)
        due = time.monotonic()
        pressing: deque[tuple[int, int, bool]] = deque()
        key_stamp = 0
        while not self._stop.is_set():
            payload = SILENCE
            if not pressing and self._queued:
                queued = self._queued.popleft()
                if isinstance(queued, bytes):
                    payload = queued
                else:
                    pressing.extend(self._presses(DIGITS[queued]))
                    key_stamp = stamp
            if pressing:
                code, length, end = pressing.popleft()
                if code < 0:
                    packet = struct.pack("!BBHII", 0x80, 0, sequence & 0xFFFF, stamp & 0xFFFFFFFF, ssrc) + SILENCE
                else:
                    packet = struct.pack("!BBHII", 0x80, EVENT, sequence & 0xFFFF, key_stamp & 0xFFFFFFFF, ssrc)
                    packet += struct.pack("!BBH", code, (0x80 if end else 0) | 10, length)
            else:
                packet = struct.pack("!BBHII", 0x80, 0, sequence & 0xFFFF, stamp & 0xFFFFFFFF, ssrc) + payload
            if not self.send_nothing and self._peer is not None:
                with contextlib.suppress(OSError):
                    self._socket.sendto(packet, self._peer)
            sequence, stamp, due = sequence + 1, stamp + FRAME_SAMPLES, due + FRAME_S
            self._listen_until(due)

    @staticmethod
    def _presses(code: int) -> Iterator[tuple[int, int, bool]]:
        """A key goes down, is held for 100 ms and let go, told three times; then a moment of nothing."""
        yield from ((code, FRAME_SAMPLES * n, False) for n in range(1, 6))
        yield from ((code, FRAME_SAMPLES * 6, True) for _ in range(3))
        yield from ((-1, 0, False) for _ in range(5))

    def _listen_until(self, due: float) -> None:
        while (left := due - time.monotonic()) > 0 and not self._stop.is_set():
            self._socket.settimeout(left)
            try:
                packet = self._socket.recv(2048)
            except TimeoutError:
                return
            except OSError:
                return
            if len(packet) > 12 and packet[1] & 0x7F == EVENT:
                self._key(packet)
            if len(packet) > 12 and packet[1] & 0x7F == 0:
                self.packets_in += 1
                self.heard += ulaw_to_pcm(packet[12 + 4 * (packet[0] & 0x0F) :])

    def _key(self, packet: bytes) -> None:
        # A key is told in many packets, all with the moment at which it went down.
        stamp, code = struct.unpack("!I", packet[4:8])[0], packet[12]
        if stamp != self._pressed_at and code < len(DIGITS):
            self._pressed_at = stamp
            self.pressed += list(DIGITS)[code]
