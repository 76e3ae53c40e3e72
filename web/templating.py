"""Templates: what they can say about times, languages and people, and how they are drawn."""

import hashlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from jinja2 import (
    ChoiceLoader,
    Environment,
    FileSystemBytecodeCache,
    FileSystemLoader,
    PrefixLoader,
    StrictUndefined,
    select_autoescape,
)
from jinja2.bccache import Bucket

from hotline.line.languages import catalogue
from models.db.types import now
from web.i18n import gettext, marked, marked_many
from web.request import Page, Request, S
from web.site import Site

ERROR_TITLES = {
    400: "That request cannot be read",
    403: "This is not for you",
    404: "There is nothing here",
    405: "This cannot be done here",
    409: "That did not happen",
    408: "That took too long",
    413: "That is too big",
    415: "That cannot be taken",
    422: "Something is missing",
    500: "Something broke",
    503: "Not just now",
}


class _CompiledTemplates(FileSystemBytecodeCache):
    """Keep compiled templates beside Python's own compiled modules: compiling them takes longer than the rest of a start.

    Where they cannot be written or read, templates are compiled at each start, as modules are.
    """

    def load_bytecode(self, bucket: Bucket) -> None:
        """Read what was compiled from the same source by the same versions."""
        with suppress(OSError):
            super().load_bytecode(bucket)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Write what was just compiled."""
        with suppress(OSError):
            super().dump_bytecode(bucket)


def make_templates(room: Path, zone: ZoneInfo, filters: Mapping[str, Callable[..., Any]]) -> Environment:
    """Return the templates of a room for an organisation in this zone: always escaped, an unknown name being an error.

    The frame of every page has its own name (`templates/layout.html`), those of a capability have its package's
    (`cases/templates/_title.html` is `cases/_title.html`). `filters` are the room's own. A room has `layout.html`,
    `layout_main.html`, `error.html` and `_said.html`, and its static files in `static/`.
    """
    packages = {folder.parent.name: FileSystemLoader(folder) for folder in sorted(room.glob("*/templates"))}
    env = Environment(
        loader=ChoiceLoader([FileSystemLoader(room / "templates"), PrefixLoader(packages)]),
        bytecode_cache=_CompiledTemplates(str(room / "__pycache__")),
        auto_reload=False,  # else each piece of each page asks the disk whether it has changed
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters |= {
        "length_of": length_of,
        "age": age,
        "clock": lambda at: at.astimezone(zone).strftime("%H:%M"),
        "day": lambda at: at.astimezone(zone).strftime("%a %d %b"),
        "exact": lambda at: at.astimezone(zone).strftime("%A %d %B %Y, %H:%M:%S"),
        "when": lambda at: when(at, zone),
        "epoch": lambda at: int(at.timestamp()),
        "language": language,
        "initials": initials,
        "endonym": lambda code: catalogue()[code].endonym if code in catalogue() else "",
    }
    env.filters |= filters
    # Not Jinja's own gettext: a page says five hundred words, and that takes three times as long for each.
    env.globals |= {"_": marked, "ngettext": marked_many, "with_query": with_query, "language_pairs": language_pairs}
    env.globals["static"] = lambda path: static(room / "static", path)
    return env


def draw(ask: Request[S], answer: Page, said: str = "") -> str:
    """A page as text; only <main> when that is all that is swapped."""
    layout = "layout_main.html" if ask.visit.main_only else "layout.html"
    theme = ask.visit.cookies.get("freeline_theme", "auto")
    return ask.site.templates.get_template(answer.template).render(
        ask=ask,
        me=ask.who,
        now=ask.now,
        layout=layout,
        said=said,
        said_bad=False,
        theme=theme if theme in {"light", "dark"} else "auto",
        letter_keys=ask.visit.cookies.get("freeline_keys") != "off",
        **answer.values,
    )


def draw_error(site: Site, status: int, why: str) -> str:
    """A page that says what went wrong, and nothing personal."""
    title = ERROR_TITLES.get(status, ERROR_TITLES[500])
    return site.templates.get_template("error.html").render(status=status, title=gettext(title), why=why)


def length_of(seconds: float | None) -> str:
    """A length of time as a clock shows it: 0:48, 14:21, 1:02:03. Nothing for None."""
    if seconds is None:
        return ""
    total = max(0, round(seconds))
    hours, rest = divmod(total, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"


def age(since: datetime, at: datetime | None = None) -> str:
    """How long ago, in the words of a list: 4 m, 3 h 10 m, 2 d 4 h."""
    minutes = max(0, int(((at or now()) - since).total_seconds() // 60))
    days, hours = divmod(minutes // 60, 24)
    if days:
        return gettext("%(days)s d %(hours)s h") % {"days": days, "hours": hours}
    if hours:
        return gettext("%(hours)s h %(minutes)s m") % {"hours": hours, "minutes": minutes % 60}
    return gettext("%(minutes)s m") % {"minutes": minutes}


def when(at: datetime, zone: ZoneInfo) -> str:
    """A moment as people say it: 14:05 today, Sun 14:05 within a week, 3 Oct 2026 before that."""
    local, today = at.astimezone(zone), now().astimezone(zone).date()
    if local.date() == today:
        return local.strftime("%H:%M")
    if abs(today - local.date()) < timedelta(days=7):
        return local.strftime("%a %H:%M")
    return local.strftime("%-d %b %Y")


def language(code: str | None) -> str:
    """A language's name for the reader; its code when it is not in the catalogue."""
    if code is None:
        return gettext("No language yet")
    known = catalogue().get(code)
    return gettext(known.name) if known else code


def initials(name: str) -> str:
    """Two letters for a person."""
    words = name.split()
    return "".join(w[0] for w in (words[:1] + words[-1:] if len(words) > 1 else words)).upper()


def language_pairs(codes: list[str]) -> list[tuple[str, str]]:
    """Languages for a choice: the code and its own name."""
    return [(code, catalogue()[code].endonym if code in catalogue() else code) for code in codes]


@cache
def _stamp(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:12]


def static(folder: Path, path: str) -> str:
    """Return the address of a static file, with its content's stamp so that browsers may store it for ever."""
    return f"/static/{path}?v={_stamp(folder / path)}"


def with_query(path: str, query: dict[str, Any], **changes: Any) -> str:
    """The same list with something else chosen; None takes a choice away."""
    kept = {k: v for k, v in (dict(query) | changes).items() if v not in (None, "")}
    return f"{path}?{urlencode(kept)}" if kept else path
