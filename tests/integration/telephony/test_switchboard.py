"""The switchboard on a real Asterisk, with real phones, a real SQLite and a real Redis."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlmodel import select

from hotline import agents, events, languages
from hotline.keys import Keys
from hotline.people import SIP_REALM
from hotline.settings import ROOT, Settings
from models import Agent, AgentState, AgentStatus, Case, Contact, Database, Outcome
from telephony import ari, switchboard
from telephony.phone import Call, Phone
from telephony.switchboard import Switchboard
from tests.cast import Cast
from tests.fakes.fake_ivr import FakeIvr, Line
from tests.stack import AsteriskUnderTest
from tests.wait import until

LINE = "1800123456"
SECRET = "a phone of her own"
pytestmark = pytest.mark.usefixtures("keys")


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """The usual settings; a phone rings for three seconds."""
    return settings.model_copy(update={"ring_s": 3})


@pytest.fixture
def db(sqlite_db: Database) -> Database:
    """The settings' own database."""
    return sqlite_db


@pytest.fixture
def alice(db: Database, sqlite_staff: Cast) -> Agent:
    """Alice, who speaks Burmese, has a phone and is ready."""
    with db.write() as session:
        give_secret(sqlite_staff.alice, SECRET)
        session.add(sqlite_staff.alice)
        agents.choose_status(session, sqlite_staff.alice, True)
    return sqlite_staff.alice


def give_secret(agent: Agent, secret: str) -> None:
    """As the console does it: only the digest is kept."""
    import hashlib

    agent.phone_secret_ha1 = hashlib.md5(f"{agent.sip_name}:{SIP_REALM}:{secret}".encode()).hexdigest()


def serve(board: Switchboard) -> Callable[[], None]:
    """Run it on a thread; what to call at the end."""
    thread = threading.Thread(target=board.run, daemon=True)
    thread.start()

    def end() -> None:
        board.stop()
        thread.join(20)

    return end


@pytest.fixture
def board(settings: Settings, asterisk: AsteriskUnderTest, alice: Agent) -> Iterator[Switchboard]:
    """A switchboard that has seen to Alice's phone."""
    one = Switchboard(settings)
    end = serve(one)
    until(lambda: one._pushed.get(alice.id or 0))
    yield one
    end()


@pytest.fixture
def ivr(settings: Settings) -> Iterator[FakeIvr]:
    """Every caller waits for somebody who speaks Burmese."""

    def chosen(line: Line) -> None:
        line.put("FREELINE_QUEUE", "my")
        line.done()

    def to_the_queue(line: Line) -> None:
        line.put("FREELINE_WAY", "queue")
        line.done()

    def goodbye(line: Line) -> None:
        line.put("FREELINE_WAY", "end")
        line.done()

    scripts = {"answer": Line.done, "choose_language": chosen, "route": to_the_queue, "after_queue": goodbye}
    with FakeIvr(settings.agi_port, scripts) as fake:
        yield fake


@pytest.fixture
def phone(settings: Settings, alice: Agent) -> Iterator[Phone]:
    """Alice's phone, not registered yet."""
    with Phone((settings.sip_host, settings.sip_port), user=alice.sip_name, secret=SECRET) as one:
        yield one


@pytest.fixture
def caller(asterisk: AsteriskUnderTest) -> Iterator[Phone]:
    """Somebody who calls through the trunk."""
    with asterisk.phone() as one:
        yield one


def contacts(db: Database) -> list[Contact]:
    with db.read() as session:
        found = list(session.exec(select(Contact).order_by(Contact.id)))  # type: ignore[arg-type]
        session.expunge_all()
        return found


def ended(db: Database) -> Contact | None:
    """The one call, once it is closed and has its one case."""
    found = contacts(db)
    if len(found) != 1 or found[0].outcome is None:
        return None
    with db.read() as session:
        assert session.exec(select(Case.id)).all() == [found[0].case_id]
    return found[0]


def state(db: Database, agent: Agent) -> AgentState:
    with db.read() as session:
        found = agents.state_of(session, agent.id or 0)
        session.expunge_all()
        return found


def talk(db: Database, caller: Phone, phone: Phone) -> tuple[Call, Call]:
    """A call that has been answered, from both sides; returns when the database knows it."""
    before = len(contacts(db))
    call = caller.call(LINE)
    ring = phone.wait_ring()
    assert ring is not None
    ring.answer()
    assert call.wait_answered()
    until(lambda: len(found := contacts(db)) > before and found[-1].answered_at)
    return call, ring


