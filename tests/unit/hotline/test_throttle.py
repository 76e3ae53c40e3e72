"""Who guesses is slowed down, and nobody is locked out: the counts, without a console."""

import contextlib

import pytest

from hotline import throttle
from hotline.throttle import BRAKE_MOST_S, TRIES, TRIES_KNOWN, WINDOW_S, Throttle, TooMany, network_of


class Clock:
    """Stands until it is moved."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def counts(clock: Clock) -> Throttle:
    return Throttle(clock)


def test_the_wait_counts_down_from_the_oldest_failure(counts: Throttle, clock: Clock) -> None:
    for _ in range(TRIES):
        counts.begin("alice", "10.0.0.1")
        clock.at += 60
    with pytest.raises(TooMany) as refused:
        counts.begin(" Alice ", "10.0.0.77")
    assert refused.value.wait_s == WINDOW_S - TRIES * 60
    clock.at += refused.value.wait_s
    counts.begin("alice", "10.0.0.1")
    with pytest.raises(TooMany):
        counts.begin("alice", "10.0.0.1")


def test_a_refused_try_does_not_make_the_wait_longer(counts: Throttle, clock: Clock) -> None:
    """Else a stranger could keep somebody waiting for ever."""
    for _ in range(TRIES):
        counts.begin("alice", "10.0.0.1")
    for _ in range(100):
        clock.at += 1
        with pytest.raises(TooMany):
            counts.begin("alice", "10.0.0.1")
    clock.at += WINDOW_S - 100
    counts.begin("alice", "10.0.0.1")


def test_a_right_password_forgets_the_failures_of_this_name_from_here_only(counts: Throttle) -> None:
    for login, address in (("alice", "10.0.0.1"), ("alice", "10.0.9.1"), ("bob", "10.0.0.1")):
        for _ in range(TRIES - 1):
            counts.begin(login, address)
    counts.passed(counts.begin("alice", "10.0.0.1"))
    for _ in range(TRIES):
        counts.begin("alice", "10.0.0.1")
    for login, address in (("alice", "10.0.9.1"), ("bob", "10.0.0.1")):
        counts.begin(login, address)
        with pytest.raises(TooMany):
            counts.begin(login, address)


def test_a_try_that_was_not_looked_at_does_not_count(counts: Throttle) -> None:
    for _ in range(TRIES * 3):
        counts.undo(counts.begin("alice", "10.0.0.1"))


def test_a_known_browser_is_free_of_what_others_do_but_not_of_what_it_does_itself(counts: Throttle) -> None:
    """After many tries of its own it is an unknown one: stolen, it is no way round the throttle."""
    for n in range(200):
        with contextlib.suppress(TooMany):
            counts.begin("alice", f"10.0.{n % 250}.1")
    assert [counts.begin("alice", "10.0.0.1", "mark").delay_s for _ in range(TRIES_KNOWN)] == [0.0] * TRIES_KNOWN
    counts.begin("alice", "10.9.9.9", "mark")
    for _ in range(TRIES - 1):
        counts.begin("alice", "10.9.9.9", "mark")
    with pytest.raises(TooMany):
        counts.begin("alice", "10.9.9.9", "mark")
    assert counts.begin("bob", "10.0.0.1", "mark").delay_s < BRAKE_MOST_S + 0.1


@pytest.mark.parametrize(
    ("login", "address", "free"),
    [
        ("alice", "10.{a}.{b}.1", throttle.AT_A_NAME.free),
        ("name{n}", "10.0.0.1", throttle.FROM_A_NETWORK.free),
        ("name{n}", "10.{a}.{b}.1", throttle.OVER_ALL.free),
    ],
)
def test_the_brake_grows_with_the_failures_is_bounded_and_lets_go(
    counts: Throttle, clock: Clock, login: str, address: str, free: float
) -> None:
    """At a name, from a network, over all: it never refuses, and a flood of any length is soon forgotten."""
    waits = [
        counts.begin(login.format(n=n), address.format(a=n // 250, b=n % 250)).delay_s for n in range(int(free) + 5000)
    ]
    assert set(waits[: int(free)]) == {0.0}
    assert waits == sorted(waits)
    assert waits[-1] == BRAKE_MOST_S
    clock.at += 3600
    assert counts.begin("sofia" if "{n}" in login else "alice", "10.0.0.1").delay_s == 0.0


def test_what_is_remembered_is_bounded(counts: Throttle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "KEPT", 100)
    for n in range(5000):
        counts.begin(f"name{n}" * 100, f"10.{n // 250}.{n % 250}.1")
    assert len(counts._tries) <= 100
    assert len(counts._levels) <= 100
    assert max(len(key) for key in [*counts._tries, *counts._levels]) == 16


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.77", "203.0.113.0/24"),
        ("2001:db8:1:2::/64", "2001:db8:1:2::/64"),
        ("", ""),
        ("no address", "no address"),
    ],
)
def test_an_address_stands_for_its_network(address: str, network: str) -> None:
    assert network_of(address) == network
