"""The roster: who is expected when, and where nobody is."""

from datetime import UTC, date, datetime, time, timedelta

from agent_console.console import Request
from agent_console.labels.hours import days
from hotline.audit import note_act
from hotline.errors import Invalid
from hotline.line import languages
from hotline.nudges import AGENTS_CHANGED
from hotline.permissions import Permission, may
from hotline.roster import coverage
from hotline.roster import shifts as hotline_roster
from hotline.safety.hours import time_of_day
from hotline.staff import mobiles, people
from models import Shift
from web.i18n import gettext as _
from web.request import Answer, Redirect, page, whole
from web.routes import Routes

routes = Routes()
A_DAY = timedelta(days=1)


@routes.get("/roster", Permission.SEE_ROSTER)
def roster(ask: Request) -> Answer:
    """A week of shifts, and the cover of one of its days."""
    zone = ask.site.settings.zone
    today = ask.now.astimezone(zone).date()
    day = _day(ask.query.get("day", "") or ask.form.get("day", "")) or today
    monday = day - A_DAY * day.weekday()
    menu = [row.code for row in languages.menu(ask.session)]
    cover = hotline_roster.cover(ask.session, day, zone, menu)
    midnight = datetime.combine(day, time(), zone).astimezone(UTC)
    shifts = hotline_roster.all_shifts(ask.session)
    return page(
        "roster/page.html",
        day=day,
        today=today,
        days=[monday + A_DAY * n for n in range(7)],
        before=monday - A_DAY * 7,
        after=monday + A_DAY * 7,
        cover=cover,
        thin=sum(count == 1 for counts in cover.values() for count in counts),
        gaps=coverage.gaps(cover, day, zone, midnight),
        slot_now=int((ask.now - midnight) / hotline_roster.SLOT) if day == today else None,
        rows=[(agent, speaks) for agent, speaks in people.everybody(ask.session) if agent.active and speaks],
        cells=_cells(shifts, monday),
        day_word=day_word,
        day_names=[name for _code, name in days()],
        rung_at_home=mobiles.on_duty(ask.session, ask.now, ask.site.settings),
        resting=mobiles.resting(ask.session, ask.now),
        with_mobile=mobiles.with_mobile(ask.session),
    )


def day_word(day: date) -> str:
    """A day of the calendar as people say it: Mon 23 Nov."""
    return f"{days()[day.weekday()][1]} {day:%-d %b}"


@routes.post("/roster/shifts", Permission.CHANGE_ROSTER, on_invalid=roster)
def add(ask: Request) -> Answer:
    """Expect somebody, each week or once."""
    form = ask.form
    starts, ends = (time_of_day(form.get(name, "").strip().zfill(5)) for name in ("starts", "ends"))
    wrong = {name: _("Give a time, such as 08:00.") for name, at in (("starts", starts), ("ends", ends)) if at is None}
    who = whole(form.get("agent", ""))
    agent = people.load(ask.session, who) if who is not None else None
    if agent is None or not may(agent, Permission.SET_OWN_STATE):
        wrong["agent"] = _("Choose somebody who answers calls.")
    once = _day(form.get("on_date", ""))
    if form.get("often") == "once" and once is None:
        wrong["on_date"] = _("Choose the day.")
    weekdays = sorted({int(d) for d in ask.visit.lists.get("weekday", []) if d in set("0123456")})
    if form.get("often") != "once" and not weekdays:
        wrong["weekday"] = _("Choose at least one day of the week.")
    if wrong or starts is None or ends is None or agent is None:
        raise Invalid(**wrong)
    at_home = "at_home" in form
    if form.get("often") == "once":
        hotline_roster.add_shift(ask.session, agent.id, starts=starts, ends=ends, on_date=once, at_home=at_home)
    else:
        for weekday in weekdays:
            hotline_roster.add_shift(ask.session, agent.id, starts=starts, ends=ends, weekday=weekday, at_home=at_home)
    return _changed(ask, agent.id, _("On the roster."))


@routes.post("/roster/shifts/{id}/removal", Permission.CHANGE_ROSTER)
def remove(ask: Request) -> Answer:
    """No longer expect somebody then."""
    hotline_roster.remove_shift(ask.session, ask.number("id"))
    return _changed(ask, ask.number("id"), _("Taken off the roster."))


def _changed(ask: Request, about: int, said: str) -> Redirect:
    note_act(ask.session, "roster_changed", f"roster:{about}", by_id=ask.agent.id)
    ask.tell(AGENTS_CHANGED)
    day = _day(ask.form.get("day", ""))
    return Redirect(f"/roster?day={day.isoformat()}" if day else "/roster", said=said)


def _cells(shifts: list[Shift], monday: date) -> dict[tuple[int, int], list[Shift]]:
    """The shifts of a week by agent and weekday: weekly ones, and those of its own dates."""
    cells: dict[tuple[int, int], list[Shift]] = {}
    for shift in shifts:
        if shift.on_date is not None:
            weekday = (shift.on_date - monday).days
            if not 0 <= weekday < 7:
                continue
        else:
            weekday = shift.weekday or 0
        cells.setdefault((shift.agent_id, weekday), []).append(shift)
    return cells


def _day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if 2000 < day.year < 2100 else None
