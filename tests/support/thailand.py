"""The line of the tests is in Thailand: how numbers are read there, and facts of calls that carry one."""

from datetime import datetime

from sqlmodel import Session

from hotline.calls import facts
from hotline.calls.facts import Fact, Seen
from hotline.keys import Keys
from hotline.numbers import Numbering
from models import Contact

NOTHING = Seen()
THAI = Numbering("TH")
"""As the settings of a line in Thailand are without another word: the strictest reading, only Thai numbers are dialled."""


def saw(
    session: Session,
    keys: Keys,
    call: str,
    fact: Fact,
    at: datetime,
    seen: Seen = NOTHING,
    numbering: Numbering = THAI,
) -> Contact:
    """Keep a fact of a call, as `hotline.calls.facts.saw` does."""
    return facts.saw(session, keys, call, fact, at, seen, numbering)
