"""Sealing with age, and finding a sealed number by a keyed hash.

The public key seals, the identity opens, and the index key lets its holder test whether a number is known. Who holds
which is in docs/privacy.md.
"""

import errno
import hashlib
import hmac
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pyrage

from hotline.errors import NotAllowed, PartMissing

PUBLIC, IDENTITY, INDEX = "public.age", "identity.age", "index.key"


class Source(Protocol):
    """What can be read piece by piece."""

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes; none at the end."""


class Target(Protocol):
    """What can be written piece by piece."""

    def write(self, piece: bytes, /) -> int:
        """Take these bytes."""


@dataclass(frozen=True)
class Keys:
    """The keys a process holds. Without an identity it can seal and find, but not open."""

    public: str
    index: bytes
    identity: str | None = None

    def seal(self, plain: bytes) -> bytes:
        """Encrypt for the organisation."""
        return bytes(pyrage.encrypt(plain, [pyrage.x25519.Recipient.from_str(self.public)]))

    def seal_stream(self, plain: Source, sealed: Target) -> None:
        """Encrypt all of `plain` into `sealed`, piece by piece: never more than some kilobytes are in memory.

        Raises OSError as the two do.
        """
        source, target = _WatchedSource(plain), _WatchedTarget(sealed)
        try:
            pyrage.encrypt_io(source, target, [pyrage.x25519.Recipient.from_str(self.public)])
        except pyrage.EncryptError as error:
            # Only the text of what went wrong comes through, and a full disk is told by its number.
            raise source.trouble or target.trouble or OSError(errno.EIO, "sealing failed") from error

    def open_stream(self, sealed: Source, plain: Target) -> None:
        """Decrypt all of `sealed` into `plain`, piece by piece. Raises as `open` does, and OSError as the two do."""
        if self.identity is None:
            raise NotAllowed("this process holds no key to open what is sealed")
        source, target = _WatchedSource(sealed), _WatchedTarget(plain)
        try:
            pyrage.decrypt_io(source, target, [pyrage.x25519.Identity.from_str(self.identity)])
        except (pyrage.DecryptError, OSError) as error:
            if trouble := source.trouble or target.trouble:
                raise trouble from error
            raise ValueError("this was sealed with another key or is damaged") from error

    def open(self, sealed: bytes) -> bytes:
        """Decrypt. Raises `NotAllowed` when this process holds no identity, ValueError when it is not ours or damaged."""
        if self.identity is None:
            raise NotAllowed("this process holds no key to open what is sealed")
        try:
            return bytes(pyrage.decrypt(sealed, [pyrage.x25519.Identity.from_str(self.identity)]))
        except pyrage.DecryptError as error:
            raise ValueError("this was sealed with another key or is damaged") from error

    @property
    def audit(self) -> bytes:
        """The key of the audit chain, derived from the index key: who writes acts down holds that, the database does not."""
        return hmac.new(self.index, b"freeline: the audit chain, 1", hashlib.sha256).digest()

    def find_by(self, number: str) -> str:
        """The keyed hash of a number in E.164: HMAC-SHA256 under the index key, in hex."""
        return hmac.new(self.index, number.encode(), hashlib.sha256).hexdigest()


class _WatchedSource:
    """Reads, and keeps the error it ended with."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.trouble: OSError | None = None

    def read(self, size: int = -1, /) -> bytes:
        try:
            return self._source.read(size)
        except OSError as error:
            self.trouble = error
            raise


class _WatchedTarget:
    """Writes, and keeps the error it ended with."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self.trouble: OSError | None = None

    def write(self, piece: bytes, /) -> int:
        try:
            return self._target.write(piece)
        except OSError as error:
            self.trouble = error
            raise

    def flush(self) -> None:
        """Left to whoever opened it."""


def make_keys(folder: Path) -> None:
    """Make the keys once; what is there is never overwritten. Each is written whole or not at all."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not (folder / PUBLIC).exists():
        if not (folder / IDENTITY).exists():
            _write_once(folder / IDENTITY, str(pyrage.x25519.Identity.generate()).encode())
        identity = pyrage.x25519.Identity.from_str((folder / IDENTITY).read_text().strip())
        _write_once(folder / PUBLIC, str(identity.to_public()).encode())
    if not (folder / INDEX).exists():
        _write_once(folder / INDEX, secrets.token_hex(32).encode())


def load_keys(folder: Path, *, may_open: bool) -> Keys:
    """The keys of this process. Raises `PartMissing` when they were never made."""
    try:
        return Keys(
            public=(folder / PUBLIC).read_text().strip(),
            index=bytes.fromhex((folder / INDEX).read_text().strip()),
            identity=(folder / IDENTITY).read_text().strip() if may_open else None,
        )
    except OSError as error:
        raise PartMissing("the keys are missing: run `freeline up` once, or restore the keys folder") from error


def audit_key(folder: Path) -> bytes | None:
    """The key of the audit chain; None before the keys are made."""
    try:
        return load_keys(folder, may_open=False).audit
    except PartMissing:
        return None


def _write_once(path: Path, content: bytes) -> None:
    # Half a key, of a disk that was full, would stand for a whole one for ever: it is linked into place when it is written.
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)
