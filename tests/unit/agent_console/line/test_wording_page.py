"""The words that callers hear."""

import html
import re

from sqlmodel import select

from hotline.line import prompt_texts
from hotline.settings import Settings
from models import Database, Wording
from tests.support.browsers import HTMX, Browser


def kept(db: Database) -> dict[tuple[str, str], str]:
    with db.read() as session:
        return {(w.language, w.prompt): w.text for w in session.exec(select(Wording))}


async def test_every_announcement_is_shown_with_its_text_and_the_english(adam: Browser) -> None:
    """Also for a language whose file lacks some."""
    assert prompt_texts.prompts(), "the English texts must be in the tree for this test to mean anything"
    text = html.unescape(await adam.text("/settings/wording/my"))
    for prompt in prompt_texts.prompts():
        assert f'id="{prompt}"' in text
        assert prompt_texts.built_in()["en"][prompt] in text


async def test_own_words_are_kept_and_given_back(adam: Browser, db: Database) -> None:
    """Empty words, or the button, go back to the text in the tree."""
    nasty = 'Welcome & "hello" <b>friend</b>'
    assert (await adam.post("/settings/wording/en/opening", text=f"  {nasty}\n ")).status == 303
    assert kept(db) == {("en", "opening"): nasty}
    text = await adam.text("/settings/wording/en")
    assert "<b>friend</b>" not in text
    assert nasty in html.unescape(text)
    assert (await adam.post("/settings/wording/en/opening", text=nasty, back="1")).status == 303
    assert kept(db) == {}
    assert (await adam.post("/settings/wording/en/opening", text="  ")).status == 303


async def test_what_must_be_said_cannot_be_left_out(adam: Browser, db: Database) -> None:
    """The key of a language, and how long a message is kept; an unknown place is refused too."""
    for prompt, text in (
        ("invite", "For Burmese press something"),
        ("message_terms", "Speak after the tone"),
        ("opening", "Hello {name}"),
        ("opening", "x" * 1001),
    ):
        answer = await adam.post(f"/settings/wording/my/{prompt}", HTMX, text=text)
        assert answer.status == 422, prompt
        assert text in await answer.text()
    assert kept(db) == {}
    assert (await adam.post("/settings/wording/my/invite", text="Press {key}")).status == 303, "it may name itself"


async def test_the_error_stands_at_its_announcement(adam: Browser) -> None:
    """And its form is open."""
    answer = await adam.post("/settings/wording/my/invite", text="no key")
    article = re.search(r'<article[^>]+id="invite">.*?</article>', await answer.text(), re.S)
    assert article
    assert "{key}" in article[0]
    assert "<details open" in article[0]


async def test_an_own_recording_is_said_to_be_played(adam: Browser, settings: Settings) -> None:
    """A file in the prompts folder wins over any words."""
    folder = settings.own_prompts / "km"
    folder.mkdir(parents=True)
    (folder / "opening.wav").write_bytes(b"RIFF")
    text = await adam.text("/settings/wording/km")
    assert text.count("your recording is played") == 1
    assert "no synthetic voice for Khmer" in text


async def test_only_known_languages_and_announcements(adam: Browser, alice: Browser, outsider: Browser) -> None:
    """And only who manages the line; the page without a language goes to the first."""
    assert (await adam.get("/settings/wording/xx")).status == 404
    assert (await adam.get("/settings/wording/..%2F..%2Fetc")).status == 404
    assert (await adam.post("/settings/wording/en/nonsense", text="x")).status == 404
    assert (await adam.post("/settings/wording/xx/opening", text="x")).status == 404
    assert (await adam.get("/settings/wording/en/opening")).status == 405
    assert (await adam.get("/settings/wording")).headers["Location"] == "/settings/wording/my"
    assert (await alice.get("/settings/wording/en")).status == 403
    assert (await outsider.get("/settings/wording/en")).status == 303
