"""Makes sound: text by espeak-ng, own recordings by sox, the tone and the hold sound by arithmetic."""

import array
import math
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from hotline.errors import PartMissing

RATE_HZ = 8000
TONE_HZ = 440.0
TONE_S = 0.4
HOLD_S = 20
LONGEST_S = 120
SHORTEST_BYTES = RATE_HZ * 2 // 5
WORDS_A_MINUTE = 140
WORK_S = 60
TELEPHONE = ["-t", "raw", "-r", str(RATE_HZ), "-c", "1", "-b", "16", "-e", "signed-integer", "-L"]
# The partials of the hold sound, in Hz: an open, low chord. Whole numbers of turns in HOLD_S, so that it loops without
# a click; far from the message tone, so that nobody speaks after it.
HOLD_HZ = (110.0, 165.0, 220.0, 277.2, 330.0)
HOLD_PEAK = 2400


class NoSound(Exception):
    """This could not be made into sound."""


def speak(words: str, voice: str) -> bytes:
    """Speak a text, as samples. Raises `NoSound` when the voice cannot, `PartMissing` when a program is not installed."""
    said = _run(["espeak-ng", "-v", voice, "-s", str(WORDS_A_MINUTE), "--stdin", "--stdout"], words.encode())
    return _telephone(["-t", "wav", "-"], said)


def convert(recording: Path) -> bytes:
    """Read an own recording as samples, at most two minutes. Raises `NoSound` when sox cannot read it."""
    return _telephone([str(recording)], b"")


def tone() -> bytes:
    """The message tone: one pure pitch with soft edges."""
    count = int(TONE_S * RATE_HZ)
    edge = RATE_HZ // 100
    return _samples(
        8000 * min(1.0, i / edge, (count - i) / edge) * math.sin(2 * math.pi * TONE_HZ * i / RATE_HZ)
        for i in range(count)
    )


def hold() -> bytes:
    """Our own hold sound: a quiet chord whose voices swell and fade in turn, made to be repeated without a seam."""
    voices = [
        (round(hz * HOLD_S) / HOLD_S, slow + 1, slow * 2 * math.pi / len(HOLD_HZ)) for slow, hz in enumerate(HOLD_HZ)
    ]
    turn = 2 * math.pi / RATE_HZ
    return _samples(
        HOLD_PEAK
        / len(voices)
        * sum(
            math.sin(turn * hz * i) * (1 + math.sin(turn * swells * i / HOLD_S + start)) / 2
            for hz, swells, start in voices
        )
        for i in range(HOLD_S * RATE_HZ)
    )


def put(path: Path, content: bytes) -> None:
    """Write a file completely or not at all: Asterisk may be playing the old one."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_bytes(content)
    part.replace(path)


def _telephone(source: list[str], given: bytes) -> bytes:
    # Loud enough for a noisy dormitory, with a breath before and after.
    effects = ["trim", "0", str(LONGEST_S), "highpass", "120", "norm", "-3", "pad", "0.1", "0.3"]
    made = _run(["sox", "-D", "-V1", *source, *TELEPHONE, "-", *effects], given)
    if len(made) < SHORTEST_BYTES + int(0.4 * RATE_HZ) * 2:
        raise NoSound("it is empty")
    return made


def _run(command: list[str], given: bytes) -> bytes:
    try:
        done = subprocess.run(command, input=given, capture_output=True, check=False, timeout=WORK_S)
    except FileNotFoundError as error:
        raise PartMissing(f"{command[0]} is missing: apt-get install espeak-ng sox libsox-fmt-mp3") from error
    except subprocess.TimeoutExpired as error:
        raise NoSound("it takes too long") from error
    if done.returncode != 0 or not done.stdout:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise NoSound(lines[-1] if lines else f"{command[0]} made nothing")
    return done.stdout


def _samples(values: Iterable[float]) -> bytes:
    samples = array.array("h", (round(value) for value in values))
    if sys.byteorder == "big":
        samples.byteswap()
    return samples.tobytes()
