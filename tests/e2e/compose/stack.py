"""docker-compose.yml brought up from a clean checkout, as a person does it, on ports and networks of its own."""

import http.cookiejar
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hotline.settings import ROOT
from ops.place_call import wait_for_tone, wait_for_voice
from telephony.softphone.phone import Phone
from tests.e2e.compose.engine import Engine
from tests.support.callers import hum
from tests.support.cast import PASSWORD
from tests.support.ports import free_port, rtp_range
from tests.support.wait import until

# Those with a Dockerfile target of their own; the others share these images.
BUILT = ("asterisk", "ivr", "console", "caddy")
OURS = ("asterisk", "ivr", "switchboard", "transcriber", "jobs", "console", "redis")
SERVICES = (*OURS, "postgres", "caddy")


class Stack:
    """The stack. `down` leaves nothing of it."""

    def __init__(self, engine: Engine, work: Path) -> None:
        self.engine = engine
        self.project = f"freeline-test-{os.getpid()}"
        self.folder = work / "checkout"
        _check_out(self.folder)
        subprocess.run([self.folder / "ops" / "setup.sh", "compose"], check=True, capture_output=True)
        self.address = _own_address()
        self.sip_port, self.https_port = free_port(), free_port()
        self.turn_port = free_port()
        self.inner, self.outside = _free_networks()
        self.write_env(
            SITE="localhost",
            HTTP_PORT=free_port(),
            HTTPS_PORT=self.https_port,
            SIP_PORT=self.sip_port,
            RTP_PORTS=rtp_range(20),
            CALLS_AT_ONCE=5,
            # Calls come from the machine's own address, as from a carrier: it is in none of the stack's networks.
            TRUNK_MATCH=f"127.0.0.1,{self.address}",
            EXTERNAL_IP=self.address,
            INNER=self.inner,
            OUTSIDE=self.outside,
            TURN_PORT=self.turn_port,
            TURN_PORTS=rtp_range(20),
        )

    def write_env(self, **values: object) -> None:
        """Change lines of `.env`; each must be in the example, or nobody would find it."""
        file = self.folder / ".env"
        text = file.read_text()
        for name, value in values.items():
            text, found = re.subn(rf"^FREELINE_{name}=.*$", f"FREELINE_{name}={value}", text, flags=re.MULTILINE)
            assert found == 1, f"FREELINE_{name} is not explained in .env.example"
        file.write_text(text)

    def compose(self, *words: str, within_s: float = 400, check: bool = True) -> str:
        return self.engine.compose(self.folder, "-p", self.project, *words, within_s=within_s, check=check)

    def up(self) -> None:
        """Build and start; returns when all is ready."""
        self.compose("build", *BUILT, within_s=1800)
        # podman starts nothing that depends on a container which has ended, as `prepare` has; so here the order is left out,
        # and each process waits for what it needs. A Docker engine keeps the order of the file.
        self.compose("up", "--detach", "--no-build", "--no-deps", within_s=600)
        self.wait_ready()

    def begin_anew(self) -> None:
        """Lose everything but the images and the files of the checkout; the database begins again, empty."""
        self.down()
        self.compose("up", "--detach", "--no-build", "--no-deps", "postgres")

    def wait_ready(self, within_s: float = 120) -> None:
        until(lambda: self.status()["ready"], within_s, 1.0)

    def down(self) -> None:
        self.compose("--profile", "turn", "down", "--volumes", "--timeout", "5", within_s=600)

    def run_in(self, service: str, *words: str, check: bool = True, given: str | None = None) -> str:
        """Run a command in a service's container."""
        return self.engine.podman("exec", "--interactive", self.container(service), *words, check=check, given=given)

    def container(self, service: str) -> str:
        return f"{self.project}_{service}_1"

    def inspect(self, service: str) -> dict[str, Any]:
        [found] = json.loads(self.engine.podman("inspect", self.container(service), check=False))
        return dict(found)

    def status(self) -> dict[str, Any]:
        """What `freeline status` tells from within a container; not ready while that cannot be asked."""
        said = self.run_in("console", "freeline", "status", "--json", check=False)
        try:
            return dict(json.loads(said))
        except ValueError:
            return {"ready": False}

    def phone(self) -> Phone:
        """A phone outside the stack, at the published SIP port."""
        return Phone((self.address, self.sip_port), host=self.address)

    def leave_message(self, number: str, *, to_the_end: bool = False) -> None:
        """Call the published port, press the key for English, leave a message, and hang up; or hear out what comes then,
        which takes half a minute.
        """
        with self.phone() as phone:
            call = phone.call("1800123456", number)
            assert call.wait_answered(), f"the line did not answer: {call.status}"
            assert wait_for_voice(call, 60), "no sound came through the published RTP ports"
            call.press("6")
            assert wait_for_tone(call, 90), f"no tone was heard; the line did this instead:\n{self.in_the_exchange()}"
            call.say(hum(3.0))
            call.press("#")
            assert call.wait_said(20)
            if to_the_end:
                call.wait_ended()
            else:
                call.hangup()

    def in_the_exchange(self) -> str:
        """What each call does now."""
        script = (
            "import subprocess; from hotline.settings import Settings; from telephony.asterisk.obtain import find_asterisk\n"
            "asterisk = find_asterisk(Settings()).command\n"
            "subprocess.run([*asterisk, '-C', '/data/asterisk/etc/asterisk.conf', '-rx', 'core show channels'])"
        )
        return self.run_in("asterisk", "python", "-c", script, check=False)

    def operator(self, *words: str, mounts: Sequence[str] = (), check: bool = True) -> str:
        """Run a `freeline` command as docs/operations.md tells an operator; what it printed."""
        volumes = [word for mount in mounts for word in ("--volume", mount)]
        return self.compose("run", "--rm", "--no-deps", "-T", *volumes, "prepare", "freeline", *words, check=check)

    def hire(self, login: str, role: str, speaks: str = "") -> None:
        words = ("freeline", "user", "add", login, "--role", role, "--speaks", speaks)
        self.run_in("console", *words, given=f"{PASSWORD}\n")

    def sign_in(self, login: str) -> "Visitor":
        visitor = Visitor(f"https://localhost:{self.https_port}", self.authority())
        visitor.sign_in(login)
        return visitor

    def authority(self) -> str:
        """The certificate of Caddy's own authority."""
        return self.run_in("caddy", "cat", "/data/caddy/pki/authorities/local/root.crt")


