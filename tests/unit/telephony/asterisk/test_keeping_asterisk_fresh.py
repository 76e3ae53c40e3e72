"""The thread that keeps Asterisk's menu fresh and tells it whether there is room."""

import pytest

from hotline import disk
from hotline.settings import Settings
from telephony import names
from telephony.asterisk import process as run_asterisk


class Running:
    """An Asterisk for so many looks."""

    refused = 0

    def __init__(self, settings: Settings, looks: int) -> None:
        self.settings, self.process, self._looks = settings, self, looks
        self.told: list[tuple[str, str]] = []

    def poll(self) -> int | None:
        self._looks -= 1
        return None if self._looks >= 0 else 0

    def tell(self, variable: str, value: str) -> bool:
        self.told.append((variable, value))
        return True


def test_a_fault_of_ours_does_not_leave_the_line_without_messages(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk was full and has room again; meanwhile something that nobody thought of went wrong."""
    room = iter((False, False, True, True))

    def fails(_running: object) -> None:
        raise LookupError

    monkeypatch.setattr(run_asterisk, "_look_again", fails)
    monkeypatch.setattr(run_asterisk, "SPACE_EVERY_S", 0.0)
    monkeypatch.setattr(disk, "can_record", lambda _settings: next(room))
    running = Running(settings, looks=4)
    run_asterisk._keep_fresh(running)  # type: ignore[arg-type]
    assert running.told == [(names.FULL, "1"), (names.FULL, "")]
