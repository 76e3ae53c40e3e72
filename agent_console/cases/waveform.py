"""The shape of a recording, drawn as bars."""

BARS = 88
PITCH = 10
HEIGHT = 100
BEND = 4
LEAST = 8  # silence is a dot, not a hole


def bars(peaks: list[int]) -> str:
    """An SVG path of upright bars in a box of `width()` by `HEIGHT`, from loudnesses 0-100 on a decibel scale.

    Decibels are bent back towards what a waveform looks like, and the loudest bar fills the box: a quiet voice shows too.
    """
    peaks = peaks or [0]
    loudest = max(*peaks, 1)
    drawn = []
    for bar in range(BARS):
        first = bar * len(peaks) // BARS
        part = peaks[first : max(first + 1, (bar + 1) * len(peaks) // BARS)]
        tall = max(LEAST, (sum(part) / len(part) / loudest) ** BEND * (HEIGHT - LEAST))
        top = (HEIGHT - tall) / 2
        drawn.append(f"M{bar * PITCH + PITCH // 2} {top:.0f}V{HEIGHT - top:.0f}")
    return "".join(drawn)


def width() -> int:
    """The width of the box that `bars` draws in."""
    return BARS * PITCH
