"""What is on screen in the reader's language: gettext catalogues read from web/locale/LANGUAGE/LC_MESSAGES/freeline.po.

English is the source and needs no catalogue. `python -m web.i18n` writes web/locale/freeline.pot anew.
"""

from contextvars import ContextVar
from functools import cache
from gettext import NullTranslations
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from babel.support import Translations
from markupsafe import Markup

HERE = Path(__file__).parent
LOCALE = HERE / "locale"
ROOMS = ("web", "agent_console")
_reading: ContextVar[NullTranslations | None] = ContextVar("_reading", default=None)


@cache
def catalogue(language: str) -> NullTranslations:
    """The words of a screen language; English where there is no catalogue."""
    path = LOCALE / language / "LC_MESSAGES" / "freeline.po"
    if not path.is_file():
        return NullTranslations()
    compiled = BytesIO()
    with path.open("rb") as file:
        write_mo(compiled, read_po(file, locale=language))
    compiled.seek(0)
    return Translations(fp=compiled, domain="freeline")


def screen_languages() -> list[str]:
    """The languages the screen can be read in."""
    return ["en", *sorted(p.parent.parent.name for p in LOCALE.glob("*/LC_MESSAGES/freeline.po"))]


def read_in(language: str) -> None:
    """From here on, this thread's words are in this language."""
    _reading.set(catalogue(language))


def gettext(text: str) -> str:
    """The text in the reader's language."""
    words = _reading.get()
    return words.gettext(text) if words else text


def ngettext(one: str, many: str, count: int) -> str:
    """One or many, as the reader's language counts."""
    words = _reading.get() or NullTranslations()
    return words.ngettext(one, many, count)


def marked(text: str, **values: object) -> Markup:
    """The text in the reader's language, for a template: each `%(name)s` is replaced by that value, escaped; `%%` is `%`."""
    words = Markup(gettext(text))  # noqa: S704  (ours, or a translator's, who may write markup)
    return words % values if "%" in words else words


def marked_many(one: str, many: str, count: int, **values: object) -> Markup:
    """One or many, for a template; `%(num)s` is the count."""
    words = Markup(ngettext(one, many, count))  # noqa: S704
    return words % ({"num": count} | values)


_ = gettext


def collect() -> Catalog:
    """Return every text that is shown to somebody, with where it stands."""
    with (HERE / "babel.cfg").open(encoding="utf-8") as file:
        methods, options = parse_mapping_cfg(file)  # type: ignore[no-untyped-call]
    found = Catalog(project="Freeline", charset="utf-8")
    keywords = {"_": None, "gettext": None, "ngettext": (1, 2)}
    for room in ROOMS:
        for name, line, message, comments, context in extract_from_dir(HERE.parent / room, methods, options, keywords):
            found.add(message, None, [(f"{room}/{name}", line)], auto_comments=comments, context=context)
    return found


def write_template() -> Path:
    """Write all texts into locale/freeline.pot, from which a translation begins, and return its path."""
    path = LOCALE / "freeline.pot"
    with path.open("wb") as out:
        write_po(out, collect(), sort_by_file=True, no_location=True)
    return path


if __name__ == "__main__":
    print(write_template())
