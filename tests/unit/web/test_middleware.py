"""What holds for every answer: headers, sizes, and pages for what went wrong."""

from datetime import timedelta
from pathlib import Path

import pytest
import structlog
from aiohttp import FormData
from aiohttp.test_utils import TestServer
from babel.messages.pofile import read_po
from markupsafe import escape
from sqlalchemy.exc import OperationalError

from agent_console.console import CONSOLE
from hotline.errors import PartMissing, Refused
from hotline.log import start_log
from hotline.queue import waiting as queue_waiting
from models.db.types import now
from recordings.vault.vault import VaultMissing
from tests.support.browsers import Browser
from web import i18n
from web.byte_ranges import ranged
from web.dispatch import status_of
from web.templating import age, length_of

POLICY_FORBIDS = ("unsafe-inline", "unsafe-eval", "unsafe-hashes", "http:", "https:", "data:", "*")


@pytest.mark.parametrize("path", ["/sign-in", "/queue", "/nothing-here", "/static/live.js", "/alive"])
async def test_every_answer_carries_the_headers(alice: Browser, path: str) -> None:
    """Pages, errors and files alike."""
    headers = (await alice.get(path)).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert not [word for word in POLICY_FORBIDS if word in policy]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "microphone=(self)" in headers["Permissions-Policy"]


async def test_pages_are_not_kept_and_stamped_files_are(alice: Browser) -> None:
    """A shared computer must not show a case from its cache."""
    assert (await alice.get("/queue")).headers["Cache-Control"] == "no-store"
    assert "immutable" in (await alice.get("/static/live.js?v=1")).headers["Cache-Control"]
    assert (await alice.get("/static/live.js")).headers["Cache-Control"] == "no-cache"


async def test_a_file_that_is_missing_is_not_kept_as_missing(alice: Browser) -> None:
    """After the next update it may be there."""
    answer = await alice.get("/static/nothing.css?v=1")
    assert (answer.status, answer.headers["Cache-Control"]) == (404, "no-cache")


async def test_the_server_does_not_say_what_it_is_made_of(outsider: Browser) -> None:
    """Its versions are of use to nobody but an attacker."""
    for path in ("/sign-in", "/nothing-here", "/static/live.js"):
        assert (await outsider.get(path)).headers["Server"] == "freeline"


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/x-www-form-urlencoded; charset=bogus", b"a=b"),
        ("application/x-www-form-urlencoded", b"a=\xff"),
        ("application/x-www-form-urlencoded", b"a=b&" * 1001),
    ],
)
async def test_a_body_that_is_no_form_is_the_senders_mistake(outsider: Browser, kind: str, body: bytes) -> None:
    """400, not an error of ours in the log."""
    answer = await outsider.client.post("/sign-in", data=body, headers={"Content-Type": kind})
    assert answer.status == 400
    assert "cannot be read" in await answer.text()


@pytest.mark.parametrize("path", ["/cases/", "/recordings/9/transcript?x="])
async def test_an_id_of_five_thousand_digits_is_nothing_we_have(alice: Browser, path: str) -> None:
    """404; Python refuses to read such a number."""
    assert (await alice.get(path.replace("9", "9" * 5000) + "9" * 5000 * path.endswith("/"))).status == 404


def test_what_is_a_case_of_a_refusal_has_its_status() -> None:
    """A recording that is not in the vault is not found, not refused."""
    assert status_of(VaultMissing("gone")) == 404
    assert status_of(PartMissing("no Asterisk")) == 503
    assert status_of(Refused("not now")) == 409


async def test_an_unknown_address_is_a_page_of_ours(alice: Browser) -> None:
    """404, with a way home, and nothing of who asked."""
    answer = await alice.get("/nothing-here/0812345678")
    text = await answer.text()
    assert answer.status == 404
    assert "There is nothing here" in text
    assert "0812345678" not in text
    assert "Alice" not in text


async def test_a_file_above_the_static_folder_cannot_be_read(outsider: Browser) -> None:
    """However the way is spelled."""
    for path in ("/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static/"):
        assert (await outsider.get(path)).status in {403, 404}


async def test_forty_megabytes_get_a_clear_refusal(alice: Browser) -> None:
    """413 and a page that says so, not a broken connection."""
    form = FormData({"csrf": alice.csrf, "to": "ready"})
    form.add_field("file", b"x" * 40_000_000, filename="big.bin")
    answer = await alice.client.post("/state", data=form, allow_redirects=False)
    assert answer.status == 413
    assert "That is too big" in await answer.text()


