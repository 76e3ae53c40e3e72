"""The page of a case: what it shows, what is done on it, and what it never shows."""

import html
import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from aiohttp.test_utils import TestServer
from sqlalchemy import event
from sqlmodel import col, select

from agent_console.console import CONSOLE
from hotline.calls.facts import Fact, Seen
from hotline.cases import lifecycle, timeline, transcripts, work
from hotline.keys import Keys
from hotline.safety import hours as windows
from hotline.settings import Settings
from hotline.staff import people
from models import (
    AuditEntry,
    CallbackSafety,
    Case,
    CaseEvent,
    CaseStatus,
    Contact,
    Database,
    Disposition,
    EventKind,
    Note,
    Recording,
    RecordingState,
    Role,
    Safety,
    Transcript,
)
from models.db.types import now
from tests.support.browsers import HTMX, Browser, SignIn
from tests.support.cast import Cast
from tests.support.recorded import leave_message, transcript_of
from tests.support.thailand import saw

NUMBER = "0812345678"
NUMBER_SHOWN = "+66 81 234 5678"
NASTY = "<script>alert(1)</script> \"quoted\" 'single' & {{ 7 * 7 }}\nsecond line"
Left = Callable[..., tuple[int, int]]


@pytest.fixture
def left(db: Database, keys: Keys, settings: Settings, staff: Cast) -> Left:
    """Leaves a message; gives the ids of its case and its recording."""

    def leave(**how: object) -> tuple[int, int]:
        with db.write() as session:
            how = {"pcm": b"\x10\x20" * 8000, "text": "the gate is locked", "number": NUMBER} | how
            contact, recording = leave_message(session, keys, settings.vault, **how)  # type: ignore[arg-type]
            return contact.case_id or 0, recording.id

    return leave


@pytest.fixture
def mine(left: Left, db: Database, staff: Cast) -> int:
    """A case of Alice's."""
    case_id, _recording = left()
    with db.write() as session:
        work.claim(session, case_id, staff.alice)
    return case_id


def case_of(db: Database, case_id: int) -> Case:
    with db.read() as session:
        return session.get_one(Case, case_id)


def kinds(db: Database, case_id: int) -> list[EventKind]:
    with db.read() as session:
        return [e.kind for e in session.exec(select(CaseEvent).where(col(CaseEvent.case_id) == case_id))]


def acts(db: Database, act: str) -> list[AuditEntry]:
    with db.read() as session:
        return list(session.exec(select(AuditEntry).where(col(AuditEntry.act) == act)))


async def test_the_page_shows_the_draft_word_by_word_with_times(alice: Browser, left: Left) -> None:
    """The player finds the spoken word by these numbers."""
    case_id, recording = left(text="they locked the dormitory")
    text = await alice.text(f"/cases/{case_id}")
    assert re.search(r'<span class="w" data-s="0\.10" data-e="\d\.\d\d">they</span>', text)
    assert re.search(r'<button[^>]+class="w doubt"[^>]+data-sure="55%"[^>]*>dormitory</button>', text)
    assert f'data-src="/recordings/{recording}/audio"' in text
    assert "81% sure" in text
    assert "Vosk small-en-us-0.15 · draft" in text


async def test_there_is_no_such_case(alice: Browser) -> None:
    """Neither for an id that is free nor for one that cannot be."""
    for path in ("/cases/99999", "/cases/0", "/cases/-1", "/cases/abc", "/cases/99999999999999999999"):
        assert (await alice.get(path)).status == 404, path


async def test_a_wrong_method_changes_nothing(alice: Browser, mine: int) -> None:
    """GET never acts."""
    for path in ("release", "status", "handover", "number", "contacts/1/disposition"):
        assert (await alice.get(f"/cases/{mine}/{path}")).status == 405, path
    assert (await alice.post(f"/cases/{mine}")).status == 405


async def test_what_is_not_known_about_safety_is_said(alice: Browser, left: Left) -> None:
    """Unknown is the default and stands there in plain words."""
    case_id, _ = left()
    text = await alice.text(f"/cases/{case_id}")
    assert "not asked yet" in text
    assert "Unknown: do not dial" in text
    assert text.count(">Unknown<") >= 5


