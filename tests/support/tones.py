"""Tones in place of speech: each prompt is a pitch of its own, so that a test knows what a phone heard."""

from pathlib import Path

import numpy as np

RATE_HZ = 8000
WINDOW = 800


def tone(hz: int, seconds: float = 0.4) -> bytes:
    """16-bit 8 kHz mono samples of one pitch."""
    times = np.arange(int(RATE_HZ * seconds)) / RATE_HZ
    samples: bytes = (np.sin(2 * np.pi * hz * times) * 12000).astype("<i2").tobytes()
    return samples


def write_tone(path: Path, hz: int, seconds: float = 0.4) -> None:
    """Write a prompt of one pitch; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(tone(hz, seconds))


def heard_tones(pcm: bytes) -> list[int]:
    """The pitches in the order they were heard, to the nearest 50 Hz; a repeated pitch is listed once."""
    samples = np.frombuffer(pcm[: len(pcm) // 2 * 2], dtype="<i2").astype(float)
    found: list[int] = []
    before = 0
    for start in range(0, len(samples) - WINDOW, WINDOW // 2):
        window = samples[start : start + WINDOW]
        if np.abs(window).max() < 2000:
            before = 0
            continue
        spectrum = np.abs(np.fft.rfft(window * np.hanning(WINDOW)))
        pitch = round(int(spectrum.argmax()) * RATE_HZ / WINDOW / 50) * 50
        # Two windows agree: where one prompt passes into the next, a single one may show any pitch.
        if pitch == before and (not found or found[-1] != pitch):
            found.append(pitch)
        before = pitch
    return found
