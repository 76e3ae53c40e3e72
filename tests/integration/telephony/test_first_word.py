"""An ivr that takes a call and says nothing: the caller is not left in silence, whichever script it is."""

import threading
from collections.abc import Iterator

import pytest

from hotline.settings import Settings
from telephony import names
from tests.fakes.fake_ivr import FakeIvr, Line, Script
from tests.integration.telephony.conftest import MENU, TERMS, TONE
from tests.support.asterisk import AsteriskUnderTest
from tests.support.ports import free_port, rtp_range
from tests.support.tones import heard_tones, write_tone
from tests.support.wait import until

LINE = "1800123456"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    it = Settings(
        data=tmp_path_factory.mktemp("word") / "data",
        sip_host="127.0.0.1",
        sip_port=free_port(),
        rtp_ports=rtp_range(),
        asterisk_http_port=free_port(),
        ami_port=free_port(),
        agi_port=free_port(),
        first_word_s=2.3,
    )
    prompts = {"en/message_terms": TERMS["en"], "my/message_terms": TERMS["my"]}
    for prompt, hz in {**prompts, "tone": TONE}.items():
        write_tone(it.sounds / f"{prompt}.sln", hz)
    return it


@pytest.fixture(scope="module")
def asterisk(settings: Settings) -> Iterator[AsteriskUnderTest]:
    """One for the module."""
    keys = {f"{names.KEY_PREFIX}{n}": MENU.get(str(n), "") for n in range(1, 10)}
    with AsteriskUnderTest(settings, {**keys, names.MENU: "", names.NO_KEY: "en"}) as one:
        yield one


@pytest.mark.parametrize("hangs", names.SCRIPTS)
def test_when_a_script_says_nothing_the_net_speaks_within_seconds(
    settings: Settings, asterisk: AsteriskUnderTest, hangs: str
) -> None:
    """Each waits for the two seconds that a script has for its first word."""
    over = threading.Event()

    def hang(_line: Line) -> None:
        over.wait(60)

    def choose(line: Line) -> None:
        line.put(names.QUEUE, "my")
        line.done()

    def route(line: Line) -> None:
        line.put(names.WAY, names.WAY_QUEUE if hangs == names.AFTER_QUEUE else names.WAY_MESSAGE)
        line.done()

    scripts: dict[str, Script] = {names.ANSWER: Line.done, names.CHOOSE_LANGUAGE: choose, names.ROUTE: route}
    with FakeIvr(settings.agi_port, scripts | {hangs: hang}), asterisk.phone() as phone, phone.call(LINE) as call:
        if hangs == names.ANSWER:
            until(lambda: call.status == 180)
            assert not call.answered.is_set(), "it rings: nobody is left in silence"
        voice = TERMS["en" if hangs in {names.ANSWER, names.CHOOSE_LANGUAGE} else "my"]
        until(lambda: voice in heard_tones(call.heard), 20)
        over.set()


def test_a_script_that_speaks_has_the_time_it_needs(settings: Settings, asterisk: AsteriskUnderTest) -> None:
    """Longer than the first word may take: the limit is the menu's from then on."""

    def speaks(line: Line) -> None:
        line.put("TIMEOUT(absolute)", line.variable(names.LIMIT))
        line.ask("ANSWER")
        line.ask("WAIT FOR DIGIT 4000")
        spoke.append(line.variable(names.LIMIT))
        line.done()

    spoke: list[str] = []
    with FakeIvr(settings.agi_port, {names.ANSWER: speaks}), asterisk.phone() as phone, phone.call(LINE) as call:
        assert call.wait_answered()
        until(lambda: TERMS["en"] in heard_tones(call.heard), 20)
    assert spoke == ["600"]
