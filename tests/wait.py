"""Waiting for a condition with a deadline; nothing here sleeps for luck."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(what: Callable[[], T], within_s: float = 15.0, every_s: float = 0.05) -> T:
    """The first true value of `what`; fails the test when the time is over."""
    end = time.monotonic() + within_s
    while True:
        value = what()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {within_s} s in vain for {getattr(what, '__name__', what)!r}")
        time.sleep(every_s)
