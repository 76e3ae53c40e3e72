"""The page of a case in a real browser: the voice and its words, and a page that changes without losing anything."""

import pytest
from playwright.sync_api import Page, expect
from sqlmodel import col, select

from hotline.cases import work
from hotline.nudges import case_changed
from models import Agent, AuditEntry, Database, Note, Recording, RecordingState, Safety, Transcript
from tests.e2e.agent_console.conftest import OpenScreen, Served
from tests.support.recorded import leave_message, transcript_of
from tests.support.wait import until

CLOCK = "voice-player"
AT = f"document.querySelector('{CLOCK}').audio.currentTime"
PAUSED = f"document.querySelector('{CLOCK}').audio.paused"


def leave(served: Served, **how: object) -> tuple[int, int]:
    """A message with a voice; the ids of its case and its recording. The case is Alice's."""
    with served.db.write() as session:
        how = {"number": "0861234567"} | how
        contact, recording = leave_message(session, served.keys, served.settings.vault, **how)  # type: ignore[arg-type]
        alice = session.exec(select(Agent).where(col(Agent.login) == "alice")).one()
        work.claim(session, contact.case_id or 0, alice)
        return contact.case_id or 0, recording.id


def audits(db: Database, act: str) -> int:
    with db.read() as session:
        return len(session.exec(select(AuditEntry).where(col(AuditEntry.act) == act)).all())


def soon(page: Page, what: str) -> None:
    """Wait until this is true on the page; the content policy allows no other way to ask."""
    until(lambda: page.evaluate(what))


def lit(page: Page) -> str:
    return page.evaluate("[...document.querySelectorAll('.w.lit')].map((w) => w.textContent).join(' ')")


def test_the_spoken_word_is_lit_while_the_voice_plays(served: Served, screen_of: OpenScreen) -> None:
    """And nothing is fetched, and nothing audited, before somebody wants to hear it."""
    case_id, _ = leave(served)
    screen = screen_of("alice")
    page = screen.open(f"/cases/{case_id}")
    assert audits(served.db, "audio_heard") == 0, "looking is not hearing"
    page.get_by_role("button", name="Play").click()
    soon(page, f"{AT} > 0.5")
    first = lit(page)
    assert first
    until(lambda: lit(page) != first)
    # Asked in one breath: the voice goes on.
    start, end, at = page.evaluate(
        f"[+document.querySelector('.w.lit').dataset.s, +document.querySelector('.w.lit').dataset.e, {AT}]"
    )
    assert start - 0.3 <= at <= end + 0.6
    page.get_by_role("button", name="Pause").click()
    assert page.evaluate(PAUSED)
    assert audits(served.db, "audio_heard") == 1
    assert screen.faults == []


def test_a_click_on_a_word_goes_there(served: Served, screen_of: OpenScreen) -> None:
    """Doubtful words are buttons, so that the keyboard reaches what needs an ear."""
    case_id, _ = leave(served)
    page = screen_of("alice").open(f"/cases/{case_id}")
    word = page.locator(".w", has_text="passports")
    start = float(word.get_attribute("data-s") or 0)
    page.evaluate(
        f"document.querySelector('{CLOCK}').audio.addEventListener('timeupdate', "
        f"(event) => {{ if (event.target.currentTime >= {start}) window.wentTo ??= event.target.currentTime; }})"
    )
    word.click()
    soon(page, f"window.wentTo !== undefined && !{PAUSED}")
    assert page.evaluate("window.wentTo") < start + 3
    doubt = page.locator("button.w.doubt", has_text="dormitory")
    expect(doubt).to_have_attribute("data-sure", "55%")
    doubt.focus()
    page.keyboard.press("Enter")
    soon(page, f"{AT} < {start}")


