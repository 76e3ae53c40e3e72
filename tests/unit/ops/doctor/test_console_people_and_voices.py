"""The console's front, the people, and what callers hear."""

import http.server
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hotline.settings import Settings
from hotline.staff import people as staff
from ivr import prompts
from models import Agent, Database
from ops import demo
from ops.doctor import people, running, voices, web
from telephony.asterisk.secrets import make_secrets
from tests.support.cast import Cast
from tests.support.ports import free_port
from tests.unit.ops.doctor.conftest import one, said, self_made


@dataclass
class Front:
    """A TLS front with a certificate of its own; answers /alive with `status`."""

    url: str
    status: int = 200


def front(tmp_path: Path, days: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Front]:
    certificate, key = self_made(tmp_path, "DNS:localhost", days)
    it = Front("")

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(it.status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    it.url = f"https://localhost:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    yield it
    server.shutdown()
    server.server_close()


@pytest.fixture
def good_front(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Front]:
    yield from front(tmp_path, 90, monkeypatch)


@pytest.fixture
def old_front(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Front]:
    yield from front(tmp_path, 5, monkeypatch)


SAFE = {"secure_cookies": True, "behind_proxy": True}


def test_a_console_for_this_machine_alone(settings: Settings) -> None:
    assert said(web.check, settings) == ["warn only browsers on this machine reach the console"]


def test_a_front_with_a_good_certificate(settings: Settings, good_front: Front) -> None:
    lines = said(web.check, settings, **SAFE, public_url=good_front.url)
    assert one(lines, "ok the certificate").endswith("89 days") or one(lines, "ok the certificate").endswith("90 days")
    one(lines, "ok the console answers through its front")
    good_front.status = 502
    one(
        said(web.check, settings, **SAFE, public_url=good_front.url),
        "bad the front does not pass pages on to the console (502)",
    )


def test_a_front_that_is_found_elsewhere_from_inside_a_container(settings: Settings, good_front: Front) -> None:
    behind = {**SAFE, "apart": True, "console_host": "172.31.57.212", "public_url": "https://localhost"}
    inside = good_front.url.removeprefix("https://")
    lines = said(web.check, settings, **behind, front=inside)
    one(lines, "ok the console answers through its front")
    assert all(line.startswith("ok") for line in lines), lines
    one(said(web.check, settings, **behind, front=f"localhost:{free_port()}"), "bad nothing serves TLS")


def test_a_certificate_that_ends_soon(settings: Settings, old_front: Front) -> None:
    one(said(web.check, settings, **SAFE, public_url=old_front.url), "warn the certificate of localhost ends in ")


def test_a_certificate_for_another_name_or_from_nobody(
    settings: Settings, good_front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = good_front.url.replace("localhost", "127.0.0.1")
    assert "mismatch" in one(said(web.check, settings, **SAFE, public_url=other), "bad the certificate")
    monkeypatch.delenv("SSL_CERT_FILE")
    assert "self-signed" in one(said(web.check, settings, **SAFE, public_url=good_front.url), "bad the certificate")


def test_a_front_that_is_not_there(settings: Settings) -> None:
    one(said(web.check, settings, **SAFE, public_url=f"https://localhost:{free_port()}"), "bad nothing serves TLS")
    one(said(web.check, settings, **SAFE, public_url="https://console.invalid"), "bad console.invalid has no address")
    one(said(web.check, settings, **SAFE, public_url="http://localhost"), "bad PUBLIC_URL does not begin with https")


def test_cookies_without_tls_and_a_front_that_can_be_gone_round(settings: Settings) -> None:
    one(said(web.check, settings, console_host="0.0.0.0"), "bad cookies may travel without TLS")
    one(said(web.check, settings, secure_cookies=True), "warn every sign-in seems to come from the front")
    lines = said(web.check, settings, **SAFE, console_host="0.0.0.0")
    one(lines, "warn the console listens on 0.0.0.0")
    one(lines, "warn where agents open the console is not known")


def test_the_cast_has_no_demo_password_and_gaps(settings: Settings, db: Database, staff: Cast) -> None:
    make_secrets(settings)
    lines = said(people.check, settings)
    assert not [line for line in lines if "demo" in line]
    assert "nobody is expected for 168 hours" in one(lines, "warn Burmese: nobody is expected")
    assert "Khmer" in one(lines, "warn nobody speaks")


def test_no_administrator_one_and_two(settings: Settings, db: Database, staff: Cast) -> None:
    def role(login: str, role: str) -> None:
        with db.write() as session:
            agent = session.exec(people.select(Agent).where(people.col(Agent.login) == login)).one()
            agent.role = people.Role(role)
            session.add(agent)

    with db.read() as session:
        admins = [a.login for a in session.exec(people.select(Agent)) if a.role is people.Role.ADMINISTRATOR]
    for login in admins:
        role(login, "agent")
    one(said(people.check, settings), "bad there is no administrator")
    role("alice", "administrator")
    one(said(people.check, settings), "warn there is one administrator")
    role("bob", "administrator")
    one(said(people.check, settings), "ok 2 administrators")


def test_the_demo_is_found_by_its_password_and_its_gap(settings: Settings, db: Database) -> None:
    """On this machine alone it is a warning; once others reach the console it must go."""
    make_secrets(settings)
    from hotline.line import languages

    with db.write() as session:
        languages.seed(session, settings.line_numbers, demo=True)
    word = demo.password(settings)
    with db.write() as session:
        for person in demo.PEOPLE:
            demo._add(session, person, word)
        staff.set_password(
            session, session.exec(people.select(Agent)).first(), "a better one for me", by_id=None, must_change=False
        )
    assert "16 people still have the demo's password" in one(said(people.check, settings), "warn 16")
    one(said(people.check, settings, secure_cookies=True), "bad 16 people")
    lines = said(people.check, settings)
    one(lines, "ok somebody speaks each language")
    assert "Khmer" in one([line for line in lines if "nobody is expected" in line], "warn Khmer")


def test_voices_and_models(settings: Settings, db: Database, staff: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompts, "placeholders", lambda _settings: ["km/opening", "km/menu"])
    monkeypatch.setattr(prompts, "problems", lambda _settings: ["my/opening.wav is silent"])
    lines = said(voices.check, settings)
    one(lines, "warn Khmer: 2 prompts are placeholders")
    one(lines, "warn my/opening.wav is silent")
    one(lines, "warn Vietnamese: no speech model is installed")
    assert "Burmese" in one(lines, "ok listened to by people")


def test_nothing_runs(settings: Settings) -> None:
    assert said(running.check, settings) == ["warn Freeline does not run now"]


def test_it_runs_and_something_is_wrong(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    state = {
        "ready": False, "database": "ok", "redis": "down", "asterisk": "ok", "ivr": "ok", "console": "ok",
        "processes": {"ivr": {"state": "running", "restarts": 9}, "redis": {"state": "down", "restarts": 0}},
        "recordings": {"spool": 0, "failed": 2}, "jobs": {"failed": 1},
    }  # fmt: skip
    monkeypatch.setattr(running, "status", lambda _settings: state)
    lines = said(running.check, settings)
    one(lines, "bad Freeline runs and is not ready: Redis, redis")
    one(lines, "warn ivr was started again 9 times")
    one(lines, "warn 2 messages could not be transcribed")
    one(lines, "warn 1 background jobs failed within a day")
    state |= {"ready": True, "recordings": {"spool": 3, "failed": 0}}
    lines = said(running.check, settings, redis_url="redis://127.0.0.1:9")
    one(lines, "ok Freeline runs")
    one(lines, "warn 3 files wait in the spool")
    one(lines, "bad the Redis of FREELINE_REDIS_URL")
