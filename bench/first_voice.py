"""How long a caller waits for the first voice while something fails: `python -m bench.first_voice`. On loopback, bounded.

Silence is the time between the answer and the first sound; before the answer it rings. Each fault is called into a few
times, a moment apart, from the moment at which it happens.
"""

import logging
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import structlog

from ivr import prompts
from telephony.softphone.phone import Phone
from tests.e2e.conftest import hire_before_start
from tests.support.stack import Whole
from tests.support.wait import until

CALLS = 5
APART_S = 0.6
LONGEST_S = 25.0
LOUD = 400

Fault = Callable[[Whole], object]
FAULTS: dict[str, Fault] = {
    "nothing": lambda _it: None,
    "ivr frozen": lambda it: it.kill("ivr", signal.SIGSTOP),
    "ivr killed": lambda it: it.kill("ivr"),
    "switchboard killed": lambda it: it.kill("switchboard"),
    "asterisk killed": lambda it: it.kill("asterisk"),
}


def called(it: Whole, n: int) -> tuple[float, float] | None:
    """Seconds from the INVITE to the answer, and from there to the first sound; None when there was none in time."""
    time.sleep(n * APART_S)
    with Phone(it.line) as phone:
        began = time.monotonic()
        with phone.call("1800123456", f"08123450{n:02}") as call:
            if not call.wait_answered(LONGEST_S):
                return None
            answered = time.monotonic()
            while time.monotonic() - began < LONGEST_S:
                if any(abs(int.from_bytes(call.heard[i : i + 2], "little", signed=True)) > LOUD
                       for i in range(0, len(call.heard) // 2 * 2, 64)):  # fmt: skip
                    return answered - began, time.monotonic() - answered
                time.sleep(0.02)
    return None


def main() -> int:
    """Print a line for each fault; 1 when a caller heard nothing, or more than three seconds of silence."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    bad = False
    with tempfile.TemporaryDirectory() as name:
        it = Whole(Path(name) / "data")
        menu = [(str(n), code) for n, code in enumerate(["my", "th", "km", "lo", "vi", "en"], start=1)]
        prompts.build(it.settings, {}, menu, lambda _done, _all: None)
        hire_before_start(it)
        try:
            it.start(180)
            for what, fault in FAULTS.items():
                until(lambda: it.status()["ready"], 90, 1.0)
                fault(it)
                with ThreadPoolExecutor(CALLS) as pool:
                    found = list(pool.map(lambda n: called(it, n), range(CALLS)))
                heard = [one for one in found if one is not None]
                silent = max((silence for _, silence in heard), default=LONGEST_S)
                rang = max((ring for ring, _ in heard), default=LONGEST_S)
                bad = bad or len(heard) < CALLS or silent > 3.0
                sys.stdout.write(
                    f"{what:20} heard {len(heard)} of {CALLS}; longest ring {rang:.1f} s, silence {silent:.1f} s\n"
                )
                sys.stdout.flush()
        finally:
            it.stop()
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
