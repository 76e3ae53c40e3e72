"""The queue in a real browser: it changes by itself, says when it is not live, and works by keys and by thumb."""

import os
import re
import signal

from playwright.sync_api import Route, expect
from sqlmodel import col, select

from hotline.calls import facts as calls
from hotline.nudges import AGENTS_CHANGED, QUEUE_CHANGED
from models import Agent, Case, SignIn
from models.db.types import now
from tests.e2e.agent_console.conftest import OpenScreen, Served
from tests.support import seed
from tests.support.wait import until

NOT_LIVE = "#not-live"


def a_caller(served: Served, language: str = "lo") -> int:
    """Somebody joins a queue now; the id of her call."""
    with served.db.write() as session:
        return seed.Evening(session, served.keys, now(), 830000000).call(language, 3).id


def test_a_new_caller_appears_without_a_reload_and_without_losing_the_place(
    served: Served, screen_of: OpenScreen
) -> None:
    """Rows are morphed: what was there stays the same element, and the current row stays current."""
    screen = screen_of("alice")
    page = screen.open("/queue")
    page.evaluate("window.notReloaded = true; document.querySelector('#waiting li').kept = true")
    page.keyboard.press("j")
    page.keyboard.press("j")
    current = page.locator("[data-row][aria-current]").get_attribute("id")
    call = a_caller(served)
    assert page.locator(f"#call-{call}").count() == 0, "nothing told the page yet"
    served.nudges.tell(QUEUE_CHANGED)
    expect(page.locator(f"#call-{call}")).to_contain_text("Lao")
    expect(page.locator("#waiting .chip").first).to_have_text("3 callers")
    expect(page).to_have_title(re.compile(r"^\(3\) Queue"))
    assert page.evaluate("window.notReloaded && document.querySelector('#waiting li').kept")
    assert page.locator("[data-row][aria-current]").get_attribute("id") == current
    assert screen.faults == []


def test_the_wait_counts_each_second_and_turns_red(served: Served, screen_of: OpenScreen) -> None:
    """Past twenty seconds, without asking the server."""
    page = screen_of("alice").open("/queue")
    with served.db.read() as session:
        young = min(calls.waiting(session), key=lambda c: now() - (c.queued_at or now()))
    clock = page.locator(f"#call-{young.id} .wait")
    first = clock.inner_text()
    until(lambda: clock.inner_text() != first)
    expect(clock).to_have_class(re.compile("late"), timeout=60_000)


def test_without_redis_the_page_says_not_live_and_polls_then_recovers(served: Served, screen_of: OpenScreen) -> None:
    """Promise 7: a screen never lies."""
    page = screen_of("alice").open("/queue")
    expect(page.locator(NOT_LIVE)).to_be_hidden()
    served.end("redis")
    expect(page.locator(NOT_LIVE)).to_be_visible()
    expect(page.locator("#waiting .pulse")).to_contain_text("not live")
    call = a_caller(served)
    served.start_redis()
    expect(page.locator(NOT_LIVE)).to_be_hidden()
    expect(page.locator(f"#call-{call}")).to_be_visible()


def test_when_the_console_dies_the_page_says_so_and_catches_up_on_return(served: Served, screen_of: OpenScreen) -> None:
    """What happened meanwhile is fetched, though no event told of it."""
    page = screen_of("alice").open("/queue")
    assert served.end("console") == 0
    expect(page.locator(NOT_LIVE)).to_be_visible()
    call = a_caller(served)
    served.start_console()
    expect(page.locator(NOT_LIVE)).to_be_hidden()
    expect(page.locator(f"#call-{call}")).to_be_visible()


def test_a_console_that_hangs_is_noticed_by_its_silence(served: Served, screen_of: OpenScreen) -> None:
    """The connection stays open and nothing comes: after 25 seconds the page is not live."""
    page = screen_of("alice").open("/queue")
    process = served.processes["console"]
    os.kill(process.pid, signal.SIGSTOP)
    try:
        expect(page.locator(NOT_LIVE)).to_be_visible(timeout=40_000)
    finally:
        os.kill(process.pid, signal.SIGCONT)
    expect(page.locator(NOT_LIVE)).to_be_hidden(timeout=40_000)


def test_a_failed_fetch_shows_not_live_though_the_feed_is_fine(served: Served, screen_of: OpenScreen) -> None:
    """One piece of the page is old: the page says so until it is fetched."""
    page = screen_of("alice").open("/queue")
    page.route("**/queue/waiting", lambda route: route.fulfill(status=500, body="no"))
    served.nudges.tell(QUEUE_CHANGED)
    expect(page.locator(NOT_LIVE)).to_be_visible()
    page.unroute("**/queue/waiting")
    served.nudges.tell(QUEUE_CHANGED)
    expect(page.locator(NOT_LIVE)).to_be_hidden()


