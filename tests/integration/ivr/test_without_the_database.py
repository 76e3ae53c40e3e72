"""The database is locked, broken or gone. No caller waits for it for long, and no call is lost."""

import io
import json
import stat
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from sqlmodel import select

from hotline.calls.facts import Fact
from hotline.keys import Keys
from hotline.settings import Settings
from ivr import store as memory_module
from ivr.store import CallFacts, DatabaseUnavailable, FactStore
from models import Contact, Database
from models.db.types import now
from telephony import names
from tests.fakes.asterisk_agi import FakeCall
from tests.support import databases

Callers = Callable[..., FakeCall]


@pytest.fixture
def locked(db: Database, server: object) -> Iterator[ExitStack]:
    """Another process holds the lock, until it is closed."""
    with ExitStack() as other:
        other.enter_context(databases.locked(db))
        yield other


def notes(settings: Settings, call: FakeCall) -> list[dict[str, Any]]:
    path = names.spool_note(settings.spool, call.call)
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_locked_database_sends_the_call_to_the_spool(caller: Callers, settings: Settings, locked: ExitStack) -> None:
    call = caller(variables={names.ARRIVED: "1790000000"}, keys={"my/invite": ["1"]})
    for script in (names.ANSWER, names.CHOOSE_LANGUAGE, names.ROUTE, names.LEAVE_VOICEMAIL):
        assert call.run(script), script
    lines = notes(settings, call)
    first = lines[0]
    assert first["call"] == call.call
    assert first["linkedid"] == call.linkedid
    assert first["arrived"] == 1790000000.0
    assert first["line"] == "1800123456"
    assert first["number"] == "+66812345678"
    assert all(line["reason"] == "database" for line in lines)
    assert {"arrived_at", "key_at", "language_at", "message_at"} <= {fact for line in lines for fact in line["facts"]}
    assert "my" in {line.get("language") for line in lines}
    assert stat.S_IMODE(names.spool_note(settings.spool, call.call).stat().st_mode) == 0o600


def test_a_call_back_said_to_be_safe_is_in_the_spool_too(
    caller: Callers, settings: Settings, locked: ExitStack
) -> None:
    call = caller(variables={names.QUEUE: "my", names.CHOICE: names.CHOICE_CALLBACK}, keys={"my/safe_to_call": ["1"]})
    assert call.run(names.AFTER_QUEUE)
    assert notes(settings, call)[-1]["callback_said"] == "safe"
    assert "callback_at" in notes(settings, call)[-1]["facts"]


def test_the_menu_is_then_what_asterisk_knows(
    caller: Callers, settings: Settings, ivr_db: Database, server: object
) -> None:
    menu = {names.KEY_PREFIX + "1": "th", names.KEY_PREFIX + "2": "lo", names.NO_KEY: "th"}
    call = caller(variables=menu, keys={"lo/invite": ["2"]})
    with databases.away(ivr_db):
        assert call.run(names.ANSWER)
        assert call.run(names.CHOOSE_LANGUAGE)
    assert call.played == ["th/opening", "th/quiet", "th/invite", "lo/invite"]
    assert call.variables[names.QUEUE] == "lo"


def test_without_a_database_everybody_may_be_rung(
    caller: Callers, settings: Settings, ivr_db: Database, server: object
) -> None:
    call = caller(variables={names.QUEUE: "my"})
    with databases.away(ivr_db):
        assert call.run(names.ROUTE)
    assert (call.variables[names.WAY], call.variables[names.MAX_PENALTY]) == (names.WAY_QUEUE, "10")


def test_after_a_failure_nobody_asks_again_until_it_is_time(settings: Settings, server: Any, locked: ExitStack) -> None:
    memory: FactStore = server._house.memory
    asked = []

    def ask(session: Any) -> None:
        asked.append(1)
        session.exec(select(Contact)).all()

    memory.look(ask)
    memory.reading.shut_until = time.monotonic() + 60
    for _ in range(5):
        with pytest.raises(DatabaseUnavailable):
            memory.look(ask)
    assert len(asked) == 1
    memory.reading.shut_until = time.monotonic() - 1
    memory.look(ask)
    assert memory.reading.shut_until is None, "one call tried, and it went well"


def test_when_the_database_is_back_calls_are_kept_there_again(
    caller: Callers, settings: Settings, ivr_db: Database, locked: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory_module, "BREAK_S", 0.0)
    assert caller().run(names.ANSWER)
    locked.close()
    call = caller()
    assert call.run(names.ANSWER)
    assert not names.spool_note(settings.spool, call.call).exists()
    with ivr_db.write() as session:
        assert session.exec(select(Contact).where(Contact.call == call.call)).one()


def test_neither_database_nor_spool_ends_no_call_and_says_no_number(
    caller: Callers, settings: Settings, locked: ExitStack, logged: io.StringIO
) -> None:
    settings.spool.rmdir()
    settings.spool.write_text("a file where the folder should be")
    assert caller().run(names.ANSWER)
    assert "neither the database nor the spool" in logged.getvalue()
    assert "812345678" not in logged.getvalue()


def test_a_database_that_gives_no_answer_at_all_does_not_hold_a_caller(
    server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory: FactStore = server._house.memory
    monkeypatch.setattr(memory_module, "ANSWER_S", 0.05)
    answered = threading.Event()
    with pytest.raises(DatabaseUnavailable):
        memory.look(lambda _session: answered.wait(60))
    answered.set()
    memory.reading.shut_until = None
    monkeypatch.setattr(memory_module, "ANSWER_S", 10.0)
    assert memory.look(lambda _session: 1) == 1


def test_many_callers_at_a_locked_database_all_go_on(caller: Callers, settings: Settings, locked: ExitStack) -> None:
    calls = [caller() for _ in range(30)]
    done: list[bool] = []
    threads = [threading.Thread(target=lambda c=call: done.append(c.run(names.ANSWER))) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert done == [True] * 30
    assert all(notes(settings, call) for call in calls)


def test_facts_are_kept_on_both_databases_and_a_lock_on_either_sends_them_to_the_spool(
    settings: Settings, db: Database, keys: Keys
) -> None:
    memory = FactStore(settings, Database(db.url, busy_s=0.1), keys)
    facts = CallFacts(str(uuid.uuid4()), "1.2", "1800123456", "0812345678", now())
    assert memory.keep(facts, {Fact.ARRIVED: facts.arrived}, language="my")
    assert memory.look(lambda s: s.exec(select(Contact.call)).one()) == facts.call
    with databases.locked(db):
        assert not memory.keep(facts, {Fact.CALLBACK: now()})
    assert names.spool_note(settings.spool, facts.call).exists()
