"""The trunk, our address outside, STUN and TURN: a real coturn; a carrier that only answers OPTIONS."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hotline.settings import Settings
from ops import registration
from ops.doctor import probes, relay, trunk
from telephony.asterisk.ice import IceServer, own_addresses
from telephony.softphone import sip
from tests.support.ports import free_port
from tests.support.turn_client import SECRET, Turn
from tests.support.wait import PATIENCE_S
from tests.unit.ops.doctor.conftest import one, said, self_made


@pytest.fixture
def carrier() -> Iterator[str]:
    """Answers OPTIONS with 404, as many carriers do; its host and port."""
    line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    line.bind(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            packet, peer = line.recvfrom(4096)
            request = sip.read(packet)
            if request is None:
                return
            assert request.method == "OPTIONS"
            line.sendto(sip.answer_to(request, 404, "Not Found", "x").to_bytes(), peer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"127.0.0.1:{line.getsockname()[1]}"
    line.sendto(b"stop", line.getsockname())
    thread.join(PATIENCE_S)
    line.close()


@pytest.fixture
def turn(tmp_path: Path) -> Iterator[Turn]:
    it = Turn(tmp_path / "turn")
    yield it
    it.close()


@pytest.fixture
def at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with a private address only."""
    monkeypatch.setattr(trunk, "own_addresses", lambda: ["10.1.2.3"])


@pytest.mark.usefixtures("at_home")
def test_a_carrier_that_answers_anything_is_there(settings: Settings, carrier: str) -> None:
    lines = said(trunk.check, settings, trunk_host=carrier, sip_host="0.0.0.0", external_ip="203.0.113.7")
    assert lines == ["ok the carrier answers OPTIONS (404)", "ok the world is told 203.0.113.7"]


@pytest.mark.usefixtures("at_home")
def test_a_carrier_that_is_silent_or_unknown_is_bad(settings: Settings) -> None:
    told = {"trunk_user": "freeline", "external_ip": "127.0.0.1"}
    lines = said(trunk.check, settings, trunk_host=f"127.0.0.1:{free_port()}", **told)
    one(lines, "bad the carrier does not answer OPTIONS")
    one(lines, "warn whether we are registered cannot be seen")
    one(lines, "bad SIP_HOST is this machine alone")
    one(lines, "bad EXTERNAL_IP is loopback")
    lines = said(trunk.check, settings, trunk_host="carrier.invalid", **told)
    assert "no address in DNS" in one(lines, "bad the carrier")


@pytest.mark.usefixtures("at_home")
def test_a_registration_that_stands_is_fine(settings: Settings, carrier: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registration, "state", lambda _settings: "Registered")
    one(said(trunk.check, settings, trunk_host=carrier, trunk_user="freeline"), "ok we are registered")


# How a carrier takes a REGISTER; what the doctor says of it, and `freeline status`.
ANSWERS = [
    ("silent", "bad we are not registered: nobody answers at TRUNK_HOST", "nobody answers"),
    ("password", "bad the carrier refuses our user or password (401)", "refused: user or password (401)"),
    ("account", "bad the carrier refuses our user or password (403)", "refused: user or password (403)"),
    (
        "address",
        "bad the carrier refuses our registration: refused by the carrier (403)",
        "refused by the carrier (403)",
    ),
    ("busy", "bad the carrier refuses our registration: refused by the carrier (503)", "refused by the carrier (503)"),
    ("well", "bad we are not registered with the carrier", "not registered"),
]


class Registrar:
    """A carrier that answers REGISTER in one of these ways, and checks the password for real."""

    def __init__(self, way: str) -> None:
        self.way, self.contacts = way, 0
        self.line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.line.bind(("127.0.0.1", 0))
        self.host = f"127.0.0.1:{self.line.getsockname()[1]}"
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self) -> None:
        while True:
            packet, peer = self.line.recvfrom(4096)
            request = sip.read(packet)
            if request is None:
                return
            if self.way == "silent":
                continue
            self.contacts += request.method == "REGISTER" and bool(request.get("Contact"))
            answer = sip.answer_to(request, *self.answer(request), "x")
            if answer.status == 401:
                answer.headers.append(("WWW-Authenticate", 'Digest realm="c", nonce="n"'))
            self.line.sendto(answer.to_bytes(), peer)

    def answer(self, request: sip.SipMessage) -> tuple[int, str]:
        if request.method != "REGISTER":
            return 200, "OK"
        if self.way in {"address", "busy"}:
            return (403, "Forbidden") if self.way == "address" else (503, "Busy")
        uri = request.first.split()[1]
        right = sip.digest('realm="c", nonce="n"', "REGISTER", uri, "freeline", "right")
        if request.get("Authorization") == right:
            return 200, "OK"
        return (403, "Forbidden") if request.get("Authorization") and self.way == "account" else (401, "Unauthorized")

    def close(self) -> None:
        self.line.sendto(b"stop", self.line.getsockname())
        self.thread.join(5)
        self.line.close()


