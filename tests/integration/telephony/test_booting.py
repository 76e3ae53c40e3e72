"""How it is found out that Asterisk has booted: by its own word, asked for once it can answer."""

from collections.abc import Callable

import pytest

from hotline.settings import Settings
from telephony.asterisk.process import RunningAsterisk, ready
from tests.support.asterisk import AsteriskUnderTest


def test_no_program_is_started_again_and_again_to_ask_whether_it_has_booted(
    settings: Settings, start_asterisk: Callable[[Settings], AsteriskUnderTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of them would take from the processor what the start itself needs."""
    asked: list[str] = []
    command = RunningAsterisk.command

    def noted(self: RunningAsterisk, line: str, within_s: float = 10.0) -> str:
        asked.append(line)
        return command(self, line, within_s)

    monkeypatch.setattr(RunningAsterisk, "command", noted)
    start_asterisk(settings)
    assert ready(settings)
    assert 1 <= len(asked) <= 3, asked
