"""The queue, the desk and the state: what they show, and what happens when somebody acts."""

import asyncio
import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlmodel import Session, col, select

from hotline.calls import facts as calls
from hotline.calls.facts import Fact
from hotline.keys import Keys
from hotline.reports import today as day_report
from hotline.staff import states as agents
from models import AgentLanguage, AgentState, AgentStatus, Case, Contact, Database, Line
from models.db.types import now
from tests.support import seed
from tests.support.browsers import BOOSTED, HTMX, Browser
from tests.support.cast import Cast

NASTY = '<b onmouseover="x">O\'Neil & "co"</b>\n<script>alert(1)</script>'


@pytest.fixture
def evening(db: Database, keys: Keys, staff: Cast) -> None:
    """The evening of the seed."""
    with db.write() as session:
        seed.evening(session, keys, [staff.alice, staff.bob])


@pytest.fixture
def new_case(db: Database, keys: Keys) -> Callable[..., int]:
    """Files a case of a call that ended so long ago, and gives its id."""

    def make(spoken: str = "th", ago_s: float = 60, **values: object) -> int:
        with db.write() as session:
            case = seed.Evening(session, keys, now(), _number()).abandoned(spoken, ago_s, 30)
            for name, value in values.items():
                setattr(case, name, value)
            session.add(case)
            return case.id

    return make


_next = [820000000]


def _number() -> int:
    _next[0] += 10
    return _next[0]


def row_ids(text: str) -> list[int]:
    return [int(n) for n in re.findall(r'<tr id="case-(\d+)"', text)]


@pytest.mark.usefixtures("evening")
async def test_the_queue_shows_who_waits_and_how_long(alice: Browser) -> None:
    """Longest first, with the language in its own script, and whether anybody can be rung."""
    text = await alice.text("/queue/waiting")
    assert text.index("Khmer") < text.index("Burmese")
    assert 'lang="km">ខ្មែរ' in text
    assert "no speaker ready" in text
    assert "called once before" in text
    assert "number withheld" in text
    assert "your phone can be rung" in text
    assert "1 call in progress" in text
    assert re.search(r'class="counting wait late" data-since="\d+" data-late="20"', text)


@pytest.mark.usefixtures("evening")
async def test_unclaimed_cases_say_what_is_known(alice: Browser) -> None:
    """In words, from the summary or else from what the line saw."""
    text = " ".join((await alice.text("/queue/unclaimed")).split())
    for words in (
        "Passport and phone held, guarded dormitory", "they lock the gate", "draft transcript, 81% sure", "Voicemail 1:52",
        "Voicemail, needs a listener", "No speech model for Khmer: please listen", "Caller left the queue after 1:20",
        "Call-back not yet safe: do not dial", "Caller asked to be called back", "Answered 14:21", "about 12 workers",
        "3 h 10 m", "Number withheld or not certain: no call-back", "Safe to call back, 08:00–20:00 until",
    ):  # fmt: skip
        assert words in text, words


async def test_most_urgent_first_and_what_nobody_coded_before_p2(alice: Browser, new_case: Callable[..., int]) -> None:
    """P0, P1, no level, P2, P3, P4; the older first within one."""
    levels = ["P4", "P2", None, "P0", "P3", "P1"]
    ids = {level: new_case(level=level, ago_s=60) for level in levels}
    older = new_case(level="P2", ago_s=600)
    expected = [ids["P0"], ids["P1"], ids[None], older, ids["P2"], ids["P3"], ids["P4"]]
    assert row_ids(await alice.text("/queue/unclaimed")) == expected
    oldest = row_ids(await alice.text("/queue/unclaimed?order=oldest"))
    assert oldest[0] == older


async def test_choices_stand_in_the_address_and_narrow_the_list(alice: Browser, new_case: Callable[..., int]) -> None:
    """Alice speaks Burmese and Thai; a case whose language is not known is everybody's."""
    thai, lao, unknown = new_case("th"), new_case("lo", ago_s=3600), new_case("th", language=None)
    assert set(row_ids(await alice.text("/queue?language=mine"))) == {thai, unknown}
    assert set(row_ids(await alice.text("/queue?language=lo"))) == {lao, unknown}
    assert row_ids(await alice.text("/queue?age=30m")) == [lao]
    assert row_ids(await alice.text("/queue?outcome=voicemail")) == []
    assert "3 unclaimed cases in all." in await alice.text("/queue?outcome=voicemail")
    text = await alice.text("/queue?language=lo&age=30m")
    assert 'hx-get="/queue/unclaimed?language=lo&amp;age=30m"' in text, "the list refetches itself with its choices"


