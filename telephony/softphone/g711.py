"""G.711 mu-law and 16-bit samples, by table. Own code: Python 3.13 dropped its audio module, and this is two tables."""

import array
import sys

RATE_HZ = 8000
FRAME_S = 0.02
FRAME_SAMPLES = 160
BIAS = 0x84
CLIP = 32635


def _decode_one(code: int) -> int:
    """One mu-law byte as a sample (ITU-T G.711)."""
    code = ~code & 0xFF
    magnitude = (((code & 0x0F) << 3) + BIAS) << ((code & 0x70) >> 4)
    return BIAS - magnitude if code & 0x80 else magnitude - BIAS


def _encode_one(sample: int) -> int:
    """One sample as a mu-law byte (ITU-T G.711)."""
    sign = 0x80 if sample < 0 else 0
    magnitude = min(abs(sample), CLIP) + BIAS
    exponent = max(0, magnitude.bit_length() - 8)
    return ~(sign | exponent << 4 | (magnitude >> (exponent + 3)) & 0x0F) & 0xFF


_DECODE = [_decode_one(code) for code in range(256)]
# Indexed by the upper 14 bits: mu-law keeps no more.
_ENCODE = bytes(_encode_one(((i << 2) ^ 0x8000) - 0x8000) for i in range(16384))


def ulaw_to_pcm(coded: bytes) -> bytes:
    """Mu-law to 16-bit little-endian samples."""
    samples = array.array("h", [_DECODE[code] for code in coded])
    if sys.byteorder == "big":
        samples.byteswap()
    return samples.tobytes()


def pcm_to_ulaw(pcm: bytes) -> bytes:
    """16-bit little-endian samples to mu-law."""
    samples = array.array("H", pcm)
    if sys.byteorder == "big":
        samples.byteswap()
    return bytes([_ENCODE[sample >> 2] for sample in samples])
