"""The Vosk engine. No other file imports Vosk: it writes to stderr, takes 300 MB a model, and may abort its process."""

import json
from pathlib import Path
from statistics import fmean
from typing import Any

import vosk

from recordings.transcription.engines import Draft, EngineFailed, OnProgress
from recordings.vault.audio import SAMPLE_BYTES

CHUNK_S = 0.5

# At some levels its log quotes the words it recognises.
vosk.SetLogLevel(-1)


class VoskEngine:
    """One Vosk model, loaded when it is first needed and kept."""

    name = "vosk"

    def __init__(self, folder: Path, model: str, language: str) -> None:
        self.model = model
        self.languages = frozenset({language})
        self._folder = folder
        self._loaded: Any = None

    def transcribe(self, pcm16: bytes, rate_hz: int, on_progress: OnProgress) -> Draft:
        """Transcribe; the recogniser gets the audio's own rate and resamples by itself. Raises `EngineFailed`."""
        recogniser = self._recogniser(rate_hz)
        step = int(CHUNK_S * rate_hz) * SAMPLE_BYTES
        results = []
        try:
            for start in range(0, len(pcm16), step):
                if recogniser.AcceptWaveform(pcm16[start : start + step]):
                    results.append(json.loads(recogniser.Result()))
                on_progress(min(1.0, (start + step) / len(pcm16)))
            results.append(json.loads(recogniser.FinalResult()))
        except EngineFailed:
            raise
        except ValueError as error:
            raise EngineFailed("Vosk gave an answer that cannot be read") from error
        return _draft(results)

    def _recogniser(self, rate_hz: int) -> Any:
        try:
            if self._loaded is None:
                self._loaded = vosk.Model(str(self._folder))
            recogniser = vosk.KaldiRecognizer(self._loaded, rate_hz)
        except Exception as error:  # vosk raises nothing more specific
            raise EngineFailed(f"the speech model {self.model} cannot be loaded; install it again") from error
        recogniser.SetWords(True)
        return recogniser


def _draft(results: list[dict[str, Any]]) -> Draft:
    words: list[dict[str, Any]] = [
        {
            "w": str(word["word"]),
            "start_s": round(float(word["start"]), 2),
            "end_s": round(float(word["end"]), 2),
            "sure": round(float(word["conf"]), 3),
        }
        for result in results
        for word in result.get("result", [])
    ]
    text = " ".join(part for result in results if (part := result.get("text", "").strip()))
    return Draft(text=text, words=words, sure=round(fmean(w["sure"] for w in words), 3) if words else None)
