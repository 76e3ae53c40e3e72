"""An agent's phone in the browser: a fresh secret each time, and nothing that it can reach."""

import pytest

from hotline.settings import Settings
from telephony import names
from telephony.operator.operator import LineFailed, Operator
from telephony.softphone.phone import Phone
from tests.support.scene import LINE, Stage
from tests.support.wait import until

pytestmark = pytest.mark.one_asterisk


def test_each_new_secret_puts_an_end_to_the_one_before(stage: Stage) -> None:
    server = (stage.settings.sip_host, stage.settings.sip_port)
    first = stage.operator.new_phone(7)
    assert (first.user, first.realm) == (names.agent_endpoint(7), names.REALM)
    with Phone(server, first.user, first.secret) as phone:
        assert phone.register() == 200
        second = stage.operator.new_phone(7)
        assert second.secret != first.secret
        assert "WARNING" not in stage.asterisk.log
        assert phone.register() in {401, 403}
    with Phone(server, second.user, second.secret) as phone:
        assert phone.register() == 200
        stage.operator.drop_phone(7)
        stage.operator.drop_phone(7)
        assert phone.register() in {401, 403, 404}
    assert "agent7" not in stage.asterisk.command("pjsip show endpoints")


def test_a_fresh_secret_leaves_one_phone_that_rings(stage: Stage) -> None:
    server = (stage.settings.sip_host, stage.settings.sip_port)

    def contacts() -> list[str]:
        lines = stage.asterisk.command("pjsip show contacts").splitlines()
        return [line.split()[-2] for line in lines if "agent7/" in line]

    for _ in range(4):
        found = stage.operator.new_phone(7)
        # The page before did not take its leave: its line broke.
        with Phone(server, found.user, found.secret) as phone:
            assert phone.register() == 200
            until(lambda: contacts() == ["Avail"], 2)


def test_a_phone_in_a_browser_and_one_on_a_desk_can_follow_each_other(stage: Stage) -> None:
    def shown() -> dict[str, str]:
        lines = stage.asterisk.command("pjsip show endpoint agent1").splitlines()
        return {
            name.strip(): value.strip() for name, colon, value in (line.partition(" : ") for line in lines) if colon
        }

    for _ in range(2):
        stage.agent(1)
        desk = shown()
        assert desk["webrtc"] == "no"
        assert desk["media_encryption"] == "no"
        assert desk["ice_support"] == "false"
        assert desk["rtcp_mux"] == "false"
        assert desk["rtp_timeout"] == "15"
        stage.operator.new_phone(1)
        browser = shown()
        assert browser["webrtc"] == "yes"
        assert browser["media_encryption"] == "dtls"
        assert browser["ice_support"] == "true"
        assert browser["rtcp_mux"] == "true"
        assert browser["rtp_timeout"] == "5"
        assert browser["allow"] == "(opus|ulaw)"
        for one in (desk, browser):
            assert one["context"] == names.CONTEXT_AGENTS
            assert one["allow_transfer"] == "false"
            assert one["rtp_timeout_hold"] == "30"
            assert one["device_state_busy_at"] == "1"


def test_a_browsers_secret_reaches_nothing_but_the_echo(stage: Stage) -> None:
    found = stage.operator.new_phone(1)
    inside = (
        names.CONTEXT_ROOM,
        names.CONTEXT_HELD,
        names.EXTENSION_AGENT,
        names.EXTENSION_WORKER,
        "m1",
        "call",
        "s",
        "h",
    )
    with Phone((stage.settings.sip_host, stage.settings.sip_port), found.user, found.secret) as phone:
        assert phone.register() == 200
        for number in (LINE, "0812345678", "+66812345678", *inside):
            refused = phone.call(number)
            assert refused.wait_ended()
            # 488: a plain phone offers no encryption. It is the number that must be looked at first.
            assert refused.status in {404, 488}, number


def test_without_asterisk_there_is_no_phone(settings: Settings) -> None:
    operator = Operator(settings)
    with pytest.raises(LineFailed, match="does not answer"):
        operator.new_phone(1)
    operator.close()
