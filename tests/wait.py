"""Waiting for a condition with a deadline; nothing here sleeps for luck.

A deadline says that something will never come. It is no measure of how soon it should: on a busy machine all takes longer.
"""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
PATIENCE_S = 60.0


def until(what: Callable[[], T], within_s: float = PATIENCE_S, every_s: float = 0.05) -> T:
    """The first true value of `what`; fails the test when the time is over."""
    end = time.monotonic() + within_s
    while True:
        value = what()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {within_s} s in vain for {getattr(what, '__name__', what)!r}")
        time.sleep(every_s)
