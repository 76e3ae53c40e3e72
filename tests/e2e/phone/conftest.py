"""A browser whose microphone says chirps, and agents who sit at it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from telephony.phone import Phone
from tests.e2e.conftest import hire_before_start
from tests.e2e.phone.floor import Floor
from tests.e2e.phone.seat import Seat, chirping, take_seat
from tests.e2e.whole import Whole
from tests.ports import free_port

SitDown = Callable[..., Seat]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Debian's Chromium; its microphone is a file."""
    with chirping(tmp_path_factory.mktemp("microphone")) as chromium:
        yield chromium


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
def floor(tmp_path: Path, quick_sounds: Path, browser: Browser, empty_database: str) -> Iterator[Floor]:
    """Everything running, with a trunk; what an agent's pages threw fails the test."""
    port = free_port()
    whole = Whole(tmp_path / "data", quick_sounds, TRUNK_HOST=f"127.0.0.1:{port}", DATABASE_URL=empty_database)
    try:
        hire_before_start(whole)
        whole.start()
        with Phone(whole.line, port=port) as provider:
            it = Floor(whole, browser, provider)
            yield it
            it.close()
    finally:
        whole.stop()
