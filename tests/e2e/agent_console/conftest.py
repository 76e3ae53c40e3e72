"""A console and Redis, once for a module; an evening of calls and pages of Chromium, anew for each test."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, BrowserContext, Page
from sqlalchemy import text
from sqlmodel import SQLModel, col, select

from hotline.keys import Keys, load_keys, make_keys
from hotline.line import languages
from hotline.nudges import Nudges
from hotline.settings import ROOT, Settings
from models import Agent, Database
from tests.support import cast as cast_of_people
from tests.support import seed
from tests.support.asterisk import settings_of_a_module
from tests.support.cast import PASSWORD
from tests.support.wait import until

SERVE = (
    "import sys; from agent_console.app import main; from hotline.settings import settings; sys.exit(main(settings()))"
)


@dataclass
class Served:
    """The console and Redis as processes; each can be ended and started again."""

    settings: Settings
    db: Database
    keys: Keys
    nudges: Nudges
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.settings.console_port}"

    def start_redis(self) -> None:
        program = shutil.which("redis-server")
        assert program
        socket = self.settings.run / "redis.sock"
        self.processes["redis"] = subprocess.Popen(
            [program, "--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no"],
            stdout=subprocess.DEVNULL,
        )
        until(lambda: Nudges(self.settings.redis).there())

    def start_console(self) -> None:
        environment = os.environ | {
            "FREELINE_DATA": str(self.settings.data),
            "FREELINE_DATABASE_URL": self.settings.database_url,
            "FREELINE_CONSOLE_PORT": str(self.settings.console_port),
        }
        self.processes["console"] = subprocess.Popen([sys.executable, "-c", SERVE], cwd=ROOT, env=environment)
        until(self.answers, 60)

    def answers(self) -> bool:
        with suppress(OSError), urlopen(f"{self.url}/alive", timeout=2) as answer:
            return bool(answer.status == 200)
        return False

    def end(self, name: str) -> int:
        process = self.processes.pop(name)
        process.send_signal(signal.SIGTERM)
        return process.wait(timeout=30)

    def begin_anew(self) -> None:
        """The seed's evening, as if it had just been, and nothing of the test before."""
        with self.db.write() as session:
            names = [table.name for table in reversed(SQLModel.metadata.sorted_tables)]
            if self.db.sqlite:
                session.execute(text("PRAGMA defer_foreign_keys = ON"))
                for name in names:
                    session.execute(text(f'DELETE FROM "{name}"'))
            else:
                session.execute(text(f"TRUNCATE {', '.join(names)} RESTART IDENTITY CASCADE"))
        with self.db.write() as session:
            languages.seed(session, ["1800123456"], demo=True)
            cast_of_people.hire(session)
            people = {a.login: a for a in session.exec(select(Agent).order_by(col(Agent.id)))}
            seed.evening(session, self.keys, [people["alice"], people["bob"]])
            seed.shifts(session, {"whole": [people["alice"], people["bob"]], "day": [people["sofia"]]})
        if "redis" not in self.processes:
            self.start_redis()
        if "console" not in self.processes:
            self.start_console()


@pytest.fixture(scope="module")
def at_work(tmp_path_factory: pytest.TempPathFactory, database_of_the_module: str) -> Iterator[Served]:
    """The console of a module; it starts with its first test's evening."""
    settings = settings_of_a_module(tmp_path_factory.mktemp("served"), database_url=database_of_the_module)
    settings.run.mkdir(parents=True)
    make_keys(settings.keys)
    db = Database(settings.database)
    db.migrate()
    it = Served(settings, db, load_keys(settings.keys, may_open=True), Nudges(settings.redis))
    yield it
    for name in list(it.processes):
        it.end(name)
    db.dispose()


@pytest.fixture
def served(at_work: Served) -> Served:
    """The console, serving the seed's evening."""
    at_work.begin_anew()
    return at_work


@dataclass
class Screen:
    """A person's browser and her page. `faults` are what the browser complained of."""

    page: Page
    url: str
    faults: list[str] = field(default_factory=list)

    def open(self, path: str) -> Page:
        """Go to a page and wait until it is live."""
        self.page.goto(self.url + path)
        self.page.wait_for_selector("html[data-live=on]")
        return self.page


OpenScreen = Callable[..., Screen]


@pytest.fixture
def screen_of(served: Served, browser: Browser) -> Iterator[OpenScreen]:
    """Signs a person in by the form, in a browser of her own."""
    contexts: list[BrowserContext] = []

    def sign_in(login: str, **options: object) -> Screen:
        context = browser.new_context(**({"viewport": {"width": 1360, "height": 860}} | options))  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)
        screen = Screen(page, served.url)
        page.on("pageerror", lambda error: screen.faults.append(str(error)))
        page.on("console", lambda m: screen.faults.append(m.text) if "Content Security Policy" in m.text else None)
        page.goto(f"{served.url}/sign-in")
        page.fill("#login", login)
        page.fill("#password", PASSWORD)
        page.click("button.primary")
        page.wait_for_url(lambda url: "/sign-in" not in url)
        return screen

    yield sign_in
    for context in contexts:
        context.close()
