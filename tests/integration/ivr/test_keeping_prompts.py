"""While the line is open the sounds follow the menu: at the start, on a nudge, and each minute without one."""

import shutil
import subprocess
import threading
from collections.abc import Iterator

import pytest

from hotline.line import languages
from hotline.nudges import MENU_CHANGED, Nudges
from hotline.settings import Settings
from ivr.prompts.manifest import load
from ivr.prompts.rebuild import PromptRebuilder
from models import Database
from tests.support.wait import PATIENCE_S, until


@pytest.fixture
def redis(settings: Settings) -> Iterator[Nudges]:
    """A private Redis on the settings' own socket."""
    settings.run.mkdir(parents=True, exist_ok=True)
    binary = shutil.which("redis-server")
    assert binary, "these tests need redis-server"
    server = subprocess.Popen(
        [binary, "--port", "0", "--unixsocket", str(settings.run / "redis.sock"), "--save", ""],
        stdout=subprocess.DEVNULL,
    )
    nudges = Nudges(settings.redis)
    until(nudges.there)
    yield nudges
    server.terminate()
    server.wait(PATIENCE_S)


def test_a_changed_menu_is_built_on_a_nudge(settings: Settings, db: Database, redis: Nudges) -> None:
    with db.write() as session:
        languages.put_language(session, "en", key="1", position=1, is_for_no_key=True)
    stop = threading.Event()
    keeper = PromptRebuilder(settings, db, Nudges(settings.redis), stop)
    keeper.start()
    until(lambda: load(settings).languages == ["en"])
    with db.write() as session:
        languages.put_language(session, "ko", key="2", position=2)

    def built() -> bool:
        redis.tell(MENU_CHANGED)
        return "ko/invite" in load(settings).sounds

    until(built, every_s=0.2)
    stop.set()
    keeper.wake()


def test_a_database_without_tables_yet_does_not_end_the_keeping(settings: Settings) -> None:
    settings.data.mkdir(parents=True)
    db = Database(settings.database)
    stop = threading.Event()
    keeper = PromptRebuilder(settings, db, Nudges(settings.redis), stop)
    keeper.start()
    until(lambda: (settings.data / "freeline.db").exists())
    db.migrate()
    with db.write() as session:
        languages.put_language(session, "en", key="1", position=1, is_for_no_key=True)

    def built() -> bool:
        keeper.wake()
        return load(settings).languages == ["en"]

    until(built, every_s=0.2)
    stop.set()
    keeper.wake()
    db.dispose()
