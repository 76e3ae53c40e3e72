"""The text of a prompt: the organisation's own, else the one in the tree, else English."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from hotline.line.languages import catalogue

ENGLISH = "en"
# In a language's file, beside the prompts: its own ten numerals, where the voice would say 0 to 9 in English.
NUMERALS = "numerals"
Wordings = Mapping[tuple[str, str], str]


@dataclass(frozen=True)
class Spoken:
    """A text and the voice that speaks it. A placeholder is English in place of a language without text or voice."""

    words: str
    voice: str
    placeholder: bool


@cache
def texts(language: str) -> dict[str, str]:
    """The texts in the tree for a language; empty when there are none."""
    path = Path(__file__).parent / f"{language}.toml"
    if not path.is_file():
        return {}
    with path.open("rb") as file:
        return {prompt: str(words) for prompt, words in tomllib.load(file).items()}


def words_of(language: str, prompt: str, wordings: Wordings | None = None) -> str | None:
    """The text of a prompt in its own language, with its placeholders not filled in; None when there is none."""
    return (wordings or {}).get((language, prompt)) or texts(language).get(prompt)


def spoken(language: str, prompt: str, key: str, days: int, wordings: Wordings) -> Spoken:
    """The text to speak and its voice. `key` is the language's key in the menu, `days` how long a heard message is kept."""
    known = catalogue().get(language)
    words = words_of(language, prompt, wordings)
    if words is None or known is None or known.voice is None:
        return english(language, prompt, key, days, wordings)
    said = _filled(words, language, key, days)
    numerals = texts(language).get(NUMERALS)
    if numerals is not None:
        said = said.translate(str.maketrans("0123456789", numerals))
    return Spoken(said, known.voice, placeholder=False)


def english(language: str, prompt: str, key: str, days: int, wordings: Wordings) -> Spoken:
    """The English text for a prompt of any language."""
    words = words_of(ENGLISH, prompt, wordings) or texts(ENGLISH)[prompt]
    voice = catalogue()[ENGLISH].voice or ENGLISH
    return Spoken(_filled(words, language, key, days), voice, placeholder=language != ENGLISH)


def _filled(words: str, language: str, key: str, days: int) -> str:
    known = catalogue().get(language)
    for place, value in (("{key}", key), ("{language}", known.name if known else language), ("{days}", str(days))):
        words = words.replace(place, value)
    return words
