"""A real coturn for the tests, on an address of this machine and with ports of its own."""

import shutil
import subprocess
from pathlib import Path

from telephony.asterisk.ice import own_addresses
from tests.support.ports import free_port, rtp_range
from tests.support.wait import PATIENCE_S, until

SECRET = "the relay's own secret"


class Turn:
    """coturn as docs/operations.md sets it up; with TLS too when it has a certificate. `close` ends it."""

    def __init__(self, folder: Path, secret: str = SECRET, certificate: tuple[Path, Path] | None = None) -> None:
        if shutil.which("turnserver") is None:
            raise RuntimeError("coturn is missing: run ops/setup.sh test")
        # Relayed packets must come from the address that Asterisk answers to: loopback only where there is no other.
        self.host = next(iter(own_addresses()), "127.0.0.1")
        self.port = free_port()
        first, _, last = rtp_range(20).partition("-")
        folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / "turn.log"
        self.tls_port = free_port()
        tls = "no-tls\nno-dtls\n"
        if certificate:
            tls = f"tls-listening-port={self.tls_port}\ncert={certificate[0]}\npkey={certificate[1]}\n"
        configuration = folder / "turnserver.conf"
        configuration.write_text(
            f"listening-ip={self.host}\nrelay-ip={self.host}\nlistening-port={self.port}\n"
            f"min-port={first}\nmax-port={last}\nrealm=freeline.test\nuse-auth-secret\nstatic-auth-secret={secret}\n"
            f"fingerprint\nno-cli\nno-tcp-relay\n{tls}verbose\nallow-loopback-peers\nuserdb={folder / 'turndb'}\n"
            f"pidfile={folder / 'turn.pid'}\nlog-file=stdout\nsimple-log\n"
        )
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(["turnserver", "-c", str(configuration)], stdout=log, stderr=log)
        until(lambda: "UDP listener opened" in self.log.read_text(errors="replace"), 10)

    @property
    def url(self) -> str:
        return f"turn:{self.host}:{self.port}"

    @property
    def stun_url(self) -> str:
        return f"stun:{self.host}:{self.port}"

    def relayed(self) -> bool:
        """Return whether it has counted packets that it passed on."""
        return "peer usage" in self.log.read_text(errors="replace")

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(PATIENCE_S)
