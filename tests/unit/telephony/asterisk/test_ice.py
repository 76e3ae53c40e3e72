"""STUN and TURN: what settings take, what a page is given, and what Asterisk advertises."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hotline.settings import Settings
from telephony.asterisk import ice
from telephony.asterisk.obtain import Asterisk
from telephony.asterisk.render import render
from telephony.asterisk.secrets import make_secrets

UNTIL = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
NOWHERE = Asterisk(("asterisk",), "22.10.1", Path("/nowhere/modules"), Path("/nowhere/share"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("stun_urls", "turn:relay.example.org"),
        ("stun_urls", "stun:relay.example.org:3478 stun:other"),
        ("turn_urls", "turn://relay.example.org"),
        ("turn_urls", "turn:relay.example.org?transport=sctp"),
        ("external_ip", "relay.example.org"),
    ],
)
def test_a_url_or_an_address_of_another_kind_is_wrong_use(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=name):
        Settings(turn_secret="s", **{name: value})


def test_a_relay_without_its_secret_is_wrong_use() -> None:
    with pytest.raises(ValueError, match="static-auth-secret"):
        Settings(turn_urls="turn:relay.example.org")


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("turn:relay.example.org", ice.IceServer("relay.example.org", 3478, "udp")),
        ("turn:[2001:db8::1]:99?transport=tcp", ice.IceServer("2001:db8::1", 99, "tcp")),
        ("turns:relay.example.org", ice.IceServer("relay.example.org", 5349, "tls")),
        ("stun:192.0.2.1:3479", ice.IceServer("192.0.2.1", 3479, "udp")),
    ],
)
def test_a_url_says_where_and_how(url: str, server: ice.IceServer) -> None:
    assert ice.IceServer.of(url) == server


def test_a_page_is_given_all_servers_and_a_password_that_ends() -> None:
    config = Settings(stun_urls="stun:a", turn_urls="turn:b, turns:c:443?transport=tcp", turn_secret="secret")
    stun, turn = ice.for_page(config, "0123abcd", UNTIL)
    assert stun == {"urls": ["stun:a"]}
    user = f"{int(UNTIL.timestamp())}:0123abcd"
    password = base64.b64encode(hmac.new(b"secret", user.encode(), hashlib.sha1).digest()).decode()
    assert turn == {"urls": ["turn:b", "turns:c:443?transport=tcp"], "username": user, "credential": password}


def test_without_servers_a_page_is_given_none() -> None:
    assert ice.for_page(Settings(), "0123abcd", UNTIL) == []


def rtp_conf(settings: Settings, **changes: str) -> str:
    changed = settings.model_copy(update=changes)
    render(changed, NOWHERE, make_secrets(changed), {})
    return (changed.asterisk / "etc" / "rtp.conf").read_text()


def test_behind_nat_browsers_are_told_the_outer_address(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ice, "own_addresses", lambda: ["10.0.0.7"])
    text = rtp_conf(settings, external_ip="203.0.113.7", stun_urls="stun:a")
    assert "10.0.0.7 => 203.0.113.7,include_local_address" in text.splitlines()
    assert "stunaddr" not in text


def test_an_outer_address_of_our_own_needs_no_telling(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ice, "own_addresses", lambda: ["203.0.113.7"])
    assert "ice_host_candidates" not in rtp_conf(settings, external_ip="203.0.113.7")


def test_without_an_outer_address_asterisk_asks_the_first_server_that_speaks_udp(settings: Settings) -> None:
    text = rtp_conf(settings, stun_urls="stuns:tls.example.org, stun:plain.example.org")
    assert "stunaddr = plain.example.org:3478" in text.splitlines()
    assert "stunaddr" not in rtp_conf(settings)
