"""The queue: who waits now, what nobody has claimed, how the day goes, and who covers it."""

from collections.abc import Collection
from datetime import UTC, datetime, time, timedelta

from sqlmodel import col, select

from agent_console.console import Request
from hotline import disk, scope
from hotline.cases import reading, work
from hotline.cases import rows as case_rows
from hotline.cases.rows import MOST, Order
from hotline.line import languages
from hotline.nudges import ALERTS_CHANGED, QUEUE_CHANGED, case_changed
from hotline.permissions import Permission
from hotline.queue import waiting as queue_waiting
from hotline.reports import today as day_report
from hotline.roster import coverage, shifts
from models import AgentLanguage, Outcome
from web.i18n import gettext as _
from web.request import Answer, Redirect, page, whole
from web.routes import Routes

routes = Routes()
AGES = {"30m": timedelta(minutes=30), "4h": timedelta(hours=4), "24h": timedelta(hours=24)}
MOST_EVER = 1000


@routes.get("/queue", Permission.SEE_QUEUE)
def queue(ask: Request) -> Answer:
    """The whole page."""
    return page("queue/page.html", **waiting_now(ask), **unclaimed_now(ask), **day_now(ask))


@routes.get("/queue/waiting", Permission.SEE_QUEUE)
def waiting(ask: Request) -> Answer:
    """Callers waiting."""
    return page("queue/_waiting.html", **waiting_now(ask))


@routes.get("/queue/unclaimed", Permission.SEE_QUEUE)
def unclaimed(ask: Request) -> Answer:
    """Cases nobody has claimed."""
    return page("queue/_unclaimed.html", **unclaimed_now(ask))


@routes.get("/queue/today", Permission.SEE_QUEUE)
def today(ask: Request) -> Answer:
    """The day's figures and its cover."""
    return page("queue/_today.html", **day_now(ask))


@routes.get("/queue/count", Permission.SEE_QUEUE)
def count(ask: Request) -> Answer:
    """How many wait and how many cases are unclaimed, for the navigation and the window's title."""
    return page(
        "queue/_count.html",
        waiting=queue_waiting.count_waiting(ask.session),
        unclaimed=case_rows.count_unclaimed(ask.session, ask.agent),
    )


@routes.post("/cases/{id}/claim", Permission.WORK_CASES)
def claim(ask: Request) -> Answer:
    """Take a case; of two who click, one wins. It is shown with that, so it counts as read."""
    found = scope.case(ask.session, ask.agent, ask.number("id"))
    if reading.note_claim(ask.session, found, ask.agent, ask.site.settings) is not None:
        ask.tell(ALERTS_CHANGED)
    case = work.claim(ask.session, ask.number("id"), ask.agent)
    ask.tell(QUEUE_CHANGED, case_changed(case.id))
    return Redirect(f"/cases/{case.id}", said=_("The case is yours."))


def waiting_now(ask: Request) -> dict[str, object]:
    """What _waiting.html shows."""
    return {
        "waiting": queue_waiting.waiting(ask.session, ask.agent.id),
        "talking": queue_waiting.answered_now(ask.session),
        "late_s": queue_waiting.LATE_S,
        "troubles": list(disk.troubles(ask.site.settings)),
    }


def unclaimed_now(ask: Request) -> dict[str, object]:
    """What _unclaimed.html shows, by the choices in the address; a choice that makes no sense is none."""
    choices = chosen(ask)
    mine = my_languages(ask)
    outcome, language = choices["outcome"], choices["language"]
    most = int(choices.get("most", MOST))
    board = case_rows.unclaimed(
        ask.session,
        ask.agent,
        languages=mine if language == "mine" else [language] if language else None,
        first=mine,
        outcome=Outcome(outcome) if outcome else None,
        older_than=AGES.get(choices["age"]),
        order=Order(choices["order"] or Order.URGENT),
        most=most,
        at=ask.now,
    )
    return {
        "board": board,
        "choices": choices,
        "most": most,
        "next_most": min(most + MOST, MOST_EVER),
        "mine": mine,
        "first_mine": next((r.case_id for r in board.rows if not mine or r.language in {None, *mine}), None),
        "spoken": [row.code for row in languages.spoken(ask.session)],
        "outcomes": list(Outcome),
    }


def chosen(ask: Request) -> dict[str, str]:
    """The choices that can be used, as they stand in the address."""
    known: dict[str, Collection[str]] = {
        "language": {"mine", *languages.catalogue()},
        "outcome": set(Outcome),
        "age": set(AGES),
        "order": set(Order),
    }
    choices = {name: ask.query[name] if ask.query.get(name) in values else "" for name, values in known.items()}
    most = whole(ask.query.get("most", ""), MOST_EVER)
    if most is not None and most > MOST:
        choices["most"] = str(most)
    return choices


def my_languages(ask: Request) -> list[str]:
    """What the reader speaks."""
    query = (
        select(AgentLanguage.language)
        .where(col(AgentLanguage.agent_id) == ask.agent.id)
        .order_by(col(AgentLanguage.language))
    )
    return list(ask.session.exec(query))


def day_now(ask: Request) -> dict[str, object]:
    """What _today.html shows: the local day's figures, its cover by half hours, and the gaps still ahead."""
    zone = ask.site.settings.zone
    local = ask.now.astimezone(zone)
    start = datetime.combine(local.date(), time(), zone).astimezone(UTC)
    menu = [row.code for row in languages.menu(ask.session)]
    cover = shifts.cover(ask.session, local.date(), zone, menu)
    return {
        "figures": day_report.today(ask.session, start, ask.now + timedelta(seconds=1)),
        "cover": cover,
        "slot_now": int((ask.now - start) / shifts.SLOT),
        "gaps": coverage.gaps(cover, local.date(), zone, ask.now),
        "rostered": any(any(counts) for counts in cover.values()),
    }