HIDE = """(hidden) => {
  Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


def test_a_hidden_page_hears_nothing_and_catches_up_when_it_is_looked_at(served: Served, screen_of: OpenScreen) -> None:
    """Six feeds would use up the browser's connections. The one page that has the phone goes on listening."""
    first = screen_of("alice").open("/queue")
    first.wait_for_selector("html:not([data-phone=off])")
    page = first.context.new_page()
    page.goto(f"{served.url}/queue")
    page.wait_for_selector("html[data-phone=elsewhere][data-live=on]")
    with page.expect_event("requestfailed", lambda request: request.url.endswith("/live")):
        page.evaluate(HIDE, True)
    call = a_caller(served)
    with page.expect_request("**/queue/waiting"):  # the page still polls; an event would be quicker than this
        served.nudges.tell(QUEUE_CHANGED)
        page.evaluate(HIDE, False)
    expect(page.locator(f"#call-{call}")).to_be_visible()
    expect(page.locator("html")).to_have_attribute("data-live", "on")


def test_the_supervisor_sees_that_the_console_lives(served: Served) -> None:
    """A file is touched while the event loop turns."""
    beat = served.settings.run / "console.alive"
    first = until(lambda: beat.exists() and beat.stat().st_mtime_ns)
    assert until(lambda: beat.stat().st_mtime_ns > first)


def test_keys_move_and_claim_and_do_nothing_while_somebody_types(served: Served, screen_of: OpenScreen) -> None:
    """J, J, C claims the second row; the key is shown on the button of that row only."""
    screen = screen_of("alice")
    page = screen.open("/queue")
    rows = page.locator("[data-row]")
    second = rows.nth(1).get_attribute("id")
    page.locator("select[name=order]").focus()
    page.keyboard.press("j")
    assert page.locator("[data-row][aria-current]").count() == 0, "a field has the focus"
    page.evaluate("document.activeElement.blur()")
    for key in "jjjk":
        page.keyboard.press(key)
    expect(page.locator("[data-row][aria-current]")).to_have_id(second or "")
    expect(rows.nth(1).locator(".key")).to_be_visible()
    expect(rows.nth(0).locator(".key")).to_be_hidden()
    page.keyboard.press("c")
    case_id = int((second or "").removeprefix("case-"))

    def owner() -> int | None:
        with served.db.read() as session:
            return session.get_one(Case, case_id).owner_id

    with served.db.read() as session:
        alice = session.exec(select(Agent.id).where(col(Agent.login) == "alice")).one()
    assert until(owner) == alice


def test_the_focus_moves_with_the_rows_and_enter_opens_one(screen_of: OpenScreen) -> None:
    """A screen reader says where J and K are; Tab goes on from there."""
    page = screen_of("alice").open("/queue")
    for key in "jj":
        page.keyboard.press(key)
    row = page.locator("[data-row][aria-current]")
    assert row.evaluate("row => row.contains(document.activeElement)")
    case_id = (row.get_attribute("id") or "").removeprefix("case-")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/cases/{case_id}")


def test_a_list_that_renews_itself_takes_the_focus_from_nobody(served: Served, screen_of: OpenScreen) -> None:
    """A row stays the current one; what has the focus keeps it, or letters would act as keys."""
    page = screen_of("alice").open("/queue")
    page.keyboard.press("j")
    current = page.locator("[data-row][aria-current]").get_attribute("id") or ""
    page.locator("select[name=order]").focus()
    call = a_caller(served)
    served.nudges.tell(QUEUE_CHANGED)
    expect(page.locator(f"#call-{call}")).to_be_visible()
    expect(page.locator("select[name=order]")).to_be_focused()
    page.locator("select[name=age]").select_option("30m")
    expect(page).to_have_url(re.compile("age=30m"))
    expect(page.locator("#unclaimed .htmx-settling, .htmx-added")).to_have_count(0)
    assert not page.evaluate("document.activeElement.matches('button, a')"), "no act lies under the next Enter"
    assert current


def test_question_mark_shows_the_keys_and_no_key_acts_behind_them(served: Served, screen_of: OpenScreen) -> None:
    """Those of the page with the words of their buttons; Escape closes, and the focus is where it was."""
    screen = screen_of("alice")
    page = screen.open("/queue")
    page.keyboard.press("j")
    page.keyboard.press("?")
    keys = page.locator("dialog#keys")
    expect(keys).to_be_visible()
    expect(keys).to_contain_text("Claim")
    expect(keys).to_contain_text("Hide the screen")
    page.keyboard.press("c")
    page.keyboard.press("Escape")
    expect(keys).to_be_hidden()
    assert page.locator("[data-row][aria-current]").evaluate("row => row.contains(document.activeElement)")
    assert page.url.endswith("/queue"), "nothing was claimed behind the dialog"
    assert screen.faults == []


