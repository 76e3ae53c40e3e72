"""Misspelt settings, settings not yet in force, and the forms in which the trunk sends numbers."""

import os
import uuid
from datetime import timedelta

import pytest

from hotline.calls.facts import Fact, Seen
from hotline.keys import Keys
from hotline.settings import Settings
from models import Database
from models.db.types import now
from ops import in_force
from ops.doctor import callers_numbers, settings_in_force
from tests.support.thailand import saw
from tests.unit.ops.doctor.conftest import one, said


@pytest.fixture(autouse=True)
def _no_settings_of_this_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().startswith("FREELINE_"):
            monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("FREELINE_TRUNK_HOTS", "FREELINE_TRUNK_HOST"),
        ("FREELINE_TRUNKMATCH", "FREELINE_TRUNK_MATCH"),
        ("FREELINE_TRUNK_PASWORD_FILE", "FREELINE_TRUNK_PASSWORD_FILE"),
        ("FREELNE_LINES", "FREELINE_LINES"),
        ("FREELINE_WOMBAT", ""),
    ],
)
def test_a_misspelt_setting_is_told_with_the_one_that_was_meant(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, name: str, meant: str
) -> None:
    assert said(settings_in_force.check, settings) == ["ok every setting is known, and in force where Freeline runs"]
    monkeypatch.setenv(name, "s3cret")
    [finding] = list(settings_in_force.check(settings))
    assert (finding.grade, name in finding.text) == ("bad", True)
    assert meant in finding.mend
    assert "s3cret" not in finding.text + finding.mend


def test_every_setting_and_what_stands_beside_them_is_known() -> None:
    names = [name.upper() for name in Settings.model_fields]
    environment = {
        f"FREELINE_{name}": "" for name in [*names, "TRUNK_PASSWORD_FILE", "SITE", "INNER", "TEST_LANE", "STORM"]
    }
    assert in_force.unknown({**environment, "PATH": "", "FREE": "", "ONLINE_MODE": "", "LINES": ""}) == {}


def test_a_setting_that_was_changed_since_the_start_is_not_in_force(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FREELINE_TRUNK_HOTS", "x")
    in_force.note(settings, "console")
    monkeypatch.delenv("FREELINE_TRUNK_HOTS")
    lines = said(settings_in_force.check, settings, trunk_password="new")
    one(lines, "bad FREELINE_TRUNK_HOTS is no setting")
    one(lines, "warn FREELINE_TRUNK_PASSWORD is not what console started with")
    assert len(lines) == 2
    kept = (settings.run / "settings" / "console.json").read_text()
    assert "new" not in kept
    assert settings.trunk_match not in kept


def test_what_a_process_that_is_gone_started_with_does_not_count(settings: Settings) -> None:
    in_force.note(settings, "console")
    path = settings.run / "settings" / "console.json"
    path.write_text(path.read_text().replace(f'"pid": {os.getpid()}', '"pid": 999999999'))
    assert in_force.changed(settings.model_copy(update={"lines": "1506"})) == {}


def test_settings_are_kept_nowhere_without_harm_when_the_folder_cannot_be_written(settings: Settings) -> None:
    settings.data.mkdir(parents=True, exist_ok=True)
    settings.run.write_text("no folder")
    in_force.note(settings, "console")
    assert in_force.changed(settings) == {}


def a_call(db: Database, keys: Keys, settings: Settings, number: str, ago_s: int) -> None:
    with db.write() as session:
        at = now() - timedelta(seconds=ago_s)
        saw(session, keys, str(uuid.uuid4()), Fact.ARRIVED, at, Seen(number=number), settings.numbering)


def test_the_last_calls_show_how_the_trunk_writes_numbers(db: Database, keys: Keys, settings: Settings) -> None:
    assert said(callers_numbers.check, settings) == []
    a_call(db, keys, settings, "0812345678", 9)
    a_call(db, keys, settings, "anonymous", 8)
    assert said(callers_numbers.check, settings) == ["ok the last 2 calls: 1 with a certain number, 1 withheld"]
    for number in ("0085512345678", "0085512345679", "8562055512345"):
        a_call(db, keys, settings, number, 1)
    found = list(callers_numbers.check(settings))
    assert (
        found[0].text == "the last 5 calls: 1 with a certain number, 1 withheld, 3 not certain, and so not called back"
    )
    assert [(f.text, f.mend.rpartition(" ")[2]) for f in found[1:]] == [
        ("2 of the form 00ddddddddddd", "FREELINE_TRUNK_INTERNATIONAL_PREFIXES=00"),
        ("1 of the form ddddddddddddd", "FREELINE_TRUNK_E164_WITHOUT_PLUS=true"),
    ]
    assert not any(digits in f.text + f.mend for f in found for digits in ("8551", "85620", "66812"))
