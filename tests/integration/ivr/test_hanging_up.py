"""She hangs up at any moment, in any way it can look on the wire. The server lives on and keeps quiet about her."""

import io
from collections.abc import Callable

import pytest
from sqlmodel import select

from hotline.settings import Settings
from hotline.staff import states as agents
from ivr.server import Server
from models import AgentStatus, Contact, Database
from telephony import names
from tests.fakes.asterisk_agi import FakeCall, Leaving
from tests.support.cast import Cast
from tests.support.wait import PATIENCE_S, until

Callers = Callable[..., FakeCall]
NUMBER = "+66899990123"
# A wrong key, so that the corrections are walked through as well, then Burmese.
KEYS = {"my/invite": ["9", "1"], "my/safe_to_call": ["1"]}
BEFORE = {
    names.ANSWER: {},
    names.CHOOSE_LANGUAGE: {},
    names.ROUTE: {names.QUEUE: "my"},
    names.AFTER_QUEUE: {names.QUEUE: "my", names.CHOICE: names.CHOICE_CALLBACK},
    names.LEAVE_VOICEMAIL: {names.QUEUE: "my"},
}


def walk(caller: Callers, script: str, **facts: object) -> FakeCall:
    keys = {where: list(pressed) for where, pressed in KEYS.items()}
    call = caller(number=NUMBER, keys=keys, variables=dict(BEFORE[script]), **facts)
    call.run(script)
    return call


@pytest.mark.parametrize("how", list(Leaving))
@pytest.mark.parametrize("script", list(BEFORE))
def test_a_hang_up_after_any_command_ends_only_this_call(
    caller: Callers,
    server: Server,
    logged: io.StringIO,
    capfd: pytest.CaptureFixture[str],
    script: str,
    how: Leaving,
) -> None:
    whole = walk(caller, script)
    assert whole.variables[names.DONE] == script
    assert len(whole.commands) >= 5, "a script too short for this test to mean anything"
    for step in range(len(whole.commands)):
        left = walk(caller, script, leaves_after=step, leaves_how=how)
        assert len(left.commands) == step
        assert left.variables.get(names.DONE) != script
    assert server.wait_until_idle(PATIENCE_S)
    assert caller().run(names.PING)
    until(lambda: walk(caller, script).variables.get(names.DONE) == script)
    out, err = capfd.readouterr()
    assert NUMBER[3:] not in out + err + logged.getvalue()
    assert "level=error" not in logged.getvalue()


def test_hanging_up_while_recording_keeps_what_was_said(caller: Callers, ivr_db: Database, server: Server) -> None:
    whole = walk(caller, names.LEAVE_VOICEMAIL)
    recorded = next(n for n, command in enumerate(whole.commands) if command[:2] == ["EXEC", "TryExec"])
    left = walk(caller, names.LEAVE_VOICEMAIL, leaves_after=recorded + 1)
    assert left.recorded is not None
    assert left.recorded.stat().st_size > 0
    assert server.wait_until_idle(PATIENCE_S)
    with ivr_db.write() as session:
        kept = session.exec(select(Contact).where(Contact.call == left.call)).one()
        assert kept.message_at is not None


def test_a_call_back_asked_for_stays_asked_for_when_she_hangs_up_before_the_question(
    caller: Callers, ivr_db: Database, server: Server
) -> None:
    whole = walk(caller, names.AFTER_QUEUE)
    asked = next(n for n, c in enumerate(whole.commands) if c[:2] == ["STREAM", "FILE"])
    left = walk(caller, names.AFTER_QUEUE, leaves_after=asked)
    assert server.wait_until_idle(PATIENCE_S)
    with ivr_db.write() as session:
        kept = session.exec(select(Contact).where(Contact.call == left.call)).one()
        assert kept.callback_at is not None


def test_a_whole_call_makes_one_row(caller: Callers, ivr_db: Database, cast: Cast, settings: Settings) -> None:
    with ivr_db.write() as session:
        agents.set_reachable(session, cast.alice.id, True)
        agents.set_status(session, cast.alice.id, AgentStatus.READY)
    call = caller(number=NUMBER, keys={"en/opening": ["1"]})
    for script in (names.ANSWER, names.CHOOSE_LANGUAGE, names.ROUTE):
        assert call.run(script)
    assert call.variables[names.WAY] == names.WAY_QUEUE
    call.variables[names.CHOICE] = names.CHOICE_MESSAGE
    for script in (names.AFTER_QUEUE, names.LEAVE_VOICEMAIL):
        assert call.run(script)
    with ivr_db.write() as session:
        assert len(session.exec(select(Contact)).all()) == 1
    assert [p.name for p in settings.spool.iterdir()] == [f"{call.call}.sln"]
