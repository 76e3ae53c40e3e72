"""A browser, sounds built once, and a whole Freeline."""

import fcntl
import os
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from hotline.line import languages
from hotline.settings import Settings
from ivr import prompts
from tests.support import cast as cast_of_people
from tests.support import databases
from tests.support.cast import PASSWORD, Cast
from tests.support.postgres import Postgres
from tests.support.stack import Whole
from tests.support.wait import until

# On a machine that does other things as well a page takes its time.
expect.set_options(timeout=30_000)


@pytest.fixture(scope="session")
def built_sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's prompts, built once for the run: the first worker builds them, and the others wait for it."""
    mine = tmp_path_factory.getbasetemp()
    run = mine.parent if "PYTEST_XDIST_WORKER" in os.environ else mine
    config = Settings(data=run / "built")
    with (run / "built.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (run / "built.done").exists():
            menu = [(str(n), code) for n, code in enumerate(["my", "th", "km", "lo", "vi", "en", "ko"], start=1)]
            prompts.build(config, {}, menu, lambda _done, _total: None)
            (run / "built.done").touch()
    return config.sounds


@pytest.fixture(scope="session")
def quick_sounds(built_sounds: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same prompts, each cut after a second: the tests of faults need the steps, not the words."""
    folder = tmp_path_factory.mktemp("quick") / "sounds"
    shutil.copytree(built_sounds, folder)
    for file in folder.glob("??/*.sln"):
        os.truncate(file, min(file.stat().st_size, 16_000))
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, with a made-up microphone. Once a module: its event loop must end before other tests run theirs."""
    with sync_playwright() as p:
        chromium = p.chromium.launch(
            executable_path="/usr/bin/chromium",
            args=["--no-sandbox", "--disable-gpu", "--use-fake-ui-for-media-stream", "--no-first-run",
                  "--disable-background-networking", "--use-fake-device-for-media-stream"],
        )  # fmt: skip
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def korean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made-up caller's words, spoken by a machine."""
    file = tmp_path_factory.mktemp("say") / "ko.wav"
    words = "안녕하세요. 두 달 동안 월급을 받지 못했습니다."
    subprocess.run(["espeak-ng", "-v", "ko", "-s", "140", "-w", str(file), words], check=True, capture_output=True)
    return file


@pytest.fixture(scope="module")
def database_of_the_module(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of an empty database for a stack that a module shares; on SQLite none: it is in the data folder."""
    if databases.SLOW == [databases.SQLITE]:
        yield ""
        return
    server: Postgres = request.getfixturevalue("postgres")
    name = f"t{uuid.uuid4().hex[:12]}"
    yield server.create(name)
    server.drop(name)


@pytest.fixture
def whole(tmp_path: Path, built_sounds: Path, empty_database: str) -> Iterator[Whole]:
    """Freeline running, with the cast hired and the demo's menu."""
    it = Whole(tmp_path / "data", built_sounds, DATABASE_URL=empty_database)
    try:
        hire_before_start(it)
        yield it.start()
    finally:
        it.stop()


@pytest.fixture
def quick(tmp_path: Path, quick_sounds: Path, empty_database: str) -> Iterator[Whole]:
    """Freeline with short prompts."""
    it = Whole(tmp_path / "data", quick_sounds, DATABASE_URL=empty_database)
    try:
        hire_before_start(it)
        yield it.start()
    finally:
        it.stop()


def hire_before_start(it: Whole) -> Cast:
    """Make the tables, the menu with Korean, and the cast."""
    it.db.migrate()
    with it.db.write() as s:
        languages.seed(s, it.settings.line_numbers, demo=True)
        cast = cast_of_people.hire(s)
        from hotline.staff import people
        from models import Proficiency

        people.set_languages(
            s, cast.alice, {"my": Proficiency.NATIVE, "th": Proficiency.FLUENT, "ko": Proficiency.FLUENT}
        )
        return cast


@pytest.fixture
def sign_in(browser: Browser) -> Iterator[Callable[[Whole, str], Page]]:
    """Sign somebody in, as a person does."""
    contexts = []

    def go(it: Whole, login: str) -> Page:
        context = browser.new_context(viewport={"width": 1360, "height": 900})
        contexts.append(context)
        page = context.new_page()
        page.goto(it.url + "/queue")
        page.fill("input[name=login]", login)
        page.fill("input[name=password]", PASSWORD)
        page.press("input[name=password]", "Enter")
        until(lambda: "/sign-in" not in page.url, 10)
        return page

    yield go
    for context in contexts:
        context.close()
