"""The languages of the line: which can be chosen, which are in the menu, and what is spoken when no key is pressed."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sqlmodel import Session, col, select

from hotline.errors import Invalid, NotFound, Refused
from models import Language, Line

KEYS = "123456789"


@dataclass(frozen=True)
class Known:
    """A language of the catalogue. `voice` is espeak-ng's name for it, where it has one."""

    code: str
    name: str
    endonym: str
    voice: str | None


@cache
def catalogue() -> dict[str, Known]:
    """All languages an organisation can choose from, by code."""
    with (Path(__file__).parents[1] / "data" / "languages.toml").open("rb") as file:
        return {
            code: Known(code, row["name"], row["endonym"], row.get("voice")) for code, row in tomllib.load(file).items()
        }


def menu(session: Session) -> list[Language]:
    """The languages that have a key, in the order they are spoken."""
    query = select(Language).where(col(Language.key).is_not(None)).order_by(col(Language.position))
    return list(session.exec(query))


def spoken(session: Session) -> list[Language]:
    """All languages of the line, menu order first."""
    return list(session.exec(select(Language).order_by(col(Language.position), col(Language.code))))


def for_no_key(session: Session) -> str:
    """The language for a caller who presses nothing; English when none is set."""
    found = session.exec(select(Language.code).where(col(Language.for_no_key))).first()
    return found or "en"


def put_language(session: Session, code: str, *, key: str | None, position: int, is_for_no_key: bool = False) -> None:
    """Add a language of the catalogue or change its place in the menu. Raises `NotFound` or `Invalid`."""
    known = catalogue().get(code)
    if known is None:
        raise NotFound("this language is not in the catalogue")
    if key is not None and key not in set(KEYS):
        raise Invalid(key="A key is one of 1 to 9; 0 is for callers who cannot speak.")
    holder = session.exec(select(Language).where(col(Language.key) == key, col(Language.code) != code)).first()
    if key is not None and holder is not None:
        raise Invalid(key=f"Key {key} already chooses {holder.name}.")
    row = session.get(Language, code) or Language(code=code, name=known.name, endonym=known.endonym)
    row.key, row.position = key, position
    if is_for_no_key:
        for other in session.exec(select(Language).where(col(Language.for_no_key))):
            other.for_no_key = False
            session.add(other)
        row.for_no_key = True
    session.add(row)
    session.flush()


@dataclass(frozen=True)
class Place:
    """Where a language stands in the menu: its key (None: not in it) and the order it is spoken in."""

    key: str | None
    position: int


def set_menu(session: Session, places: dict[str, Place], for_no_key: str) -> None:
    """Arrange the languages of the line, all at once so that two can swap keys. Raises `Invalid`, by language."""
    rows = {row.code: row for row in spoken(session)}
    wrong: dict[str, str] = {}
    holder: dict[str, str] = {}
    for code, place in places.items():
        if code not in rows or place.key is None:
            continue
        if place.key not in set(KEYS):
            wrong[code] = "A key is one of 1 to 9; 0 is for callers who cannot speak."
        elif place.key in holder:
            wrong[code] = f"Key {place.key} already chooses {rows[holder[place.key]].name}."
        else:
            holder[place.key] = code
    if for_no_key not in rows:
        wrong["for_no_key"] = "Choose a language for callers who press nothing."
    if wrong:
        raise Invalid(**wrong)
    changed = {code: row for code, row in rows.items() if code in places}
    for row in changed.values():
        row.key = None
        session.add(row)
    session.flush()
    for code, row in changed.items():
        row.key, row.position = places[code].key, places[code].position
    for code, row in rows.items():
        row.for_no_key = code == for_no_key
        session.add(row)
    session.flush()


def remove_language(session: Session, code: str) -> None:
    """Take a language off the line. What callers left in it stays. The one for no key cannot go (`Refused`)."""
    row = session.get(Language, code)
    if row is None:
        raise NotFound("The line does not speak this language.")
    if row.for_no_key:
        raise Refused("Callers who press nothing hear this language. Choose another one for them first.")
    session.delete(row)
    session.flush()


def first_menu(*, demo: bool) -> list[str]:
    """The languages of a line that nobody has set up yet, in the order of their keys, from 1."""
    return ["my", "th", "km", "lo", "vi", "en"] + (["ko"] if demo else [])


def seed(session: Session, lines: list[str], *, demo: bool) -> None:
    """Put the first menu and lines into an empty database; what an organisation has set stays."""
    if session.exec(select(Language)).first() is None:
        for place, code in enumerate(first_menu(demo=demo), start=1):
            put_language(session, code, key=str(place), position=place, is_for_no_key=code == "en")
    for number in lines:
        if session.get(Line, number) is None:
            session.add(Line(number=number, name="Worker hotline"))