class Visitor:
    """A browser without a window: keeps cookies, and trusts nobody but this stack's authority."""

    def __init__(self, url: str, authority: str) -> None:
        self.url = url
        context = ssl.create_default_context(cadata=authority)
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self._opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), cookies)

    def get(self, path: str) -> str:
        with self._opener.open(self.url + path, timeout=20) as answer:
            return str(answer.read().decode())

    def sign_in(self, login: str) -> None:
        token = re.search(r'name="csrf" value="([^"]+)"', self.get("/sign-in"))
        assert token, "the sign-in page has no form"
        form = urllib.parse.urlencode({"csrf": token[1], "login": login, "password": PASSWORD, "next": ""}).encode()
        with self._opener.open(f"{self.url}/sign-in", form, timeout=20) as answer:
            assert "/sign-in" not in answer.url, "the sign-in was refused"

    def cases(self) -> set[str]:
        """The cases that the queue shows."""
        return set(re.findall(r'href="(/cases/\d+)', self.get("/queue")))


def _check_out(target: Path) -> None:
    """What a clean clone would hold: nothing that is ignored comes along."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for name in listed.splitlines():
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)


def _own_address() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect(("192.0.2.1", 9))  # sends nothing; it only asks which way it would go
        return str(s.getsockname()[0])


def _free_networks() -> tuple[str, str]:
    """The beginnings of two private networks that no route of this machine leads to."""
    taken = {line.split()[1] for line in Path("/proc/net/route").read_text().splitlines()[1:]}
    free = [n for n in range(40, 240) if f"{0:02X}{n:02X}1DAC" not in taken]
    return f"172.29.{free[0]}", f"172.29.{free[1]}"
