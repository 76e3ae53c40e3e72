"""The relay for pages behind a firewall: a real coturn, Chromium, and a call that takes no other way."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from telephony.softphone.phone import Phone
from tests.e2e.conftest import hire_before_start
from tests.support.agent_page import CALLER_HZ, MICROPHONE_HZ, Seat, caller_hears, calls, take_seat
from tests.support.ports import free_port
from tests.support.shared_stack import PATIENT
from tests.support.stack import Whole
from tests.support.turn_client import SECRET, Turn
from tests.support.wait import until

# As a firewall would have it: no way but the relay.
RELAY_ONLY = """
  const Real = window.RTCPeerConnection;
  window.peers = [];
  window.RTCPeerConnection = class extends Real {
    constructor(config) {
      super({ ...config, iceTransportPolicy: "relay" });
      window.peers.push(this);
    }
  };
"""
WAYS = """async () => {
  const found = [];
  for (const peer of window.peers) {
    if (peer.connectionState !== "connected") continue;
    const reports = await peer.getStats();
    for (const pair of reports.values()) {
      if (pair.type === "candidate-pair" && pair.nominated) found.push(reports.get(pair.localCandidateId).candidateType);
    }
  }
  return found;
}"""

Sit = Callable[..., Seat]


@pytest.fixture
def turn(tmp_path: Path) -> Iterator[Turn]:
    it = Turn(tmp_path / "turn")
    yield it
    it.close()


@pytest.fixture
def sit(tmp_path: Path, quick_sounds: Path, browser: Browser) -> Iterator[Sit]:
    """Freeline told of a relay, and Alice at her page; `relay_only` leaves her no other way."""
    running: list[Whole] = []
    seats: list[Seat] = []

    def go(url: str, secret: str = SECRET, *, relay_only: bool = True) -> Seat:
        whole = Whole(tmp_path / "data", quick_sounds, TURN_URLS=url, TURN_SECRET=secret, **PATIENT)
        running.append(whole)
        hire_before_start(whole)
        whole.start()
        seat = take_seat(whole, browser)
        seats.append(seat)
        if relay_only:
            seat.page.context.add_init_script(RELAY_ONLY)
            seat.page.reload()
        seat.until_phone("ready")
        return seat

    yield go
    for seat in seats:
        seat.page.context.close()
    for whole in running:
        whole.stop()
    faults = [fault for seat in seats for fault in seat.faults]
    assert faults == [], faults


def checked(seat: Seat, result: str, relay: str) -> str:
    """Run the check; what the network's line says of the relay."""
    seat.press("test")
    network = seat.page.locator("[data-check=network]")
    expect(network).to_have_attribute("data-result", result, timeout=60_000)
    shown = network.locator(f"[data-relay={relay}]")
    expect(shown).to_be_visible()
    expect(network.locator("[data-relay]:visible")).to_have_count(1)
    return shown.inner_text()


def test_a_call_goes_through_the_relay_where_nothing_else_does(turn: Turn, sit: Sit) -> None:
    """Both hear each other, the check says that it works, and nothing of the secret is kept."""
    alice = sit(turn.url)
    assert "takes us" in checked(alice, "fine", "fine")
    alice.page.keyboard.press("Escape")
    alice.go_ready()
    with Phone(alice.whole.line) as worker:
        call = calls(worker)
        alice.until_phone("ringing", 60)
        alice.press("answer")
        alice.hears(CALLER_HZ)
        caller_hears(call, MICROPHONE_HZ)
        assert alice.page.evaluate(WAYS) == ["relay"]
        call.hangup()
        alice.until_phone("ready")
    until(turn.relayed)
    for file in (*alice.whole.settings.run.glob("*.log"), alice.whole.output):
        assert SECRET not in file.read_text()


def test_a_relay_with_another_secret_is_said_and_the_direct_way_still_serves(turn: Turn, sit: Sit) -> None:
    """She is not kept from calls for it; whoever runs Freeline is told which setting it is."""
    alice = sit(turn.url, "not the relay's secret", relay_only=False)
    assert "FREELINE_TURN_SECRET" in checked(alice, "note", "refused")
    assert "sound goes both ways" in alice.page.locator("[data-check=network]").inner_text()


def test_a_relay_that_is_not_there_is_said_and_holds_nobody_up(sit: Sit) -> None:
    alice = sit(f"turn:127.0.0.1:{free_port()}", relay_only=False)
    assert "cannot be reached" in checked(alice, "note", "unreachable")


def test_behind_a_firewall_a_refusing_relay_fails_the_check(turn: Turn, sit: Sit) -> None:
    alice = sit(turn.url, "not the relay's secret")
    assert "one of the two clocks is wrong" in checked(alice, "wrong", "refused")
