"""Measures a recording: headerless 16-bit little-endian mono, as Asterisk writes it."""

import array
import hashlib
import io
import math
import struct
import sys
from dataclasses import dataclass
from typing import BinaryIO

RATE_HZ = 8000
SAMPLE_BYTES = 2
SHORTEST_S = 0.3
PEAKS = 200
# The quietest level that is drawn, in decibels below full scale: a telephone's own noise is about there.
FLOOR_DB = 54.0
PIECE = 1 << 20
# Loudness is taken from about so many samples, five minutes of them: a drawing of hours needs no more.
LOOKED_AT = 2_400_000
# Where a long recording may be cut for the engine: the quietest so-many seconds within the last so-many of a part.
QUIET_S = 0.2
SEARCH_S = 15


@dataclass(frozen=True)
class Sound:
    """The measurements of a recording. `size` is whole samples in bytes; `odd` says that half a sample came after them.

    `sha256` is of these bytes, in hex. `peaks` are loudnesses over time for drawing, 0 silent to 100 full scale, on a
    decibel scale.
    """

    size: int
    odd: bool
    sha256: str
    peaks: list[int]

    @property
    def duration_s(self) -> float:
        """Seconds of audio."""
        return self.size / SAMPLE_BYTES / RATE_HZ

    @property
    def worth_keeping(self) -> bool:
        """Return whether it is long enough to hold a word. Silence is kept: only a person may say that nobody spoke."""
        return self.duration_s >= SHORTEST_S


def measure(file: BinaryIO, size: int) -> Sound:
    """Measure the first `size` bytes of a file, a megabyte at a time. Raises OSError when there are fewer."""
    odd = size % SAMPLE_BYTES != 0
    size -= odd
    digest, loud = hashlib.sha256(), _Loudness(size // SAMPLE_BYTES)
    left = size
    while left:
        piece = file.read(min(PIECE, left))
        if not piece:
            raise OSError("a recording became shorter while it was read")
        digest.update(piece)
        loud.hear(piece)
        left -= len(piece)
    return Sound(size=size, odd=odd, sha256=digest.hexdigest(), peaks=loud.peaks())


def from_bytes(raw: bytes) -> Sound:
    """Measure bytes."""
    return measure(io.BytesIO(raw), len(raw))


class First:
    """The first `size` bytes of a file, for reading."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._left = file, size

    def read(self, size: int = -1) -> bytes:
        """The next bytes; none at the end."""
        piece = self._file.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(piece)
        return piece


class _Loudness:
    """The highest sample in each of `PEAKS` parts of equal length, from pieces that come one after another."""

    def __init__(self, samples: int) -> None:
        self._samples, self._count = samples, min(PEAKS, samples)
        self._step = max(1, samples // LOOKED_AT)
        self._heights = [0] * self._count
        self._at = 0

    def hear(self, piece: bytes) -> None:
        samples = _samples(piece)
        at, end = self._at, self._at + len(samples)
        while at < end:
            part = at * self._count // self._samples
            if (part + 1) * self._samples // self._count <= at:
                part += 1  # the cuts are rounded down
            until = min(end, (part + 1) * self._samples // self._count)
            height = _height(samples[at - self._at : until - self._at : self._step])
            self._heights[part] = max(self._heights[part], height)
            at = until
        self._at = end

    def peaks(self) -> list[int]:
        return [_loudness(height) for height in self._heights]


def _samples(pcm: bytes) -> "array.array[int]":
    samples = array.array("h", pcm)
    if sys.byteorder == "big":
        samples.byteswap()
    return samples


def _loudness(height: int) -> int:
    if height <= 0:
        return 0
    below_db = -20 * math.log10(min(height, 32767) / 32767)
    return max(0, round(100 * (1 - below_db / FLOOR_DB)))


def parts(pcm: bytes, rate_hz: int, longest_s: int) -> list[tuple[int, int]]:
    """Cut audio into parts of at most `longest_s` seconds: from and to, in bytes, each cut in a quiet moment."""
    longest, frame = longest_s * rate_hz * SAMPLE_BYTES, int(QUIET_S * rate_hz) * SAMPLE_BYTES
    cuts = [0]
    while len(pcm) - cuts[-1] > longest:
        end = cuts[-1] + longest
        starts = range(max(cuts[-1] + frame, end - SEARCH_S * rate_hz * SAMPLE_BYTES), end - frame + 1, frame)
        cuts.append(min(starts, key=lambda at: _height(_samples(pcm[at : at + frame]))) + frame // 4 * 2)
    return list(zip(cuts, [*cuts[1:], len(pcm)], strict=True))


def _height(samples: "array.array[int]") -> int:
    highest, lowest = max(samples), min(samples)
    return max(highest, -lowest)


def wav(pcm: bytes, rate_hz: int) -> bytes:
    """The same audio with a WAV header, for players."""
    header = struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF", 36 + len(pcm), b"WAVE",
        b"fmt ", 16, 1, 1, rate_hz, rate_hz * SAMPLE_BYTES, SAMPLE_BYTES, 8 * SAMPLE_BYTES,
        b"data", len(pcm),
    )  # fmt: skip
    return header + pcm
