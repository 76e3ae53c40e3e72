"""Seals backups: for the holder of an age key, or with a passphrase.

Sealed for a key it is a plain age file: `age -d -i KEY FILE | tar x` opens it without Freeline. Sealed with a passphrase it
begins with a key of its own, which the passphrase opens; a passphrase alone seals nothing of any size.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyrage

from hotline.errors import FreelineError
from hotline.keys import Keys, Source, Target

HEADER = re.compile(rb"freeline-backup 1 (\d{1,5})\n")
SHORTEST = 12


class BackupFailed(FreelineError):
    """A backup could not be made, read or restored; the text says why and what to do."""


@dataclass(frozen=True)
class Sealer:
    """Seals one backup. `begin` is written before the sealed data."""

    keys: Keys
    begin: bytes = b""

    def seal(self, plain: Source, target: Target) -> None:
        """Write all of `plain`, sealed. Raises OSError of the two files."""
        target.write(self.begin)
        self.keys.seal_stream(plain, target)


def for_key(public: str) -> Sealer:
    """Seal for the holder of this age key. Raises `BackupFailed` when it is not an age key."""
    try:
        pyrage.x25519.Recipient.from_str(public)
    except pyrage.RecipientError as error:
        raise BackupFailed(
            "that is no age public key: it begins with age1. `freeline backup key FILE` makes a pair"
        ) from error
    return Sealer(Keys(public, b""))


def with_passphrase(passphrase: str) -> Sealer:
    """Seal with a passphrase. Raises `BackupFailed` when it is too short."""
    if len(passphrase) < SHORTEST:
        raise BackupFailed(f"the passphrase is too short: {SHORTEST} characters or more, better five words")
    identity = pyrage.x25519.Identity.generate()
    sealed = pyrage.passphrase.encrypt(str(identity).encode(), passphrase)
    return Sealer(Keys(str(identity.to_public()), b""), f"freeline-backup 1 {len(sealed)}\n".encode() + sealed)


def wants_passphrase(file: Path) -> bool:
    """Return whether a backup was sealed with a passphrase. Raises `BackupFailed` when it cannot be read."""
    try:
        with file.open("rb") as sealed:
            return HEADER.match(sealed.readline(64)) is not None
    except OSError as error:
        raise BackupFailed(f"the backup cannot be read: {error.strerror}") from error


def opener(sealed: BinaryIO, *, identity: str = "", passphrase: str = "") -> Keys:
    """The keys that open the rest of an open backup. Raises `BackupFailed` for a wrong passphrase or an invalid age key."""
    header = HEADER.match(sealed.readline(64))
    if header is None:
        sealed.seek(0)
        found = re.search(r"AGE-SECRET-KEY-1[A-Z0-9]+", identity)
        if found is None:
            raise BackupFailed(
                "this backup is sealed for a key: give the file that `freeline backup key` made with --key"
            )
        return Keys("", b"", found.group())
    try:
        own = pyrage.passphrase.decrypt(sealed.read(int(header.group(1))), passphrase).decode()
    except (pyrage.DecryptError, ValueError) as error:
        raise BackupFailed("that is not its passphrase, or the file is damaged") from error
    return Keys("", b"", own)
