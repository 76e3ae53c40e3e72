"""An agent on a call or wrapping one up: callers wait for her, her phone is still, and then it rings."""

import hashlib
from collections.abc import Callable, Iterator

import pytest

from hotline.queue.members import PENALTY_BACKUP, PENALTY_BUSY, PENALTY_FIRST, Member
from hotline.settings import Settings
from telephony import names
from telephony.clients.ami import Ami
from telephony.clients.ari import Ari
from telephony.softphone.phone import Phone, SoftphoneCall
from telephony.switchboard.queue_sync import difference, queues_in
from tests.fakes.fake_ivr import FakeIvr, Line
from tests.integration.telephony.conftest import HOLD
from tests.support.asterisk import AsteriskUnderTest
from tests.support.tones import heard_tones
from tests.support.wait import until

LINE = "1800123456"
SECRET = "a phone's secret"
AGENT = 1


pytestmark = pytest.mark.one_asterisk(backup_after_s=2)


@pytest.fixture
def phone(settings: Settings, asterisk: AsteriskUnderTest) -> Iterator[Phone]:
    """The registered phone of the only agent."""
    name = names.agent_endpoint(AGENT)
    digest = hashlib.md5(f"{name}:{names.REALM}:{SECRET}".encode()).hexdigest()
    address = (settings.asterisk_http_host, settings.asterisk_http_port)
    Ari(address, names.ARI_USER, asterisk.running.secrets.ari).put_phone(AGENT, digest)
    with Phone((settings.sip_host, settings.sip_port), name, SECRET) as one:
        assert one.register() == 200
        yield one


@pytest.fixture
def put(settings: Settings, asterisk: AsteriskUnderTest) -> Iterator[Callable[[int], None]]:
    """Makes her a member with this penalty, as the switchboard does."""
    secrets = asterisk.running.secrets
    reader = Ami((settings.ami_host, settings.ami_port), names.AMI_READER, secrets.ami_reader)
    actor = Ami((settings.ami_host, settings.ami_port), names.AMI_ACTOR, secrets.ami_actor)
    reader.connect()
    actor.connect()

    def make_equal(penalty: int) -> None:
        there = queues_in(reader.list_action({"Action": "QueueStatus"}))
        for action in difference({Member("my", names.agent_interface(AGENT), penalty, False)}, there):
            actor.send_action(action)

    yield make_equal
    reader.close()
    actor.close()


@pytest.fixture(autouse=True)
def ivr(settings: Settings) -> Iterator[list[str]]:
    """Every caller waits in the Burmese queue; each way out of it is kept."""
    left: list[str] = []

    def to_the_queue(line: Line) -> None:
        line.put("FREELINE_QUEUE", "my")
        line.put("FREELINE_WAY", "queue")
        line.done()

    def after_queue(line: Line) -> None:
        left.append(line.variable("QUEUESTATUS"))
        line.put("FREELINE_WAY", "end")
        line.done()

    scripts = dict.fromkeys(("answer", "choose_language", "route"), to_the_queue) | {"after_queue": after_queue}
    with FakeIvr(settings.agi_port, scripts):
        yield left


def waits(call: SoftphoneCall) -> None:
    """The caller is in the queue: she hears the hold sound."""
    until(lambda: HOLD in heard_tones(call.heard))


def test_a_caller_waits_for_the_only_speaker_while_she_wraps_up_and_rings_her_when_she_is_free(
    asterisk: AsteriskUnderTest, phone: Phone, put: Callable[[int], None], ivr: list[str]
) -> None:
    put(PENALTY_BUSY)
    with asterisk.phone() as caller:
        call = caller.call(LINE)
        waits(call)
        # Longer than the two seconds after which the queue's rule raises the caller's limit to that of backups.
        assert phone.wait_ring(4.0) is None, "nothing rings while she writes"
        assert not call.ended.is_set()
        assert ivr == [], "the queue is not empty: she is somebody to wait for"
        put(PENALTY_FIRST)
        assert phone.wait_ring() is not None


def test_a_backup_speaker_who_wraps_up_is_rung_when_she_is_free_for_a_caller_who_has_waited(
    asterisk: AsteriskUnderTest, phone: Phone, put: Callable[[int], None], ivr: list[str]
) -> None:
    put(PENALTY_BUSY)
    with asterisk.phone() as caller:
        call = caller.call(LINE)
        waits(call)
        assert phone.wait_ring(3.0) is None
        put(PENALTY_BACKUP)
        assert phone.wait_ring() is not None
        assert not call.ended.is_set()
        assert ivr == []


def test_the_second_caller_waits_through_the_call_and_the_wrap_up(
    asterisk: AsteriskUnderTest, phone: Phone, put: Callable[[int], None], ivr: list[str]
) -> None:
    put(PENALTY_FIRST)
    with asterisk.phone() as first, asterisk.phone() as second:
        talking = first.call(LINE)
        ring = phone.wait_ring()
        assert ring is not None
        ring.answer()
        assert talking.wait_answered()
        put(PENALTY_BUSY)
        waiting = second.call(LINE, from_number="0899999999")
        waits(waiting)
        ring.hangup()
        assert talking.wait_ended()
        assert phone.wait_ring(2.5) is None, "not even in the moment when her call ends"
        assert not waiting.ended.is_set()
        put(PENALTY_FIRST)
        assert phone.wait_ring() is not None
    assert ivr == []