async def test_safety_is_kept_reviewed_and_audited_by_field(alice: Browser, mine: int, db: Database) -> None:
    """The values stand in the row, the names of the fields in the audit."""
    form = {
        "was": "", "in_danger": "no", "can_talk": "yes", "near": "guard", "phone_owner": "shared", "callback": "safe",
        "window_from": "19:00", "window_until": "21:00", "day": "mon", "message": "none", "if_drops": "wait",
        "cover_phrase": "Clinic appointment",
    }  # fmt: skip
    assert (await alice.post(f"/cases/{mine}/safety", **form)).status == 303
    with db.read() as session:
        kept = session.get_one(Safety, mine)
        assert (kept.in_danger, kept.can_talk, kept.near, kept.phone_owner) == (False, True, "guard", "shared")
        assert (kept.callback, kept.window, kept.if_drops) == (CallbackSafety.SAFE, "mon 19:00-21:00", "wait")
        assert kept.reviewed_at is not None
    (entry,) = acts(db, "safety_changed")
    assert "Clinic" not in str(entry.detail)
    assert "near" in entry.detail["fields"]
    text = await alice.text(f"/cases/{mine}")
    assert "Safe, Mon 19:00–21:00" in text
    assert "“Clinic appointment”" in text


@pytest.mark.parametrize(
    ("window", "days_ago", "safety", "step"),
    [
        (None, 1, "Safe, 08:00–20:00 until ", "Call back 08:00–20:00 until "),
        ("mon,tue 19:00-21:00", 80, "Safe, Mon, Tue 19:00–21:00", "Call back Mon, Tue 19:00–21:00"),
        (None, 8, "No longer known to be safe: do not dial", "ask again when they call"),
        ("mon,tue 19:00-21:00", 91, "No longer known to be safe: do not dial", "ask again when they call"),
    ],
)
async def test_a_safe_call_back_says_its_hours_and_ends(
    alice: Browser, mine: int, db: Database, window: str | None, days_ago: int, safety: str, step: str
) -> None:
    """On the case and in the lists; what was said too long ago is not shown as safe."""
    with db.write() as session:
        kept = session.get_one(Safety, mine)
        kept.callback, kept.window = CallbackSafety.SAFE, window
        kept.reviewed_at = now() - timedelta(days=days_ago)
        transcript = session.exec(select(Transcript)).one()
        session.delete(transcript)
        session.exec(select(Recording)).one().state = RecordingState.TRANSCRIBED
    text = " ".join((await alice.text(f"/cases/{mine}")).split())
    assert safety in text
    assert step in text
    listed = " ".join((await alice.text("/desk/cases")).split())
    assert safety.replace("Safe,", "Safe to call back,") in listed


@pytest.mark.parametrize(
    ("hours", "words"),
    [
        ("00:00-00:00", ">the worker said it is safe<"),
        ("later", ">the worker said it is safe, but not at this hour: do not dial now<"),
    ],
)
async def test_the_next_step_says_when_it_is_not_the_hour(
    alice: Browser, mine: int, db: Database, settings: Settings, hours: str, words: str
) -> None:
    """At three in the morning a call-back wakes whoever sleeps beside her."""
    later = now().astimezone(settings.zone) + timedelta(hours=2)
    with db.write() as session:
        kept = session.get_one(Safety, mine)
        kept.callback, kept.reviewed_at = CallbackSafety.SAFE, now()
        kept.window = hours.replace("later", f"{later:%H:%M}-{later + timedelta(hours=1):%H:%M}")
    assert words in await alice.text(f"/cases/{mine}")


async def test_half_a_window_comes_back_with_what_was_typed(alice: Browser, mine: int) -> None:
    """422, and nothing of the rest is lost."""
    form = {"was": "", "in_danger": "yes", "callback": "safe", "near": "the <foreman>", "window_from": "19:00"}
    answer = await alice.post(f"/cases/{mine}/safety", HTMX, **form)
    text = await answer.text()
    assert answer.status == 422
    assert "Give both hours" in text
    assert 'value="19:00"' in text
    assert "the &lt;foreman&gt;" in text
    assert re.search(r'name="in_danger" value="yes" checked', text)
    assert "<html" not in text, "only the panel is drawn"


