"""A disk that takes no message, and an Asterisk alone: the caller is told, nobody speaks in vain, and the records say so."""

import pytest

from hotline.settings import Settings
from telephony import names
from telephony.clients.cel import CelLog
from tests.integration.telephony.conftest import CANNOT_RECORD_EN, TERMS, TONE
from tests.support.asterisk import AsteriskUnderTest
from tests.support.tones import heard_tones
from tests.support.wait import until


@pytest.mark.timeout(120)
def test_while_no_message_can_be_kept_the_net_asks_for_none(settings: Settings, asterisk: AsteriskUnderTest) -> None:
    assert asterisk.running.tell(names.FULL, "1")
    with asterisk.phone() as phone:
        call = phone.call("1800123456")
        assert call.wait_answered()
        assert call.wait_ended(40)
    heard = heard_tones(call.heard)
    assert heard[-1] == CANNOT_RECORD_EN
    assert not {TONE, TERMS["en"]} & set(heard)
    records = CelLog(asterisk.cel, settings.run / "kept.json")
    [trail] = until(lambda: [t for t in records.read().values() if t.ended_at])
    [note] = settings.spool.glob("*.call")
    assert (trail.call, trail.line) == (note.stem, "1800123456")
    assert trail.failed_at is not None
    assert '"failed_at"' in note.read_text()
    assert asterisk.running.tell(names.FULL, "")
