"""How soon an agent's phone rings, beside a bare Queue() on Asterisk alone with the same kind of phone.

Two questions, each asked of both in turns, so that a drift of the machine's speed affects both alike:

- `caller comes`: an agent is ready, a caller enters the queue; from there (when Asterisk made its QueueCallerJoin, in both;
  the time when we read it would add what this process does meanwhile) to the ringing of the agent's phone.
- `agent comes`: a caller waits, and the agent becomes ready (Ready in Freeline, unpaused in the bare queue); from there to
  the ringing. app_queue polls once a second, in both: the rest is compared.

Both with a page in Chromium and with a SIP phone. All times are of this machine's wall clock. Nobody answers: the caller
hangs up as soon as it rings. The whole is bounded.
"""

import os
import queue
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Protocol

from rich.table import Table

from bench import bare
from bench.endpoints import Endpoint, PageEndpoint, SipEndpoint, chromium, least_page, watched_page
from bench.figures import Row, Rows, Say, Target, in_turns, point, ratios, table
from bench.places import spoken
from hotline.nudges import AGENTS_CHANGED, Nudges
from hotline.settings import Settings
from hotline.staff import states as agents
from models import AgentStatus
from models.db.types import now
from ops.place_call import wait_for_voice
from telephony import names
from telephony.asterisk.secrets import load_secrets
from telephony.clients.ami import Ami, Events
from telephony.softphone.phone import Phone, SoftphoneCall
from tests.e2e.conftest import hire_before_start
from tests.support.cast import PASSWORD
from tests.support.ports import free_port, rtp_range
from tests.support.stack import Whole
from tests.support.wait import until

# The agent becomes ready at another moment of app_queue's second each time.
PHASES = 10
LONGEST_S = 90.0
FEWEST = 6
PROMPT_BYTES = 4_000  # the steps are needed, not the words
WITHIN_S = 15.0
LANGUAGE, KEY = "my", "1"
SIP, PAGE = SipEndpoint.kind, PageEndpoint.kind
CALLER_COMES, AGENT_COMES = "caller comes", "agent comes"
ROUNDS = {CALLER_COMES: 20, AGENT_COMES: PHASES}


def _ratio_of(what: str, kind: str) -> Target:
    def figure(rows: Rows) -> float:
        return float(next(row["ratio_p50"] for row in rows if (row["what"], row["endpoint"]) == (what, kind)))

    return Target(f"{what}, {kind}: median beside the bare queue", figure, at_most=1.2)


def _slowest(what: str, figure: str) -> Target:
    return Target(
        f"{what}: the slowest of all rounds and phones, ms",
        lambda rows: max(row[figure] for row in rows if row["what"] == what),
        at_most=1200,
    )


TARGETS = [
    _ratio_of(CALLER_COMES, PAGE),
    _ratio_of(AGENT_COMES, PAGE),
    _ratio_of(CALLER_COMES, SIP),
    _ratio_of(AGENT_COMES, SIP),
    _slowest(AGENT_COMES, "ours_max_ms"),
]


class Side(Protocol):
    """One of the two that are compared."""

    line: tuple[str, int]
    joined: Events

    def enters(self, call: SoftphoneCall) -> None:
        """Lead an answered caller into the queue."""

    def ready(self, *, is_ready: bool) -> float:
        """Let the agent be rung, or not; return when that was requested, in seconds since the epoch."""

    def rests(self) -> None:
        """Wait until nothing of the last call is left."""