def test_the_waveform_is_a_slider_by_mouse_and_keyboard(served: Served, screen_of: OpenScreen) -> None:
    """Space plays and pauses, arrows go five seconds, the ends are keys too."""
    case_id, _ = leave(served)
    page = screen_of("alice").open(f"/cases/{case_id}")
    slider = page.get_by_role("slider")
    box = slider.bounding_box()
    assert box
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    length = float(page.locator(CLOCK).get_attribute("data-seconds") or 0)
    soon(page, f"Math.abs({AT} - {length / 2}) < 0.5")
    slider.focus()
    page.keyboard.press("ArrowRight")
    soon(page, f"Math.abs({AT} - {length / 2 + 5}) < 0.5")
    page.keyboard.press("Home")
    soon(page, f"{AT} === 0")
    page.keyboard.press("Space")
    soon(page, f"!{PAUSED}")
    page.keyboard.press("Space")
    soon(page, PAUSED)
    page.keyboard.press("End")
    soon(page, f"{AT} > {length - 0.5}")
    expect(slider).to_have_attribute("aria-valuenow", str(int(length - 0.05)))
    page.get_by_title("How fast").click()
    assert page.evaluate(f"document.querySelector('{CLOCK}').audio.playbackRate") == 1.25


def test_the_transcript_appears_by_itself_and_interrupts_nothing(served: Served, screen_of: OpenScreen) -> None:
    """The voice goes on, a half-typed note stays with its cursor, and the new words are lit."""
    case_id, recording_id = leave(served, state=RecordingState.TRANSCRIBING)
    page = screen_of("alice").open(f"/cases/{case_id}")
    expect(page.get_by_text("Transcribing…")).to_be_visible()
    page.get_by_role("button", name="Play").click()
    soon(page, f"{AT} > 0.3")
    page.evaluate(f"window.player = document.querySelector('{CLOCK}')")
    page.locator("#note-text").fill("half a ")
    page.evaluate("document.querySelector('#note-text').setSelectionRange(4, 4)")
    with served.db.write() as session:
        recording = session.get_one(Recording, recording_id)
        recording.state = RecordingState.TRANSCRIBED
        session.add(recording)
        session.add(transcript_of(recording))
    served.nudges.tell(case_changed(case_id))
    expect(page.locator(".w", has_text="passports")).to_be_visible()
    assert page.evaluate(f"window.player === document.querySelector('{CLOCK}')")
    assert not page.evaluate(PAUSED)
    soon(page, "document.querySelector('.w.lit')")
    note = page.locator("#note-text")
    expect(note).to_be_focused()
    expect(note).to_have_value("half a ")
    assert page.evaluate("document.querySelector('#note-text').selectionStart") == 4


def test_a_correction_by_hand_replaces_what_is_read_and_keeps_the_draft(served: Served, screen_of: OpenScreen) -> None:
    """In place, without a reload; while it is typed, others' changes come and go around it."""
    case_id, recording_id = leave(served, text="they lock the great after the shift")
    page = screen_of("alice").open(f"/cases/{case_id}")
    page.evaluate("window.notReloaded = true")
    page.get_by_role("link", name="Correct by hand").click()
    field = page.get_by_label("What you hear")
    expect(field).to_have_value("they lock the great after the shift")
    field.fill("they lock the gate <after> the shift")
    with served.db.write() as session:
        sofia = session.exec(select(Agent).where(col(Agent.login) == "sofia")).one()
        work.add_note(session, case_id, "I will look at this tonight", sofia)
    served.nudges.tell(case_changed(case_id))
    expect(page.locator("#notes")).to_contain_text("tonight")
    expect(field).to_have_value("they lock the gate <after> the shift")
    page.locator(f"#recording-{recording_id}-text").get_by_role("button", name="Save").click()
    expect(page.locator(".heard")).to_have_text("they lock the gate <after> the shift")
    expect(page.locator(".transcript")).to_contain_text("Corrected by Alice")
    page.get_by_text("The draft, word by word").click()
    expect(page.locator(".w", has_text="great")).to_be_visible()
    expect(page.locator("#timeline")).to_contain_text("Transcript corrected by Alice")
    assert page.evaluate("window.notReloaded")
    with served.db.read() as session:
        assert session.get_one(Transcript, recording_id).text == "they lock the great after the shift"


