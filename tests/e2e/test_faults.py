"""The line never goes dead, and every call becomes exactly one case, whatever breaks."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
import redis
from sqlmodel import col, func, select

from models import Case, Contact, Outcome, Recording
from tests.e2e.conftest import hire_before_start
from tests.support.callers import Story, all_at_once, hum, leave_message
from tests.support.databases import on_both, on_sqlite
from tests.support.postgres import Postgres
from tests.support.stack import Whole
from tests.support.wait import until


@pytest.fixture(autouse=True)
def as_patient_as_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """A script that hangs is given up as soon as on a line that serves people."""
    monkeypatch.setenv("FREELINE_FIRST_WORD_S", "2.3")


def filed(it: Whole, count: int, within_s: float = 60) -> list[Contact]:
    """Wait until so many calls are over and filed; then none is lost and none is doubled."""

    def done() -> bool:
        contacts = it.contacts()
        over = len(contacts) >= count and all(c.case_id and c.ended_at for c in contacts)
        # The end and the recording come in any order; when the spool is empty all is known.
        return over and not list(it.settings.spool.iterdir())

    until(done, within_s, 0.3)
    contacts = it.contacts()
    assert len(contacts) == count
    assert len({c.call for c in contacts}) == count
    return contacts


def page(it: Whole) -> tuple[int, str]:
    """A page asked for with a sign-in, which is looked up in the database: its status and text."""
    try:
        with urlopen(Request(it.url + "/queue", headers={"Cookie": "freeline_session=ended"}), timeout=30) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()


def recordings(it: Whole) -> list[Recording]:
    with it.db.read() as s:
        return list(s.exec(select(Recording).order_by(col(Recording.id))))


def a_message_was_kept(it: Whole, within_s: float = 30) -> None:
    [recording] = until(lambda: recordings(it), within_s)
    assert recording.duration_s > 2.0
    until(lambda: not list(it.settings.spool.iterdir()), 20)


def test_with_the_ivr_hung_the_net_takes_the_message_and_the_case_is_filed(quick: Whole) -> None:
    os.kill(quick.pid("ivr"), signal.SIGSTOP)
    story = leave_message(quick, "0812345678", key="1")
    assert story.answered and story.tone and story.said
    [contact] = filed(quick, 1)
    assert contact.outcome is Outcome.VOICEMAIL
    assert contact.language == "my"
    assert contact.caller_id is not None
    a_message_was_kept(quick)


def test_an_ivr_that_dies_again_and_again_is_no_silence(quick: Whole) -> None:
    stop = threading.Event()

    def killer() -> None:
        while not stop.wait(0.15):
            pid = quick.pid("ivr")
            if pid and Path(f"/proc/{pid}").exists():
                os.kill(pid, signal.SIGKILL)

    thread = threading.Thread(target=killer, daemon=True)
    thread.start()
    try:
        story = leave_message(quick, "0812345678", key="2")
    finally:
        stop.set()
        thread.join()
    assert story.tone and story.said
    [contact] = filed(quick, 1)
    assert contact.outcome is Outcome.VOICEMAIL
    a_message_was_kept(quick)


@pytest.mark.parametrize("name", ["switchboard", "transcriber", "jobs", "redis", "console"])
def test_with_a_process_hung_a_message_is_taken_and_filed_when_it_is_back(quick: Whole, name: str) -> None:
    old = quick.pid(name)
    os.kill(old, signal.SIGSTOP)
    story = leave_message(quick, "0812345678")
    assert story.tone and story.said
    if quick.pid(name) == old:  # the supervisor sees some hangs by itself
        with contextlib.suppress(ProcessLookupError):
            os.kill(old, signal.SIGKILL)
    quick.came_back(name, old)
    [contact] = filed(quick, 1)
    assert contact.outcome is Outcome.VOICEMAIL
    a_message_was_kept(quick)


@on_sqlite
@pytest.mark.first
def test_sqlite_locked_for_a_minute_loses_nothing(quick: Whole) -> None:
    held = sqlite3.connect(quick.settings.data / "freeline.db", isolation_level=None, timeout=10)
    started = time.monotonic()
    held.execute("BEGIN IMMEDIATE")
    try:
        story = leave_message(quick, "0812345678", key="1")
        assert story.tone and story.said
        assert quick.contacts() == [], "the lock did not hold"
        threading.Event().wait(max(0.0, 60 - (time.monotonic() - started)))
    finally:
        held.rollback()
        held.close()
    [contact] = filed(quick, 1, 90)
    assert contact.outcome is Outcome.VOICEMAIL
    assert contact.language == "my"
    a_message_was_kept(quick)


@on_both
@pytest.mark.alone
def test_kill_9_of_each_process_in_turn_during_20_calls_loses_and_doubles_nothing(quick: Whole) -> None:
    def killer() -> None:
        for name in ("switchboard", "ivr", "redis", "transcriber", "jobs", "console"):
            threading.Event().wait(5)
            old = quick.kill(name)
            quick.came_back(name, old)

    thread = threading.Thread(target=killer, daemon=True)
    thread.start()
    stories = all_at_once(
        20, lambda n: leave_message(quick, f"08123400{n:02}", key=str(1 + n % 6), say_s=2.0), apart_s=1.0
    )
    thread.join()
    assert all(s.answered for s in stories)
    assert [s.number for s in stories if not s.tone] == [], "somebody waited for ever"
    contacts = filed(quick, 20, 90)
    assert len({c.case_id for c in contacts}) == 20
    assert all(c.outcome is Outcome.VOICEMAIL for c in contacts)
    assert len(recordings(quick)) == 20


def test_asterisk_killed_in_the_middle_of_calls_keeps_what_was_said(quick: Whole) -> None:
    from ops.place_call import wait_for_tone, wait_for_voice
    from telephony.softphone.phone import Phone

    with Phone(quick.line) as one, Phone(quick.line) as two:
        speaking, choosing = one.call("1800123456", "0812340001"), two.call("1800123456", "0812340002")
        assert speaking.wait_answered() and choosing.wait_answered()
        assert wait_for_voice(speaking, 60)
        speaking.press("6")
        assert wait_for_tone(speaking)
        speaking.say(hum(4))
        speaking.wait_said(10)
        old = quick.kill("asterisk")
        quick.came_back("asterisk", old)
    contacts = filed(quick, 2, 90)
    assert {c.outcome for c in contacts} == {Outcome.VOICEMAIL, Outcome.ABANDONED_IN_MENU}
    a_message_was_kept(quick)
    until(lambda: quick.status()["ready"], 30)
    assert leave_message(quick, "0812340003").said


@pytest.mark.first
def test_a_hung_asterisk_is_killed_and_answers_again(quick: Whole) -> None:
    old = quick.kill("asterisk", signal.SIGSTOP)
    os.kill(old, signal.SIGCONT)  # what watches it goes on; the program itself hangs
    quick.came_back("asterisk", old, within_s=90)
    until(lambda: quick.status()["ready"], 30, 0.5)
    assert leave_message(quick, "0812345678").said
    filed(quick, 1)


def test_redis_flushed_at_any_moment_loses_nothing(quick: Whole) -> None:
    stop = threading.Event()

    def flush() -> None:
        client = redis.Redis.from_url(quick.settings.redis)
        while not stop.wait(0.05):
            client.flushall()

    thread = threading.Thread(target=flush, daemon=True)
    thread.start()
    try:
        assert leave_message(quick, "0812345678").said
        filed(quick, 1)
    finally:
        stop.set()
        thread.join()
    a_message_was_kept(quick)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A data folder on a disk of its own of 120 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=120m", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_on_a_full_disk_the_line_answers_and_the_call_is_filed_when_there_is_room(
    small_disk: Path, quick_sounds: Path, empty_database: str
) -> None:
    import shutil

    shutil.copytree(quick_sounds, small_disk / "sounds")
    it = Whole(small_disk, FREE_SPACE_FLOOR_MB="5", DATABASE_URL=empty_database)
    try:
        hire_before_start(it)
        it.start()
        filler = small_disk / "filler"
        with filler.open("wb") as file:
            try:
                while True:
                    file.write(b"\0" * 65536)
                    file.flush()
            except OSError:
                pass
        story = leave_message(it, "0812345678", tone_within_s=30)
        assert story.answered
        assert story.heard_s > 2, "the caller was met with silence"  # prompts are cut to a second each
        assert not story.tone, "a message was asked for that could not be kept"
        filler.unlink()
        [contact] = filed(it, 1, 60)
        assert contact.outcome in {Outcome.FAILED, Outcome.ABANDONED_IN_MENU}
        assert leave_message(it, "0812345679").said
        filed(it, 2)
    finally:
        it.stop()


def test_with_postgresql_stopped_a_message_is_taken_and_filed_when_it_is_back(
    tmp_path: Path, quick_sounds: Path
) -> None:
    server = Postgres()
    old: dict[str, int] = {}
    it = Whole(tmp_path / "data", quick_sounds, DATABASE_URL=server.create("freeline"))
    try:
        hire_before_start(it)
        it.start()
        old = {name: it.pid(name) for name in ("ivr", "switchboard", "transcriber", "jobs", "console")}
        assert page(it)[0] == 200
        server.stop()
        story = leave_message(it, "0812345678", key="2")
        assert story.tone and story.said
        status, text = page(it)
        assert (status, "The database does not answer" in text) == (503, True)
        server.start()
        until(lambda: page(it)[0] == 200, 20, 0.5)  # the same console, on new connections
        [contact] = filed(it, 1, 60)
        assert contact.outcome is Outcome.VOICEMAIL
        assert contact.language == "th"
        a_message_was_kept(it)
        with it.db.read() as s:
            assert s.exec(select(func.count()).select_from(Case)).one() == 1
        assert {name: it.pid(name) for name in old} == old, "a process was restarted for it"
    finally:
        it.stop()
        server.close()


@pytest.mark.alone
def test_fifty_callers_in_the_menu_none_refused_none_stuck(
    tmp_path: Path, quick_sounds: Path, empty_database: str
) -> None:
    from telephony.softphone.g711 import RATE_HZ
    from telephony.softphone.phone import Phone

    it = Whole(tmp_path / "data", quick_sounds, pairs=130, DATABASE_URL=empty_database)
    try:
        hire_before_start(it)
        it.start()

        def each(n: int) -> Story:
            story = Story(f"08123400{n:02}")
            with Phone(it.line) as phone:
                call = phone.call("1800123456", story.number)
                story.answered = call.wait_answered()
                together.wait(60)
                # On a busy machine the sound of so many comes late; it is the sound that is waited for.
                with contextlib.suppress(AssertionError):
                    until(lambda: len(call.heard) / 2 / RATE_HZ > 5 or call.ended.is_set(), 60, 0.5)
                story.heard_s = len(call.heard) / 2 / RATE_HZ
                if call.ended.is_set():
                    story.errors.append("cut off")
            return story

        together = threading.Barrier(50)
        stories = all_at_once(50, each)
        assert all(s.answered for s in stories)
        assert [s.errors for s in stories if s.errors] == []
        assert min(s.heard_s for s in stories) > 4
        filed(it, 50, 60)
        until(lambda: it.status()["calls"]["now"] == 0, 20)
    finally:
        it.stop()


@pytest.mark.alone
def test_postgresql_restarted_again_and_again_under_calls_loses_and_doubles_nothing(
    tmp_path: Path, quick_sounds: Path
) -> None:
    server = Postgres()
    it = Whole(tmp_path / "data", quick_sounds, DATABASE_URL=server.create("freeline"))
    stop = threading.Event()

    def restart() -> None:
        while not stop.wait(3):
            server.stop()  # at once, as a crash: every transaction that is open is lost
            stop.wait(1)
            server.start()

    try:
        hire_before_start(it)
        it.start()
        thread = threading.Thread(target=restart, daemon=True)
        thread.start()
        try:
            stories = all_at_once(
                8, lambda n: leave_message(it, f"08123400{n:02}", key=str(1 + n % 6), say_s=2.0), apart_s=1.0
            )
        finally:
            stop.set()
            thread.join()
        assert [s.number for s in stories if not s.tone] == [], "somebody waited for ever"
        contacts = filed(it, 8, 90)
        assert len({c.case_id for c in contacts}) == 8
        assert all(c.outcome is Outcome.VOICEMAIL for c in contacts)
        assert len(recordings(it)) == 8
    finally:
        it.stop()
        server.close()
