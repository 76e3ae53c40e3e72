"""docs/operations.md is held against the code: every trouble in the log has its line, every setting named there exists."""

import ast
import re
from collections.abc import Iterator

from hotline.settings import ROOT, Settings

MANUAL = (ROOT / "docs" / "operations.md").read_text()
ROOMS = ("hotline", "models", "recordings", "telephony", "ivr", "agent_console", "web", "ops")


def troubles() -> Iterator[str]:
    """The words of every warning and error that is logged."""
    for room in ROOMS:
        for path in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                match node:
                    case ast.Call(
                        func=ast.Attribute(value=ast.Call(func=ast.Name(id="log")), attr="warning" | "error"),
                        args=[ast.Constant(value=str(words)), *_],
                    ):
                        yield words


def test_every_trouble_in_the_log_is_in_the_manual() -> None:
    """Whoever logs a new warning or error writes its line under 'In the log': what it means and what to do."""
    found = set(troubles())
    assert len(found) > 40, "this test must find them to mean anything"
    assert [words for words in sorted(found) if f"| {words} |" not in MANUAL] == []


def test_every_setting_in_the_manual_is_one() -> None:
    named = set(re.findall(r"FREELINE_([A-Z_]*[A-Z])", MANUAL))
    for row in re.findall(r"^\| ((?:`[A-Z_]+`(?:, )?)+) \|", MANUAL, re.MULTILINE):
        named |= set(re.findall(r"`([A-Z_]+)`", row))
    assert len(named) > 30
    known = {name.upper() for name in Settings.model_fields}
    # Those that only docker-compose.yml reads are explained there.
    known |= set(re.findall(r"^FREELINE_([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert {name for name in named if name.removesuffix("_FILE") not in known} == set()
