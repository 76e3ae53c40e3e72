"""What the tests of the doctor share."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from hotline.settings import Settings
from ops.doctor.finding import Finding
from tests.support import made_up_time

Look = Callable[[Settings], Iterator[Finding]]


def said(look: Look, settings: Settings, **changes: object) -> list[str]:
    """What is found, as `grade text`; every finding that is not ok says what to do."""
    found = list(look(settings.model_copy(update=changes)))
    assert all(bool(finding.mend) is (finding.grade != "ok") for finding in found), found
    return [f"{finding.grade} {finding.text}" for finding in found]


def one(lines: list[str], start: str) -> str:
    """The one line that begins so."""
    [line] = [line for line in lines if line.startswith(start)]
    return line


def self_made(folder: Path, names: str, days: int = 90) -> tuple[Path, Path]:
    """A certificate that nobody signed, for these names (`DNS:…`, `IP:…`), and its key."""
    key, certificate = folder / "key.pem", folder / "cert.pem"
    days += int(made_up_time.ahead_s // 86400)  # openssl has the machine's clock
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out", str(certificate),
         "-days", str(days), "-subj", "/CN=localhost", "-addext", f"subjectAltName={names}"],
        check=True, capture_output=True,
    )  # fmt: skip
    return certificate, key
