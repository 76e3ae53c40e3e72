"""A wall clock that leaps ahead makes nothing old before it has stood by its leap for a day."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from recordings.vault.trusted_clock import TrustedClock

HOUR, DAY = 3600.0, 86400.0
BEGAN = datetime(2026, 11, 22, 3, 0, tzinfo=UTC).timestamp()


@dataclass
class Machine:
    """A machine whose clocks a test moves."""

    path: Path
    wall: float = BEGAN
    steady: float = 50.0
    start: int = 1

    def look(self) -> float | None:
        """What a fresh process believes, in seconds since the epoch."""
        clock = TrustedClock(self.path, lambda: self.wall, lambda: self.steady, lambda: str(self.start))
        at = clock.look()
        return None if at is None else at.timestamp()

    def runs(self, seconds: float, every: float = HOUR) -> float | None:
        """Time passes, with a look each hour."""
        believed = None
        for _ in range(round(seconds / every)):
            self.wall += every
            self.steady += every
            believed = self.look()
        return believed

    def leaps(self, seconds: float) -> None:
        """Somebody sets the wall clock."""
        self.wall += seconds

    def is_off(self, seconds: float) -> None:
        """Power is off for a while."""
        self.wall += seconds
        self.steady, self.start = 20.0, self.start + 1


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """One that has run for some days."""
    made = Machine(tmp_path / "vault" / "clock.json")
    made.look()
    assert made.runs(2 * DAY) == made.wall
    return made


def test_in_its_first_day_it_says_nothing(tmp_path: Path) -> None:
    """Perhaps the clock was wrong when the machine was set up."""
    made = Machine(tmp_path / "clock.json")
    assert made.look() is None
    assert made.runs(DAY - HOUR) is None
    assert made.runs(HOUR) == made.wall


def test_it_is_the_wall_clock_on_any_common_day(machine: Machine) -> None:
    machine.leaps(40)
    assert machine.runs(5 * HOUR) == machine.wall
    machine.leaps(-40)
    assert machine.runs(HOUR) == machine.wall


def test_a_leap_is_not_believed_and_goes_as_it_came(machine: Machine) -> None:
    right = machine.wall
    machine.leaps(40 * DAY)
    assert machine.look() == right
    assert machine.runs(5 * HOUR) == right + 5 * HOUR
    machine.leaps(-40 * DAY)
    assert machine.look() == right + 5 * HOUR == machine.wall


def test_a_leap_that_stands_a_day_is_believed(machine: Machine) -> None:
    machine.leaps(40 * DAY)
    machine.look()
    believed = machine.runs(DAY - HOUR)
    assert believed is not None
    assert believed < machine.wall - 39 * DAY
    assert machine.runs(HOUR) == machine.wall


def test_a_second_leap_begins_the_day_anew(machine: Machine) -> None:
    """Whoever set it twice was wrong at least once."""
    right = machine.wall
    machine.leaps(40 * DAY)
    machine.look()
    machine.runs(23 * HOUR)
    machine.leaps(10 * DAY)
    machine.look()
    assert machine.runs(23 * HOUR) == right + 46 * HOUR
    assert machine.runs(HOUR) == machine.wall


def test_a_clock_that_leaps_again_and_again_never_stands(machine: Machine) -> None:
    right = machine.wall
    for _ in range(10):
        machine.leaps(10 * DAY)
        machine.look()
        machine.runs(DAY - HOUR)
    assert machine.look() == right + 10 * (DAY - HOUR)


def test_a_clock_that_runs_too_fast_is_not_believed(machine: Machine) -> None:
    right = machine.wall
    for _ in range(48):
        machine.leaps(DAY)
        machine.runs(HOUR)
    assert machine.look() == right + 2 * DAY


def test_a_machine_that_was_off_for_a_weekend_is_believed(machine: Machine) -> None:
    machine.is_off(2.5 * DAY)
    assert machine.look() == machine.wall


def test_a_machine_that_was_off_for_months_is_believed_after_a_day_of_running(machine: Machine) -> None:
    """Perhaps it was; perhaps its clock is wrong. It counts, whether or not it is switched off at night."""
    right = machine.wall
    machine.is_off(90 * DAY)
    assert machine.look() == right
    assert machine.runs(8 * HOUR) == right + 8 * HOUR
    machine.is_off(16 * HOUR)
    machine.look()
    assert machine.runs(8 * HOUR) == right + 16 * HOUR
    machine.is_off(16 * HOUR)
    machine.look()
    assert machine.runs(8 * HOUR) == machine.wall


def test_back_it_follows_at_once(machine: Machine) -> None:
    """An earlier time deletes nothing."""
    machine.leaps(-400 * DAY)
    assert machine.look() == machine.wall


@pytest.mark.parametrize("content", [b"", b"[]", b'{"wall": 1}', b"\xff", b"7"])
def test_what_was_kept_and_cannot_be_read_begins_the_first_day_anew(machine: Machine, content: bytes) -> None:
    machine.path.write_bytes(content)
    assert machine.look() is None
    assert machine.runs(DAY) == machine.wall


def test_this_machines_own_clocks_can_be_looked_at(tmp_path: Path) -> None:
    clock = TrustedClock(tmp_path / "clock.json")
    assert clock.look() is None
    assert clock.look() is None


@pytest.mark.parametrize(("ahead_s", "believed"), [(3600.0, True), (3601.0, False), (-90000.0, True)])
def test_between_two_looks_the_clock_may_be_an_hour_ahead_of_the_steady_one(
    machine: Machine, ahead_s: float, believed: bool
) -> None:
    """It was corrected a little; more than that is a leap. Behind it may be as far as it likes."""
    before = machine.wall
    machine.wall += 1800 + ahead_s
    machine.steady += 1800
    assert machine.look() == (machine.wall if believed else before + 1800)


@pytest.mark.parametrize(("off_s", "believed"), [(3 * DAY, True), (3 * DAY + 1, False)])
def test_a_machine_may_have_been_off_for_three_days(machine: Machine, off_s: float, believed: bool) -> None:
    before = machine.wall
    machine.is_off(off_s)
    assert machine.look() == (machine.wall if believed else before)


def test_what_another_start_of_the_machine_counted_is_not_what_passed_since(machine: Machine) -> None:
    """It was off for months, and ran for longer before the first look than it had before."""
    before = machine.wall
    machine.is_off(90 * DAY)
    machine.steady = 30 * DAY
    assert machine.look() == before


def test_a_steady_clock_that_went_back_began_anew(machine: Machine) -> None:
    """A machine that was put back from a picture of it says the same start of its own."""
    machine.wall += DAY
    machine.steady -= DAY
    assert machine.look() == machine.wall


@pytest.mark.parametrize("drift_s", [-3601.0, -3600.0, 3600.0, 3601.0])
def test_a_leap_stands_while_the_clock_goes_on_within_an_hour_of_the_steady_one(
    machine: Machine, drift_s: float
) -> None:
    """Else the day begins anew."""
    machine.leaps(40 * DAY)
    machine.look()
    machine.runs(23 * HOUR)
    machine.wall += HOUR + drift_s
    machine.steady += HOUR
    assert (machine.look() == machine.wall) is (abs(drift_s) <= HOUR)


def test_a_leap_is_told_of_once_with_its_days(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    """And again when there is another one after it was believed."""
    assert "leapt" not in capsys.readouterr().out
    machine.leaps(40_000 * DAY)
    machine.look()
    told = capsys.readouterr().out
    assert told.count("jumped ahead") == 1
    assert "days=40000.0" in told
    machine.runs(2 * DAY)
    assert "leapt" not in capsys.readouterr().out
    machine.leaps(40.04 * DAY)
    machine.look()
    assert "days=40.0\n" in capsys.readouterr().out


def test_the_first_day_is_no_leap(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = Machine(tmp_path / "clock.json")
    made.look()
    made.runs(2 * DAY)
    assert "leapt" not in capsys.readouterr().out


def test_the_look_is_kept_where_only_this_account_reads(machine: Machine) -> None:
    assert machine.path.parent.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in machine.path.parent.iterdir()] == [machine.path.name]


def test_a_leap_between_two_looks_at_the_same_moment_is_one(machine: Machine) -> None:
    """Nothing passed by the steady clock; that is no new start of the machine, which may have been off for days."""
    right = machine.wall
    machine.leaps(2 * HOUR)
    assert machine.look() == right


def test_the_look_is_kept_though_no_folder_is_there_yet(tmp_path: Path) -> None:
    made = Machine(tmp_path / "a" / "new" / "vault" / "clock.json")
    made.look()
    assert made.runs(DAY) == made.wall