async def test_a_review_from_a_stale_form_is_not_kept(
    alice: Browser, signed_in: SignIn, staff: Cast, mine: int
) -> None:
    """A supervisor asked in between: what she found is not overwritten unseen."""
    first = await signed_in(staff.sofia).post(f"/cases/{mine}/safety", was="", in_danger="yes", callback="never")
    assert first.status == 303
    answer = await alice.post(f"/cases/{mine}/safety", HTMX, was="", in_danger="no", callback="safe")
    assert answer.status == 422
    text = await answer.text()
    assert "Somebody else reviewed this" in text
    found = re.search(r'name="was" value="([^"]+)"', text)
    assert found
    again = await alice.post(
        f"/cases/{mine}/safety", HTMX, was=html.unescape(found[1]), in_danger="no", callback="safe"
    )
    assert again.status == 200, "a second look saves"


async def test_values_no_form_of_ours_sends_are_refused(alice: Browser, mine: int) -> None:
    """A closed list is closed."""
    for field, value in (("callback", "always"), ("phone_owner", "mine"), ("in_danger", "maybe"), ("near", "x" * 121)):
        form = {"was": "", "callback": "unknown"} | {field: value}
        assert (await alice.post(f"/cases/{mine}/safety", **form)).status == 422, field


@pytest.mark.parametrize("nasty", [NASTY, "plain", "မြန်မာစာ ខ្មែរ"])
async def test_notes_and_titles_are_text_and_nothing_else(alice: Browser, mine: int, nasty: str) -> None:
    """HTML, quotes, template braces and lines come back as they were typed."""
    assert (await alice.post(f"/cases/{mine}/notes", text=nasty)).status == 303
    assert (await alice.post(f"/cases/{mine}/summary", was="", summary=nasty)).status == 303
    text = await alice.text(f"/cases/{mine}")
    assert "<script>alert" not in text
    shown = re.search(r'<p class="note-text">(.*?)</p>', text, re.S)
    assert shown
    assert html.unescape(shown[1]) == nasty
    assert html.escape(" ".join(nasty.split()), quote=False).split("&quot;")[0].split('"')[0] in text


async def test_an_empty_note_says_so_and_a_long_one_keeps_its_text(alice: Browser, mine: int) -> None:
    """422 with the same form."""
    assert (await alice.post(f"/cases/{mine}/notes", HTMX, text=" \n ")).status == 422
    answer = await alice.post(f"/cases/{mine}/notes", HTMX, text="é" * 20_001)
    text = await answer.text()
    assert answer.status == 422
    assert "20,001" in text
    assert "é" * 20_001 in text


async def test_a_note_by_htmx_gives_an_empty_form_and_has_the_page_fetch_itself(
    alice: Browser, mine: int, db: Database
) -> None:
    """The rest of the page is fetched by the event."""
    answer = await alice.post(f"/cases/{mine}/notes", HTMX, text="heard a second voice")
    text = await answer.text()
    assert answer.status == 200
    assert answer.headers["HX-Trigger"] == f"case-changed:{mine}"
    assert "heard a second voice" not in text
    with db.read() as session:
        assert [n.text for n in session.exec(select(Note))] == ["heard a second voice"]


async def test_the_title_alone_reads_no_more_than_the_title(alice: Browser, mine: int, server: TestServer) -> None:
    """Of a case with a thousand notes the line at its head costs as much as of an empty one."""
    read: list[str] = []

    def heard(_c: object, _cursor: object, statement: str, *_rest: object) -> None:
        read.extend(re.findall(r"FROM (\w+)", statement))

    engine = server.app[CONSOLE].database.engine  # type: ignore[union-attr]
    event.listen(engine, "before_cursor_execute", heard)
    answer = await alice.get(f"/cases/{mine}/title", **HTMX)
    event.remove(engine, "before_cursor_execute", heard)
    assert "Voicemail, no title yet" in await answer.text()
    assert "contact" in read
    assert not {"note", "case_event", "transcript", "callback", "consent"} & set(read), read


async def test_a_title_changed_meanwhile_is_not_overwritten(alice: Browser, bob: Browser, mine: int) -> None:
    """Both titles are shown; the second save decides."""
    await bob.post(f"/cases/{mine}/summary", was="", summary="Wages not paid")
    answer = await alice.post(f"/cases/{mine}/summary", HTMX, was="", summary="Passports held")
    text = await answer.text()
    assert answer.status == 422
    assert "Wages not paid" in text
    assert 'value="Passports held"' in text