class Freeline:
    """All of Freeline, with Alice as the agent, who speaks Burmese."""

    def __init__(self, whole: Whole, alice_id: int) -> None:
        self.whole, self.alice_id, self.line = whole, alice_id, whole.line
        self._nudges = Nudges(whole.settings.redis)
        self.joined: Events = queue.Queue()
        secret = load_secrets(whole.settings).ami_reader
        self.ami = Ami((whole.settings.ami_host, whole.settings.ami_port), names.AMI_READER, secret, self.joined)
        self.ami.connect()

    def enters(self, call: SoftphoneCall) -> None:
        """Press the key of the agent's language."""
        wait_for_voice(call)
        call.press(KEY)

    def ready(self, *, is_ready: bool) -> float:
        """Do what the Ready button does; while not ready, the agent is in wrap-up, which the queue counts as present."""
        at = time.time()
        with self.whole.db.write() as session:
            if is_ready:
                agents.set_status(session, self.alice_id, AgentStatus.READY)
            else:
                agents.set_status(session, self.alice_id, AgentStatus.WRAP_UP, until=now().replace(year=2100))
        self._nudges.tell(AGENTS_CHANGED)
        if not is_ready:
            until(lambda: int(self._member().get("Penalty", "0")) > 100, WITHIN_S)
        return at

    def rests(self) -> None:
        """Wait until the call is filed and the agent is a free member again."""
        until(lambda: all(contact.ended_at for contact in self.whole.contacts()), WITHIN_S)
        until(lambda: self._member().get("Status") == "1", WITHIN_S)

    def _member(self) -> dict[str, str]:
        return _member(self.ami, LANGUAGE, names.agent_interface(self.alice_id))


class Bare:
    """Asterisk alone."""

    def __init__(self, settings: Settings) -> None:
        self.line = ("127.0.0.1", settings.sip_port)
        self.joined: Events = queue.Queue()
        self.ami = bare.connect(settings, self.joined)

    def enters(self, call: SoftphoneCall) -> None:
        """Do nothing: the caller is in the queue already."""

    def ready(self, *, is_ready: bool) -> float:
        """Pause or unpause its member."""
        paused = "false" if is_ready else "true"
        at = time.time()
        self.ami.send_action({"Action": "QueuePause", "Interface": f"PJSIP/{bare.AGENT}", "Paused": paused})
        return at

    def rests(self) -> None:
        """Its member is free again."""
        until(lambda: _member(self.ami, bare.QUEUE, f"PJSIP/{bare.AGENT}").get("Status") == "1", WITHIN_S)


def _member(ami: Ami, queue_name: str, interface: str) -> dict[str, str]:
    rows = ami.list_action({"Action": "QueueStatus", "Queue": queue_name})
    return next((row.headers for row in rows if row.get("Location") == interface), {})


def measure(say: Say) -> Rows:
    """A row a question and kind of phone, in milliseconds."""
    rows = []
    for kind in (PAGE, SIP):
        with tempfile.TemporaryDirectory() as folder, _both(Path(folder), kind, say) as (ours, alone):
            for what, once in ((CALLER_COMES, _caller_comes), (AGENT_COMES, _agent_comes)):
                sides = {"ours": partial(once, *ours), "alone": partial(once, *alone)}
                times = in_turns(ROUNDS[what], sides, say, f"{kind}, {what}", LONGEST_S, FEWEST)
                rows.append(_row(what, kind, times))
    return rows


def show(rows: Rows) -> Table:
    """How soon an agent's phone rings."""
    headings = (
        "who comes last",
        "phone",
        "rounds",
        "p50",
        "p95",
        "max",
        "bare p50",
        "bare p95",
        "bare max",
        "p50 ratio (p95)",
    )
    return table(
        "Until the agent's phone rings, ms: Freeline beside a bare Queue(), in turns",
        headings,
        (
            (
                row["what"],
                row["endpoint"],
                row["rounds"],
                *(f"{row[f'{side}_{at}_ms']:.1f}" for side in ("ours", "alone") for at in ("p50", "p95", "max")),
                f"{row['ratio_p50']:.2f} ({row['ratio_p95']:.2f})",
            )
            for row in rows
        ),
    )


def _row(what: str, kind: str, times: dict[str, list[float]]) -> Row:
    row: Row = {"what": what, "endpoint": kind, "rounds": len(times["alone"])}
    for name, found in times.items():
        row |= {f"{name}_p{percent}_ms": round(point(found, percent) * 1000, 1) for percent in (50, 95)}
        row |= {f"{name}_min_ms": round(min(found) * 1000, 1), f"{name}_max_ms": round(max(found) * 1000, 1)}
    row["ratio_p50"] = round(row["ours_p50_ms"] / row["alone_p50_ms"], 2)
    row["ratio_p95"] = round(row["ours_p95_ms"] / row["alone_p95_ms"], 2)
    row["ratio_by_round"] = ratios(times["ours"], times["alone"])
    return row


def _caller_comes(side: "Side", endpoint: Endpoint, number: int) -> float:
    side.ready(is_ready=True)
    side.rests()
    with _caller(side, endpoint, number) as joined_at:
        return _rang(endpoint) - joined_at


