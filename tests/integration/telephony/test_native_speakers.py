"""No caller waits in front of a free agent who speaks her language."""

import re
from collections.abc import Callable

import pytest

from hotline.settings import Settings
from telephony.softphone.phone import Phone
from tests.fakes.fake_ivr import FakeIvr, Line
from tests.integration.telephony.test_asterisk_queue import LINE, agent_phone_of, join  # noqa: F401
from tests.support.asterisk import AsteriskUnderTest
from tests.support.wait import until


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Backups join after a good while, so that a mistake shows."""
    return settings.model_copy(update={"ring_s": 20, "backup_after_s": 90, "comfort_every_s": 30})


def test_a_native_speaker_is_rung_at_once_though_somebody_waits_longer_for_whom_she_is_a_backup(
    settings: Settings,
    asterisk: AsteriskUnderTest,
    agent_phone_of: Callable[[AsteriskUnderTest, int], Phone],  # noqa: F811
) -> None:
    burmese, thai = agent_phone_of(asterisk, 1), agent_phone_of(asterisk, 2)
    join(asterisk, 1)
    join(asterisk, 2, penalty=10)
    assert "Added" in asterisk.command("queue add member PJSIP/agent2 to th penalty 0")
    queue = {"of": "my"}

    def route(line: Line) -> None:
        line.put("FREELINE_QUEUE", queue["of"])
        line.put("FREELINE_WAY", "queue")
        line.done()

    def waiting(count: int) -> bool:
        return f"has {count} calls" in asterisk.command("queue show my")

    scripts = dict.fromkeys(("answer", "choose_language", "route"), route)
    with FakeIvr(settings.agi_port, scripts), asterisk.phone() as a, asterisk.phone() as b, asterisk.phone() as c:
        a.call(LINE)
        first = burmese.wait_ring()
        assert first is not None
        first.answer()
        until(lambda: waiting(0), 10)
        b.call(LINE)
        # app_queue counts in whole seconds who waits longer.
        until(lambda: re.search(r"wait: 0:(0[2-9]|[1-5]\d)", asterisk.command("queue show my")), 10)
        queue["of"] = "th"
        c.call(LINE)
        assert thai.wait_ring(30) is not None, "a free native speaker was not rung"
