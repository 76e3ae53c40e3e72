"""Waiting for a condition with a timeout; nothing here sleeps and hopes, and no timeout is an assertion about speed."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
PATIENCE_S = 60.0
"""How long a test waits for a process or a thread that has nothing to wait for itself."""
PATIENCE = 4
"""A deadline says when to give up, not how quick a thing is: on a machine that does other things as well it is longer."""


def until(what: Callable[[], T], within_s: float = 15.0, every_s: float = 0.05) -> T:
    """The first true value of `what`; fails the test when it does not come in the time it takes, or in four times that."""
    end = time.monotonic() + within_s * PATIENCE
    while True:
        value = what()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {within_s * PATIENCE} s in vain for {getattr(what, '__name__', what)!r}")
        time.sleep(every_s)
