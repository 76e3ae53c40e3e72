"""The words of the prompts, in every language they are written in."""

import tomllib
from pathlib import Path

import pytest

import ivr.prompts
from hotline.line.languages import catalogue
from ivr import names
from ivr.prompts.words import NUMERALS, english, spoken, texts

FOLDER = Path(ivr.prompts.__file__).parent
WRITTEN = sorted(path.stem for path in FOLDER.glob("*.toml"))
# The first and last letter of each script: a text in another script was put into the wrong file.
SCRIPT = {
    "my": ("က", "႟"),
    "th": ("ก", "๛"),
    "km": ("ក", "៹"),
    "lo": ("ກ", "ໟ"),
    "ko": ("가", "힣"),
    "ne": ("ऀ", "ॿ"),
    "hi": ("ऀ", "ॿ"),
    "bn": ("ঀ", "৾"),
}


def test_the_first_users_languages_are_all_written() -> None:
    assert {"en", "my", "th", "km", "lo", "vi", "ko", "ne", "bn", "hi"} <= set(WRITTEN)
    assert set(WRITTEN) <= set(catalogue())


@pytest.mark.parametrize("language", WRITTEN)
def test_every_prompt_is_written_and_none_is_unknown(language: str) -> None:
    found = tomllib.loads((FOLDER / f"{language}.toml").read_text())
    assert set(found) - {NUMERALS} == set(names.PROMPTS)
    assert len(found.get(NUMERALS, "0123456789")) == 10
    assert all(words.strip() == words != "" for words in found.values())


@pytest.mark.parametrize("language", WRITTEN)
def test_what_a_prompt_must_say_is_in_it(language: str) -> None:
    found = texts(language)
    for prompt in names.OF_THE_KEY:
        assert "{key}" in found[prompt]
    assert "{days}" in found[names.MESSAGE_TERMS]
    assert "0" in found[names.QUIET]
    assert "1" in found[names.OFFER]
    assert "2" in found[names.OFFER]
    assert "1" in found[names.SAFE_TO_CALL]
    assert "1" in found[names.MOBILE_CALL]


@pytest.mark.parametrize("language", WRITTEN)
def test_no_place_stays_open(language: str) -> None:
    for prompt in names.PROMPTS:
        words = spoken(language, prompt, "7", 30, {}).words
        assert "{" not in words
        assert "}" not in words


@pytest.mark.parametrize(("language", "letters"), SCRIPT.items())
def test_each_language_is_written_in_its_own_script(language: str, letters: tuple[str, str]) -> None:
    first, last = letters
    for prompt in names.PROMPTS:
        words = texts(language)[prompt]
        own = sum(first <= c <= last for c in words)
        latin = sum(c.isascii() and c.isalpha() for c in words.replace("{key}", "").replace("{days}", ""))
        assert own > 5, prompt
        assert latin == 0, prompt


def test_a_language_without_a_voice_or_words_is_spoken_in_english() -> None:
    for language in ("km", "shn", "id"):
        says = spoken(language, names.INVITE, "3", 30, {})
        assert says.placeholder
        assert says.words == f"For {catalogue()[language].name}, press 3."
    assert not spoken("en", names.INVITE, "6", 30, {}).placeholder


def test_the_organisations_wording_wins() -> None:
    mine = {("th", names.OPENING): "คำของเรา {key}", ("en", names.OPENING): "Ours."}
    assert spoken("th", names.OPENING, "2", 30, mine).words == "คำของเรา 2"
    assert english("km", names.OPENING, "3", 30, mine).words == "Ours."


def test_numerals_are_those_that_the_voice_can_say() -> None:
    assert "३" in spoken("ne", names.INVITE, "3", 30, {}).words
    assert "३०" in spoken("ne", names.MESSAGE_TERMS, "3", 30, {}).words
