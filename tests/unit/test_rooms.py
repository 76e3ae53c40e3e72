"""The one rule of the rooms that lint-imports cannot say: the web server is imported in two rooms only."""

import re

from hotline.settings import ROOT

ROOMS = ("models", "hotline", "telephony", "recordings", "ivr", "ops")


def test_only_the_rooms_of_the_web_serve_it() -> None:
    web = re.compile(r"^\s*(from aiohttp import .*\bweb\b|import aiohttp\.web|from aiohttp\.web)", re.MULTILINE)
    assert any(web.search(f.read_text()) for f in (ROOT / "agent_console").rglob("*.py")), "the pattern finds nothing"
    guilty = [
        str(f.relative_to(ROOT)) for room in ROOMS for f in (ROOT / room).rglob("*.py") if web.search(f.read_text())
    ]
    assert guilty == []


def test_no_file_of_ours_is_past_400_lines() -> None:
    long = [
        str(f.relative_to(ROOT))
        for room in (*ROOMS, "web", "agent_console")
        for f in (ROOT / room).rglob("*.py")
        if "migrations" not in f.parts and len(f.read_text().splitlines()) > 400
    ]
    assert long == []
