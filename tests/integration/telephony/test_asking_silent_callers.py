"""Callers without sound, at a real Asterisk: who still answers in the dialog stays, and who does not is ended."""

from collections.abc import Iterator

import pytest

from hotline.settings import Settings
from telephony.softphone import sip
from telephony.softphone.phone import Phone, SoftphoneCall
from telephony.switchboard.silent_callers import SilentCallers
from tests.support.asterisk import AsteriskUnderTest
from tests.support.ports import free_port, rtp_range
from tests.support.scene import Stage, ivr
from tests.support.wait import until

LINE = "1800123456"


class Muted(Phone):
    """A phone that sends no sound. It answers what it is asked in the call with `status`; 0 is not at all."""

    status = 200
    asked = 0

    def _request(self, message: sip.SipMessage) -> None:
        if message.method == "INVITE":
            self.asked += 1
            if self.status == 0:
                return
            if self.status != 200:
                self.send(sip.answer_to(message, self.status, "No"))
                return
        super()._request(message)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A queue whose only agent is on another call."""
    settings = Settings(
        data=tmp_path_factory.mktemp("silent") / "data",
        sip_host="127.0.0.1",
        sip_port=free_port(),
        rtp_ports=rtp_range(),
        asterisk_http_port=free_port(),
        ami_port=free_port(),
        agi_port=free_port(),
    )
    with AsteriskUnderTest(settings, {}) as asterisk:
        asterisk.command("devstate change Custom:busy INUSE")
        asterisk.command("queue add member Local/nobody@nowhere to my penalty 0 as busy state_interface Custom:busy")
        one = Stage(settings, asterisk)
        yield one
        one.close()


def muted(stage: Stage, status: int) -> tuple[Muted, SoftphoneCall]:
    """A caller who waits in the queue, muted."""
    phone = Muted((stage.settings.sip_host, stage.settings.sip_port))
    phone.status = status
    call = phone.call(LINE)
    assert call.wait_answered()
    call.audio.send_nothing = True
    return phone, call


def test_a_muted_caller_keeps_the_place_and_one_whose_network_is_gone_is_ended(stage: Stage) -> None:
    """It waits for SIP's own 32 seconds, after which an unanswered question has no answer; all callers wait at once."""
    read = lambda name, channel: stage.operator._asterisk.read(name, channel)  # noqa: E731
    silent = SilentCallers(read, lambda name, value, channel: stage.operator._asterisk.put(name, value, channel), 1.0)
    with ivr(stage.settings):
        there = [muted(stage, status) for status in (200, 405, 488)]
        gone_phone, gone = muted(stage, 0)
        until(lambda: "has 4 calls" in stage.asterisk.command("queue show my"))
        until(lambda: silent.look(stage.rows) == 4, every_s=0.3)
        until(lambda: all(phone.asked for phone, _ in there) and gone_phone.asked)
        assert gone.wait_ended(45)
        assert [call.ended.is_set() for _, call in there] == [False] * 3
        until(lambda: "has 3 calls" in stage.asterisk.command("queue show my"))
        for phone, _ in there:
            phone.close()
        gone_phone.close()
        stage.nothing_left()
