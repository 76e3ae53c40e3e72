"""The freeline command: exit codes, and errors of one or two lines."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlmodel import select

from hotline.settings import ROOT
from models import Agent, AgentLanguage, Database


def freeline(data: Path, *words: str, given: str = "", **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ops", *words],
        cwd=ROOT, env=os.environ | {"FREELINE_DATA": str(data)} | env, input=given, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("words", "env"),
    [
        (["run", "nothing"], {}),
        (["nonsense"], {}),
        (["call", "--say"], {}),
        (["status"], {"FREELINE_RTP_PORTS": "9"}),
        (["status"], {"FREELINE_TIMEZONE": "Mars/Olympus"}),
        (["user", "add", "dora", "--speaks", "xx"], {}),
        (["user", "add", "dora", "--role", "king"], {}),
    ],
)
def test_wrong_use_exits_with_2_and_no_traceback(tmp_path: Path, words: list[str], env: dict[str, str]) -> None:
    done = freeline(tmp_path, *words, given="a good long password\n", **env)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.strip()


def test_status_of_nothing_is_not_ready(tmp_path: Path) -> None:
    done = freeline(
        tmp_path, "status", "--json", FREELINE_CONSOLE_PORT="9", FREELINE_AMI_PORT="9", FREELINE_AGI_PORT="9"
    )
    assert done.returncode == 1
    assert '"ready": false' in done.stdout


def test_a_call_into_nothing_says_what_to_do(tmp_path: Path) -> None:
    done = freeline(tmp_path, "call", "--press", "1", FREELINE_SIP_PORT="9")
    assert done.returncode == 1
    assert "freeline up" in done.stderr


def test_a_sound_file_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "words.wav").write_text("no sound")
    done = freeline(tmp_path, "call", "--say", str(tmp_path / "words.wav"))
    assert done.returncode == 1
    assert "not a sound file" in done.stderr


def test_the_first_administrator_is_added_from_the_command_line(tmp_path: Path) -> None:
    done = freeline(
        tmp_path, "user", "add", "ada", "--role", "agent", "--speaks", "my:native,en", given="a good long one\n"
    )
    assert done.returncode == 0, done.stderr
    db = Database(f"sqlite:///{tmp_path / 'freeline.db'}")
    with db.read() as s:
        assert s.exec(select(Agent)).one().login == "ada"
        assert len(s.exec(select(AgentLanguage)).all()) == 2
    short = freeline(tmp_path, "user", "add", "eve", given="short\n")
    assert short.returncode == 2
    assert "10 characters" in short.stderr
