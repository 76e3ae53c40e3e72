"""The numbers that workers dial, the languages of the menu, and what callers hear."""

from datetime import datetime
from enum import StrEnum

from sqlmodel import Field, SQLModel

from models.db.types import UtcDateTime, now, stored

__all__ = [
    "Language",
    "Line",
    "RefusedCalls",
    "RefusedKind",
    "Wording",
]


class RefusedKind(StrEnum):
    """Why a call never became one of the line's."""

    UNKNOWN_NUMBER = "unknown_number"
    FOREIGN_ADDRESS = "foreign_address"
    WRONG_PASSWORD = "wrong_password"  # noqa: S105  (a kind)
    NO_SOUND = "no_sound"


class Language(SQLModel, table=True):
    """A language the line speaks. `key` is its key in the menu (None: not in it); `position` the order it is spoken in.

    Exactly one language has `for_no_key`: what a caller hears who presses nothing.
    """

    __tablename__ = "language"
    code: str = Field(max_length=16, primary_key=True)
    name: str = Field(max_length=64)
    endonym: str = Field(max_length=64)
    key: str | None = Field(default=None, max_length=1, unique=True)
    position: int = 0
    for_no_key: bool = False


class Line(SQLModel, table=True):
    """A number that workers dial, in E.164 or as the trunk delivers it."""

    __tablename__ = "line"
    number: str = Field(max_length=32, primary_key=True)
    name: str = Field(max_length=120)
    toll_free: bool = True


class Wording(SQLModel, table=True):
    """The organisation's own words for a prompt in a language; without a row the text in the tree is spoken."""

    __tablename__ = "wording"
    language: str = Field(max_length=16, primary_key=True)
    prompt: str = Field(max_length=64, primary_key=True)
    text: str
    changed_at: datetime = Field(default_factory=now, sa_type=UtcDateTime)


class RefusedCalls(SQLModel, table=True):
    """How many calls were refused on a day, by why and by what they have in common. Never a number that somebody dialled.

    `day` is that of the line's own clock, as 2026-11-30; `shape` the form of what was dialled, or a network address.
    """

    __tablename__ = "refused_calls"
    day: str = Field(max_length=10, primary_key=True)
    kind: RefusedKind = Field(sa_type=stored(RefusedKind), primary_key=True)
    shape: str = Field(max_length=64, primary_key=True)
    count: int = 0
    last_at: datetime = Field(default_factory=now, sa_type=UtcDateTime)
