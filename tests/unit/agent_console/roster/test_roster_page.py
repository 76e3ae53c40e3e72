"""The roster: shifts, the cover of a day, and its gaps."""

import re
from datetime import date, time

from sqlmodel import select

from hotline.roster import shifts as roster
from models import Database, Shift
from tests.support.browsers import HTMX, Browser, SignIn
from tests.support.cast import Cast

WEEKLY = {"often": "weekly", "weekday": "0", "starts": "08:00", "ends": "16:00"}


def shifts(db: Database) -> list[Shift]:
    with db.read() as session:
        return list(session.exec(select(Shift)))


async def test_a_supervisor_adds_and_removes_a_shift(signed_in: SignIn, db: Database, staff: Cast) -> None:
    """Each week, and once on a date."""
    sofia = signed_in(staff.sofia)
    who = str(staff.alice.id)
    assert (await sofia.post("/roster/shifts", agent=who, at_home="1", **WEEKLY)).status == 303
    once = {"often": "once", "on_date": "2026-11-25", "starts": "22:00", "ends": "06:00", "day": "2026-11-25"}
    answer = await sofia.post("/roster/shifts", agent=who, **once)
    assert answer.headers["Location"] == "/roster?day=2026-11-25"
    weekly, night = shifts(db)
    assert (weekly.weekday, weekly.starts, weekly.ends, weekly.at_home) == (0, time(8), time(16), True)
    assert (night.on_date, night.weekday, night.starts) == (date(2026, 11, 25), None, time(22))
    week = await sofia.text("/roster?day=2026-11-25")
    assert "08:00–16:00" in week
    assert "22:00–06:00" in week
    assert "22:00–06:00" not in await sofia.text("/roster?day=2026-12-25"), "a date belongs to its week"
    assert (await sofia.post(f"/roster/shifts/{weekly.id}/removal")).status == 303
    assert (await sofia.post(f"/roster/shifts/{weekly.id}/removal")).status == 404
    assert [s.id for s in shifts(db)] == [night.id]


async def test_what_is_no_shift_comes_back_with_what_was_typed(signed_in: SignIn, db: Database, staff: Cast) -> None:
    """A time, a day and somebody who answers calls are needed; the same start twice is refused."""
    sofia = signed_in(staff.sofia)
    good = {"agent": str(staff.alice.id)} | WEEKLY
    for wrong in (
        {"starts": "25:00"}, {"ends": ""}, {"starts": "08:00+02:00"}, {"weekday": "9"}, {"agent": ""}, {"agent": "x"},
        {"agent": str(staff.adam.id)}, {"agent": str(staff.charlie.id)}, {"often": "once", "on_date": "soon"},
    ):  # fmt: skip
        answer = await sofia.post("/roster/shifts", HTMX, **good | wrong)
        assert answer.status == 422, wrong
        if "starts" in wrong:
            assert f'value="{wrong["starts"]}"' in await answer.text()
    assert shifts(db) == []
    assert (await sofia.post("/roster/shifts", **good)).status == 303
    assert (await sofia.post("/roster/shifts", **good)).status == 422


async def test_cover_is_drawn_by_half_hours_with_its_gaps(signed_in: SignIn, db: Database, staff: Cast) -> None:
    """Alice, 08:00 to 16:00 on a Monday: Thai is covered sixteen half hours and has two gaps."""
    with db.write() as session:
        roster.add_shift(session, staff.alice.id, starts=time(8), ends=time(16), weekday=0)
    text = await signed_in(staff.sofia).text("/roster?day=2026-11-23")
    row = re.search(r'aria-label="Thai: 8\.0 of 24\.0 hours covered">(.*?)</svg>', text, re.S)
    assert row
    assert (row[1].count('class="n1"'), row[1].count('class="n0"')) == (16, 32)
    flat = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", text))
    assert "Burmese, Thai 00:00–08:00, nobody rostered" in flat
    assert "Burmese, Thai 16:00–24:00, nobody rostered" in flat


async def test_an_agent_sees_the_roster_and_changes_nothing(
    alice: Browser, outsider: Browser, db: Database, staff: Cast
) -> None:
    """No form, and no way round it."""
    with db.write() as session:
        shift = roster.add_shift(session, staff.bob.id, starts=time(8), ends=time(16), weekday=0)
    text = await alice.text("/roster")
    assert "Bob" in text
    assert "/roster/shifts" not in text
    assert (await alice.post("/roster/shifts", agent=str(staff.alice.id), **WEEKLY)).status == 403
    assert (await alice.post(f"/roster/shifts/{shift.id}/removal")).status == 403
    assert (await outsider.get("/roster")).status == 303


async def test_a_day_that_is_none_is_today(alice: Browser, signed_in: SignIn, staff: Cast) -> None:
    """And the shifts are not fetched by GET."""
    for day in ("yesterday", "0001-01-01", "9999-12-31", "2026-02-30", ""):
        assert (await alice.get(f"/roster?day={day}")).status == 200, day
    assert (await signed_in(staff.sofia).get("/roster/shifts")).status == 405
