"""How soon an agent's phone rings, beside a bare Queue() on Asterisk alone with the same kind of phone.

Two questions, each asked of both in turns, so that a machine whose speed drifts spoils neither:

- `caller comes`: an agent is ready, a caller enters the queue; from there (QueueCallerJoin) to the ringing of her phone.
- `agent comes`: a caller waits, and the agent becomes ready (Ready in Freeline, unpaused in the bare queue); from there to
  the ringing. app_queue looks once a second, in both: what is compared is what comes on top.

All times are of this machine's wall clock. Nobody answers: the caller hangs up as soon as it rings. The whole is bounded.
"""

import os
import queue
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from bench import bare
from bench.menu import sounds
from hotline import agents
from hotline.events import AGENTS_CHANGED, Nudges
from hotline.settings import Settings
from models import AgentStatus
from models.types import now
from telephony import names
from telephony.ami import Ami, Events
from telephony.phone import Call, Phone
from telephony.secrets import load_secrets
from tests.e2e.callers import wait_for_voice
from tests.e2e.conftest import hire_before_start
from tests.e2e.whole import Whole
from tests.ports import free_port, rtp_range
from tests.wait import until

ROUNDS = 30
# The agent becomes ready at another moment of app_queue's second each time.
PHASES = 10
LONGEST_S = 600.0
FEWEST = 10
WITHIN_S = 15.0
LANGUAGE, KEY = "my", "1"


class Endpoint(Protocol):
    """An agent's phone; `kind` says which. `rang` is told when it begins to ring, in seconds since the epoch.

    A page in a browser is one too: it keeps the time at which its own ringing began.
    """

    kind: str
    rang: "queue.Queue[float]"

    def close(self) -> None:
        """Sign it off."""


class SipEndpoint:
    """Our own SIP phone: it rings when the INVITE is there."""

    kind = "SIP phone"

    def __init__(self, phone: Phone) -> None:
        self.rang: queue.Queue[float] = queue.Queue()
        self._phone = phone
        phone.on_ring = lambda _call: self.rang.put(time.time())

    def close(self) -> None:
        """Close the phone."""
        self._phone.close()


class Side(Protocol):
    """One of the two that are compared."""

    line: tuple[str, int]
    joined: Events

    def enters(self, call: Call) -> None:
        """Lead an answered caller into the queue."""

    def ready(self, *, is_ready: bool) -> float:
        """Let the agent be rung, or not; gives when that was said, in seconds since the epoch."""

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

    def enters(self, call: Call) -> None:
        """Press the key of her language."""
        wait_for_voice(call)
        call.press(KEY)

    def ready(self, *, is_ready: bool) -> float:
        """As her Ready button does; while not, she wraps up, which is somebody to wait for."""
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
        """Her call is filed, and she is a free member again."""
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

    def enters(self, call: Call) -> None:
        """She is in it already."""

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


def measure(say: Callable[[str], None]) -> list[dict[str, Any]]:
    """A row a question, with medians and 95th percentiles in milliseconds."""
    with tempfile.TemporaryDirectory() as folder, _both(Path(folder), say) as (ours, alone):
        sides: list[tuple[Side, Endpoint]] = [ours, alone]
        end = time.monotonic() + LONGEST_S
        rows = []
        for what, once in (("caller comes", _caller_comes), ("agent comes", _agent_comes)):
            times: list[list[float]] = [[], []]
            for number in range(ROUNDS):
                if time.monotonic() > end:
                    say(f"{what}: time is over after {number} rounds")
                    break
                if number % 5 == 0:
                    say(f"{what}: round {number + 1} of {ROUNDS}")
                # Who goes first changes, too.
                for place in (0, 1) if number % 2 == 0 else (1, 0):
                    times[place].append(once(*sides[place], number))
            if len(times[0]) < FEWEST:
                raise RuntimeError(f"{what}: only {len(times[0])} rounds in {LONGEST_S:.0f} s")
            rows.append(_row(what, ours[1].kind, *times))
        return rows


def _row(what: str, kind: str, ours: list[float], alone: list[float]) -> dict[str, Any]:
    row: dict[str, Any] = {"what": what, "endpoint": kind, "rounds": len(alone)}
    for name, times in (("ours", ours), ("alone", alone)):
        row[f"{name}_p50_ms"] = round(statistics.median(times) * 1000, 1)
        row[f"{name}_p95_ms"] = round(statistics.quantiles(times, n=20, method="inclusive")[-1] * 1000, 1)
    row["ratio_p50"] = round(row["ours_p50_ms"] / row["alone_p50_ms"], 2)
    row["ratio_p95"] = round(row["ours_p95_ms"] / row["alone_p95_ms"], 2)
    return row


def _caller_comes(side: Side, endpoint: Endpoint, number: int) -> float:
    side.ready(is_ready=True)
    side.rests()
    with _caller(side, endpoint, number) as joined_at:
        return endpoint.rang.get(timeout=WITHIN_S) - joined_at


def _agent_comes(side: Side, endpoint: Endpoint, number: int) -> float:
    side.rests()
    side.ready(is_ready=False)
    with _caller(side, endpoint, number):
        threading.Event().wait(0.5 + number % PHASES / PHASES)
        if not endpoint.rang.empty():
            raise RuntimeError("an agent who is not ready was rung")
        ready_at = side.ready(is_ready=True)
        return endpoint.rang.get(timeout=WITHIN_S) - ready_at


@contextmanager
def _caller(side: Side, endpoint: Endpoint, number: int) -> Iterator[float]:
    """A caller in the queue, and since when; she hangs up at the end."""
    _empty(endpoint.rang)
    _empty(side.joined)
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
            return message.at.timestamp()
    raise RuntimeError("no caller came into the queue")


def _empty(full: "queue.Queue[Any]") -> None:
    while not full.empty():
        full.get_nowait()


@contextmanager
def _both(
    folder: Path, say: Callable[[str], None]
) -> Iterator[tuple[tuple[Freeline, Endpoint], tuple[Bare, Endpoint]]]:
    """Both sides running, each with a phone that is signed on."""
    say("starting both")
    spoken = sounds(folder)
    for file in spoken.glob("??/*.sln"):
        os.truncate(file, min(file.stat().st_size, 16_000))  # the steps are needed, not the words
    whole = Whole(folder / "ours", spoken)
    alone = Settings(
        data=folder / "alone",
        sip_host="127.0.0.1",
        sip_port=free_port(),
        ami_port=free_port(),
        asterisk_http_port=free_port(),
        rtp_ports=rtp_range(),
    )
    cast = hire_before_start(whole)
    running = bare.start(alone)
    endpoints: list[Endpoint] = []
    try:
        whole.start()
        endpoints.append(SipEndpoint(whole.phone_of("alice")))
        desk = Phone(("127.0.0.1", alone.sip_port), bare.AGENT, bare.SECRET)
        endpoints.append(SipEndpoint(desk))
        until(lambda: desk.register() == 200, WITHIN_S, 0.5)
        yield (Freeline(whole, cast.alice.id or 0), endpoints[0]), (Bare(alone), endpoints[1])
    finally:
        for endpoint in endpoints:
            endpoint.close()
        whole.stop()
        running.stop()
