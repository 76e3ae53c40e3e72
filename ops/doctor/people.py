"""The staff: whether every language has somebody, and the administrators."""

from collections.abc import Iterator
from datetime import timedelta

from sqlmodel import Session, col, select

from hotline.errors import PartMissing
from hotline.line import languages
from hotline.roster import coverage, shifts
from hotline.settings import Settings
from hotline.staff import people
from models import Agent, AgentLanguage, Database, Proficiency, Role
from models.db.types import now
from ops.doctor.finding import Finding, bad, ok, warn
from ops.doctor.web import only_here
from telephony.asterisk.secrets import demo_password

DAYS = 7


def check(settings: Settings) -> Iterator[Finding]:
    """Check administrators, the demo's password, speakers, and the gaps of the next seven days."""
    db = Database(settings.database, busy_s=3.0)
    try:
        with db.read() as session:
            found = [*_administrators(session), *_demo(session, settings), *_languages(session, settings)]
    finally:
        db.dispose()
    yield from found


def _administrators(session: Session) -> Iterator[Finding]:
    count = len(session.exec(select(Agent.id).where(col(Agent.active), col(Agent.role) == Role.ADMINISTRATOR)).all())
    add = "freeline user add LOGIN --role administrator --name NAME"
    if count == 0:
        yield bad("there is no administrator: nobody can add people", add)
    elif count == 1:
        yield warn("there is one administrator: when that one is ill, nobody can help", add)
    else:
        yield ok(f"{count} administrators")


def _demo(session: Session, settings: Settings) -> Iterator[Finding]:
    try:
        word = demo_password(settings)
    except PartMissing:
        return
    active = session.exec(select(Agent.login).where(col(Agent.active))).all()
    still = [login for login in active if people.check_password(session, login, word) is not None]
    if not still:
        return
    words = (
        f"{len(still)} people still have the demo's password: {', '.join(still[:4])}{' …' if len(still) > 4 else ''}"
    )
    mend = (
        "deactivate the made-up ones on the People page, or begin with an empty data folder and `freeline up --no-demo`"
    )
    yield warn(words, mend) if only_here(settings) else bad(words, mend)


def _languages(session: Session, settings: Settings) -> Iterator[Finding]:
    rows = session.exec(
        select(AgentLanguage.language)
        .join(Agent, col(Agent.id) == col(AgentLanguage.agent_id))
        .where(col(Agent.active), col(AgentLanguage.proficiency) != Proficiency.BASIC)
    ).all()
    names = {row.code: row.name for row in languages.spoken(session)}
    nobody = [name for code, name in names.items() if code not in set(rows)]
    if nobody:
        mend = "add speakers on the People page, or take the language off the menu"
        yield warn(f"nobody speaks {', '.join(nobody)}: those callers can only leave a message", mend)
    else:
        yield ok("somebody speaks each language of the menu")
    yield from _gaps(session, settings, {code: name for code, name in names.items() if name not in nobody})


def _gaps(session: Session, settings: Settings, names: dict[str, str]) -> Iterator[Finding]:
    start, end = now(), now() + timedelta(days=DAYS)
    today = start.astimezone(settings.zone).date()
    hours: dict[str, float] = dict.fromkeys(names, 0.0)
    first: dict[str, str] = {}
    for day in (today + timedelta(days=n) for n in range(DAYS + 1)):
        counts = shifts.cover(session, day, settings.zone, list(names))
        for gap in coverage.gaps(counts, day, settings.zone, start):
            for code in gap.languages:
                begins, ends = max(gap.starts, start), min(gap.ends, end)
                if begins < ends:
                    hours[code] += (ends - begins).total_seconds() / 3600
                    first.setdefault(code, begins.astimezone(settings.zone).strftime("%a %H:%M"))
    open_now = {code: count for code, count in hours.items() if count >= 0.5}
    for code, count in open_now.items():
        yield warn(
            f"{names[code]}: nobody is expected for {count:.0f} hours of the next {DAYS} days, first {first[code]}",
            "add shifts on the Roster page; in a gap callers can only leave a message",
        )
    if names and not open_now:
        yield ok(f"the roster has no gap in the next {DAYS} days")
