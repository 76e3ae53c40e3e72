"""What the switchboard's parts need around them."""

from collections.abc import Iterator

import pytest

from hotline.keys import Keys
from hotline.settings import Settings
from models import Database
from telephony.switchboard.changes.calls import ChangeContext
from telephony.switchboard.writer import ChangeWriter
from tests.support.wait import PATIENCE_S


class Told(list[str]):
    """The nudges that were given."""

    def tell(self, *names: str) -> None:
        """Keep them."""
        self.extend(names)


@pytest.fixture
def told() -> Told:
    """Where nudges go."""
    return Told()


@pytest.fixture
def desk(keys: Keys, settings: Settings) -> ChangeContext:
    """Keys and settings."""
    return ChangeContext(keys, settings)


@pytest.fixture
def ledger(db: Database, desk: ChangeContext, told: Told) -> Iterator[ChangeWriter]:
    """A ledger that writes into the test's database."""
    one = ChangeWriter(db, desk, told.tell)
    one.start()
    yield one
    one.stop(within_s=PATIENCE_S)
