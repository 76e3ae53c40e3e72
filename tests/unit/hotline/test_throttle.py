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
    assert refused.value.wait_s == WINDOW_S - TRIES * 60 == 15 * 60 - 5 * 60
    assert "Wait" in str(refused.value), "the page says it"
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


@pytest.mark.parametrize(("left_s", "said_s"), [(0.2, 1), (0.9, 1), (1.6, 2), (899.7, 900)])
def test_who_is_refused_is_told_to_wait_a_second_at_least(
    counts: Throttle, clock: Clock, left_s: float, said_s: int
) -> None:
    """In whole seconds; never none, for then the next try would be refused too."""
    for _ in range(TRIES):
        counts.begin("alice", "10.0.0.1")
    clock.at += WINDOW_S - left_s
    with pytest.raises(TooMany) as refused:
        counts.begin("alice", "10.0.0.1")
    assert refused.value.wait_s == said_s
    clock.at += left_s
    counts.begin("alice", "10.0.0.1")


@pytest.mark.parametrize(
    ("login", "address", "free", "forgotten_in_s"),
    [("alice", "10.0.{n}.1", 10, 60), ("name{n}", "10.0.0.1", 30, 10), ("name{n}", "10.0.{n}.1", 60, 1)],
)
def test_each_failure_beyond_the_free_ones_costs_a_tenth_of_a_second_until_it_is_forgotten(
    counts: Throttle, clock: Clock, login: str, address: str, free: int, forgotten_in_s: float
) -> None:
    """At a name, from a network, over all. Four seconds are the most, and the level goes no higher than that."""

    def delay_s(n: int) -> float:
        return counts.begin(login.format(n=n), address.format(n=n)).delay_s

    first = [delay_s(n) for n in range(free + 3)]
    assert first == pytest.approx([0.0] * free + [0.1, 0.2, 0.3])
    clock.at += forgotten_in_s
    assert delay_s(free + 4) == pytest.approx(0.3)
    clock.at += 2 * forgotten_in_s
    assert delay_s(free + 5) == pytest.approx(0.2)
    assert max(delay_s(n) for n in range(free + 6, free + 86)) == 4.0
    clock.at += 2 * forgotten_in_s
    assert delay_s(free + 87) == pytest.approx(3.9)


def test_tries_that_were_right_or_never_looked_at_slow_nobody_down(counts: Throttle) -> None:
    """A shift that signs in from one network, or a console that could not look: each takes its own count back."""
    for n in range(200):
        attempt = counts.begin(f"name{n % 7}", "10.0.0.1")
        assert attempt.delay_s == 0.0
        (counts.passed if n % 2 else counts.undo)(attempt)


def test_a_try_that_is_taken_back_leaves_the_failures_of_others(counts: Throttle) -> None:
    for n in range(40):
        counts.begin(f"name{n}", "10.0.0.1")
    for back in (counts.passed, counts.undo):
        before = counts.begin("somebody", "10.0.0.1")
        back(before)
        assert before.delay_s == pytest.approx(1.1)


def test_only_the_one_try_is_undone(counts: Throttle) -> None:
    for _ in range(TRIES - 1):
        counts.begin("alice", "10.0.0.1")
    counts.undo(counts.begin("alice", "10.0.0.1"))
    counts.begin("alice", "10.0.0.1")
    with pytest.raises(TooMany):
        counts.begin("alice", "10.0.0.1")


def test_what_was_counted_longest_ago_is_forgotten_first(
    counts: Throttle, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many other names push out no name that is being guessed at now, from one network or from many."""
    monkeypatch.setattr(throttle, "KEPT", 50)
    for n in range(TRIES):
        counts.begin("alice", "10.0.0.1")
        for other in range(40):
            clock.at += 2
            counts.begin(f"name{n} {other}", f"10.1.{other}.1")
    with pytest.raises(TooMany):
        counts.begin("alice", "10.0.0.1")


@pytest.mark.parametrize(("others", "remembered"), [(9, True), (10, False)])
def test_so_many_names_are_remembered_and_the_oldest_makes_room_for_a_new_one(
    counts: Throttle, monkeypatch: pytest.MonkeyPatch, others: int, remembered: bool
) -> None:
    monkeypatch.setattr(throttle, "KEPT", 10)
    for _ in range(TRIES):
        counts.begin("alice", "10.0.0.1")
    for n in range(others):
        counts.begin(f"name{n}", "10.0.0.1")
    with pytest.raises(TooMany) if remembered else contextlib.nullcontext():
        counts.begin("alice", "10.0.0.1")


def test_a_name_that_comes_when_all_places_are_taken_is_counted(
    counts: Throttle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttle, "KEPT", 10)
    for n in range(30):
        counts.begin(f"name{n}", "10.0.0.1")
    for _ in range(TRIES):
        counts.begin("alice", "10.0.0.1")
    with pytest.raises(TooMany):
        counts.begin("alice", "10.0.0.1")


def test_the_brake_is_felt_at_a_name_that_comes_when_all_places_are_taken(
    counts: Throttle, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttle, "KEPT", 50)
    for n in range(100):
        clock.at += 60
        counts.begin(f"name{n}", f"10.1.{n}.1")
    delays = [counts.begin("alice", f"10.2.{n}.1").delay_s for n in range(12)]
    assert delays == pytest.approx([0.0] * 10 + [0.1, 0.2])


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
    assert [counts.begin("alice", "10.0.0.1", "mark").delay_s for _ in range(20)] == [0.0] * TRIES_KNOWN
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
