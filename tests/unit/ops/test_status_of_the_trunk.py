"""`freeline status` is not ready while the carrier refuses our registration: no call would arrive."""

import pytest

from hotline.settings import Settings
from ops import registration, status


@pytest.mark.parametrize(
    ("word", "ready"),
    [
        (registration.NONE, True),
        (registration.OK, True),
        (registration.NOT_REGISTERED, True),
        (registration.NO_ANSWER, False),
        (f"{registration.BAD_PASSWORD} (401)", False),
        (f"{registration.REFUSED} (503)", False),
    ],
)
def test_it_is_ready_only_when_calls_of_the_carrier_arrive(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, word: str, ready: bool
) -> None:
    monkeypatch.setattr(status, "processes", lambda *_: {"ivr": {"state": "running"}})
    monkeypatch.setattr(status, "counts", lambda _: {"database": "ok"})
    monkeypatch.setattr(status.Nudges, "there", lambda _: True)
    for part in ("asterisk_ready", "ivr_answers", "console_answers"):
        monkeypatch.setattr(status, part, lambda _: True)
    monkeypatch.setattr(registration, "word", lambda _: word)
    found = status.status(settings)
    assert (found["ready"], found["trunk"]) == (ready, word)
    # Whoever waits for our own parts at a start does not wait for the carrier.
    assert status.status(settings, carrier=False)["ready"]
