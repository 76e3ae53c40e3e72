"""The ports of the tests themselves: no two workers of a run share one, and none can be the kernel's choice."""

import pytest

from tests.support.ports import LANE, LANES, ports_of

BESIDE_EACH_OTHER = {"quick": 4, "waiting": 6, "compose": 1, "alone": 2}


def worker(lane: str, n: int, of: int) -> range:
    return ports_of({LANE: lane, "PYTEST_XDIST_WORKER": f"gw{n}", "PYTEST_XDIST_WORKER_COUNT": str(of)})


def test_no_two_workers_of_lanes_that_run_at_once_share_a_port() -> None:
    taken = [port for lane, of in BESIDE_EACH_OTHER.items() for n in range(of) for port in worker(lane, n, of)]
    assert len(taken) == len(set(taken))
    assert set(BESIDE_EACH_OTHER) | {""} == set(LANES)


@pytest.mark.parametrize("of", [1, 2, 4, 6, 12])
def test_no_two_workers_of_a_run_by_hand_share_a_port(of: int) -> None:
    taken = [port for n in range(of) for port in worker("", n, of)]
    assert len(taken) == len(set(taken))


@pytest.mark.parametrize("lane", LANES)
def test_no_lane_reaches_the_ports_that_the_kernel_gives_to_anybody(lane: str) -> None:
    assert max(worker(lane, 0, 1)) < 32768, "Linux begins there, unless it is told otherwise"
    assert min(worker(lane, 0, 1)) > 1024


def test_too_many_workers_are_refused() -> None:
    with pytest.raises(RuntimeError, match="fewer"):
        worker("compose", 0, 4)