async def test_the_number_is_in_no_page_until_it_is_asked_for(alice: Browser, mine: int, db: Database) -> None:
    """Masked everywhere; shown once in the answer, audited, told on the timeline."""
    digits = NUMBER[1:]
    for path in (f"/cases/{mine}", "/cases", f"/cases/{mine}/worker/form"):
        text = re.sub(r"\s", "", await alice.text(path))
        assert digits not in text
        assert digits[-4:] not in text
    answer = await alice.post(f"/cases/{mine}/number", HTMX)
    text = await answer.text()
    assert NUMBER_SHOWN in text
    assert "<html" not in text
    assert "no-store" in answer.headers["Cache-Control"]
    (entry,) = acts(db, "number_shown")
    assert entry.subject == f"case:{mine}"
    assert digits not in str(entry.detail)
    assert EventKind.NUMBER_SHOWN in kinds(db, mine)
    assert NUMBER_SHOWN not in await alice.text(f"/cases/{mine}"), "it is not shown again by itself"


async def test_without_htmx_the_number_stands_in_the_page_that_answers(alice: Browser, mine: int) -> None:
    """A plain form works too, and the number enters no address."""
    answer = await alice.post(f"/cases/{mine}/number")
    text = await answer.text()
    assert answer.status == 200
    assert NUMBER_SHOWN in text
    assert "</html>" in text
    assert "Location" not in answer.headers


async def test_a_withheld_number_is_said_and_cannot_be_shown(alice: Browser, left: Left, db: Database) -> None:
    """There is nothing to show, and nothing is audited."""
    case_id, _ = left(number=None)
    text = await alice.text(f"/cases/{case_id}")
    assert "Withheld or not certain" in text
    assert "show, audited" not in text
    assert (await alice.post(f"/cases/{case_id}/number")).status == 404
    assert acts(db, "number_shown") == []


async def test_only_moves_that_may_be_made_are_offered(alice: Browser, mine: int, db: Database) -> None:
    """As hotline/data/case_moves.toml says, for each status on the way."""
    for status in CaseStatus:
        with db.write() as session:
            case = session.get_one(Case, mine)
            case.status = status
            session.add(case)
        text = await alice.text(f"/cases/{mine}")
        offered = set(re.findall(r'name="status" value="(\w+)"', text))
        assert offered == {str(s) for s in lifecycle.allowed(status, Role.AGENT)}, status


async def test_a_case_is_moved_closed_with_a_reason_and_opened_again(alice: Browser, mine: int, db: Database) -> None:
    """Without the reason it is refused as a line on the page."""
    answer = await alice.post(f"/cases/{mine}/status", HTMX, status="closed")
    assert answer.status == 409
    assert answer.headers["HX-Retarget"] == "#said"
    assert "Say why the case is closed" in await answer.text()
    assert (await alice.post(f"/cases/{mine}/status", status="closed", reason="needs met")).status == 303
    assert case_of(db, mine).status is CaseStatus.CLOSED
    assert "needs met" in await alice.text(f"/cases/{mine}")
    assert (await alice.post(f"/cases/{mine}/status", status="active", reason="she called again")).status == 303
    assert case_of(db, mine).status is CaseStatus.ACTIVE


async def test_a_status_that_is_none_is_refused(alice: Browser, mine: int) -> None:
    """422, not an error of ours."""
    assert (await alice.post(f"/cases/{mine}/status", status="lost")).status == 422


async def test_who_does_not_have_the_case_is_offered_nothing_and_refused(bob: Browser, mine: int) -> None:
    """Its owner or a supervisor moves it."""
    text = await bob.text(f"/cases/{mine}")
    assert 'name="status"' not in text
    assert f"/cases/{mine}/release" not in text
    assert (await bob.post(f"/cases/{mine}/release")).status == 409
    assert (await bob.post(f"/cases/{mine}/status", status="triaged")).status == 409


