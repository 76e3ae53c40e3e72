"""Limits concurrent requests to Asterisk, so that a hung Asterisk cannot exhaust the page threads."""

import contextlib
import threading
from collections.abc import Iterator

from telephony.operator.operator import LineFailed

TURN_S = 2.0
# Of the eight threads, so many at most: for pages that fetch a secret for their phone, and for acts on calls.
PHONES = threading.BoundedSemaphore(3)
ACTS = threading.BoundedSemaphore(3)
BUSY = "The telephone system is slow to answer, and others wait for it already. Nothing was changed; try again."


class LineBusy(LineFailed):
    """Others wait for Asterisk already; the text is a sentence for the agent."""


@contextlib.contextmanager
def turn(at_once: threading.BoundedSemaphore) -> Iterator[None]:
    """Ask Asterisk when it is our turn. Raises `LineBusy` when it does not come within two seconds."""
    if not at_once.acquire(timeout=TURN_S):
        raise LineBusy(BUSY)
    try:
        yield
    finally:
        at_once.release()
