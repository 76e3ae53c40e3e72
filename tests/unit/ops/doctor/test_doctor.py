"""The command: every area is looked at, whatever happens in another, and its exit code tells."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from hotline.errors import PartMissing
from hotline.settings import ROOT, Settings
from ops import doctor
from ops.doctor.finding import Finding


def run(data: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ops", "doctor", *words],
        cwd=ROOT, env=os.environ | {"FREELINE_DATA": str(data)} | env, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip


def test_programs_read_every_area_and_people_read_what_to_do(tmp_path: Path, settings: Settings) -> None:
    ports = {f"FREELINE_{name.upper()}": str(getattr(settings, name)) for name in
             ("console_port", "sip_port", "ami_port", "agi_port", "asterisk_http_port")}  # fmt: skip
    done = run(tmp_path, "--json", **ports)
    found = json.loads(done.stdout)
    assert {"area", "grade", "text", "mend"} == set(found[0])
    assert {"software", "machine", "ports", "keys", "trunk"} <= {row["area"] for row in found}
    assert done.returncode == (1 if any(row["grade"] == "bad" for row in found) else 0)
    words = run(tmp_path, **ports).stdout
    assert "→ the first start makes them: freeline up --no-demo" in words


def test_something_bad_exits_with_1(tmp_path: Path) -> None:
    done = run(tmp_path, FREELINE_TRUNK_MATCH="0.0.0.0/0")
    assert done.returncode == 1
    assert "bad " in done.stdout
    assert "Traceback" not in done.stderr


def test_an_area_that_breaks_does_not_end_the_others(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(_settings: Settings) -> Iterator[Finding]:
        yield Finding("ok", "first")
        raise PartMissing("a part is missing")

    def needs_the_database(_settings: Settings) -> Iterator[Finding]:
        raise OperationalError("SELECT", {}, Exception())
        yield

    def unforeseen(_settings: Settings) -> Iterator[Finding]:
        raise ValueError("nobody thought of it")
        yield

    areas = {"one": breaks, "two": needs_the_database, "three": unforeseen, "four": lambda _s: iter(())}
    monkeypatch.setattr(doctor, "AREAS", areas)
    begun: list[str] = []
    found = list(doctor.examine(settings, begun.append))
    assert begun == ["one", "two", "three", "four"]
    grades = [("one", "ok"), ("one", "bad"), ("two", "warn"), ("three", "bad")]
    assert [(area, finding.grade) for area, finding in found] == grades
    assert "a part is missing" in found[1][1].text


@pytest.mark.parametrize("words", [("doctor",), ("backup", "create", "."), ("backup", "restore", "pyproject.toml")])
def test_a_container_with_a_part_of_the_data_sends_its_operator_to_the_one_with_all(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ops", *words],
        cwd=ROOT, env=os.environ | {"FREELINE_DATA": str(tmp_path), "FREELINE_APART": "true"}, capture_output=True,
        text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert f"docker compose run --rm prepare freeline {' '.join(words[:2])}" in done.stderr