def _agent_comes(side: "Side", endpoint: Endpoint, number: int) -> float:
    side.rests()
    side.ready(is_ready=False)
    with _caller(side, endpoint, number):
        threading.Event().wait(0.5 + number % PHASES / PHASES)
        if endpoint.rang(0) is not None:
            raise RuntimeError("an agent who is not ready was rung")
        ready_at = side.ready(is_ready=True)
        return _rang(endpoint) - ready_at


def _rang(endpoint: Endpoint) -> float:
    at = endpoint.rang(WITHIN_S)
    if at is None:
        raise RuntimeError(f"the {endpoint.kind} did not ring within {WITHIN_S:.0f} s")
    return at


@contextmanager
def _caller(side: Side, endpoint: Endpoint, number: int) -> Iterator[float]:
    """A caller in the queue, and since when; the caller hangs up at the end."""
    endpoint.forget()
    while not side.joined.empty():
        side.joined.get_nowait()
    with Phone(side.line) as phone:
        call = phone.call("1800123456", f"08{os.getpid() % 1000:03}{time.time_ns() // 1_000_000 % 100_000:05}")
        if not call.wait_answered(WITHIN_S):
            raise RuntimeError(f"caller {number} was not answered: {call.status}")
        side.enters(call)
        yield _joined_at(side.joined)


def _joined_at(events: Events) -> float:
    end = time.monotonic() + WITHIN_S
    while time.monotonic() < end:
        message = events.get(timeout=WITHIN_S)
        if message is None:
            raise RuntimeError("Asterisk's AMI was lost")
        if not isinstance(message, list) and message.event == "QueueCallerJoin":
            return float(message.get("Timestamp"))
    raise RuntimeError("no caller came into the queue")


@contextmanager
def _both(folder: Path, kind: str, say: Say) -> Iterator[tuple[tuple[Freeline, Endpoint], tuple[Bare, Endpoint]]]:
    """Both sides running, each with a phone of this kind that is signed on."""
    say(f"{kind}: starting both")
    sounds = spoken(folder)
    for file in sounds.glob("??/*.sln"):
        os.truncate(file, min(file.stat().st_size, PROMPT_BYTES))
    whole = Whole(folder / "ours", sounds)
    alone = Settings(
        data=folder / "alone",
        sip_host="127.0.0.1",
        sip_port=free_port(),
        ami_port=free_port(),
        asterisk_http_port=free_port(),
        rtp_ports=rtp_range(),
    )
    cast = hire_before_start(whole)
    with ExitStack() as parts:
        running = bare.start(alone, webrtc=kind == PAGE)
        parts.callback(running.stop)
        parts.callback(whole.stop)
        whole.start()
        ours, other = _pages(parts, whole, alone) if kind == PAGE else _phones(parts, whole, alone)
        freeline, asterisk = Freeline(whole, cast.alice.id), Bare(alone)
        parts.callback(freeline.ami.close)
        parts.callback(asterisk.ami.close)
        yield (freeline, ours), (asterisk, other)


def _phones(parts: ExitStack, whole: Whole, alone: Settings) -> tuple[Endpoint, Endpoint]:
    ours = SipEndpoint(whole.phone_of("alice"))
    parts.callback(ours.close)
    desk = Phone(("127.0.0.1", alone.sip_port), bare.AGENT, bare.SECRET)
    other = SipEndpoint(desk)
    parts.callback(other.close)
    until(lambda: desk.register() == 200, WITHIN_S, 0.5)
    return ours, other


def _pages(parts: ExitStack, whole: Whole, alone: Settings) -> tuple[Endpoint, Endpoint]:
    """Alice's own page, after a sign-in, and the smallest page, in one Chromium."""
    browser = parts.enter_context(chromium())
    page = watched_page(browser)
    ours = PageEndpoint(page)
    parts.callback(ours.close)
    page.goto(whole.url + "/")
    page.fill("#login", "alice")
    page.fill("#password", PASSWORD)
    page.click("button.primary")
    page.wait_for_selector("html[data-phone=ready]", state="attached")
    return ours, parts.enter_context(least_page(browser, alone.asterisk_http_port, bare.AGENT, bare.SECRET))
