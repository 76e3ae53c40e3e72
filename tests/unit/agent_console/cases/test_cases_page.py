"""The list of cases: found by what was written and said, narrowed by choices, a page at a time."""

import re
from datetime import timedelta

import pytest
from sqlmodel import col, select

from hotline.cases import listing as case_list
from hotline.cases import transcripts, work
from hotline.cases.listing import PAGE, Wanted
from hotline.keys import Keys
from hotline.settings import Settings
from models import Case, CaseStatus, Contact, Database
from models.db.types import now
from tests.support.browsers import Browser
from tests.support.cast import Cast
from tests.support.recorded import leave_message


@pytest.fixture
def some(db: Database, keys: Keys, settings: Settings, staff: Cast) -> dict[str, int]:
    """Three cases: wages (Alice's, Thai), gate (nobody's, English), closed (Bob's, Burmese)."""
    with db.write() as session:

        def leave(language: str, text: str, number: str) -> int:
            contact, _ = leave_message(
                session, keys, settings.vault, pcm=b"\x01\x02" * 4000, language=language, text=text, number=number
            )
            return contact.case_id or 0

        ids = {
            "wages": leave("th", "nothing paid", "0811111111"),
            "gate": leave("en", "they lock the gate", "0822222222"),
            "closed": leave("my", "wrong person", "0833333333"),
        }
        work.claim(session, ids["wages"], staff.alice)
        work.summarise(session, ids["wages"], "Wages 100% unpaid", staff.alice)
        work.add_note(session, ids["wages"], "Twelve workers in Samut_Sakhon", staff.alice)
        alias = session.get_one(Case, ids["gate"])
        alias.alias = "Blue Bird"
        session.add(alias)
        work.claim(session, ids["closed"], staff.bob)
        work.move(session, ids["closed"], CaseStatus.CLOSED, staff.bob, "out of scope")
        return ids


async def found(browser: Browser, query: str) -> list[int]:
    text = await browser.text(f"/cases{query}")
    return [int(i) for i in re.findall(r'<tr id="case-(\d+)"', text)]


@pytest.mark.parametrize(
    ("text", "which"),
    [
        ("wages", {"wages"}),
        ("WAGES", {"wages"}),
        ("twelve", {"wages"}),
        ("unpaid+samut", {"wages"}),
        ("lock+gate", {"gate"}),
        ("blue", {"gate"}),
        ("wrong+gate", set()),
        ("100%25", {"wages"}),
        ("10_%25", set()),
        ("samut_sakhon", {"wages"}),
        ("samutxsakhon", set()),
        ("'+OR+1=1", set()),
        ("0811111111", set()),
    ],
)
async def test_words_are_found_where_people_wrote_them(
    alice: Browser, some: dict[str, int], text: str, which: set[str]
) -> None:
    """In the title, alias, notes and transcript; each word anywhere; signs of LIKE are plain; numbers are not searched."""
    assert set(await found(alice, f"?text={text}")) == {some[name] for name in which}


async def test_a_reference_finds_its_case(alice: Browser, some: dict[str, int], db: Database) -> None:
    """Also in small letters."""
    with db.read() as session:
        reference = session.get_one(Case, some["gate"]).reference or ""
    assert await found(alice, f"?text={reference.lower()}") == [some["gate"]]


async def test_a_correction_is_searched_as_well_as_the_draft(
    alice: Browser, some: dict[str, int], db: Database, staff: Cast
) -> None:
    """What a person heard counts too."""
    with db.write() as session:
        transcripts.correct(session, 2, "they bolt the door", staff.alice)
    assert await found(alice, "?text=bolt") == [some["gate"]]
    assert await found(alice, "?text=lock") == [some["gate"]]


@pytest.mark.parametrize(
    ("query", "which"),
    [
        ("", {"wages", "gate", "closed"}),
        ("?status=open", {"wages", "gate"}),
        ("?status=closed", {"closed"}),
        ("?language=th", {"wages"}),
        ("?owner=mine", {"wages"}),
        ("?owner=nobody", {"gate"}),
        ("?owner=nobody&language=th", set()),
        ("?status=nonsense&language=xx&owner=me&page=x", {"wages", "gate", "closed"}),
    ],
)
async def test_choices_narrow_the_list(alice: Browser, some: dict[str, int], query: str, which: set[str]) -> None:
    """A choice that makes no sense is none."""
    assert set(await found(alice, query)) == {some[name] for name in which}


async def test_the_list_is_drawn_a_page_at_a_time_newest_first(alice: Browser, db: Database, staff: Cast) -> None:
    """Past the end is the last page."""
    start = now() - timedelta(days=100)
    with db.write() as session:
        for n in range(PAGE + 3):
            session.add(Case(reference=f"C-{n:04d}", opened_at=start + timedelta(hours=n)))
    first, second = await found(alice, ""), await found(alice, "?page=2")
    assert (len(first), len(second)) == (PAGE, 3)
    assert first == sorted(first, reverse=True)
    assert await found(alice, "?page=999") == second
    assert 'rel="next"' in await alice.text("/cases?status=open")
    assert "page=2" in await alice.text("/cases?status=open")
    assert "status=open" in re.findall(r'href="([^"]+)" rel="next"', await alice.text("/cases?status=open"))[0]


async def test_more_than_anybody_counts_are_said_to_be_more_and_can_all_be_reached(
    alice: Browser, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last page is found though they were not all counted."""
    monkeypatch.setattr(case_list, "COUNTED", PAGE)
    with db.write() as session:
        for n in range(PAGE * 2 + 3):
            session.add(Case(reference=f"C-{n:04d}", opened_at=now() - timedelta(hours=n)))
    first = await alice.text("/cases")
    assert f"over {PAGE}" in first
    assert 'rel="next"' in first
    assert len(await found(alice, "?page=3")) == 3
    assert await found(alice, "?page=999") == await found(alice, "?page=3")


async def test_what_was_typed_stands_in_the_field_and_is_only_text(alice: Browser, some: dict[str, int]) -> None:
    """Nothing found says what to do."""
    text = await alice.text("/cases?text=%22%3E%3Cscript%3Ealert(1)%3C/script%3E")
    assert "<script>alert" not in text
    assert "None with these choices" in text


async def test_an_empty_list_says_what_fills_it(alice: Browser) -> None:
    """The first day."""
    assert "No case yet" in await alice.text("/cases")


async def test_the_administrator_sees_no_cases(adam: Browser, outsider: Browser, alice: Browser) -> None:
    """And a list is not posted to."""
    assert (await adam.get("/cases")).status == 403
    assert (await outsider.get("/cases")).status == 303
    assert (await alice.post("/cases")).status == 405


def test_the_search_works_on_both_databases(db: Database, keys: Keys, settings: Settings, staff: Cast) -> None:
    """SQLite and PostgreSQL find the same."""
    with db.write() as session:
        contact, _ = leave_message(session, keys, settings.vault, pcm=b"\x01\x02" * 4000, text="They LOCK the gate")
        work.claim(session, contact.case_id or 0, staff.alice)
    with db.read() as session:
        for text, count in (("lock", 1), ("GATE they", 1), ("100%", 0), ("gate_", 0)):
            assert case_list.find(session, Wanted(text=text), staff.alice).total == count, text
        only = case_list.find(session, Wanted(owner="mine", status="new", language="en"), staff.alice)
        assert only.owners == {contact.case_id: "Alice"}
        assert session.exec(select(Contact).where(col(Contact.case_id).is_not(None))).one().id == contact.id
