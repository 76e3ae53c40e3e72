"""The numbers that workers dial."""

from zoneinfo import ZoneInfo

import pytest

from hotline.line import refused_calls
from hotline.line.refused_calls import OTHER
from models import Database, Line, RefusedKind
from models.db.types import now
from tests.support.browsers import Browser


async def test_a_line_is_added_changed_and_taken_off(adam: Browser, db: Database) -> None:
    """Spaces and dashes in what was typed do not matter."""
    form = {"number": "1800 765-432", "name": "Fishing <line>", "toll_free": "1"}
    assert (await adam.post("/settings/lines", **form)).status == 303
    assert "Fishing &lt;line&gt;" in await adam.text("/settings/lines")
    assert (await adam.post("/settings/lines/1800765432", name="Fishing")).status == 303
    with db.read() as session:
        line = session.get_one(Line, "1800765432")
        assert (line.name, line.toll_free) == ("Fishing", False)
    assert (await adam.post("/settings/lines/1800765432/removal")).status == 303
    assert (await adam.post("/settings/lines/1800765432/removal")).status == 404


@pytest.mark.parametrize(
    "wrong",
    [
        {"number": "12"},
        {"number": "call me"},
        {"number": "1800123456"},
        {"number": ""},
        {"name": "  "},
        {"name": "x" * 121},
    ],
)
async def test_what_is_no_line_comes_back(adam: Browser, wrong: dict[str, str]) -> None:
    """422 with what was typed; one that is there already is not added twice."""
    form = {"number": "1800999999", "name": "New line"} | wrong
    answer = await adam.post("/settings/lines", **form)
    assert answer.status == 422
    assert f'value="{form["number"]}"' in await answer.text()


async def test_a_line_without_a_name_is_not_kept(adam: Browser, db: Database) -> None:
    """The error stands at its own row."""
    answer = await adam.post("/settings/lines/1800123456", name="")
    assert answer.status == 422
    assert "Give the line a name" in await answer.text()
    with db.read() as session:
        assert session.get_one(Line, "1800123456").name == "Worker hotline"


async def test_only_who_manages_the_line_may(alice: Browser, outsider: Browser, adam: Browser) -> None:
    """Not an agent, not an outsider, not by a wrong method."""
    assert (await alice.get("/settings/lines")).status == 403
    assert (await outsider.post("/settings/lines", number="1800111111", name="x")).status == 303
    assert (await adam.get("/settings/lines/1800123456")).status == 405
    assert (await adam.post("/settings/lines/55555", name="x")).status == 404


async def test_calls_that_reached_no_line_are_told_by_their_shape(adam: Browser, db: Database) -> None:
    """So that a wrong form of the number, or a carrier's other address, is found on the first day."""
    assert "Calls that reached no line" in await adam.text("/settings/lines")
    counts = {
        (RefusedKind.UNKNOWN_NUMBER, "9918001ddddd"): 12,
        (RefusedKind.FOREIGN_ADDRESS, "192.0.2.77"): 3,
        (RefusedKind.WRONG_PASSWORD, OTHER): 4,
        (RefusedKind.NO_SOUND, "488"): 5,
    }
    with db.write() as session:
        refused_calls.add(session, counts, now(), ZoneInfo("Asia/Bangkok"))
    text = await adam.text("/settings/lines")
    for word in ("9918001ddddd", "192.0.2.77", "FREELINE_TRUNK_MATCH", "others together", "488", "G.711"):
        assert word in text