def test_the_number_is_shown_on_demand_and_kept_out_of_everything_else(served: Served, screen_of: OpenScreen) -> None:
    """Out of the page before, out of the address, and it stays while the rest is fetched anew."""
    case_id, _ = leave(served)
    page = screen_of("alice").open(f"/cases/{case_id}")
    assert "86 123" not in page.content()
    page.get_by_role("button", name="show, audited").click()
    expect(page.locator("#number")).to_contain_text("+66 86 123 4567")
    assert "4567" not in page.url
    served.nudges.tell(case_changed(case_id))
    expect(page.locator("#timeline")).to_contain_text("Number shown by Alice")
    expect(page.locator("#number")).to_contain_text("+66 86 123 4567")
    assert audits(served.db, "number_shown") == 1
    page.reload()
    assert "86 123" not in page.content()


def test_a_key_says_what_the_call_was_and_none_acts_while_typing(served: Served, screen_of: OpenScreen) -> None:
    """In a note a digit is a digit."""
    case_id, _ = leave(served)
    page = screen_of("alice").open(f"/cases/{case_id}")
    page.locator("#note-text").press_sequentially("42")
    page.get_by_role("button", name="Add the note").click()
    expect(page.locator(".note-text")).to_have_text("42")
    expect(page.locator("#note-text")).to_have_value("")
    expect(page.locator(".disposition")).to_contain_text("What was it?")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("1")
    expect(page.locator(".disposition .chip")).to_have_text("Substantive")
    with served.db.read() as session:
        assert [n.text for n in session.exec(select(Note).where(col(Note.case_id) == case_id))] == ["42"]


def test_safety_is_asked_in_place_and_what_is_wrong_is_said_there(served: Served, screen_of: OpenScreen) -> None:
    """Half a window comes back with everything that was chosen."""
    case_id, _ = leave(served)
    page = screen_of("alice").open(f"/cases/{case_id}")
    page.keyboard.press("s")
    panel = page.locator("#safety")
    panel.get_by_role("group", name="In danger now").get_by_text("No", exact=True).click()
    panel.get_by_label("Call back").select_option("safe")
    panel.locator("[name=window_from]").fill("19:00")
    panel.get_by_role("button", name="Save, reviewed now").click()
    expect(panel).to_contain_text("Give both hours")
    expect(panel.get_by_label("Call back")).to_have_value("safe")
    panel.locator("[name=window_until]").fill("21:00")
    panel.get_by_role("button", name="Save, reviewed now").click()
    expect(panel).to_contain_text("Safe, 19:00–21:00")
    expect(page.locator("#timeline")).to_contain_text("Safety reviewed by Alice")
    with served.db.read() as session:
        assert session.get_one(Safety, case_id).in_danger is False


def test_a_case_is_moved_and_a_refusal_is_a_line_on_the_page(served: Served, screen_of: OpenScreen) -> None:
    """The small menu closes when it is done, and stays with its words when it is refused."""
    case_id, _ = leave(served)
    page = screen_of("alice").open(f"/cases/{case_id}")
    page.keyboard.press("u")
    menu = page.locator("#move")
    menu.get_by_text("Closed").click()
    menu.get_by_role("button", name="Move").click()
    expect(page.locator("#said")).to_contain_text("Say why the case is closed")
    menu.get_by_label("Why").fill("needs met")
    menu.get_by_role("button", name="Move").click()
    expect(page.locator(".case-what")).to_contain_text("Closed")
    expect(page.locator("#timeline")).to_contain_text("Moved to closed by Alice: needs met")
    expect(menu.locator("form")).to_be_hidden()


