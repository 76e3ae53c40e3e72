"""A carrier whose keys come in a form that we do not hear shows as many calls through the menu, and no key in any."""

import uuid
from datetime import timedelta

import pytest
from sqlmodel import select

from hotline.calls.facts import Fact, Seen
from hotline.keys import Keys
from hotline.settings import Settings
from models import Database, Language
from models.db.types import now
from ops.doctor import AREAS, callers_keys
from ops.doctor.callers_keys import ENOUGH, LAST
from tests.support.thailand import saw
from tests.unit.ops.doctor.conftest import said

pytestmark = pytest.mark.usefixtures("staff")


def a_call(db: Database, keys: Keys, settings: Settings, *facts: Fact, ago_s: int = 0) -> None:
    call, at = str(uuid.uuid4()), now() - timedelta(seconds=ago_s)
    with db.write() as session:
        for fact in (Fact.ARRIVED, *facts):
            saw(session, keys, call, fact, at, Seen(number="0812345678"), settings.numbering)


def test_calls_through_the_menu_without_any_key_are_told(db: Database, keys: Keys, settings: Settings) -> None:
    assert AREAS["pressed keys"] is callers_keys.check
    assert said(callers_keys.check, settings) == []
    for _ in range(ENOUGH - 1):
        a_call(db, keys, settings, Fact.LANGUAGE)
    a_call(db, keys, settings)  # hung up before
    assert said(callers_keys.check, settings) == [], "so few may have pressed none"
    a_call(db, keys, settings, Fact.LANGUAGE)
    [finding] = list(callers_keys.check(settings))
    assert (finding.grade, finding.text) == ("warn", f"no key was heard in the last {ENOUGH} calls through the menu")
    assert "RFC 4733" in finding.mend
    a_call(db, keys, settings, Fact.KEY, Fact.LANGUAGE)
    assert said(callers_keys.check, settings) == [
        f"ok a key was heard in 1 of the last {ENOUGH + 1} calls through the menu"
    ]


def test_only_the_last_calls_count(db: Database, keys: Keys, settings: Settings) -> None:
    a_call(db, keys, settings, Fact.KEY, Fact.LANGUAGE, ago_s=3600)
    for _ in range(LAST):
        a_call(db, keys, settings, Fact.LANGUAGE)
    assert said(callers_keys.check, settings) == [f"warn no key was heard in the last {LAST} calls through the menu"]


@pytest.mark.parametrize("left", [0, 1])
def test_a_menu_of_one_language_asks_for_no_key(db: Database, keys: Keys, settings: Settings, left: int) -> None:
    for _ in range(ENOUGH):
        a_call(db, keys, settings, Fact.LANGUAGE)
    with db.write() as session:
        for language in session.exec(select(Language)).all()[left:]:
            language.key = None
    assert said(callers_keys.check, settings) == []