def test_a_call_answered_by_a_registered_phone_is_answered_and_has_its_handler(
    board: Switchboard, ivr: FakeIvr, db: Database, alice: Agent, phone: Phone, caller: Phone
) -> None:
    assert not state(db, alice).reachable
    assert phone.register() == 200
    until(lambda: state(db, alice).reachable)
    _, ring = talk(db, caller, phone)
    assert state(db, alice).status is AgentStatus.ON_CALL
    assert state(db, alice).call == contacts(db)[0].call
    ring.hangup()
    row = until(lambda: ended(db))
    assert (row.outcome, row.handler_id, row.queue, row.line) == (Outcome.ANSWERED, alice.id, "my", LINE)
    assert row.arrived_at <= (row.queued_at or row.arrived_at) <= (row.answered_at or row.arrived_at)
    until(lambda: state(db, alice).status is AgentStatus.READY)


def test_the_next_caller_waits_for_an_agent_who_is_on_a_call(
    board: Switchboard, ivr: FakeIvr, db: Database, alice: Agent, phone: Phone, caller: Phone
) -> None:
    assert phone.register() == 200
    _, ring = talk(db, caller, phone)
    second = caller.call(LINE, from_number="0899999999")
    until(lambda: len(contacts(db)) == 2 and contacts(db)[1].queued_at)
    looks = board.settings.run / switchboard.ALIVE
    board._wake.set()
    until(lambda: looks.exists() and not board._wake.is_set())
    assert phone.wait_ring(2.5) is None, "one call at a time"
    assert not second.ended.is_set(), "she is busy, not away: the caller keeps her place"
    ring.hangup()
    next_ring = phone.wait_ring()
    assert next_ring is not None
    next_ring.answer()
    until(lambda: contacts(db)[1].answered_at)
    second.hangup()
    until(lambda: contacts(db)[1].outcome is Outcome.ANSWERED)


def test_a_caller_who_hangs_up_while_it_rings_has_abandoned_and_nobody_missed_it(
    board: Switchboard, ivr: FakeIvr, db: Database, alice: Agent, phone: Phone, caller: Phone
) -> None:
    assert phone.register() == 200
    call = caller.call(LINE)
    assert phone.wait_ring() is not None
    assert call.wait_answered()
    call.hangup()
    row = until(lambda: ended(db))
    assert row.outcome is Outcome.ABANDONED_IN_QUEUE
    assert state(db, alice).status is AgentStatus.READY


def test_a_ring_nobody_answers_makes_her_not_ready_and_pauses_her_phone(
    board: Switchboard,
    ivr: FakeIvr,
    db: Database,
    alice: Agent,
    phone: Phone,
    caller: Phone,
    asterisk: AsteriskUnderTest,
) -> None:
    assert phone.register() == 200
    caller.call(LINE)
    until(lambda: state(db, alice).status is AgentStatus.NOT_READY)
    assert state(db, alice).reason == agents.MISSED
    until(lambda: "(paused" in asterisk.command("queue show my"))


def test_phones_queues_and_menu_are_back_after_asterisk_has_crashed(
    board: Switchboard, ivr: FakeIvr, db: Database, alice: Agent, phone: Phone, asterisk: AsteriskUnderTest
) -> None:
    assert phone.register() == 200
    until(lambda: state(db, alice).reachable)
    with asterisk.phone() as first:
        talk(db, first, phone)
        asterisk.kill()
        until(lambda: not board.reader.connected)
        asterisk.start()
    row = until(lambda: ended(db), within_s=30)
    assert row.outcome is Outcome.ANSWERED
    assert row.talk_s is not None
    assert row.talk_s <= 30
    until(lambda: state(db, alice).status is AgentStatus.READY)
    until(lambda: phone.register() == 200)
    with asterisk.phone() as again:
        _, ring = talk(db, again, phone)
        ring.hangup()
    until(lambda: len(contacts(db)) == 2 and contacts(db)[1].outcome is Outcome.ANSWERED)
    assert "FREELINE_KEY_7=ko" in asterisk.command("dialplan show globals")


