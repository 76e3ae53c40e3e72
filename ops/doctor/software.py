"""Programs, Python packages, the locale, and Asterisk's version."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata

from hotline.errors import FreelineError
from hotline.settings import ROOT, Settings
from ops.doctor.finding import Finding, bad, ok, warn
from ops.supervision.run import redis_binary
from telephony.asterisk.obtain import FLOOR, find_asterisk, version_tuple

PROGRAMS = ("sox", "espeak-ng")
SETUP = "run ops/setup.sh run"
PYTHON = (3, 11)


def check(settings: Settings) -> Iterator[Finding]:
    """Check what must be installed."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        yield bad(f"missing: {', '.join(missing)}", f"{SETUP}, or apt-get install {' '.join(missing)}")
    else:
        yield ok("sox and espeak-ng, which make the prompts")
    yield from _python()
    yield _locale()
    if settings.apart:
        yield ok("Asterisk and Redis are in containers of their own")
        return
    yield _asterisk(settings)
    if not settings.redis_url:
        try:
            redis_binary()
            yield ok("a Redis of our own")
        except FreelineError as error:
            yield bad("redis-server is missing", str(error).partition(": ")[2])


def _python() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < PYTHON:
        yield bad(
            f"Python {version} is too old", "install Python 3.11 or newer, remove .venv, and run ops/setup.sh run"
        )
        return
    wrong = [name for name, wanted in locked() if _installed(name) != wanted]
    if wrong:
        yield warn(f"Python packages are not those that were tested: {', '.join(wrong[:4])}", SETUP)
    else:
        yield ok(f"Python {version} with the locked packages")


def locked() -> list[tuple[str, str]]:
    """The packages of requirements.txt with their versions."""
    return re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        # One that only other systems or older versions of Python need.
        return dict(locked())[name] if name in {"async-timeout", "typing-extensions"} else None


def _locale() -> Finding:
    encoding = sys.getfilesystemencoding()
    if encoding != "utf-8":
        return bad(f"the locale's encoding is {encoding}: names in callers' scripts break", "set LANG=C.UTF-8")
    return ok("the locale speaks UTF-8")


def _asterisk(settings: Settings) -> Finding:
    floor = ".".join(map(str, FLOOR))
    try:
        return ok(f"Asterisk {find_asterisk(settings).version}")
    except FreelineError as error:
        old = _too_old()
        if old:
            return bad(f"Asterisk {old} is too old; {floor} mends attacks that are known", SETUP)
        return bad("Asterisk is missing", str(error).partition(". ")[2] or SETUP)


def _too_old() -> str:
    try:
        said = subprocess.run(["asterisk", "-V"], capture_output=True, text=True, check=False, timeout=10).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ".".join(map(str, version_tuple(said)))