@pytest.mark.parametrize(
    "query", ["language=%00", "outcome=x", "age=9", "order=%3Cscript%3E", "most=999999", "most=-1", "most=²"]
)
async def test_a_choice_that_makes_no_sense_is_none(alice: Browser, new_case: Callable[..., int], query: str) -> None:
    """And never an error."""
    case = new_case()
    assert row_ids(await alice.text(f"/queue?{query}")) == [case]


async def test_a_long_list_shows_fifty_and_says_how_many_more(alice: Browser, db: Database) -> None:
    """And the rest on request."""
    with db.write() as session:
        session.add_all(Case(opened_at=now(), reference=f"C-{n}") for n in range(80))
    text = await alice.text("/queue")
    assert len(row_ids(text)) == 50
    assert "30 are not shown" in text
    assert len(row_ids(await alice.text("/queue?most=100"))) == 80


async def test_an_empty_queue_says_what_will_come(alice: Browser) -> None:
    """Every empty state has words."""
    text = await alice.text("/queue")
    for words in ("Nobody is waiting", "Every case has somebody", "Nobody is on the roster today"):
        assert words in text


async def test_what_people_and_callers_wrote_is_escaped(
    alice: Browser, new_case: Callable[..., int], db: Database, keys: Keys, staff: Cast
) -> None:
    """Quotes, newlines and HTML in a summary, a transcript, a line's name and a person's name."""
    new_case(summary=NASTY, owner_id=staff.alice.id)
    new_case(summary=NASTY)
    with db.write() as session:
        it = seed.Evening(session, keys, now(), _number())
        it.voicemail("en", 60, 30, NASTY, 0.5)
        it.call("th", 5)
        session.get_one(Line, "1800123456").name = NASTY
        session.get_one(type(staff.alice), staff.alice.id).name = NASTY
    for path in ("/", "/queue", "/account"):
        text = await alice.text(path)
        assert "&lt;script&gt;alert(1)" in text
        assert "<script>alert" not in text
        assert "<b onmouseover" not in text


async def test_claiming_gives_the_case_to_whoever_claims(
    alice: Browser, new_case: Callable[..., int], db: Database, staff: Cast
) -> None:
    """And leads to it."""
    case_id = new_case()
    answer = await alice.post(f"/cases/{case_id}/claim")
    assert (answer.status, answer.headers["Location"]) == (303, f"/cases/{case_id}")
    with db.read() as session:
        assert session.get_one(Case, case_id).owner_id == staff.alice.id
    assert row_ids(await alice.text("/queue")) == []
    assert row_ids(await alice.text("/")) == [case_id]


async def test_of_two_who_claim_at_once_one_wins(
    alice: Browser, bob: Browser, new_case: Callable[..., int], db: Database
) -> None:
    """Ten times over; the other is told so in a line on the page."""
    for _ in range(10):
        case_id = new_case()
        answers = await asyncio.gather(*(b.post(f"/cases/{case_id}/claim", BOOSTED) for b in (alice, bob)))
        assert sorted(a.status for a in answers) == [303, 409]
        loser = next(a for a in answers if a.status == 409)
        assert "Somebody else claimed this case" in await loser.text()
        assert loser.headers["HX-Retarget"] == "#said"
        assert loser.headers["HX-Trigger"] == "refetch"
        with db.read() as session:
            assert session.get_one(Case, case_id).owner_id is not None


async def test_without_scripts_the_loser_gets_a_page(
    alice: Browser, bob: Browser, new_case: Callable[..., int]
) -> None:
    """Every action is a plain form first."""
    case_id = new_case()
    assert (await bob.post(f"/cases/{case_id}/claim")).status == 303
    answer = await alice.post(f"/cases/{case_id}/claim")
    assert answer.status == 409
    assert "Somebody else claimed this case a moment ago." in await answer.text()


@pytest.mark.parametrize("case_id", ["999", "99999999999999999999", "1e3", "-1", "x"])
async def test_a_case_that_is_not_there_is_404(alice: Browser, case_id: str) -> None:
    """Whatever stands in the address."""
    assert (await alice.post(f"/cases/{case_id}/claim")).status == 404


@pytest.mark.usefixtures("evening")
async def test_the_count_says_who_waits_before_what_is_unclaimed(alice: Browser, db: Database) -> None:
    """The window's title takes it from here."""
    assert 'data-waiting="2"' in await alice.text("/queue/count")
    with db.write() as session:
        for contact in calls.waiting(session):
            contact.ended_at = now()
    assert "7 unclaimed cases" in await alice.text("/queue/count")


