"""The machine: programs, disk, memory, clock, ports."""

import json
import socket
import stat
from datetime import timedelta
from pathlib import Path

import pytest

from hotline.settings import Settings
from models import Contact, Database
from models.db.types import now
from ops.doctor import machine, ports, software
from recordings.transcription.process import CLOCK
from tests.support.cast import Cast
from tests.unit.ops.doctor.conftest import one, said


def program(folder: Path, name: str, says: str) -> None:
    file = folder / name
    file.write_text(f"#!/bin/sh\necho '{says}'\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)


def test_this_machine_has_what_is_needed(settings: Settings) -> None:
    lines = said(software.check, settings)
    assert not [line for line in lines if line.startswith("bad")]
    assert "Asterisk 22" in one(lines, "ok Asterisk")


def test_in_containers_of_their_own_nothing_is_missed_that_is_in_another(settings: Settings, tmp_path: Path) -> None:
    lines = said(software.check, settings, apart=True, cache=tmp_path)
    assert one(lines, "ok Asterisk and Redis are in containers")
    away = {"console_host": "203.0.113.9", "ami_host": "203.0.113.8"}
    assert not [line for line in said(ports.check, settings, apart=True, calls_at_once=1, **away) if line[:2] != "ok"]


def test_missing_programs_are_named(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    lines = said(software.check, settings, cache=tmp_path)
    assert one(lines, "bad missing") == "bad missing: sox, espeak-ng"
    assert one(lines, "bad Asterisk") == "bad Asterisk is missing"


def test_an_old_asterisk_is_told_apart_from_none(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path, "asterisk", "Asterisk 20.6.0~dfsg")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert "20.6.0 is too old" in one(said(software.check, settings, cache=tmp_path), "bad Asterisk")


def test_other_versions_than_those_tested_are_named(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(software, "locked", lambda: [("aiohttp", "0.1")])
    assert "aiohttp" in one(said(software.check, settings), "warn Python packages")


def test_a_locale_without_utf_8_is_bad(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(software.sys, "getfilesystemencoding", lambda: "ascii")
    one(said(software.check, settings), "bad the locale's encoding is ascii")


@pytest.mark.parametrize(("floor_mb", "grade"), [(1, "ok"), (10**9, "bad")])
def test_disk_space_is_held_against_the_floor(settings: Settings, floor_mb: int, grade: str) -> None:
    lines = said(machine.check, settings, free_space_floor_mb=floor_mb)
    assert lines[0].startswith(grade)


def test_little_disk_space_is_a_warning(settings: Settings, tmp_path: Path) -> None:
    free_mb = machine.shutil.disk_usage(tmp_path).free // 1_000_000
    assert "only" in said(machine.check, settings, free_space_floor_mb=free_mb // 2)[0]


@pytest.mark.parametrize(
    ("total_kb", "free_kb", "limit", "start"),
    [
        (300_000, 250_000, None, "bad 300 MB"),
        (8_000_000, 100_000, None, "warn only 100 MB"),
        (8_000_000, 6_000_000, None, "ok 8,000 MB"),
        (8_000_000, 6_000_000, "350000000", "bad 350 MB"),
        (8_000_000, 6_000_000, "max", "ok 8,000 MB"),
    ],
)
def test_memory_of_the_machine_or_the_container(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    total_kb: int, free_kb: int, limit: str | None, start: str,
) -> None:  # fmt: skip
    (tmp_path / "meminfo").write_text(f"MemTotal: {total_kb} kB\nMemAvailable: {free_kb} kB\n")
    monkeypatch.setattr(machine, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(machine, "CGROUP", tmp_path / "max")
    if limit:
        (tmp_path / "max").write_text(limit)
    one(said(machine.check, settings), start)
    if limit:
        settings.spool.mkdir(parents=True)
        one(said(machine.check, settings, apart=True), "ok 8,000 MB"), "it is one container's limit, of many"


@pytest.mark.parametrize(
    ("state", "start"), [(5, "warn nothing keeps"), (-1, "warn the kernel"), (0, "ok the clock is kept")]
)
def test_a_clock_that_nothing_keeps_right_is_a_warning(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, state: int, start: str
) -> None:
    monkeypatch.setattr(machine, "kernel_clock", lambda: state)
    one(said(machine.check, settings), start)


@pytest.mark.parametrize(
    ("name", "grade"),
    [("vm", "ok"), ("3vm", "bad"), ("3vm.example.org", "ok"), ("vm.1a", "bad"), ("01eb41a8dcc5", "bad"), ("", "bad")],
)
def test_a_name_that_browsers_phones_do_not_read_is_bad(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, name: str, grade: str
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: name)
    words = "can read this machine's name" if grade == "ok" else "no browser's phone rings"
    assert [line.split()[0] for line in said(machine.check, settings) if words in line] == [grade]
    assert not [line for line in said(machine.check, settings, apart=True) if "name" in line], "it is not Asterisk's"


def test_the_kernel_tells_of_its_clock() -> None:
    assert machine.kernel_clock() in range(-1, 6)


def test_a_clock_that_leapt_is_bad(settings: Settings) -> None:
    settings.vault.mkdir(parents=True)
    (settings.vault / CLOCK).write_text(json.dumps({"wall": 864_000.0, "believed": 0.0}))
    one(said(machine.check, settings), "bad the clock leapt ahead by 10.0 days")


def test_a_call_in_the_future_shows_a_clock_that_went_back(settings: Settings, db: Database, staff: Cast) -> None:
    with db.write() as session:
        session.add(Contact(call="x", arrived_at=now() + timedelta(hours=2), line="1"))
    assert "120 minutes in the future" in one(said(machine.check, settings), "bad the last call")


def test_ports_that_are_free(settings: Settings) -> None:
    lines = said(ports.check, settings, calls_at_once=10)
    assert all(line.startswith("ok") for line in lines), lines


def test_a_port_that_another_holds_is_named_with_its_setting(settings: Settings) -> None:
    with socket.create_server((settings.ami_host, settings.ami_port)):
        found = list(ports.check(settings.model_copy(update={"calls_at_once": 10})))
    [bad] = [finding for finding in found if finding.grade == "bad"]
    assert (str(settings.ami_port) in bad.text, "FREELINE_AMI_PORT" in bad.mend) == (True, True)


def test_a_host_that_is_not_ours_is_told_from_a_port_that_is_taken(settings: Settings) -> None:
    assert "cannot be had on 203.0.113.9" in one(said(ports.check, settings, console_host="203.0.113.9"), "bad port")


def test_the_rtp_range_must_hold_all_callers_and_should_hold_the_agents(
    settings: Settings, db: Database, staff: Cast
) -> None:
    few = {"rtp_ports": "23900-23919"}
    assert "CALLS_AT_ONCE is 11" in one(said(ports.check, settings, **few, calls_at_once=11), "bad 20 RTP")
    assert "not for" in one(said(ports.check, settings, **few, calls_at_once=10), "warn 20 RTP")
    assert "enough for 1 callers" in one(said(ports.check, settings, **few, calls_at_once=1), "ok 20 RTP")


def test_rtp_ports_that_are_taken_or_hold_the_sip_port(settings: Settings) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as held:
        held.bind(("0.0.0.0", 0))
        port = held.getsockname()[1]
        lines = said(ports.check, settings, rtp_ports=f"{port - 1}-{port + 1}", sip_port=port + 1, calls_at_once=1)
    one(lines, "warn 1 of the RTP ports")
    one(lines, "bad SIP_PORT is inside")