async def test_an_error_of_ours_is_a_page_without_its_details(
    server: TestServer, alice: Browser, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The reader learns that it was us; the log learns the kind of error, not its words."""

    def broken(*_: object) -> None:
        raise ValueError("the caller 0812345678 said so")

    monkeypatch.setattr(queue_waiting, "waiting", broken)
    start_log("console")
    try:
        answer = await alice.get("/queue")
    finally:
        structlog.reset_defaults()
    text, logged = await answer.text(), capfd.readouterr().err
    assert answer.status == 500
    assert "Something broke" in text
    assert "error=ValueError" in logged
    assert "0812345678" not in text + logged


async def test_alive_says_whether_the_database_answers(
    server: TestServer, outsider: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """200 for everybody, 503 when it does not."""
    assert await outsider.text("/alive") == "alive\n"

    def dead() -> None:
        raise OperationalError("SELECT 1", {}, Exception("gone"))

    monkeypatch.setattr(server.app[CONSOLE].database, "ping", dead)  # type: ignore[union-attr]
    assert (await outsider.get("/alive")).status == 503


@pytest.mark.parametrize(
    ("asked", "status", "body", "said"),
    [
        (None, 200, b"0123456789", None),
        ("bytes=2-4", 206, b"234", "bytes 2-4/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=8-99", 206, b"89", "bytes 8-9/10"),
        ("bytes=10-", 416, b"", "bytes */10"),
        ("bytes=-", 200, b"0123456789", None),
        ("bytes=0-1,4-5", 200, b"0123456789", None),
        ("lines=1-2", 200, b"0123456789", None),
    ],
)
def test_a_part_of_a_recording_is_what_was_asked_for(
    asked: str | None, status: int, body: bytes, said: str | None
) -> None:
    """As RFC 9110 has it, for one range."""
    part = ranged(b"0123456789", asked)
    assert (part.status, part.body, part.content_range) == (status, body, said)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (48, "0:48"), (861, "14:21"), (3723, "1:02:03"), (None, ""), (-5, "0:00")]
)
def test_lengths_read_as_a_clock(seconds: float | None, text: str) -> None:
    """Minutes and seconds, hours when there are any."""
    assert length_of(seconds) == text


def test_ages_read_as_a_list_has_them() -> None:
    """Two units at most."""
    at = now()
    given = [
        timedelta(seconds=59),
        timedelta(minutes=41),
        timedelta(minutes=190),
        timedelta(days=2, hours=4, minutes=9),
    ]
    assert [age(at - d, at) for d in given] == ["0 m", "41 m", "3 h 10 m", "2 d 4 h"]


def test_every_text_of_the_room_can_be_translated() -> None:
    """The template that translators begin from has them all; `python -m web.i18n` writes it anew."""
    with (i18n.LOCALE / "freeline.pot").open("rb") as file:
        kept = {message.id for message in read_po(file)}
    assert {message.id for message in i18n.collect()} <= kept, "run: python -m web.i18n"
    assert "Waiting now" in kept


def test_a_catalogue_is_read_and_english_needs_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A translation is one file that is put in its place."""
    folder = tmp_path / "th" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    (folder / "freeline.po").write_text(
        'msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n\nmsgid "Queue"\nmsgstr "คิว"\n'
    )
    monkeypatch.setattr(i18n, "LOCALE", tmp_path)
    assert i18n.screen_languages() == ["en", "th"]
    i18n.read_in("th")
    assert (i18n.gettext("Queue"), i18n.gettext("My desk")) == ("คิว", "My desk")
    i18n.read_in("en")
    assert i18n.gettext("Queue") == "Queue"
    i18n.catalogue.cache_clear()


def test_what_is_put_into_a_text_is_escaped() -> None:
    i18n.read_in("en")
    said = i18n.marked("%(name)s is %(sure)s%% sure", name='<b>"Ma Ei"</b>', sure=40)
    assert str(said) == "&lt;b&gt;&#34;Ma Ei&#34;&lt;/b&gt; is 40% sure"
    assert escape(i18n.marked("Queue & desk")) == "Queue & desk"
    assert i18n.marked_many("%(num)s call", "%(num)s calls of %(who)s", 2, who="<i>") == "2 calls of &lt;i&gt;"
    assert i18n.marked_many("%(num)s call", "%(num)s calls of %(who)s", 1, who="<i>") == "1 call"
