"""What the documentation names is there: files, the functions and tests in them, and the pages it links to."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from hotline.settings import ROOT

ROOMS = ("agent_console", "web", "bench", "hotline", "ivr", "models", "ops", "recordings", "telephony", "tests")
# In these every path is whole. A room's own README names its files from the room.
WHOLE = (
    "CONTRIBUTING.md",
    "docs/architecture.md",
    "docs/glossary.md",
    "docs/life-of-a-call.md",
    "docs/life-of-a-page.md",
)
ADRS = sorted(f"docs/adr/{f.name}" for f in (ROOT / "docs/adr").glob("*.md"))
READMES = [f"{room}/README.md" for room in ROOMS]
LINKED = [
    *WHOLE,
    *READMES,
    *ADRS,
    "README.md",
    "SECURITY.md",
    "docs/operations.md",
    "docs/call-flow.md",
    "docs/privacy.md",
]
PATH = re.compile(rf"`((?:{'|'.join(ROOMS)}|docs)/[\w./-]+?)(?::([\w.]+))?`")
OF_A_ROOM = re.compile(r"`((?:[\w-]+/)*[\w-]+\.(?:py|html|js|sh|toml|conf))(?::([\w.]+))?`")
SAME_FILE = re.compile(r"`:([A-Za-z_]\w*)`")
LINK = re.compile(r"\]\(([^)#\s]*)(?:#([\w-]+))?\)")
# Files that CONTRIBUTING.md has its reader write.
MADE_UP = re.compile(r"waits|/reports|NAME|CODE|AREA|CAPABILITY|LANGUAGE|NNNN")


@cache
def names_in(path: Path) -> set[str]:
    """The functions, classes, methods and constants of a file, methods as Class.method too."""
    found: set[str] = set()
    for node in ast.parse(path.read_text()).body:
        inside = node.body if isinstance(node, ast.ClassDef) else []
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        found |= {f"{node.name}.{n.name}" for n in inside if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)}  # type: ignore[union-attr]
    return found


def said(document: str) -> Iterator[tuple[str, str | None]]:
    """The paths that a document names, with the name behind the colon; `:name` alone is of the path before it."""
    before = ""
    for match in re.finditer(r"`[^`\n]+`", (ROOT / document).read_text()):
        if (path := PATH.fullmatch(match[0])) is not None:
            before = path[1]
            yield path[1], path[2]
        elif before.endswith(".py") and (name := SAME_FILE.fullmatch(match[0])) is not None:
            yield before, name[1]


def wrong(document: str) -> list[str]:
    """What it names and what is not there."""
    missing = []
    for path, name in said(document):
        if MADE_UP.search(path) or "…" in path:
            continue
        if not (ROOT / path).exists():
            missing.append(path)
        elif name is not None and name not in names_in(ROOT / path):
            missing.append(f"{path}:{name}")
    return missing


@pytest.mark.parametrize(
    "document", [*WHOLE, *READMES, *ADRS, "docs/call-flow.md", "docs/privacy.md", "docs/operations.md"]
)
def test_the_files_and_functions_that_are_named_exist(document: str) -> None:
    assert wrong(document) == []


@pytest.mark.parametrize("document", READMES)
def test_a_rooms_readme_names_the_files_of_its_room(document: str) -> None:
    """From the room, or from one of its packages."""
    room = (ROOT / document).parent
    files = {str(f.relative_to(room)) for f in room.rglob("*") if f.is_file()}
    named = [m[1] for m in OF_A_ROOM.finditer((ROOT / document).read_text()) if not MADE_UP.search(m[1])]
    ours = [n for n in named if n.split("/")[0] not in {*ROOMS, "docs"}]
    assert [n for n in ours if not (ROOT / n).exists() and not any(f == n or f.endswith(f"/{n}") for f in files)] == []


@pytest.mark.parametrize("document", LINKED)
def test_what_it_links_to_is_there(document: str) -> None:
    text, folder = (ROOT / document).read_text(), (ROOT / document).parent
    dead = []
    for to, heading in LINK.findall(text):
        target = folder / to if to else ROOT / document
        if "://" in to:
            continue
        if not target.exists() or (heading and heading not in headings(target)):
            dead.append(f"{to}#{heading}")
    assert dead == []


def headings(path: Path) -> set[str]:
    """The anchors of a page, as its headings give them."""
    titles = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_what_is_missing_is_found() -> None:
    """The checks above can fail, and they find something to check."""
    assert len(list(said("docs/life-of-a-call.md"))) > 80
    assert "ChangeWriter._commit" in names_in(ROOT / "telephony/switchboard/writer.py")
    assert "ChangeWriter.nothing" not in names_in(ROOT / "telephony/switchboard/writer.py")
    assert PATH.fullmatch("`hotline/nothing.py:at_all`") is not None
