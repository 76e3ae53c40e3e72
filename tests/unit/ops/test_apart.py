"""Processes in containers of their own: what is prepared, handed out, kept running and told."""

import http.server
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from hotline.errors import PartMissing
from hotline.settings import ROOT, Settings
from ops import prepare
from ops.log_file import LOG_MAX_BYTES
from ops.prepare import prepare_apart
from ops.status import processes
from ops.supervision.health import healthy
from ops.supervision.supervisor import kept_file
from telephony.asterisk.secrets import make_secrets
from tests.support.ports import free_port
from tests.support.wait import PATIENCE_S, until


def test_what_is_handed_out_opens_nothing(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare, "build_prompts", lambda *_: None)
    prepare_apart(settings, tmp_path / "out", lambda _: None)
    names = {folder: {p.name for p in (tmp_path / "out" / folder).iterdir()} for folder in ("line", "sealing")}
    assert not any(name.endswith((".age", ".key")) for name in names["line"])
    assert "agi_token.secret" in names["line"]
    assert names["sealing"] == names["line"] | {"public.age", "index.key"}
    for path in (tmp_path / "out").glob("*/*"):
        assert path.stat().st_mode & 0o077 == 0
        assert path.read_bytes() == (settings.keys / path.name).read_bytes()


def test_who_reads_meanwhile_never_sees_half_of_what_is_handed_out(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is handed out at each `up`, while the others run."""
    monkeypatch.setattr(prepare, "build_prompts", lambda *_: None)
    prepare_apart(settings, tmp_path / "out", lambda _: None)
    token = tmp_path / "out" / "line" / "agi_token.secret"
    with token.open() as reading:
        (settings.keys / token.name).write_text("another")
        prepare_apart(settings, tmp_path / "out", lambda _: None)
        assert len(reading.read()) > 20, "the old one, whole"
    assert token.read_text() == "another"
    assert not list((tmp_path / "out").glob("*/.*"))


def test_the_console_is_asked_directly_whatever_proxy_the_environment_has(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Alive(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with http.server.HTTPServer((settings.console_host, settings.console_port), Alive) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert healthy(settings, "console")
        server.shutdown()


def test_a_database_that_does_not_come_is_told(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare, "DATABASE_WITHIN_S", 0.0)
    away = settings.model_copy(update={"database_url": f"postgresql://nobody@127.0.0.1:{free_port()}/none"})
    with pytest.raises(PartMissing, match="FREELINE_DATABASE_URL"):
        prepare_apart(away, None, lambda _: None)


def test_a_process_kept_alone_is_started_again_and_ends_with_its_keeper(settings: Settings) -> None:
    make_secrets(settings)
    env = os.environ | {"FREELINE_DATA": str(settings.data), "PYTHONUNBUFFERED": "1"}
    keeper = subprocess.Popen(
        [sys.executable, "-m", "ops", "run", "redis", "--keep"], cwd=ROOT, env=env, stderr=subprocess.DEVNULL
    )

    def child() -> int:
        found = Path(f"/proc/{keeper.pid}/task/{keeper.pid}/children").read_text().split()
        return int(found[0]) if found else 0

    try:
        until(lambda: healthy(settings, "redis"))
        assert processes(settings)["redis"]["state"] == "running"
        first = child()
        os.kill(first, signal.SIGKILL)
        until(lambda: child() not in {0, first} and healthy(settings, "redis"))
        second = child()
    finally:
        keeper.terminate()
        assert keeper.wait(PATIENCE_S) == 0
    assert not Path(f"/proc/{second}").exists()
    assert not kept_file(settings, "redis").exists()
    assert processes(settings)["redis"]["state"] == "down"


def test_a_keeper_does_not_empty_what_it_was_told_to_print_into(settings: Settings, tmp_path: Path) -> None:
    make_secrets(settings)
    env = os.environ | {"FREELINE_DATA": str(settings.data)}
    with (tmp_path / "of the engine").open("ab") as log:
        log.truncate(LOG_MAX_BYTES + 1)
        keeper = subprocess.Popen(
            [sys.executable, "-m", "ops", "run", "redis", "--keep"], cwd=ROOT, env=env, stderr=log
        )
        try:
            until(lambda: healthy(settings, "redis"))
        finally:
            keeper.terminate()
            assert keeper.wait(PATIENCE_S) == 0
        assert os.fstat(log.fileno()).st_size > LOG_MAX_BYTES


def test_a_process_that_nobody_asks_is_judged_by_its_beat(settings: Settings) -> None:
    settings.run.mkdir(parents=True)
    beat = settings.run / "transcriber.alive"
    assert not healthy(settings, "transcriber")
    beat.touch()
    os.utime(beat, (time.time(), time.time()))
    assert healthy(settings, "transcriber")
    os.utime(beat, (0, 0))
    assert not healthy(settings, "transcriber")


def test_nothing_is_healthy_that_does_not_run(settings: Settings) -> None:
    make_secrets(settings)
    names = ("redis", "asterisk", "ivr", "switchboard", "transcriber", "jobs", "console", "nonsense")
    assert not any(healthy(settings, name) for name in names)