def test_the_focus_goes_into_a_form_that_opens_and_back_when_it_closes(served: Served, screen_of: OpenScreen) -> None:
    """By keyboard alone: a form in place of a part, a menu with a form, and Escape out of it."""
    case_id, _ = leave(served)
    screen = screen_of("alice")
    page = screen.open(f"/cases/{case_id}")
    page.keyboard.press("s")
    focused = page.locator(":focus")
    expect(focused).to_have_attribute("name", "in_danger")
    expect(page.locator(".htmx-settling, .htmx-added")).to_have_count(0)
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#safety form")).to_have_count(0)
    expect(focused).to_have_attribute("data-key", "s")
    expect(page.get_by_text("Safety reviewed", exact=True)).to_be_visible()  # the rest of the page has fetched itself
    page.keyboard.press("t")
    expect(focused).to_have_id("summary")
    page.keyboard.type("Passports held")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Passports held")
    expect(focused).to_have_attribute("data-key", "t")
    page.keyboard.press("u")
    expect(focused).to_have_attribute("name", "status")
    page.keyboard.press("Escape")
    expect(focused).to_have_attribute("data-key", "u")
    assert page.locator("#move").get_attribute("open") is None
    assert screen.faults == []


def test_leaving_with_something_half_typed_asks_first(served: Served, screen_of: OpenScreen) -> None:
    """Staying keeps it. A note asks nothing: it is kept as it is typed."""
    case_id, _ = leave(served)
    page = screen_of("alice").open(f"/cases/{case_id}")
    page.get_by_role("link", name="Ask and review").click()
    page.locator("[name=near]").fill("not saved yet")
    asked: list[str] = []
    page.once("dialog", lambda d: (asked.append(d.message), d.dismiss()))
    page.get_by_role("link", name="Roster").click()
    assert asked
    expect(page.locator("[name=near]")).to_have_value("not saved yet")
    assert page.url.endswith(f"/cases/{case_id}")
    page.once("dialog", lambda d: d.accept())
    page.get_by_role("link", name="Roster").click()
    page.wait_for_url("**/roster")


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1360, 860)])
def test_the_page_fits_its_screen(served: Served, screen_of: OpenScreen, width: int, height: int) -> None:
    """Nothing sticks out sideways, and safety comes before all else on a phone."""
    case_id, recording_id = leave(served)
    screen = screen_of("alice", viewport={"width": width, "height": height})
    page = screen.open(f"/cases/{case_id}")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    tops = [page.locator(f"#{name}").bounding_box() for name in ("safety", f"recording-{recording_id}", "timeline")]
    assert all(tops)
    assert tops[0]["y"] <= tops[1]["y"] < tops[2]["y"]  # type: ignore[index]
    menus = page.locator("main details.pop")
    assert menus.count() >= 3
    for menu in menus.all():
        menu.locator("> summary").click()
        box = menu.locator(".pop-body").bounding_box()
        assert box is not None
        assert 0 <= box["x"] <= box["x"] + box["width"] <= width, menu.get_attribute("id")
        menu.locator("> summary").click()
    assert screen.faults == []


def test_the_case_works_without_scripts(served: Served, screen_of: OpenScreen) -> None:
    """Every action is a plain form first; the voice has the browser's own player."""
    case_id, _ = leave(served)
    page = screen_of("alice", java_script_enabled=False).page
    page.goto(f"{served.url}/cases/{case_id}")
    expect(page.locator("main audio")).to_have_count(1)
    page.locator("#note-text").fill("by a plain form")
    page.get_by_role("button", name="Add the note").click()
    expect(page.locator(".note-text")).to_have_text("by a plain form")
    page.get_by_role("link", name="Ask and review").click()
    page.locator("[name=near]").fill("nobody")
    page.get_by_role("button", name="Save, reviewed now").click()
    expect(page.locator("#safety")).to_contain_text("nobody")
    page.get_by_role("button", name="show, audited").click()
    expect(page.locator("#number")).to_contain_text("+66 86 123 4567")