async def test_a_case_is_handed_over_to_whom_works_cases(alice: Browser, mine: int, db: Database, staff: Cast) -> None:
    """The administrator and who has left are not offered, and refused."""
    text = await alice.text(f"/cases/{mine}")
    offered = set(re.findall(r'<option value="(\d+)">', text))
    assert offered == {str(staff.bob.id), str(staff.sofia.id)}
    for wrong in (str(staff.adam.id), str(staff.charlie.id), "", "x", "9" * 12):
        assert (await alice.post(f"/cases/{mine}/handover", HTMX, to=wrong)).status == 422, wrong
    assert (await alice.post(f"/cases/{mine}/handover", to=str(staff.bob.id))).status == 303
    assert case_of(db, mine).owner_id == staff.bob.id


async def test_a_released_case_is_with_the_unclaimed_ones(alice: Browser, mine: int, db: Database) -> None:
    """By htmx the page is drawn anew with the Claim button."""
    answer = await alice.post(f"/cases/{mine}/release", HTMX)
    assert answer.status == 200
    assert f'action="/cases/{mine}/claim"' in await answer.text()
    assert case_of(db, mine).owner_id is None


async def test_what_the_call_was_is_said_with_one_button(alice: Browser, mine: int, db: Database) -> None:
    """Each of the seven is offered with its key; one that closes does."""
    text = await alice.text(f"/cases/{mine}")
    offered = dict(re.findall(r'name="disposition" value="(\w+)" data-key="(\d)"', text))
    assert offered.keys() == {str(d) for d in Disposition}
    assert len(set(offered.values())) == len(offered)
    with db.read() as session:
        contact = session.exec(select(Contact).where(col(Contact.case_id) == mine)).one()
    where = f"/cases/{mine}/contacts/{contact.id}/disposition"
    assert (await alice.post(where, disposition="boring")).status == 422
    assert (await alice.post(f"/cases/{mine}/contacts/9999/disposition", disposition="test")).status == 404
    assert (await alice.post(where, disposition="silent")).status == 303
    assert case_of(db, mine).status is CaseStatus.CLOSED


async def test_a_call_of_another_case_is_not_described_here(alice: Browser, mine: int, left: Left) -> None:
    """Ids from two cases do not mix."""
    other, _ = left(number="0899999999")
    assert other != mine
    answer = await alice.post(f"/cases/{mine}/contacts/{other}/disposition", disposition="test")
    assert answer.status == 404


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (RecordingState.WAITING, "Waiting to be transcribed"),
        (RecordingState.TRANSCRIBING, "Transcribing…"),
        (RecordingState.NEEDS_LISTENER, "No speech model for Khmer here"),
        (RecordingState.FAILED, "the engine stopped"),
    ],
)
async def test_each_state_of_a_recording_is_told(
    alice: Browser, left: Left, db: Database, state: RecordingState, words: str
) -> None:
    """And in each of them the voice can be heard."""
    case_id, recording_id = left(state=state, language="km")
    with db.write() as session:
        recording = session.get_one(Recording, recording_id)
        recording.error, recording.cut_short = "the engine stopped", True
        session.add(recording)
    text = await alice.text(f"/cases/{case_id}")
    assert words in text
    assert "Cut short" in text
    assert f"/recordings/{recording_id}/audio" in text


async def test_a_waiting_recording_says_how_many_are_before_it(alice: Browser, left: Left) -> None:
    """So that she knows whether to wait or to listen."""
    left(state=RecordingState.WAITING, number="0811111111", ago_s=900)
    left(state=RecordingState.TRANSCRIBING, number="0822222222", ago_s=800)
    case_id, _ = left(state=RecordingState.WAITING, number="0833333333", ago_s=100)
    assert "2 recordings before it" in await alice.text(f"/cases/{case_id}")


async def test_a_failed_recording_is_tried_again(alice: Browser, left: Left, db: Database) -> None:
    """Back to the transcriber with all its tries; one that did not fail is refused."""
    _, recording_id = left(state=RecordingState.FAILED)
    with db.write() as session:
        recording = session.get_one(Recording, recording_id)
        recording.attempts, recording.next_try_at = 3, now() + timedelta(days=1)
        session.add(recording)
    assert (await alice.post(f"/recordings/{recording_id}/retries")).status == 303
    with db.read() as session:
        recording = session.get_one(Recording, recording_id)
        assert (recording.state, recording.attempts, recording.next_try_at) == (RecordingState.WAITING, 0, None)
    assert (await alice.post(f"/recordings/{recording_id}/retries")).status == 409