async def test_ready_and_not_ready_by_a_plain_form_and_by_the_bar(alice: Browser, db: Database, staff: Cast) -> None:
    """303 to where she was, or the bar anew."""

    def status() -> AgentStatus:
        with db.read() as session:
            return session.get_one(AgentState, staff.alice.id).status

    answer = await alice.post("/state", to="ready", next="/queue")
    assert (answer.status, answer.headers["Location"]) == (303, "/queue")
    assert status() is AgentStatus.READY
    answer = await alice.post("/state", HTMX, to="not_ready")
    assert answer.status == 200
    assert answer.headers["HX-Trigger"] == "agents-changed"
    assert 'id="bar"' in await answer.text()
    assert status() is AgentStatus.NOT_READY
    assert (await alice.post("/state", to="asleep")).status == 422
    assert (await alice.post("/state", to="ready", next="https://evil.example")).headers["Location"] == "/"


async def test_during_a_call_the_state_is_the_calls(alice: Browser, db: Database, staff: Cast) -> None:
    """Refused with the reason."""
    with db.write() as session:
        agents.on_call(session, staff.alice.id, "a-call", now())
    answer = await alice.post("/state", to="not_ready")
    assert answer.status == 409
    assert "You are on a call" in await answer.text()


async def test_the_desk_says_what_to_do_about_a_phone(alice: Browser, db: Database, keys: Keys, staff: Cast) -> None:
    """No phone, a phone that is not there, a phone that is, a missed ring, and a call."""
    assert "This page is your phone" in await alice.text("/desk/state")
    await alice.post("/account/phone")
    assert "Your phone is not registered" in await alice.text("/desk/state")
    me = staff.alice.id
    with db.write() as session:
        agents.set_reachable(session, me, True)
        agents.set_status(session, me, AgentStatus.NOT_READY, agents.MISSED)
    text = await alice.text("/desk/state")
    assert "Your phone is registered" in text
    assert "Missed a ring" in text
    with db.write() as session:
        contact = _answered_now(session, keys, me)
        agents.on_call(session, me, contact.call, now())
    text = await alice.text("/desk/state")
    assert "On a call" in text
    assert "Khmer" in text


def _answered_now(session: Session, keys: Keys, by: int) -> Contact:
    it = seed.Evening(session, keys, now(), _number())
    return it.saw(it.call("km", 20), Fact.ANSWERED, now() - timedelta(seconds=5), handler_id=by)


async def test_a_page_that_is_swapped_is_only_its_main_part(alice: Browser) -> None:
    """The top bar stands; going back in history gets the whole page."""
    swapped = await alice.text("/queue", **BOOSTED)
    assert swapped.lstrip().startswith("<title>Queue")
    assert '<main id="main"' in swapped
    assert "<header" not in swapped
    back = await alice.text("/queue", **BOOSTED, **{"HX-History-Restore-Request": "true"})
    assert "<header" in back


async def test_no_number_is_in_an_address(alice: Browser, new_case: Callable[..., int], db: Database) -> None:
    """No number and no name in any link of the queue: ids only."""
    new_case()
    with db.read() as session:
        assert session.exec(select(Contact).where(col(Contact.caller_id).is_not(None))).first(), "needs a caller"
    for link in re.findall(r'(?:href|action|hx-get)="([^"]+)"', await alice.text("/queue")):
        assert not re.search(r"\d{7,}", link.split("?v=")[0]), link


def test_a_figure_counts_every_queued_call_not_only_the_answered(db: Database, keys: Keys, staff: Cast) -> None:
    """Of three who queued, one was answered in time, one late, one left: a third."""
    at = now()
    with db.write() as session:
        it = seed.Evening(session, keys, at)
        it.answered("th", 60, 15, 30, staff.bob)
        it.answered("th", 60, 16, 30, staff.bob)
        it.abandoned("th", 60, 5)
        it.call("th", 3)
        figures = day_report.today(session, at - timedelta(days=1), at)
    assert figures.contacts == 4
    assert figures.in_time == pytest.approx(1 / 3)
    assert figures.left_waiting == 1
    assert figures.typical_wait_s == 15.5


async def test_ones_own_languages_stand_first_and_others_are_marked(
    alice: Browser, db: Database, staff: Cast, new_case: Callable[..., int]
) -> None:
    """Of two that are as urgent; only a case that the reader can work has the button that stands out."""
    with db.read() as session:
        mine = list(session.exec(select(AgentLanguage.language).where(AgentLanguage.agent_id == staff.alice.id)))
    assert "km" not in mine
    old, young = new_case("km", ago_s=3000), new_case(mine[0], ago_s=300)
    rows = re.findall(r'<tr id="case-(\d+)"(.*?)</tr>', await alice.text("/queue/unclaimed"), re.S)
    assert [int(case_id) for case_id, _row in rows] == [young, old]
    assert ["not yours" in row for _id, row in rows] == [False, True]
    assert ["primary" in row for _id, row in rows] == [True, False]
    oldest = await alice.text("/queue/unclaimed?order=oldest")
    assert oldest.index(f"case-{old}") < oldest.index(f"case-{young}"), "what was chosen holds"
