"""The vault: recordings at rest, encrypted with age for the organisation, under names that say nothing."""

import errno
import hashlib
import io
import os
import re
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from hotline.errors import FreelineError, NotFound
from hotline.keys import Keys, Source
from hotline.log import log

NAME = re.compile(r"[0-9a-f]{32}")
SEALED = ".age"
UNFINISHED = ".part-"
ASIDE = "aside"
FULL = {errno.ENOSPC, errno.EDQUOT}


class VaultFull(FreelineError):
    """There is no room to keep a recording; the spool keeps it until there is."""


class VaultMissing(NotFound):
    """The vault has no such recording: it was deleted, or the vault folder is not the one of this database."""


class VaultDamaged(FreelineError):
    """A recording in the vault cannot be opened: damaged on disk, or sealed with another key."""


@dataclass(frozen=True)
class Vault:
    """A folder of sealed recordings, two levels deep. Putting needs the public key alone; opening needs the identity."""

    folder: Path
    keys: Keys

    def key_of(self, name: str) -> str:
        """The vault key of a file with this name in the spool: always the same one, and it reveals nothing without our key.

        So sealing it again, because a crash came before its row, replaces the first copy: no copy is left that would
        outlive an erasure.
        """
        return self.keys.find_by(f"vault {name}")[:32]

    def put(self, plain: Source, vault_key: str | None = None) -> str:
        """Seal and store `plain`, and return its vault key, a new one when none is given. On return it is on the disk, not
        only in its cache.

        It is read and sealed piece by piece: a conversation of hours is hundreds of megabytes.

        Raises `VaultFull` when the disk is full and OSError for any other trouble with it; nothing is left behind.
        """
        name = vault_key or secrets.token_hex(16)
        path = self._path(name)
        part = path.with_name(UNFINISHED + name)
        try:
            self._make(path.parent)
            part.unlink(missing_ok=True)  # left by one that was killed
            self._seal_to(part, plain)
            part.rename(path)
            _sync_folder(path.parent)
        except OSError as error:
            part.unlink(missing_ok=True)
            if error.errno in FULL:
                raise VaultFull("the disk is full: recordings stay in the spool until there is room") from error
            raise
        return name

    def open(self, vault_key: str) -> bytes:
        """The plain bytes. Raises `VaultMissing`, `VaultDamaged`, or `NotAllowed` when this process may not open."""
        try:
            plain = io.BytesIO()
            with self._path(vault_key).open("rb") as sealed:
                self.keys.open_stream(sealed, plain)
            return plain.getvalue()
        except FileNotFoundError as error:
            raise VaultMissing("The recording is not in the vault.") from error
        except OSError as error:
            raise VaultDamaged(f"The recording cannot be read from the disk ({error.strerror}).") from error
        except ValueError as error:
            raise VaultDamaged("The recording is damaged or was sealed with another key.") from error

    def open_whole(self, vault_key: str, sha256: str) -> bytes:
        """The plain bytes, which must have this SHA-256; otherwise raises `VaultDamaged`."""
        plain = self.open(vault_key)
        if hashlib.sha256(plain).hexdigest() != sha256:
            raise VaultDamaged("The recording in the vault is not the one that was made.")
        return plain

    def delete(self, vault_key: str) -> bool:
        """Remove a recording for good, also where it was set aside. False when it was not there."""
        if not NAME.fullmatch(vault_key):
            return False
        there = False
        for path in (self._path(vault_key), self.folder / ASIDE / f"{vault_key}{SEALED}"):
            try:
                path.unlink()
                there = True
            except FileNotFoundError:
                continue
        return there

    def removed(self, vault_key: str, recording_id: int | None) -> bool:
        """Remove a recording for good. False, and logged, when its file stays: it must keep its row and be retried."""
        try:
            self.delete(vault_key)
        except OSError as error:
            why = type(error).__name__
            log().error("a recording could not be removed from the vault", recording=recording_id, error=why)
            return False
        return True

    def kept(self) -> Iterator[tuple[str, float]]:
        """Yield each vault key with the age of its file, in seconds by the wall clock."""
        for path in self.folder.glob(f"??/??/*{SEALED}"):
            written_at = _written_at(path)
            if written_at is not None and NAME.fullmatch(path.stem):
                yield path.stem, time.time() - written_at

    def set_aside(self, vault_key: str) -> None:
        """Set a recording without a row aside. It is not deleted yet: the rows may come from a backup."""
        aside = self.folder / ASIDE
        self._make(aside)
        target = aside / f"{vault_key}{SEALED}"
        self._path(vault_key).rename(target)
        os.utime(target)

    def sweep(self, aside_before: datetime | None, unfinished_s: float = 3600) -> int:
        """Delete files that were set aside before that moment (None: none), and those that a crash left half written.

        Returns how many files were deleted.
        """
        until = [(f"??/??/{UNFINISHED}*", time.time() - unfinished_s)]
        if aside_before is not None:
            until.append((f"{ASIDE}/*{SEALED}", aside_before.timestamp()))
        swept = 0
        for pattern, limit in until:
            for path in self.folder.glob(pattern):
                written_at = _written_at(path)
                if written_at is not None and written_at < limit:
                    path.unlink(missing_ok=True)
                    swept += 1
        return swept

    def _seal_to(self, path: Path, plain: Source) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            self.keys.seal_stream(plain, file)
            file.flush()
            os.fsync(file.fileno())

    def _path(self, vault_key: str) -> Path:
        if not NAME.fullmatch(vault_key):
            raise VaultMissing("The recording is not in the vault.")
        return self.folder / vault_key[:2] / vault_key[2:4] / f"{vault_key}{SEALED}"

    def _make(self, folder: Path) -> None:
        if folder.is_dir():
            return
        if folder != self.folder:
            self._make(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True, parents=folder == self.folder)
        _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    """Make a new or renamed file name survive a power cut: the name is stored in the folder."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _written_at(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return None
