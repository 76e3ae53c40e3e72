"""A log that cannot be written, or that somebody would fill, disturbs nobody."""

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hotline.keys import make_keys
from hotline.log import MESSAGES_KNOWN, Lines
from hotline.settings import ROOT, Settings
from models import Database
from tests.support.wait import until

LOGS = """
import logging, sys
from hotline.log import log, start_log
start_log("console")
for _ in range(3):
    log().error("a page broke", route="/cases")
    logging.getLogger("aiohttp.server").error("Error handling request")
open(sys.argv[1], "w").write("went on")
"""


@pytest.mark.parametrize("ending", ["2>/dev/full", "1>&- 2>&-", "0<&- 1>&- 2>&-", "1>/dev/full 2>/dev/full"])
def test_code_that_logs_goes_on_when_no_line_can_be_written(tmp_path: Path, ending: str) -> None:
    file = tmp_path / "end"
    shell = ["sh", "-c", f'exec "$0" -c "$1" "$2" {ending}', sys.executable, LOGS, str(file)]
    assert subprocess.run(shell, cwd=ROOT, check=False).returncode == 0
    assert file.read_text() == "went on"


def test_a_reader_of_the_log_that_is_gone_is_no_error(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([sys.executable, "-c", LOGS, str(tmp_path / "end")], cwd=ROOT, stderr=writing, check=False)
    os.close(writing)
    assert (done.returncode, (tmp_path / "end").read_text()) == (0, "went on")


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_transcriber_whose_log_is_full_works_and_ends_when_told(settings: Settings, db: Database) -> None:
    """It starts a whole process: it is the one that did nothing and could not be ended."""
    make_keys(settings.keys)
    with Path("/dev/full").open("wb") as full:
        process = subprocess.Popen(
            [sys.executable, "-m", "ops", "run", "transcriber"],
            cwd=ROOT,
            env=os.environ | {"FREELINE_DATA": str(settings.data)},
            stderr=full,
        )
    try:
        beat = settings.run / "transcriber.alive"
        until(lambda: beat.exists() or process.poll() is not None, 60)
        first = beat.stat().st_mtime_ns
        until(lambda: beat.stat().st_mtime_ns > first, 20)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()


def test_what_repeats_is_counted_instead_of_written() -> None:
    told, moment = io.StringIO(), [0.0]
    lines = Lines(told, clock=lambda: moment[0])
    for n in range(125):
        lines.write("a page broke", f"a page broke {n}", a_minute=5)
    assert told.getvalue().splitlines() == [f"a page broke {n}" for n in range(5)]
    moment[0] = 61.0
    lines.write("another", "another thing")
    assert told.getvalue().splitlines()[5:] == ["a page broke … 120 more like it", "another thing"]
    lines.write("a page broke", "a page broke again", a_minute=5)
    assert told.getvalue().splitlines()[7:] == ["a page broke again"]


def test_messages_that_are_all_different_are_bounded_too() -> None:
    told = io.StringIO()
    lines = Lines(told, clock=lambda: 0.0)
    for n in range(10_000):
        lines.write(f"message {n}", f"message {n}")
    assert len(told.getvalue().splitlines()) <= MESSAGES_KNOWN + 20
    lines.tell_counted(everything=True)
    assert "other messages … 9780 more like it" in told.getvalue()


BAD_REQUESTS = """
import logging
from hotline.log import start_log
start_log("console")
for n in range(1000):
    try:
        raise ValueError(f"request {n}")
    except ValueError:
        logging.getLogger("aiohttp.server").exception("Error handling request from %s", f"10.0.{n // 250}.{n % 250}")
"""


def test_strangers_bad_requests_do_not_fill_the_log() -> None:
    """Half-sent requests came to 1.6 kB each: a library's error with its places in the code."""
    said = subprocess.run([sys.executable, "-c", BAD_REQUESTS], cwd=ROOT, capture_output=True, text=True, check=True)
    assert said.stderr.count("ValueError") == 2
    assert "998 more like it" in said.stderr
    assert len(said.stderr) < 2000
