"""The server on the wire: who is served, who is refused, and that it lives on."""

import io
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from hotline.settings import Settings
from ivr import server as server_module
from ivr.server import Server
from telephony import names
from tests.fakes.asterisk_agi import FakeCall
from tests.support.wait import PATIENCE_S, until

Callers = Callable[..., FakeCall]


def test_ping_is_answered(caller: Callers) -> None:
    assert caller().run(names.PING)


def test_the_first_command_asks_for_the_token(caller: Callers) -> None:
    call = caller()
    call.run(names.ANSWER)
    assert call.commands[0] == ["GET", "VARIABLE", names.TOKEN]


@pytest.mark.parametrize("token", ["", "wrong", "ไม่ใช่"])
def test_a_caller_without_the_token_is_refused(caller: Callers, token: str) -> None:
    call = caller(token=token)
    assert not call.run(names.ANSWER)
    assert len(call.commands) == 1, "nothing but the token is asked for"


@pytest.mark.parametrize("script", ["no_such_script", "", "../server", "ANSWER", "__init__"])
def test_an_unknown_script_is_closed(caller: Callers, script: str) -> None:
    call = caller()
    assert not call.run(script)
    assert call.variables.get(names.DONE) is None
    assert caller().run(names.PING)


def test_done_is_set_last(caller: Callers) -> None:
    call = caller()
    assert call.run(names.ANSWER)
    assert call.commands[-1] == ["SET", "VARIABLE", names.DONE, names.ANSWER]


def test_a_script_that_fails_sets_no_done_and_says_only_its_type(
    caller: Callers, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], logged: io.StringIO
) -> None:
    def broken(_call: object) -> None:
        raise RuntimeError("quotes +66812345678")

    monkeypatch.setitem(server_module.SCRIPTS, names.ANSWER, broken)
    assert not caller().run(names.ANSWER)
    until(lambda: "error=RuntimeError" in logged.getvalue())
    out, err = capfd.readouterr()
    assert "812345678" not in out + err + logged.getvalue()


def test_a_call_without_a_proper_id_is_left_to_the_net(caller: Callers, settings: Settings) -> None:
    call = caller(variables={names.CALL: "../../etc/passwd"})
    assert not call.run(names.ANSWER)
    assert not list(settings.spool.iterdir())


@pytest.mark.parametrize(
    "name",
    [
        '"; EXEC System "x',
        "a\nSET VARIABLE X evil",
        "a\r\n\r\n200 result=1 (evil)",
        "\udcff".encode("utf-8", "surrogateescape").decode("latin1"),
    ],
)
def test_a_hostile_caller_name_injects_nothing(caller: Callers, name: str) -> None:
    call = caller(name=name)
    call.run(names.ANSWER)
    assert all(command[0] in {"GET", "SET", "STREAM", "ANSWER"} for command in call.commands)
    assert "X" not in call.variables
    assert caller().run(names.ANSWER)


@contextmanager
def held(settings: Settings, count: int, script: str) -> Iterator[list[socket.socket]]:
    """Connections whose Asterisk has sent its environment and then says nothing."""
    lines = []
    try:
        for _ in range(count):
            line = socket.create_connection((settings.agi_host, settings.agi_port), timeout=PATIENCE_S)
            line.sendall(FakeCall(settings).environment(script))
            assert line.recv(4096).startswith(b"GET VARIABLE"), "this one is served"
            lines.append(line)
        yield lines
    finally:
        for line in lines:
            line.close()


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"calls_at_once": 3})


def test_over_the_bound_a_call_is_closed_at_once_and_the_ping_still_answered(
    caller: Callers, settings: Settings
) -> None:
    with held(settings, 3, names.ANSWER):
        extra = caller()
        assert not extra.run(names.ANSWER)
        assert extra.commands == [], "closed without a word"
        assert caller().run(names.PING), "a full line is not a hung one"
    until(lambda: caller().run(names.ANSWER))


def test_a_flood_of_connections_that_say_nothing_is_closed_at_once(caller: Callers, settings: Settings) -> None:
    most = settings.calls_at_once + server_module.SPARE
    lines = [socket.create_connection((settings.agi_host, settings.agi_port), timeout=PATIENCE_S) for _ in range(most)]
    extra = socket.create_connection((settings.agi_host, settings.agi_port), timeout=PATIENCE_S)
    assert extra.recv(1) == b"", "closed at once"
    for line in [*lines, extra]:
        line.close()
    until(lambda: caller().run(names.PING))


def test_a_half_open_client_holds_its_place_only_for_a_while(
    settings: Settings, server: Server, caller: Callers, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ivr.session import Session

    monkeypatch.setattr(server_module, "Session", lambda line: Session(line, reply_s=0.2, environment_s=0.2))
    with held(settings, 3, names.ANSWER):
        until(lambda: caller().run(names.ANSWER))


def test_stopping_lets_running_scripts_end(settings: Settings, server: Server) -> None:
    ended: list[bool] = []
    with held(settings, 1, names.ANSWER):
        server.shutdown()
        waiter = threading.Thread(target=lambda: ended.append(server.wait_until_idle(PATIENCE_S)))
        waiter.start()
        assert not server.wait_until_idle(0.05)
    waiter.join(PATIENCE_S)
    assert ended == [True]


def test_fifty_calls_at_the_same_moment_are_all_accepted(server: Server, settings: Settings) -> None:
    server._most_calls = 100
    server._connections = threading.BoundedSemaphore(100)
    done: list[bool] = []
    calls = [FakeCall(settings) for _ in range(50)]
    threads = [threading.Thread(target=lambda c=call: done.append(c.run(names.PING))) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert done == [True] * 50


def test_the_process_serves_and_stops_on_sigterm(settings: Settings, caller: Callers, tmp_path_factory) -> None:
    import os
    import signal
    import subprocess
    import sys

    from hotline.keys import make_keys
    from telephony.asterisk.secrets import make_secrets
    from tests.support.ports import free_port

    mine = settings.model_copy(update={"data": tmp_path_factory.mktemp("ivr"), "agi_port": free_port()})
    make_keys(mine.keys)
    make_secrets(mine)
    environment = {
        **os.environ,
        "FREELINE_DATA": str(mine.data),
        "FREELINE_DATABASE_URL": mine.database_url,
        "FREELINE_AGI_PORT": str(mine.agi_port),
        "PATH": "/nowhere",  # no espeak-ng here: the line is served without prompts too
    }
    code = "import sys; from hotline.settings import settings; from ivr.server import main; sys.exit(main(settings()))"
    process = subprocess.Popen([sys.executable, "-c", code], env=environment, stderr=subprocess.PIPE)

    def answers() -> bool:
        assert process.poll() is None, process.stderr.read().decode()
        try:
            return FakeCall(mine).run(names.PING)
        except OSError:
            return False

    until(answers)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE_S) == 0
    process.stderr.close()
