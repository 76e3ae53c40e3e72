"""The sound file of a prompt."""

from pathlib import Path

from hotline.settings import Settings
from ivr import names

FALLBACK = "en"


def sound(settings: Settings, language: str, prompt: str) -> Path | None:
    """The path of a prompt in a language, else in English, without extension, for Asterisk; None when there is neither.

    An invitation has no fallback: English would say the key of English.
    """
    tried = (language,) if prompt in names.OF_THE_KEY else (language, FALLBACK)
    for code in tried:
        if (settings.sounds / code / f"{prompt}.sln").is_file():
            return settings.sounds / code / prompt
    return None


def plain_sound(settings: Settings, name: str) -> Path | None:
    """A sound without words: the tone."""
    return settings.sounds / name if (settings.sounds / f"{name}.sln").is_file() else None