def test_a_new_secret_replaces_the_old_one_and_who_has_left_cannot_register(
    board: Switchboard, db: Database, alice: Agent, settings: Settings, phone: Phone, asterisk: AsteriskUnderTest
) -> None:
    assert phone.register() == 200
    with db.write() as session:
        give_secret(alice, "another secret")
        session.add(alice)
    board._wake.set()
    with Phone((settings.sip_host, settings.sip_port), user=alice.sip_name, secret="another secret") as new:
        until(lambda: new.register() == 200)
        assert phone.register() == 401
        with db.write() as session:
            alice.active = False
            session.add(alice)
        board._wake.set()
        until(lambda: new.register() in {401, 403})
    until(lambda: f"agent{alice.id}" not in asterisk.command("pjsip show endpoints"))
    until(lambda: f"agent{alice.id}" not in asterisk.command("queue show"))
    until(lambda: not state(db, alice).reachable)


def test_an_agent_whose_phone_breaks_off_is_kept_for_her_caller_and_talks_to_her_again(
    settings: Settings,
    asterisk: AsteriskUnderTest,
    ivr: FakeIvr,
    db: Database,
    alice: Agent,
    phone: Phone,
    caller: Phone,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(ari._ENDPOINT, "rtp_timeout", "2")
    board = Switchboard(settings)
    end = serve(board)
    until(lambda: phone.register() == 200)
    call, ring = talk(db, caller, phone)
    ring.vanish()
    until(lambda: board.notices.lost_agents(switchboard.now()), within_s=20)
    assert state(db, alice).status is AgentStatus.ON_CALL
    back = phone.wait_ring()
    assert back is not None
    back.answer()
    until(lambda: not board.notices.lost_agents(switchboard.now()))
    assert state(db, alice).status is AgentStatus.ON_CALL
    call.hangup()
    row = until(lambda: ended(db))
    assert row.outcome is Outcome.ANSWERED
    until(lambda: state(db, alice).status is AgentStatus.READY)
    end()


def test_sqlite_locked_for_ten_seconds_loses_nothing(
    board: Switchboard, ivr: FakeIvr, db: Database, alice: Agent, phone: Phone, caller: Phone
) -> None:
    assert phone.register() == 200
    until(lambda: state(db, alice).reachable)
    with db.engine.connect().execution_options(freeline_write=True) as lock:
        lock.execute(text("UPDATE contact SET line = line"))
        over = time.monotonic() + 10
        for _ in range(3):
            call = caller.call(LINE)
            ring = phone.wait_ring()
            assert ring is not None
            ring.answer()
            assert call.wait_answered()
            until(lambda: sum(change.__class__.__name__ == "Answered" for change in pending(board)) >= 1)
            ring.hangup()
            assert call.wait_ended()
        until(lambda: time.monotonic() > over)
        lock.rollback()
    until(lambda: len(contacts(db)) == 3 and all(c.outcome is Outcome.ANSWERED for c in contacts(db)), within_s=30)
    with db.read() as session:
        assert len(session.exec(select(Case.id)).all()) == 3
    until(lambda: state(db, alice).status is AgentStatus.READY)


def pending(board: Switchboard) -> list[object]:
    """What waits for the database."""
    return [*board.ledger._writing, *list(board.ledger._waiting.queue)]


@pytest.fixture
def redis(settings: Settings) -> Iterator[None]:
    """A Redis on the settings' own socket."""
    settings.run.mkdir(parents=True, exist_ok=True)
    command = ["redis-server", "--port", "0", "--unixsocket", str(settings.run / "redis.sock"), "--save", ""]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=settings.run)
    until(lambda: events.Nudges(settings.redis).there())
    yield
    server.terminate()
    server.wait()