def test_control_enter_saves_what_is_typed(served: Served, screen_of: OpenScreen) -> None:
    """Without a call that rings; the line that says so leaves by itself."""
    page = screen_of("alice").open("/queue")
    page.keyboard.press("j")
    page.keyboard.press("c")
    page.wait_for_url("**/cases/*")
    expect(page.locator("#said .said")).to_have_count(0, timeout=20_000)
    page.locator("#note-text").fill("two months without pay")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".note-text")).to_have_text("two months without pay")


def test_letter_keys_can_be_switched_off(screen_of: OpenScreen) -> None:
    """For people who speak to their computer, or type with one hand."""
    screen = screen_of("alice")
    page = screen.open("/account")
    page.locator("[name=letter_keys]").uncheck()
    page.get_by_role("button", name="Keep", exact=True).click()
    expect(page.locator(".said")).to_have_text("Kept.")
    page = screen.open("/queue")
    page.keyboard.press("j")
    assert page.locator("[data-row][aria-current]").count() == 0


def test_the_loser_of_a_claim_is_told_and_the_list_is_renewed(served: Served, screen_of: OpenScreen) -> None:
    """Without leaving the page."""
    page = screen_of("alice").open("/queue")
    row = page.locator("[data-row]").first
    case_id = int((row.get_attribute("id") or "").removeprefix("case-"))
    with served.db.write() as session:
        bob = session.exec(select(Agent).where(col(Agent.login) == "bob")).one()
        session.get_one(Case, case_id).owner_id = bob.id
    row.get_by_role("button").click()
    expect(page.locator("#said")).to_contain_text("Somebody else claimed this case")
    expect(page.locator(f"#case-{case_id}")).to_have_count(0)
    assert page.url.endswith("/queue")


def test_escape_twice_hides_the_screen_and_shows_it_again(screen_of: OpenScreen) -> None:
    """Even where a field has the focus; once is nothing."""
    page = screen_of("alice").open("/queue")
    page.locator("select[name=order]").focus()
    page.keyboard.press("Escape")
    expect(page.locator("#blank")).to_be_hidden()
    page.keyboard.press("Escape")
    expect(page.locator("#blank")).to_be_visible()
    assert page.evaluate("document.elementFromPoint(400, 300).id") == "blank"
    page.keyboard.press("j")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(page.locator("#blank")).to_be_hidden()


def test_links_swap_the_page_and_keep_the_top_bar(screen_of: OpenScreen) -> None:
    """The phone will live there: a reload would hang it up. Back and forth work too."""
    screen = screen_of("alice")
    page = screen.open("/queue")
    page.evaluate("document.getElementById('top').kept = true")
    page.get_by_role("link", name="My desk").click()
    expect(page.get_by_role("heading", name="My cases")).to_be_visible()
    expect(page.locator("#nav a[aria-current]")).to_have_text("My desk")
    page.go_back()
    expect(page.get_by_role("heading", name="Unclaimed cases")).to_be_visible()
    expect(page.locator("#nav a[aria-current]")).to_contain_text("Queue")
    page.locator("select[name=age]").select_option("30m")
    expect(page).to_have_url(re.compile(r"age=30m"))
    assert page.evaluate("document.getElementById('top').kept")
    assert screen.faults == []


CLICKS = """(links) => { for (const link of links) document.querySelector(`#top a[href="${link}"]`).click(); }"""


def test_what_happens_while_a_page_is_on_its_way_is_on_it(served: Served, screen_of: OpenScreen) -> None:
    """It was drawn before the event and comes after it. Each piece asks by itself only after 30 s: too late for a caller."""
    page = screen_of("alice").open("/cases")
    came: list[int] = []

    def on_its_way(route: Route) -> None:
        drawn = route.fetch()
        came.append(a_caller(served))
        served.nudges.tell(QUEUE_CHANGED)
        with page.expect_response(lambda answer: "/queue/count" in answer.url):  # the top bar has heard of it
            pass
        route.fulfill(response=drawn)

    page.route(re.compile(r"/queue$"), on_its_way, times=1)
    page.locator("nav").get_by_role("link", name="Queue").click()
    expect(page.locator("#waiting")).to_be_visible()
    expect(page.locator(f"#call-{came[0]}")).to_contain_text("Lao", timeout=20_000)