async def test_a_correction_stands_beside_the_draft(alice: Browser, left: Left, db: Database) -> None:
    """Both can be read, and who corrected is said."""
    case_id, recording_id = left(text="they lock the great")
    nasty = "they lock the gate\n<b>every night</b>"
    answer = await alice.post(f"/recordings/{recording_id}/correction", HTMX, was="", text=nasty)
    text = await answer.text()
    assert answer.status == 200
    assert answer.headers["HX-Trigger"] == f"case-changed:{case_id}"
    assert "they lock the gate\n&lt;b&gt;every night&lt;/b&gt;" in text
    assert "Corrected by Alice" in text
    assert ">great</" in text, "the draft is kept"
    with db.read() as session:
        kept = session.get_one(Transcript, recording_id)
        assert (kept.text, kept.corrected_text) == ("they lock the great", nasty)
        assert session.get_one(Recording, recording_id).heard_at is not None, "who corrects has listened"
    assert EventKind.CORRECTED in kinds(db, case_id)


async def test_a_correction_of_an_older_correction_is_refused(alice: Browser, bob: Browser, left: Left) -> None:
    """Two correct at once: the second sees the first."""
    _, recording_id = left()
    assert (await bob.post(f"/recordings/{recording_id}/correction", was="", text="Bob's ears")).status == 303
    answer = await alice.post(f"/recordings/{recording_id}/correction", HTMX, was="", text="Alice's ears")
    assert answer.status == 409
    assert "Somebody else corrected this" in await answer.text()


async def test_what_needs_a_listener_is_written_by_hand(alice: Browser, left: Left, db: Database) -> None:
    """A person is an engine too; while the machine is at it she waits."""
    case_id, recording_id = left(state=RecordingState.NEEDS_LISTENER, language="km")
    assert (await alice.post(f"/recordings/{recording_id}/correction", was="", text="ខ្ញុំ")).status == 303
    text = await alice.text(f"/cases/{case_id}")
    assert "written by hand" in text
    assert '<p class="heard" lang="km">ខ្ញុំ</p>' in text
    with db.read() as session:
        assert session.get_one(Recording, recording_id).state is RecordingState.TRANSCRIBED
    _, waiting = left(state=RecordingState.WAITING, number="0899999999")
    assert (await alice.post(f"/recordings/{waiting}/correction", was="", text="too early")).status == 409


async def test_an_empty_correction_is_refused_with_the_form(alice: Browser, left: Left) -> None:
    """422, and by a plain form the whole page with the form open."""
    _, recording_id = left()
    answer = await alice.post(f"/recordings/{recording_id}/correction", was="", text="  ")
    assert answer.status == 422
    assert "Write what you heard first" in await answer.text()


async def test_who_heard_it_first_is_kept(alice: Browser, bob: Browser, left: Left, db: Database) -> None:
    """Marking it twice changes nothing."""
    case_id, recording_id = left()
    for browser in (alice, bob):
        assert (await browser.post(f"/recordings/{recording_id}/hearing")).status == 303
    assert "Heard to the end by Alice" in await alice.text(f"/cases/{case_id}")
    assert kinds(db, case_id).count(EventKind.HEARD) == 1


async def test_a_deleted_voice_is_said_and_not_offered(alice: Browser, left: Left, db: Database) -> None:
    """The words stay."""
    case_id, recording_id = left(text="the gate is locked")
    with db.write() as session:
        recording = session.get_one(Recording, recording_id)
        recording.erased_at = now()
        session.add(recording)
    text = await alice.text(f"/cases/{case_id}")
    assert "The voice was deleted" in text
    assert "<voice-player" not in text
    assert ">locked</span>" in text


async def test_other_cases_of_the_telephone_are_shown(alice: Browser, left: Left, db: Database) -> None:
    """And how often it called before; a withheld number has no history."""
    first, _ = left(ago_s=86400)
    second, _ = left(ago_s=60)
    assert first != second
    text = await alice.text(f"/cases/{second}")
    assert f'href="/cases/{first}"' in text
    assert "1 time<" in text
    hidden, _ = left(number=None)
    assert "Same telephone" not in await alice.text(f"/cases/{hidden}")


