"""The organisation's own words for what a caller hears; without them the text in the tree is spoken."""

import re
import tomllib
from functools import cache
from pathlib import Path

from sqlmodel import Session, col, select

from hotline.audit import note_act
from hotline.errors import Invalid, NotFound
from hotline.settings import ROOT
from models import Wording
from models.db.types import now

PROMPTS = ROOT / "ivr" / "prompts"
TEXT_MAX = 1_000
_PLACE = re.compile(r"\{(\w+)\}")


@cache
def built_in(folder: Path = PROMPTS) -> dict[str, dict[str, str]]:
    """The texts in the tree: by language, then by prompt, in the order of the English file."""
    texts: dict[str, dict[str, str]] = {}
    for path in sorted(folder.glob("*.toml")):
        with path.open("rb") as file:
            texts[path.stem] = {key: text for key, text in tomllib.load(file).items() if isinstance(text, str)}
    return texts


def prompts() -> list[str]:
    """The keys of all prompts: those of the English file, which has every one."""
    return list(built_in().get("en", {}))


def own(session: Session, language: str) -> dict[str, Wording]:
    """The organisation's own words in a language, by prompt."""
    return {w.prompt: w for w in session.exec(select(Wording).where(col(Wording.language) == language))}


def put(session: Session, language: str, prompt: str, text: str, *, by_id: int | None) -> Wording | None:
    """Set own words for a prompt; empty ones go back to the text in the tree (None). Raises `NotFound` or `Invalid`."""
    if prompt not in prompts():
        raise NotFound("There is no such announcement.")
    text = " ".join(text.replace("\x00", "").split())
    if len(text) > TEXT_MAX:
        raise Invalid(text=f"A caller listens to this: keep it under {TEXT_MAX:,} characters.")
    known, given = set(_PLACE.findall(built_in()["en"][prompt])), set(_PLACE.findall(text))
    # A language may name itself in its own words; its key and how long a message is kept must be said.
    lost = known - {"language"} - given
    if text and lost:
        raise Invalid(text=f"Keep {_braced(lost)} in the text: it is filled in when it is spoken.")
    if given - known:
        raise Invalid(text=f"Nothing is known to put in place of {_braced(given - known)}.")
    row = session.get(Wording, (language, prompt))
    if not text:
        if row is not None:
            session.delete(row)
            session.flush()
            note_act(session, "wording_removed", f"wording:{language}:{prompt}", by_id=by_id)
        return None
    row = row or Wording(language=language, prompt=prompt, text=text)
    row.text, row.changed_at = text, now()
    session.add(row)
    session.flush()
    note_act(session, "wording_changed", f"wording:{language}:{prompt}", by_id=by_id)
    return row


def _braced(names: set[str]) -> str:
    return ", ".join(f"{{{name}}}" for name in sorted(names))
