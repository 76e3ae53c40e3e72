"""What a caller dials and hears: lines, languages and the words of the prompts."""

from datetime import datetime

from sqlmodel import Field, SQLModel

from models.types import UtcDateTime, now


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