@pytest.mark.parametrize(("way", "finding", "word"), ANSWERS, ids=[row[0] for row in ANSWERS])
@pytest.mark.usefixtures("at_home")
def test_nobody_answers_is_told_from_a_refusal_and_why(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, way: str, finding: str, word: str
) -> None:
    """Asterisk says Rejected of all of them. A silent carrier is waited for, as long as the doctor waits for anybody."""
    monkeypatch.setattr(probes, "WITHIN_S", 0.6)
    monkeypatch.setattr(registration, "state", lambda _settings: "Rejected")
    carrier = Registrar(way)
    try:
        told = {"trunk_host": carrier.host, "trunk_user": "freeline"}
        told["trunk_password"] = "right" if way == "well" else "wrong"
        one(said(trunk.check, settings, **told), finding)
        assert registration.word(settings.model_copy(update=told)) == word
        assert registration.refused(word) is (way != "well")
        assert carrier.contacts == 0, "asking changes nothing at the carrier"
    finally:
        carrier.close()


def test_without_a_registration_there_is_none_to_be_refused(settings: Settings) -> None:
    assert registration.word(settings) == registration.NONE
    told = {"trunk_host": "127.0.0.1:9", "trunk_user": "freeline"}
    assert registration.word(settings.model_copy(update=told)) == registration.NOT_REGISTERED
    assert not registration.refused(registration.NOT_REGISTERED)


def test_private_addresses_alone_need_the_outer_one(
    settings: Settings, carrier: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trunk, "own_addresses", lambda: ["10.1.2.3"])
    one(said(trunk.check, settings, trunk_host=carrier), "bad this machine has only private addresses")
    one(said(trunk.check, settings, secure_cookies=True), "bad this machine has only private addresses")
    one(said(trunk.check, settings, trunk_host=carrier, stun_urls="stun:x"), "bad EXTERNAL_IP is not set")
    assert said(trunk.check, settings) == ["warn no trunk is set: only phones of your own reach the line"]
    monkeypatch.setattr(trunk, "own_addresses", lambda: ["10.1.2.3", "8.8.4.4"])
    one(said(trunk.check, settings, trunk_host=carrier), "ok this machine has an address of its own")


@pytest.mark.parametrize("host", ["sip:sip.carrier.example", "sip.carrier.example:sip"])
def test_a_trunk_that_is_no_servers_name_is_told_and_asked_for_nothing(settings: Settings, host: str) -> None:
    one(said(trunk.check, settings, trunk_host=host), "bad TRUNK_HOST is no server's name")


def test_a_trunk_that_anybody_may_be_is_bad(settings: Settings) -> None:
    one(said(trunk.check, settings, trunk_match="0.0.0.0/0"), "bad TRUNK_MATCH")


def test_a_relay_that_works(settings: Settings, turn: Turn) -> None:
    lines = said(
        relay.check, settings, stun_urls=turn.stun_url, turn_secret=SECRET,
        turn_urls=f"{turn.url}, {turn.url}?transport=tcp", external_ip=turn.host,
    )  # fmt: skip
    assert [line[:3] for line in lines] == ["ok ", "ok ", "ok "]


def test_a_relay_over_tls_and_one_whose_certificate_is_from_nobody(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = next(iter(own_addresses()), "127.0.0.1")
    certificate = self_made(tmp_path, f"IP:{own}")
    turn = Turn(tmp_path / "turn", certificate=certificate)
    told = {"turn_secret": SECRET, "turn_urls": f"turns:{turn.host}:{turn.tls_port}?transport=tcp"}
    try:
        assert "its certificate is refused" in one(said(relay.check, settings, **told), "bad turns:")
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
        assert said(relay.check, settings, **told) == [f"ok {told['turn_urls']} relays"]
        assert "refuses our secret" in one(said(relay.check, settings, **told | {"turn_secret": "x"}), "bad turns:")
    finally:
        turn.close()


def test_a_relay_with_another_secret_and_a_stun_server_that_sees_another_address(
    settings: Settings, turn: Turn
) -> None:
    told = {"stun_urls": turn.stun_url, "turn_urls": turn.url, "turn_secret": "another", "external_ip": "203.0.113.7"}
    lines = said(relay.check, settings, **told)
    assert "refuses our secret" in one(lines, "bad turn:")
    assert "another address than EXTERNAL_IP" in one(lines, "warn stun:")


@pytest.mark.parametrize("kind", ["", "?transport=tcp"])
def test_a_relay_that_is_not_there(settings: Settings, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "WITHIN_S", 0.5)
    port = free_port()
    told = {"stun_urls": f"stun:127.0.0.1:{port}", "turn_urls": f"turn:127.0.0.1:{port}{kind}", "turn_secret": "x"}
    lines = said(relay.check, settings, **told)
    assert [line.split(":")[0] for line in lines] == ["bad stun", "bad turn"]


@pytest.mark.parametrize(("code", "words"), [(486, "no room"), (500, "refuses with 500")])
def test_other_refusals_of_a_relay(settings: Settings, monkeypatch: pytest.MonkeyPatch, code: int, words: str) -> None:
    def refuses(_server: IceServer, _secret: str) -> str:
        raise probes.TurnRefused(code)

    monkeypatch.setattr(probes, "relayed_address", refuses)
    assert words in one(said(relay.check, settings, turn_urls="turn:x", turn_secret="x"), "bad turn:x")


def test_agents_elsewhere_want_a_relay(settings: Settings) -> None:
    assert said(relay.check, settings) == []
    one(said(relay.check, settings, secure_cookies=True), "warn no relay is set")