def test_a_nudge_is_enough_to_pause_her_and_to_change_the_menu(
    redis: None,
    board: Switchboard,
    db: Database,
    alice: Agent,
    asterisk: AsteriskUnderTest,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(switchboard, "LOOK_EVERY_S", 600.0)
    nudges = events.Nudges(settings.redis)
    until(lambda: nudges._redis.pubsub_numsub(events.CHANNEL)[0][1] == 1)
    board._wake.set()
    until(lambda: not board._wake.is_set())  # from here on it waits for nudges alone
    with db.write() as session:
        agents.choose_status(session, alice, False)
        languages.put_language(session, "my", key="9", position=1)
    nudges.tell(events.AGENTS_CHANGED, events.MENU_CHANGED)
    until(lambda: "(paused" in asterisk.command("queue show my"))
    until(lambda: "FREELINE_KEY_9=my" in asterisk.command("dialplan show globals"))


class Process:
    """The switchboard as a process of its own, to be killed."""

    def __init__(self, settings: Settings) -> None:
        fields = settings.model_dump(
            include={"data", "sip_host", "sip_port", "ami_port", "asterisk_http_port", "agi_port"}
        )
        environment = os.environ | {f"FREELINE_{name.upper()}": str(value) for name, value in fields.items()}
        start = "import sys; from hotline.settings import settings; from telephony.switchboard import main; "
        self._popen = subprocess.Popen(
            [sys.executable, "-c", start + "sys.exit(main(settings()))"], cwd=ROOT, env=environment
        )

    def kill(self) -> None:
        """End it as a power cut would."""
        self._popen.kill()
        self._popen.wait()

    def stop(self) -> int:
        """Ask it to end; its exit code."""
        self._popen.send_signal(signal.SIGTERM)
        return self._popen.wait(20)


def test_a_call_that_ends_while_the_switchboard_is_dead_is_closed_when_it_is_back(
    settings: Settings,
    asterisk: AsteriskUnderTest,
    ivr: FakeIvr,
    db: Database,
    alice: Agent,
    phone: Phone,
    caller: Phone,
) -> None:
    first = Process(settings)
    until(lambda: phone.register() == 200, within_s=30)
    call, _ = talk(db, caller, phone)
    first.kill()
    call.hangup()
    until(lambda: asterisk.channels == 0)
    before = cel_end(asterisk.cel)
    assert contacts(db)[0].ended_at is None
    assert state(db, alice).status is AgentStatus.ON_CALL
    second = Process(settings)
    row = until(lambda: ended(db), within_s=30)
    assert (row.outcome, row.handler_id) == (Outcome.ANSWERED, alice.id)
    assert row.ended_at is not None
    assert abs(row.ended_at.timestamp() - before) < 0.01, "it ended when Asterisk wrote that it did"
    until(lambda: state(db, alice).status is AgentStatus.READY)
    assert f"{alice.sip_name}/sip:" in asterisk.command("pjsip show contacts"), "her phone was not taken away"
    assert state(db, alice).reachable
    assert second.stop() == 0


def test_a_call_that_came_and_went_while_the_switchboard_was_dead_has_its_answer_and_its_handler(
    settings: Settings,
    asterisk: AsteriskUnderTest,
    ivr: FakeIvr,
    db: Database,
    alice: Agent,
    phone: Phone,
    caller: Phone,
    keys: Keys,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = Process(settings)
    until(lambda: phone.register() == 200, within_s=30)
    until(lambda: "agent" in asterisk.command("queue show my"))
    first.kill()
    call = caller.call(LINE)
    ring = phone.wait_ring()
    assert ring is not None
    ring.answer()
    assert call.wait_answered()
    until(lambda: "BRIDGE_ENTER" in asterisk.cel.read_text())
    ring.hangup()
    until(lambda: asterisk.channels == 0)
    assert contacts(db) == [], "nobody wrote it: ivr is a fake here"
    monkeypatch.setattr("telephony.sweep.OTHERS_HAVE_S", 0)
    end = serve(Switchboard(settings))
    row = until(lambda: ended(db))
    assert (row.outcome, row.handler_id, row.line) == (Outcome.ANSWERED, alice.id, LINE)
    assert row.call.startswith("linkedid:")
    end()


def cel_end(path: Path) -> float:
    """When Asterisk says that the caller's channel ended."""
    import json

    rows = [json.loads(line) for line in until(lambda: path.exists() and path.read_text()).splitlines()]
    return float(next(r["eventtime"] for r in rows if r["eventtype"] == "CHAN_END" and "trunk" in r["channame"]))


def test_asterisk_goes_on_in_a_new_file_when_the_records_are_set_aside(
    settings: Settings, asterisk: AsteriskUnderTest, ivr: FakeIvr, db: Database, alice: Agent, caller: Phone
) -> None:
    board = Switchboard(settings)
    board.cel.set_aside_at = 1
    end = serve(board)
    until(lambda: board._swept_at)

    def set_aside() -> bool:
        board._swept_at = 0.0
        board._wake.set()
        return not asterisk.cel.exists()

    for n in (1, 2, 3):
        call = caller.call(LINE)
        assert call.wait_answered()
        call.hangup()
        until(lambda n=n: len(found := contacts(db)) == n and found[-1].outcome)
        until(set_aside)
    assert len(contacts(db)) == 3
    end()
