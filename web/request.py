"""What a view is asked and what it answers. All of this lives in one worker thread, with one session."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

from sqlmodel import Session

from hotline.errors import FreelineError, NotFound
from hotline.permissions import Permission, may
from models import Agent
from models.db.types import now
from web.site import Site

S = TypeVar("S", bound=Site)

BIGGEST_ID = 2**31 - 1
ID_DIGITS = len(str(BIGGEST_ID))


@dataclass(frozen=True)
class Proof:
    """What came of looking at a password: whose it is, None when it is wrong; `wait_s` when it was not looked at.

    `known`: in a browser where that person has signed in before. `failed_before`: tries since they got in last.
    """

    agent_id: int | None
    wait_s: int = 0
    known: bool = False
    failed_before: int = 0


class TryLater(FreelineError):
    """Too many requests at once: this one was not processed. The text is a sentence for the reader."""

    retry_after_s = 3


@dataclass(frozen=True)
class RequestData:
    """A request as plain values, so that nothing of the event loop enters the thread."""

    method: str
    path: str
    match: Mapping[str, str]
    query: Mapping[str, str]
    form: Mapping[str, str]
    lists: Mapping[str, list[str]]
    headers: Mapping[str, str]
    cookies: Mapping[str, str]
    address: str
    proof: Proof | None = None

    @property
    def htmx(self) -> bool:
        """Whether htmx asks; a boosted link or form is a page all the same."""
        return self.headers.get("HX-Request") == "true"

    @property
    def boosted(self) -> bool:
        """Whether a plain link or form was taken over by htmx."""
        return self.headers.get("HX-Boosted") == "true"

    @property
    def main_only(self) -> bool:
        """Whether only <main> is swapped. Going back in history asks for the whole page."""
        return (
            self.htmx and self.headers.get("HX-Target") == "main" and not self.headers.get("HX-History-Restore-Request")
        )

    @property
    def in_part(self) -> bool:
        """Whether a piece of a page is asked for, not the page."""
        return self.htmx and not self.main_only and "HX-History-Restore-Request" not in self.headers


@dataclass
class Request(Generic[S]):
    """What a view gets. `site` is what the room that serves has for all its requests.

    `agent` is who asks, until when is `until`; a public route has none, and does not use it."""

    site: S
    visit: RequestData
    session: Session
    who: Agent | None = None
    until: datetime | None = None
    csrf: str = ""
    errors: dict[str, str] = field(default_factory=dict)
    now: datetime = field(default_factory=now)
    told: list[str] = field(default_factory=list)

    @property
    def agent(self) -> Agent:
        """Who asks. Only routes that are public have nobody."""
        if self.who is None:
            raise RuntimeError("a public route has no agent")
        return self.who

    @property
    def form(self) -> Mapping[str, str]:
        """What was typed; the first value of each field. Lists are in `visit.lists`."""
        return self.visit.form

    @property
    def query(self) -> Mapping[str, str]:
        """What stands after the question mark."""
        return self.visit.query

    def number(self, name: str) -> int:
        """An id from the path. Raises `NotFound` for one that no row can have."""
        found = whole(self.visit.match[name])
        if found is None:
            raise NotFound("There is no such thing.")
        return found

    def typed(self, name: str, otherwise: object = "") -> str:
        """What stands in a field: what was typed when the form comes back with errors, else what is kept."""
        if self.visit.method == "POST" and self.errors:
            return self.form.get(name, "")
        return "" if otherwise is None else str(otherwise)

    def chosen(self, name: str, value: object, otherwise: object = "") -> bool:
        """Whether a box or an option is ticked: by what was typed, else by what is kept (one value, or several)."""
        if self.visit.method == "POST" and self.errors:
            return str(value) in self.visit.lists.get(name, [])
        if isinstance(otherwise, (list, tuple, set, frozenset)):
            return value in otherwise
        return str(value) == str(otherwise)

    def may(self, permission: Permission | str) -> bool:
        """Whether who asks may do this; for what a page offers."""
        return self.who is not None and may(self.who, Permission(permission))

    def tell(self, *names: str) -> None:
        """Nudge these events once the work is committed."""
        self.told.extend(names)


@dataclass(frozen=True)
class Page:
    """Draw a template. `triggers` are events that htmx fires on the page that asked."""

    template: str
    values: dict[str, Any]
    status: int = 200
    triggers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Redirect:
    """Go to another page of ours, and there say a line. The line holds nothing personal: it travels in a cookie."""

    to: str
    said: str = ""
    cookies: tuple["Cookie", ...] = ()


@dataclass(frozen=True)
class Bytes:
    """Bytes as they are: audio, a file. With `filename` it is offered for saving. Ranges are answered."""

    body: bytes
    content_type: str
    filename: str | None = None
    status: int = 200


@dataclass(frozen=True)
class Cookie:
    """A cookie to set; an empty value takes it away. `age_s` None: until the browser closes."""

    name: str
    value: str
    age_s: int | None = None
    same_site: str = "Lax"


Answer = Page | Redirect | Bytes


def page(template: str, **values: Any) -> Page:
    """Draw a template with these values."""
    return Page(template, values)


def own_path(address: str) -> str:
    """Return the address if it is a path of this site, else an empty text: a form must not send anybody elsewhere."""
    parts = urlsplit(address)
    if (
        parts.scheme
        or parts.netloc
        or not address.startswith("/")
        or address.startswith(("//", "/\\"))
        or "\\" in address
    ):
        return ""
    return "" if any(ord(c) < 32 for c in address) else address


def whole(text: str, most: int = BIGGEST_ID) -> int | None:
    """The whole number from 0 to `most` that these characters are; None for anything else, however long it is."""
    plain = text.isascii() and text.isdigit() and len(text) <= ID_DIGITS
    return int(text) if plain and int(text) <= most else None
