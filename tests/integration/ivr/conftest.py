"""A running ivr server with a real database, and sounds that stand in for the built ones."""

import io
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from hotline.keys import Keys
from hotline.log import start_log
from hotline.nudges import Nudges
from hotline.settings import Settings
from ivr import names, store
from ivr.call import IvrServices
from ivr.server import Server
from ivr.store import FactStore
from models import Database
from telephony.asterisk.secrets import make_secrets
from tests.fakes.asterisk_agi import FakeCall
from tests.support.cast import Cast
from tests.support.wait import PATIENCE_S

MENU = ["my", "th", "km", "lo", "vi", "en", "ko"]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """No waiting for space on the machine that runs the tests."""
    return settings.model_copy(update={"free_space_floor_mb": 0})


def stand_in_sounds(folder: Path, codes: list[str]) -> None:
    """A tenth of a second for every prompt of these languages, and the tone."""
    for code in codes:
        (folder / code).mkdir(parents=True, exist_ok=True)
        for prompt in names.PROMPTS:
            (folder / code / f"{prompt}.sln").write_bytes(b"\0" * 1600)
    (folder / f"{names.TONE}.sln").write_bytes(b"\0" * 1600)


@pytest.fixture
def cast(staff: Cast) -> Cast:
    """The cast and the demo's menu in the settings' own database."""
    return staff


@pytest.fixture
def ivr_db(settings: Settings, db: Database) -> Iterator[Database]:
    """The database as the ivr opens it: it gives up after a tenth of a second."""
    db = Database(settings.database, busy_s=0.1)
    yield db
    db.dispose()


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What the process logs, as in production, and whatever else is written to stderr while the logs are set up."""
    text = io.StringIO()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", text)
        start_log("ivr")
    yield text
    structlog.reset_defaults()


@pytest.fixture(autouse=True)
def _a_busy_machine_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller goes on without a database that takes longer than a moment; tests that mean that say so."""
    monkeypatch.setattr(store, "ANSWER_S", PATIENCE_S)


@pytest.fixture
def server(settings: Settings, ivr_db: Database, keys: Keys, cast: Cast, logged: io.StringIO) -> Iterator[Server]:
    """The server, taking calls."""
    token = make_secrets(settings).agi_token
    stand_in_sounds(settings.sounds, MENU)
    settings.spool.mkdir(parents=True, exist_ok=True)
    sealing = Keys(keys.public, keys.index)
    house = IvrServices(settings, FactStore(settings, ivr_db, sealing), sealing, Nudges(settings.redis))
    server = Server(house, token)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(PATIENCE_S)
    assert server.wait_until_idle(PATIENCE_S), "no script outlives its test"


@pytest.fixture
def caller(settings: Settings, server: Server) -> Callable[..., FakeCall]:
    """Makes callers whose Asterisk talks to the running server."""
    return lambda **facts: FakeCall(settings, **facts)
