"""A browser whose microphone says chirps, and agents who sit at it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from telephony.softphone.phone import Phone
from tests.support import databases
from tests.support import shared_stack as shared
from tests.support.agent_page import Seat, chirping, take_seat
from tests.support.floor import Floor
from tests.support.stack import Whole

SitDown = Callable[..., Seat]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Debian's Chromium; its microphone is a file."""
    with chirping(tmp_path_factory.mktemp("microphone")) as chromium:
        yield chromium


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory, quick_sounds: Path, database_of_the_module: str
) -> Iterator[list[Whole]]:
    """The Freeline of the module once a test has started it; another one after a test that left it unusable."""
    one: list[Whole] = []
    yield one
    for it in one:
        it.stop()


@pytest.fixture
def quick(
    database: str,
    running: list[Whole],
    quick_sounds: Path,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Iterator[Whole]:
    """Freeline with short prompts, shared by the tests of the module; on its second database a test has its own."""
    folder = tmp_path_factory.mktemp("freeline")
    if [database] != databases.SLOW:
        it = shared.start(folder, quick_sounds, request.getfixturevalue("empty_database"))
        try:
            yield it
        finally:
            it.stop()
        return
    if not running:
        running.append(shared.start(folder, quick_sounds, request.getfixturevalue("database_of_the_module")))
    yield running[0]
    try:
        shared.put_away(running[0])
    except BaseException:
        running.pop().stop()
        raise


@pytest.fixture
def sit_down(quick: Whole, browser: Browser) -> Iterator[SitDown]:
    """Signs an agent in; her page has the phone."""
    seats: list[Seat] = []

    def go(login: str = "alice", **options: object) -> Seat:
        seat = take_seat(quick, browser, login, **options)  # type: ignore[arg-type]
        seats.append(seat)
        return seat

    yield go
    for context in {seat.page.context for seat in seats}:
        context.close()
    faults = [fault for seat in seats for fault in seat.faults]
    assert faults == [], faults


@pytest.fixture
def floor(quick: Whole, browser: Browser) -> Iterator[Floor]:
    """Everything running, with a provider at the trunk; what an agent's pages threw fails the test."""
    with Phone(quick.line, port=int(quick.settings.trunk_host.partition(":")[2])) as provider:
        it = Floor(quick, browser, provider)
        yield it
        it.close()
