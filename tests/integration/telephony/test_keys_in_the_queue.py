"""Keys that a caller presses while waiting: before anything was offered they do nothing."""

from collections.abc import Iterator

import pytest

from hotline.settings import Settings
from telephony import names
from tests.fakes.fake_ivr import FakeIvr, Line
from tests.integration.telephony.conftest import HOLD
from tests.support.asterisk import AsteriskUnderTest
from tests.support.ports import free_port, rtp_range
from tests.support.tones import heard_tones, write_tone
from tests.support.wait import until

COMFORT, OFFER = 1300, 1700


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """An offer after six seconds."""
    it = Settings(
        data=tmp_path_factory.mktemp("keys") / "data",
        sip_host="127.0.0.1",
        sip_port=free_port(),
        rtp_ports=rtp_range(),
        asterisk_http_port=free_port(),
        ami_port=free_port(),
        agi_port=free_port(),
        comfort_every_s=3,
    )
    for prompt, hz in {"hold/hold": HOLD, "my/comfort": COMFORT, "my/offer": OFFER}.items():
        write_tone(it.sounds / f"{prompt}.sln", hz)
    return it


@pytest.fixture(scope="module")
def asterisk(settings: Settings) -> Iterator[AsteriskUnderTest]:
    """One for the module, with a member who is on another call: the queue keeps whoever comes."""
    with AsteriskUnderTest(settings, {}) as one:
        one.command("devstate change Custom:busy INUSE")
        one.command("queue add member Local/nobody@nowhere to my penalty 0 as busy state_interface Custom:busy")
        yield one


@pytest.mark.parametrize("key", ["1", "2"])
def test_a_key_before_the_offer_does_nothing_and_after_it_is_taken(
    settings: Settings, asterisk: AsteriskUnderTest, key: str
) -> None:
    """As with a key of the menu that was pressed twice."""
    chosen: list[str] = []

    def choose(line: Line) -> None:
        line.put(names.QUEUE, "my")
        line.done()

    def route(line: Line) -> None:
        line.put(names.WAY, names.WAY_QUEUE)
        line.done()

    def after_queue(line: Line) -> None:
        chosen.append(line.variable(names.CHOICE))
        line.put(names.WAY, names.WAY_END)
        line.done()

    scripts = {"answer": Line.done, "choose_language": choose, "route": route, "after_queue": after_queue}
    with FakeIvr(settings.agi_port, scripts), asterisk.phone() as phone, phone.call("1800123456") as call:
        until(lambda: HOLD in heard_tones(call.heard))
        call.press(key * 2)
        until(lambda: COMFORT in heard_tones(call.heard))
        call.press(key)
        until(lambda: OFFER in heard_tones(call.heard))
        assert chosen == []
        call.press(key)
        assert call.wait_ended(10)
    assert chosen == [names.CHOICE_CALLBACK if key == "1" else names.CHOICE_MESSAGE]
