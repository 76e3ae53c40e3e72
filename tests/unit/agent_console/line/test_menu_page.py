"""The languages of the line and their keys."""

import re
import subprocess
from collections.abc import Callable

from hotline.line import languages
from hotline.nudges import MENU_CHANGED, PROMPTS_CHANGED, Nudges
from hotline.settings import Settings
from models import Database, Language
from tests.support.browsers import HTMX, Browser


def as_it_is(db: Database) -> dict[str, str]:
    """The form as the page draws it."""
    with db.read() as session:
        rows = languages.spoken(session)
        form = {f"key-{r.code}": r.key or "" for r in rows} | {f"position-{r.code}": str(r.position) for r in rows}
        return form | {"for_no_key": languages.for_no_key(session)}


def keys_of(db: Database) -> dict[str, str | None]:
    with db.read() as session:
        return {row.code: row.key for row in languages.spoken(session)}


async def test_two_languages_swap_their_keys(adam: Browser, db: Database) -> None:
    """In one go, though each key is unique."""
    form = as_it_is(db)
    form |= {"key-my": form["key-th"], "key-th": form["key-my"], "position-my": "9", "for_no_key": "th"}
    assert (await adam.post("/settings/menu", **form)).status == 303
    assert (keys_of(db)["my"], keys_of(db)["th"]) == ("2", "1")
    with db.read() as session:
        assert [row.code for row in languages.menu(session)][-1] == "my"
        assert languages.for_no_key(session) == "th"


async def test_one_key_for_two_languages_is_refused_and_nothing_changes(adam: Browser, db: Database) -> None:
    """What was chosen stands in the form, and which language has the key is said."""
    before, form = keys_of(db), as_it_is(db)
    answer = await adam.post("/settings/menu", HTMX, **form | {"key-th": "1"})
    assert answer.status == 422
    assert "Key 1 already chooses Burmese" in await answer.text()
    for wrong in (
        {"key-th": "0"},
        {"key-th": "12"},
        {"position-th": "first"},
        {"for_no_key": ""},
        {"for_no_key": "ar"},
    ):
        assert (await adam.post("/settings/menu", **form | wrong)).status == 422, wrong
    assert keys_of(db) == before


async def test_a_language_without_a_key_is_not_in_the_menu(adam: Browser, db: Database) -> None:
    """It stays on the line."""
    assert (await adam.post("/settings/menu", **as_it_is(db) | {"key-lo": ""})).status == 303
    assert keys_of(db)["lo"] is None
    with db.read() as session:
        assert "lo" not in [row.code for row in languages.menu(session)]


async def test_a_language_of_the_catalogue_is_added_and_taken_off(adam: Browser, db: Database) -> None:
    """With the next free key; what is not in the catalogue is refused."""
    assert (await adam.post("/settings/menu/languages", language="ne")).status == 303
    assert keys_of(db)["ne"] == "8"
    assert (await adam.post("/settings/menu/languages", language="xx")).status == 422
    assert (await adam.post("/settings/menu/languages/ne/removal")).status == 303
    assert "ne" not in keys_of(db)
    assert (await adam.post("/settings/menu/languages/ne/removal")).status == 404


async def test_the_language_for_no_key_cannot_go(adam: Browser, db: Database) -> None:
    """A caller who presses nothing must hear something."""
    assert (await adam.post("/settings/menu/languages/en/removal")).status == 409
    with db.read() as session:
        assert session.get(Language, "en") is not None


async def test_languages_that_nobody_speaks_are_warned_about(adam: Browser) -> None:
    """Bob's Khmer is basic: backup only. Nobody speaks Lao; Charlie's Burmese left with him."""
    text = await adam.text("/settings/menu")

    def row(code: str) -> str:
        return re.sub(r"\s+", " ", text.split(f'id="language-{code}"')[1].split("</tr>")[0])

    assert "nobody: always a message" in row("lo")
    assert "1 backup only" in row("km")
    assert "1 person" in row("my")
    assert "no synthetic voice" in row("km")
    assert "no synthetic voice" not in row("my")


async def test_a_change_wakes_who_builds_the_menu(
    adam: Browser, db: Database, settings: Settings, redis: Callable[[], subprocess.Popen[bytes]]
) -> None:
    """The keys and the spoken invitations follow."""
    redis()
    heard = Nudges(settings.redis).hear(0.2)
    assert next(heard) == "", "subscribed before anything is told"
    assert (await adam.post("/settings/menu", **as_it_is(db))).status == 303
    names = {next(heard), next(heard)}
    assert names == {MENU_CHANGED, PROMPTS_CHANGED}


async def test_only_who_manages_the_line_may(db: Database, alice: Browser, outsider: Browser, adam: Browser) -> None:
    """Not an agent, not an outsider, not by a wrong method."""
    assert (await alice.post("/settings/menu", **as_it_is(db))).status == 403
    assert (await outsider.get("/settings/menu")).status == 303
    assert (await adam.get("/settings/menu/languages")).status == 405
