"""A real Asterisk with prompts that are tones: one for each test, or one for a module (tests/support/shared_asterisk.py)."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hotline.settings import Settings
from telephony.asterisk.render import folders
from tests.support.asterisk import AsteriskUnderTest, settings_of_a_module
from tests.support.scene import Stage
from tests.support.shared_asterisk import Shared, changes, shares
from tests.support.tones import write_tone

MENU = {"1": "my", "2": "th"}
# What each prompt sounds like, in Hz.
OPENING, QUIET, WRONG_KEY = 300, 400, 500
INVITE_MY, INVITE_TH = 600, 700
TERMS = {"my": 1000, "th": 1100, "en": 1200}
THANKS = {"my": 1400, "th": 1500, "en": 1600}
CANNOT_RECORD_EN = 1800
TONE = 2000
HOLD = 2500
StartAsterisk = Callable[[Settings], AsteriskUnderTest]


@pytest.fixture(scope="module")
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """The Asterisk of a module whose tests share one."""
    settings = settings_of_a_module(tmp_path_factory.mktemp("shared"), **changes(request.node))
    one = Shared(settings, make_menu(make_sounds(settings)))
    yield one
    one.asterisk.stop()
    shutil.rmtree(folders(settings)["run"], ignore_errors=True)


@pytest.fixture
def settings(settings: Settings, request: pytest.FixtureRequest) -> Iterator[Settings]:
    """The usual settings, with short patience. An Asterisk that was killed leaves its socket in /tmp: that goes too."""
    if shares(request):
        one: Shared = request.getfixturevalue("shared")
        one.empty_folders()
        yield one.settings.model_copy()
        return
    yield settings.model_copy(update=changes(request.node))
    shutil.rmtree(folders(settings)["run"], ignore_errors=True)


@pytest.fixture
def sounds(settings: Settings) -> Path:
    """Tones in place of the prompts."""
    return make_sounds(settings)


def make_sounds(settings: Settings) -> Path:
    """The folder of the prompts, each of which is a tone."""
    root = settings.sounds
    for code, hz in TERMS.items():
        write_tone(root / code / "message_terms.sln", hz)
    for code, hz in THANKS.items():
        write_tone(root / code / "thanks.sln", hz)
    for name, hz in {
        "en/opening": OPENING,
        "en/quiet": QUIET,
        "en/wrong_key": WRONG_KEY,
        "en/cannot_record": CANNOT_RECORD_EN,
        "my/invite": INVITE_MY,
        "th/invite": INVITE_TH,
        "tone": TONE,
        "hold/hold": HOLD,
    }.items():
        write_tone(root / f"{name}.sln", hz)
    return root


@pytest.fixture
def menu(sounds: Path) -> dict[str, str]:
    """Burmese on 1, Thai on 2, English for no key."""
    return make_menu(sounds)


def make_menu(sounds: Path) -> dict[str, str]:
    """The menu's globals."""
    invitations = "&".join(str(sounds / code / "invite") for code in MENU.values())
    keys = {f"FREELINE_KEY_{n}": MENU.get(str(n), "") for n in range(1, 10)}
    return {**keys, "FREELINE_MENU": invitations, "FREELINE_NO_KEY": "en"}


@pytest.fixture
def start_asterisk(menu: dict[str, str]) -> Iterator[StartAsterisk]:
    """Starts Asterisks with these settings and stops them after the test."""
    started: list[AsteriskUnderTest] = []

    def start(settings: Settings) -> AsteriskUnderTest:
        started.append(AsteriskUnderTest(settings, menu))
        return started[-1].start()

    yield start
    for one in started:
        one.stop()


@pytest.fixture
def asterisk(
    settings: Settings, menu: dict[str, str], start_asterisk: StartAsterisk, request: pytest.FixtureRequest
) -> Iterator[AsteriskUnderTest]:
    """A real Asterisk with the menu and the tones."""
    assert menu
    if not shares(request):
        yield start_asterisk(settings)
        return
    one: Shared = request.getfixturevalue("shared")
    yield one.asterisk
    one.clean()


@pytest.fixture
def stage(settings: Settings, asterisk: AsteriskUnderTest) -> Iterator[Stage]:
    """People with phones, and an operator."""
    one = Stage(settings, asterisk)
    yield one
    one.close()