async def test_a_call_that_goes_on_is_not_described_yet(alice: Browser, mine: int, db: Database, keys: Keys) -> None:
    """A further call of the case without an end: it is on the line."""
    with db.write() as session:
        contact = saw(session, keys, "on-the-line", Fact.ARRIVED, now(), Seen(language="en"))
        contact.case_id = mine
        session.add(contact)
        session.flush()
        contact_id = contact.id
    text = await alice.text(f"/cases/{mine}")
    assert "On the line" in text
    assert f"/contacts/{contact_id}/disposition" not in text


async def test_the_worker_is_described_without_identity(alice: Browser, mine: int, db: Database) -> None:
    """An alias and a count; none is needed."""
    assert "Anonymous" in await alice.text(f"/cases/{mine}")
    form = {"alias": "Blue <bird>", "workers_affected": "40", "workers_estimated": "1"}
    assert (await alice.post(f"/cases/{mine}/worker", **form)).status == 303
    text = await alice.text(f"/cases/{mine}")
    assert "Blue &lt;bird&gt;" in text
    assert "about 40" in text
    for wrong in ("-1", "0", "many", "99999999999", "٣"):
        answer = await alice.post(f"/cases/{mine}/worker", HTMX, alias="kept", workers_affected=wrong)
        assert answer.status == 422, wrong
        assert 'value="kept"' in await answer.text()


async def test_everything_is_told_on_the_timeline_in_words(alice: Browser, left: Left, db: Database) -> None:
    """Each kind of event has words; none is shown as its code."""
    case_id, _ = left()
    with db.write() as session:
        case = session.get_one(Case, case_id)
        details: dict[EventKind, dict[str, object]] = {
            EventKind.MOVED: {"from": "new", "to": "closed", "reason": "silent"},
            EventKind.DISPOSITION: {"disposition": "silent"},
            EventKind.HANDED_OVER: {"to": 1},
        }
        for kind in EventKind:
            timeline.tell(session, case, kind, now(), None, **details.get(kind, {}))
    text = await alice.text(f"/cases/{case_id}")
    lines = text[text.index('id="timeline"') :]
    assert "_" not in re.sub(r"<[^>]+>", "", lines)
    assert "Moved to closed" in lines


async def test_a_part_is_drawn_alone_for_htmx_and_whole_for_a_return(alice: Browser, mine: int) -> None:
    """Going back in history asks for the page, not for a piece."""
    part = await alice.text(f"/cases/{mine}", **HTMX)
    assert part.lstrip().startswith('<div id="case"')
    whole = await alice.text(f"/cases/{mine}", **HTMX | {"HX-History-Restore-Request": "true"})
    assert "</html>" in whole


def test_a_window_is_read_as_it_was_written() -> None:
    """And what is no window is None."""
    for text in ("19:00-21:00", "mon,tue 19:00-21:00", "sat,sun 22:00-06:00"):
        assert str(windows.read(text)) == text
    for text in ("", None, "evenings", "mon 19:00", "xyz 19:00-21:00", "25:00-26:00", "19:00-21:00-22:00"):
        assert windows.read(text) is None, text


def test_a_draft_that_comes_after_a_correction_by_hand_keeps_it(db: Database, left: Left, staff: Cast) -> None:
    """What a person wrote is never lost to the engine."""
    _, recording_id = left(state=RecordingState.NEEDS_LISTENER, language="km")
    with db.write() as session:
        transcripts.correct(session, recording_id, "by hand", staff.alice)
    with db.write() as session:
        kept = session.get_one(Transcript, recording_id)
        draft = transcript_of(session.get_one(Recording, recording_id), "by machine")
        kept.text, kept.engine = draft.text, draft.engine
        session.add(kept)
    with db.read() as session:
        assert session.get_one(Transcript, recording_id).corrected_text == "by hand"


def test_the_open_cases_of_who_leaves_are_released(db: Database, mine: int, staff: Cast) -> None:
    """No case is lost with a person."""
    with db.write() as session:
        people.deactivate(session, staff.alice.id, by_id=staff.adam.id)
    assert case_of(db, mine).owner_id is None
    assert EventKind.RELEASED in kinds(db, mine)
