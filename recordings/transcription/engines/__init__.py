"""Speech engines: each turns audio into a draft. Adding one is a file here and its models in data/speech_models.toml."""

from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any, Protocol

from hotline.errors import FreelineError

# Called with the share of the audio that is done, 0 to 1, every second of audio or so; an exception from it ends the decode.
OnProgress = Callable[[float], None]


class EngineFailed(FreelineError):
    """An engine could not transcribe. `permanent` says that a retry cannot help. The text holds no content."""

    def __init__(self, message: str, *, permanent: bool = False) -> None:
        super().__init__(message)
        self.permanent = permanent


@dataclass(frozen=True)
class Draft:
    """An engine's draft. `words` are {"w", "start_s", "end_s", "sure"}; `sure` is 0 to 1, None when there are none."""

    text: str
    words: list[dict[str, Any]] = field(default_factory=list)
    sure: float | None = None


def joined(drafts: list[tuple[float, Draft]]) -> Draft:
    """Join several drafts into one, each given with the second of the recording at which its audio began."""
    words = [
        word | {"start_s": round(word["start_s"] + at_s, 2), "end_s": round(word["end_s"] + at_s, 2)}
        for at_s, draft in drafts
        for word in draft.words
    ]
    text = " ".join(draft.text for _, draft in drafts if draft.text)
    if len(drafts) == 1:
        return Draft(text, words, drafts[0][1].sure)
    sure = [float(word["sure"]) for word in words if word.get("sure") is not None]
    return Draft(text, words, round(fmean(sure), 3) if sure else None)


class Engine(Protocol):
    """An offline engine with one model. `languages` are the codes it recognises."""

    @property
    def name(self) -> str:
        """The engine's name, as the transcript keeps it."""

    @property
    def model(self) -> str:
        """The model's name, as the transcript keeps it."""

    @property
    def languages(self) -> frozenset[str]:
        """The languages it recognises, by code."""

    def transcribe(self, pcm16: bytes, rate_hz: int, on_progress: OnProgress) -> Draft:
        """Transcribe 16-bit little-endian mono. Raises `EngineFailed`."""
