"""A console with an evening of calls, Redis, and pages of Chromium."""

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
from sqlmodel import col, select

from hotline.events import Nudges
from hotline.keys import Keys
from hotline.settings import ROOT, Settings
from models import Agent, Database
from tests.cast import PASSWORD, Cast
from tests.e2e.agent_console import seed
from tests.wait import until

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
        until(self.answers)

    def answers(self) -> bool:
        with suppress(OSError), urlopen(f"{self.url}/alive", timeout=2) as answer:
            return bool(answer.status == 200)
        return False

    def end(self, name: str) -> int:
        process = self.processes.pop(name)
        process.send_signal(signal.SIGTERM)
        return process.wait(timeout=15)


@pytest.fixture
def served(settings: Settings, keys: Keys, db: Database, staff: Cast) -> Iterator[Served]:
    """The console, serving the seed's evening."""
    settings.run.mkdir(parents=True, exist_ok=True)
    with db.write() as session:
        people = {a.login: a for a in session.exec(select(Agent).order_by(col(Agent.id)))}
        seed.evening(session, keys, [people["alice"], people["bob"]])
        seed.shifts(session, {"whole": [people["alice"], people["bob"]], "day": [people["sofia"]]})
    it = Served(settings, db, keys, Nudges(settings.redis))
    it.start_redis()
    it.start_console()
    yield it
    for name in list(it.processes):
        it.end(name)


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
        page.set_default_timeout(15_000)
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
