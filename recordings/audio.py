"""What is measured of a recording: headerless 16-bit little-endian mono, as Asterisk writes it."""

import array
import hashlib
import math
import struct
import sys
from dataclasses import dataclass

RATE_HZ = 8000
SAMPLE_BYTES = 2
SHORTEST_S = 0.3
PEAKS = 200
# The quietest loudness that is drawn, in decibels below full scale: a telephone's own noise is about there.
FLOOR_DB = 54.0


@dataclass(frozen=True)
class Sound:
    """A recording read from the spool. `odd` says that it ended in the middle of a sample."""

    pcm: bytes
    odd: bool

    @property
    def duration_s(self) -> float:
        """Seconds of audio."""
        return len(self.pcm) / SAMPLE_BYTES / RATE_HZ

    @property
    def sha256(self) -> str:
        """SHA-256 of the plain audio, in hex."""
        return hashlib.sha256(self.pcm).hexdigest()

    @property
    def worth_keeping(self) -> bool:
        """Whether it is long enough to hold a word. Silence is kept: only a person says that nobody spoke."""
        return self.duration_s >= SHORTEST_S


def from_bytes(raw: bytes) -> Sound:
    """A recording from a file's bytes; half a sample at the end is trimmed."""
    odd = len(raw) % SAMPLE_BYTES != 0
    return Sound(pcm=raw[:-1] if odd else raw, odd=odd)


def peaks(pcm: bytes, count: int = PEAKS) -> list[int]:
    """Loudness over time for drawing: up to `count` values, 0 silent to 100 full scale, on a decibel scale."""
    samples = array.array("h", pcm)
    if sys.byteorder == "big":
        samples.byteswap()
    count = min(count, len(samples))
    values = []
    for place in range(count):
        part = samples[place * len(samples) // count : (place + 1) * len(samples) // count]
        highest, lowest = max(part), min(part)
        values.append(_loudness(max(highest, -lowest)))
    return values


def _loudness(height: int) -> int:
    if height <= 0:
        return 0
    below_db = -20 * math.log10(min(height, 32767) / 32767)
    return max(0, round(100 * (1 - below_db / FLOOR_DB)))


def wav(pcm: bytes, rate_hz: int) -> bytes:
    """The same audio with a WAV header, for players."""
    header = struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF", 36 + len(pcm), b"WAVE",
        b"fmt ", 16, 1, 1, rate_hz, rate_hz * SAMPLE_BYTES, SAMPLE_BYTES, 8 * SAMPLE_BYTES,
        b"data", len(pcm),
    )  # fmt: skip
    return header + pcm
