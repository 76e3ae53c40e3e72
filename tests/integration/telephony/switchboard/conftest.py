"""A switchboard on a real Asterisk, and Alice with her phone."""

import subprocess
import threading
from collections.abc import Callable, Iterator

import pytest

from hotline import nudges
from hotline.settings import Settings
from hotline.staff import states as agents
from models import Agent, Database
from telephony.softphone.phone import Phone
from telephony.switchboard.process import Switchboard
from tests.fakes.fake_ivr import FakeIvr, Line
from tests.support.asterisk import AsteriskUnderTest
from tests.support.cast import Cast
from tests.support.switchboard_floor import SECRET, Process, give_secret
from tests.support.wait import until


@pytest.fixture
def settings(settings: Settings, request: pytest.FixtureRequest) -> Settings:
    """The usual settings; a phone rings for three seconds, and a call is wrapped up in one, unless the module says more."""
    if request.node.get_closest_marker("one_asterisk"):
        return settings
    return settings.model_copy(update={"ring_s": 3, "wrap_up_s": 1})


@pytest.fixture
def alice(db: Database, staff: Cast) -> Agent:
    """Alice, who speaks Burmese, has a phone and is ready."""
    with db.write() as session:
        give_secret(staff.alice, SECRET)
        session.add(staff.alice)
        agents.choose_status(session, staff.alice, True)
    return staff.alice


@pytest.fixture
def serve(asterisk: AsteriskUnderTest) -> Iterator[Callable[[Switchboard], None]]:
    """Runs switchboards on threads and stops them before their Asterisk."""
    assert asterisk
    running: list[tuple[Switchboard, threading.Thread]] = []

    def start(board: Switchboard) -> None:
        thread = threading.Thread(target=board.run, daemon=True)
        thread.start()
        running.append((board, thread))

    yield start
    for board, thread in running:
        board.stop()
        thread.join(20)


@pytest.fixture
def launch(asterisk: AsteriskUnderTest, settings: Settings) -> Iterator[Callable[[], Process]]:
    """Starts switchboards as processes; none is left behind."""
    assert asterisk
    started: list[Process] = []

    def start() -> Process:
        started.append(Process(settings))
        return started[-1]

    yield start
    for process in started:
        process.kill()


@pytest.fixture
def board(
    settings: Settings, serve: Callable[[Switchboard], None], alice: Agent, asterisk: AsteriskUnderTest
) -> Switchboard:
    """A switchboard that has seen to Alice's phone and to her queue: who calls before that finds nobody to wait for."""
    one = Switchboard(settings)
    serve(one)
    until(lambda: one._pushed.get(alice.id))
    until(lambda: alice.sip_name in asterisk.command("queue show my"))
    return one


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


class AgentPhone(Phone):
    """A phone that is registered when its agent's queues know it."""

    asterisk: AsteriskUnderTest

    def register(self, expires_s: int = 300) -> int:
        status = super().register(expires_s)
        if status == 200 and expires_s:
            until(lambda: self.asterisk.can_ring(f"PJSIP/{self.user}"))
        return status


@pytest.fixture
def phone(settings: Settings, alice: Agent, asterisk: AsteriskUnderTest) -> Iterator[Phone]:
    """Alice's phone, not registered yet."""
    with AgentPhone((settings.sip_host, settings.sip_port), user=alice.sip_name, secret=SECRET) as one:
        one.asterisk = asterisk
        yield one


@pytest.fixture
def caller(asterisk: AsteriskUnderTest) -> Iterator[Phone]:
    """Somebody who calls through the trunk."""
    with asterisk.phone() as one:
        yield one


@pytest.fixture
def redis(settings: Settings) -> Iterator[None]:
    """A Redis on the settings' own socket."""
    settings.run.mkdir(parents=True, exist_ok=True)
    command = ["redis-server", "--port", "0", "--unixsocket", str(settings.run / "redis.sock"), "--save", ""]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=settings.run)
    until(lambda: nudges.Nudges(settings.redis).there())
    yield
    server.terminate()
    server.wait()
