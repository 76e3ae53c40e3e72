"""A browser whose microphone says chirps, and agents who sit at it."""

import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from telephony.phone import Phone
from tests.e2e.conftest import hire_before_start
from tests.e2e.phone.floor import Floor
from tests.e2e.phone.seat import Seat, chirps, take_seat
from tests.e2e.whole import Whole
from tests.ports import free_port
from tests.tones import RATE_HZ

SitDown = Callable[..., Seat]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Debian's Chromium; its microphone is a file."""
    voice = tmp_path_factory.mktemp("microphone") / "chirps.wav"
    write_wav(voice, chirps(5))
    with sync_playwright() as p:
        chromium = p.chromium.launch(
            executable_path="/usr/bin/chromium",
            args=["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
                  "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
                  f"--use-file-for-fake-audio-capture={voice}"],
        )  # fmt: skip
        yield chromium
        chromium.close()


def write_wav(path: Path, pcm: bytes) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(pcm)


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
