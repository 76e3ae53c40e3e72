"""An agent's real page: the phone in it, its microphone, and the text on screen."""

import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from playwright.sync_api import Error as Interrupted
from playwright.sync_api import TimeoutError as TooLate
from sqlmodel import col, select

from models import Agent, AgentState, AgentStatus
from ops.place_call import wait_for_voice
from telephony.asterisk.obtain import find_asterisk
from telephony.asterisk.process import RunningAsterisk
from telephony.softphone.phone import Phone, SoftphoneCall
from tests.support.cast import PASSWORD
from tests.support.stack import Whole
from tests.support.tones import RATE_HZ, tone
from tests.support.wait import until

MICROPHONE_HZ = 700
CALLER_HZ = 500

HEARD = """async () => {
  const stream = document.getElementById("phone-voice").srcObject;
  if (!stream) return 0;
  const ctx = (window.ears ??= new AudioContext());
  await ctx.resume();
  const analyser = ctx.createAnalyser();
  analyser.fftSize = 8192;
  const source = ctx.createMediaStreamSource(stream);
  source.connect(analyser);
  await new Promise((done) => setTimeout(done, 500));
  const bins = new Float32Array(analyser.frequencyBinCount);
  analyser.getFloatFrequencyData(bins);
  source.disconnect();
  const loudest = Math.max(...bins);
  return loudest < -70 ? 0 : (bins.indexOf(loudest) * ctx.sampleRate) / analyser.fftSize;
}"""


def chirps(seconds: float, hz: int = MICROPHONE_HZ) -> bytes:
    """Short tones with pauses: a browser takes an endless tone for noise, and suppresses it."""
    return (tone(hz, 0.25) + bytes(int(RATE_HZ * 0.25) * 2)) * int(seconds * 2)


@contextmanager
def chirping(folder: Path) -> Iterator[Browser]:
    """Debian's Chromium; its microphone is a file of chirps."""
    voice = folder / "chirps.wav"
    with wave.open(str(voice), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(chirps(5))
    with sync_playwright() as p:
        chromium = p.chromium.launch(
            executable_path="/usr/bin/chromium",
            args=["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
                  "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
                  f"--use-file-for-fake-audio-capture={voice}"],
        )  # fmt: skip
        yield chromium
        chromium.close()


def asterisk(whole: Whole, line: str) -> str:
    """The answer of Asterisk's own console."""
    return RunningAsterisk(whole.settings, find_asterisk(whole.settings)).command(line)


def near(hz: float, wanted: int) -> bool:
    return abs(hz - wanted) < 25


@dataclass
class Seat:
    """One page of one agent. `faults` are errors of its scripts and of the content policy."""

    whole: Whole
    login: str
    page: Page
    faults: list[str] = field(default_factory=list)

    @property
    def phone(self) -> str:
        """html[data-phone]."""
        return str(self.page.evaluate("document.documentElement.dataset.phone"))

    @property
    def troubles(self) -> list[str]:
        """The troubles whose text is on the screen."""
        found = self.page.evaluate(
            "[...document.querySelectorAll('#phone-troubles [data-trouble]')].filter((p) => p.getClientRects().length)"
            ".map((p) => p.dataset.trouble)"
        )
        return list(found)

    def until_phone(self, state: str, within_s: float = 20) -> None:
        until(lambda: self.phone == state, within_s)

    def until_trouble(self, name: str, within_s: float = 20) -> None:
        until(lambda: name in self.troubles, within_s)

    @property
    def row(self) -> AgentState:
        """The agent's state in the database."""
        with self.whole.db.read() as s:
            of = select(AgentState).join(Agent, col(Agent.id) == col(AgentState.agent_id))
            return s.exec(of.where(col(Agent.login) == self.login)).one()

    def until_row(self, what: Callable[[AgentState], bool], within_s: float = 20) -> None:
        until(lambda: what(self.row), within_s)

    def until_reachable(self, reachable: bool = True) -> None:
        self.until_row(lambda row: row.reachable is reachable)

    def go_ready(self) -> None:
        """Press Ready, skip the check, and wait until the switchboard would ring the agent."""
        self.until_phone("ready")
        self.press_ready()
        self.page.click("#phone-check .anyway")
        self.until_row(lambda row: row.status is AgentStatus.READY and row.reachable)

    def press_ready(self) -> None:
        """Press the Ready button of the bar."""
        self.page.locator("#bar form", has=self.page.locator("[name=to][value=ready]")).locator("button").first.click()

    def press(self, what: str) -> None:
        """Press a button of the phone: in the bar, on the card of a ringing call, or under it."""
        press(self.page, what)

    def hears(self, hz: int, within_s: float = 10) -> None:
        """Wait until the page plays this pitch."""

        def heard() -> bool:
            try:
                return near(float(self.page.evaluate(HEARD)), hz)
            except Interrupted:  # the case was opened beside the call
                return False

        until(heard, within_s)


def press(page: Page, what: str) -> None:
    """Click a button of the phone."""

    def pressed() -> bool:
        # While a call begins the buttons move from one place to the next: check again which is shown.
        try:
            page.locator(f"button[data-phone={what}]:visible").first.click(timeout=5000)
        except TooLate:
            return False
        return True

    until(pressed)


def caller_hears(call: SoftphoneCall, hz: int, within_s: float = 10) -> None:
    """Wait until the caller has heard this pitch for the last second."""
    until(lambda: near(pitch(call.heard[-RATE_HZ * 2 :]), hz), within_s)


def pitch(pcm: bytes) -> float:
    """The loudest pitch; 0 for silence."""
    samples = np.frombuffer(pcm[: len(pcm) // 2 * 2], dtype="<i2").astype(float)
    if len(samples) < RATE_HZ // 2 or np.abs(samples).max() < 400:
        return 0.0
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(spectrum.argmax()) * RATE_HZ / len(samples)


def calls(phone: Phone, key: str = "1", number: str | None = "0812345678") -> SoftphoneCall:
    """Let a worker call and press the key of a language; the worker hums until the hang-up."""
    call = phone.call("1800123456", number)
    assert call.wait_answered()
    assert wait_for_voice(call, 60)
    call.press(key)
    call.say(tone(CALLER_HZ, 90))
    return call


def take_seat(whole: Whole, browser: Browser, login: str = "alice", context: BrowserContext | None = None) -> Seat:
    """Sign in, or open another tab of the same browser when `context` is given."""
    fresh = context is None
    context = context or browser.new_context(viewport={"width": 1360, "height": 860})
    page = context.new_page()
    page.set_default_timeout(30_000)
    seat = Seat(whole, login, page)
    page.on("pageerror", lambda error: seat.faults.append(str(error)))
    page.on("console", lambda m: seat.faults.append(m.text) if "Content Security Policy" in m.text else None)
    page.goto(whole.url + "/")
    if fresh:
        page.fill("#login", login)
        page.fill("#password", PASSWORD)
        page.click("button.primary")
        page.wait_for_url(lambda url: "/sign-in" not in url)
    return seat