def test_of_two_links_clicked_in_a_row_the_last_one_comes_whole(screen_of: OpenScreen) -> None:
    """Its address, title and content: not the address of one with the content of the other."""
    screen = screen_of("alice")
    page = screen.open("/")
    for first, last, heading in (("/cases", "/queue", "Queue"), ("/queue", "/cases", "Cases")):
        page.evaluate(CLICKS, [first, last])
        expect(page.locator("main h1")).to_have_text(heading)
        page.wait_for_timeout(400)
        expect(page.locator("main h1")).to_have_text(heading)
        expect(page).to_have_url(re.compile(rf"{last}$"))
        expect(page).to_have_title(re.compile(heading))
    assert screen.faults == []


def test_a_link_that_is_gone_when_its_page_arrives_still_swaps_the_whole_page(screen_of: OpenScreen) -> None:
    page = screen_of("alice").open("/")
    page.evaluate(
        """() => { const link = document.querySelector('#top a[href="/queue"]'); link.click(); link.remove(); }"""
    )
    expect(page.locator("h1")).to_have_text("Queue")
    assert page.locator("main").count() == 1


def test_the_ready_button_changes_bar_and_desk_together(served: Served, screen_of: OpenScreen) -> None:
    """One press, no reload; another page of hers hears it too."""
    screen = screen_of("alice")
    page = screen.open("/")
    other = page.context.new_page()
    other.goto(f"{served.url}/queue")
    other.wait_for_selector("html[data-live=on]")
    page.bring_to_front()
    page.locator("#bar [data-key=r]").click()
    expect(page.locator("#bar")).to_contain_text("Not ready")
    expect(page.locator("#desk-state .state").first).to_contain_text("Not ready")
    other.bring_to_front()
    expect(other.locator("#bar strong")).to_have_text("Not ready")
    served.nudges.tell(AGENTS_CHANGED)
    assert screen.faults == []


def test_a_page_whose_sign_in_ended_goes_to_sign_in(served: Served, screen_of: OpenScreen) -> None:
    """The next fetch finds out; the way back is kept."""
    page = screen_of("alice").open("/queue")
    with served.db.write() as session:
        for row in session.exec(select(SignIn)):
            row.ended_at = now()
            session.add(row)
    served.nudges.tell(QUEUE_CHANGED)
    page.wait_for_url("**/sign-in?ended=1&next=%2Fqueue")


def test_on_a_phone_nothing_runs_off_the_side_and_buttons_fit_a_thumb(screen_of: OpenScreen) -> None:
    """390 pixels wide, one column."""
    screen = screen_of("alice", viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    for path in ("/queue", "/", "/account"):
        page = screen.open(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
    page = screen.open("/queue")
    box = page.get_by_role("button", name="Claim").first.bounding_box()
    assert box
    assert box["height"] >= 40


CONTRAST = """() => {
  const number = (c) => { const m = c.match(/[\\d.]+/g).map(Number); return m.length > 3 && m[3] === 0 ? null : m; };
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const poor = [];
  for (const el of document.querySelectorAll("body *")) {
    const text = [...el.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!text || !el.offsetParent || el.closest(".sr, .skip, :disabled")) continue;
    let under = el, back = null;
    while (under && !(back = number(getComputedStyle(under).backgroundColor))) under = under.parentElement;
    const [a, b] = [light(number(getComputedStyle(el).color)), light(back)].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) poor.push(`${el.className || el.tagName}: ${el.textContent.trim().slice(0, 30)}`);
  }
  return poor;
}"""


def test_every_text_stands_out_from_what_is_behind_it(screen_of: OpenScreen) -> None:
    """4.5 to 1, light and dark."""
    for scheme in ("light", "dark"):
        screen = screen_of("alice", color_scheme=scheme)
        for path in ("/queue", "/", "/account", "/account/password"):
            page = screen.open(path)
            page.wait_for_selector("#bar strong")
            assert page.evaluate(CONTRAST) == [], (scheme, path)


def test_the_callers_scripts_are_drawn_with_our_fonts(screen_of: OpenScreen) -> None:
    """Burmese and Khmer are on the page, so their fonts are fetched, and from us."""
    page = screen_of("alice").open("/queue")
    page.evaluate("document.fonts.ready")
    loaded = page.evaluate(
        "[...document.fonts].filter((f) => f.status === 'loaded').map((f) => f.family.replaceAll('\"', ''))"
    )
    assert {"Inter", "Noto Sans Myanmar", "Noto Sans Khmer"} <= set(loaded)


def test_nothing_is_fetched_from_anywhere_else(served: Served, screen_of: OpenScreen) -> None:
    """No request leaves for another host."""
    screen = screen_of("alice")
    asked: list[str] = []
    screen.page.on("request", lambda request: asked.append(request.url))
    for path in ("/queue", "/", "/account"):
        screen.open(path)
    assert asked
    assert [url for url in asked if not url.startswith(served.url)] == []
