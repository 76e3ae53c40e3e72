"""What our processes and Asterisk prove themselves to each other with. Made once, kept beside the keys, mode 0600."""

import os
import secrets
from dataclasses import dataclass, fields
from pathlib import Path

from hotline.errors import PartMissing
from hotline.settings import Settings


@dataclass(frozen=True)
class Secrets:
    """Random words, of 32 hex digits but for `demo` and `asterisk`.

    `caller` is the password of the SIP account for phones on other machines, `demo` that of the demo's people.
    `asterisk` is the name by which Asterisk calls itself towards us alone, so that we know which events are its own.
    """

    agi_token: str
    ami_reader: str
    ami_actor: str
    ari: str
    caller: str
    demo: str
    asterisk: str


def make_secrets(settings: Settings) -> Secrets:
    """The secrets, made where they are missing; what is there is never overwritten, and two may do this at once."""
    settings.keys.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in _names():
        if not _path(settings, name).exists():
            _write_once(_path(settings, name), _word(name))
    return load_secrets(settings)


def load_secrets(settings: Settings) -> Secrets:
    """The secrets. Raises `PartMissing` when they were never made."""
    try:
        return Secrets(**{name: _path(settings, name).read_text().strip() for name in _names()})
    except OSError as error:
        raise PartMissing("the telephony secrets are missing: run `freeline up` once") from error


def agi_token(settings: Settings) -> str:
    """Return what ivr asks Asterisk for with its first command. Raises `PartMissing`."""
    return load_secrets(settings).agi_token


def caller_secret(settings: Settings) -> str:
    """The SIP password of the account `caller`. Raises `PartMissing`."""
    return load_secrets(settings).caller


def demo_password(settings: Settings) -> str:
    """The sign-in password of the demo's people. Raises `PartMissing`."""
    return load_secrets(settings).demo


def _word(name: str) -> str:
    if name == "demo":
        return _typed()
    return secrets.token_hex(8 if name == "asterisk" else 16)  # Asterisk cuts its name after 19 letters


def _typed() -> str:
    """A password that a person types from the screen: 16 letters that look unlike each other, 70 bits."""
    return "-".join("".join(secrets.choice("abcdefghjkmnpqrstuvwxyz") for _ in range(4)) for _ in range(4))


def _names() -> list[str]:
    return [field.name for field in fields(Secrets)]


def _path(settings: Settings, name: str) -> Path:
    return settings.keys / f"{name}.secret"


def _write_once(path: Path, word: str) -> None:
    # Linked into place whole, so that nobody ever reads half a secret; the first writer wins.
    fresh = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(word)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(fresh, path)
        except FileExistsError:
            return
    finally:
        fresh.unlink(missing_ok=True)
