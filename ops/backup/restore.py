"""Reads a backup: verifies it, and restores it into a new data folder."""

import io
import json
import os
import shutil
import tarfile
import tempfile
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pyrage
from alembic.script import ScriptDirectory
from sqlalchemy.exc import OperationalError

from hotline.keys import IDENTITY, PUBLIC, Keys
from hotline.settings import Settings
from models import Database
from ops.backup import dumps
from ops.backup.cleanup import RESTORE, sweep
from ops.backup.create import FORMAT, MANIFEST, Manifest, Progress, is_recording
from ops.backup.sealing import BackupFailed, opener

ALONE = (MANIFEST, dumps.SQLITE, dumps.POSTGRESQL)
FOLDERS = ("vault", "prompts", "keys", "audit")
PIECE = 1 << 20
AGE = b"age-encryption.org"


@dataclass(frozen=True)
class Secret:
    """The secret that opens a backup: the text of a key file, or a passphrase."""

    identity: str = ""
    passphrase: str = ""


def verify(file: Path, secret: Secret, progress: Progress) -> Manifest:
    """Open all of a backup, and check it against its manifest. Raises `BackupFailed` with what is wrong."""
    try:
        with tempfile.TemporaryDirectory(prefix="freeline-verify-") as folder:
            return _unpack(file, secret, Path(folder), progress, keep=lambda name: not name.startswith("vault/"))
    except OSError as error:
        raise BackupFailed(f"the backup was not verified: {error.strerror or type(error).__name__}") from error


def restore(settings: Settings, file: Path, secret: Secret, progress: Progress) -> Manifest:
    """Restore a backup into an empty data folder (and, for PostgreSQL, an empty database); the keys come with it.

    Nothing is overwritten. Raises `BackupFailed`; then the data folder is as it was.
    """
    targets = {
        "vault": settings.vault,
        "prompts": settings.own_prompts,
        "keys": settings.keys,
        "audit": settings.data / "audit",
    }
    try:
        for folder in (settings.data, settings.work):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A volume of a container exists from the start, and is empty.
        there = [p.name for p in (*_database_files(settings), *targets.values()) if p.is_file() or _filled(p)]
        sweep(settings.work, RESTORE + "*")
        work = Path(tempfile.mkdtemp(prefix=RESTORE, dir=settings.work))
    except OSError as error:
        raise BackupFailed(f"the backup was not restored: {error.strerror or type(error).__name__}") from error
    try:
        manifest = _unpack(file, secret, work, progress)
        if there and (there != ["keys"] or manifest.keys):
            raise BackupFailed(
                f"{settings.data} holds {', '.join(there)} already: move it away, or set FREELINE_DATA to a new folder"
            )
        _known(settings, manifest)
        with ExitStack() as undo:
            for name, target in targets.items():
                if (work / name).exists():
                    undo.callback(_clear, target, keep=target.exists())
                    _place(work / name, target)
            _restore_database(settings, work, manifest)
            undo.pop_all()
    except OperationalError as error:
        raise BackupFailed("the database does not answer: look at FREELINE_DATABASE_URL") from error
    except OSError as error:
        raise BackupFailed(f"the backup was not restored: {error.strerror or type(error).__name__}") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return manifest


def _database_files(settings: Settings) -> list[Path]:
    """SQLite's file, and those that a crash leaves beside it: SQLite would write these into a file restored there."""
    return [settings.data / f"freeline.db{end}" for end in ("", "-wal", "-shm", "-journal")]


def _filled(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())


def _place(source: Path, target: Path) -> None:
    """Move a folder to its place; into it, when it exists and is empty."""
    if not target.exists():
        source.rename(target)
        return
    for path in source.iterdir():
        shutil.move(path, target / path.name)


def _clear(folder: Path, *, keep: bool) -> None:
    """Remove what was placed, and the folder unless it existed before."""
    for path in folder.iterdir() if keep else ():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    if not keep:
        shutil.rmtree(folder, ignore_errors=True)


def _restore_database(settings: Settings, work: Path, manifest: Manifest) -> None:
    db = Database(settings.database)
    try:
        if db.sqlite != (manifest.database == dumps.SQLITE):
            raise BackupFailed(
                "this backup is of SQLite: restore it without FREELINE_DATABASE_URL, then move to PostgreSQL"
                if manifest.database == dumps.SQLITE
                else "this backup is of PostgreSQL: set FREELINE_DATABASE_URL to an empty database"
            )
        if db.sqlite:
            (work / dumps.SQLITE).rename(settings.data / "freeline.db")
            return
        if not dumps.empty(db):
            raise BackupFailed("the database of FREELINE_DATABASE_URL is not empty: make a new one")
        if dumps.put_back(work / dumps.POSTGRESQL, db) != (manifest.revision, manifest.rows):
            raise BackupFailed("the restored database has other rows than the backup says")
    finally:
        db.dispose()


def _known(settings: Settings, manifest: Manifest) -> None:
    script = ScriptDirectory.from_config(Database(settings.database).alembic_config())
    known = {revision.revision for revision in script.walk_revisions()}
    if manifest.revision is not None and manifest.revision not in known:
        raise BackupFailed("this backup is of a newer Freeline: update Freeline first")


def _unpack(
    file: Path, secret: Secret, into: Path, progress: Progress, keep: Callable[[str], bool] = lambda _name: True
) -> Manifest:
    """Open a backup into a folder, and check all of it; entries that are not kept are only read and checked."""
    counted = {"recordings": 0}
    with file.open("rb") as sealed:
        keys = opener(sealed, identity=secret.identity, passphrase=secret.passphrase)
        read, write = os.pipe()
        trouble: list[Exception] = []
        worker = threading.Thread(target=_open, args=(keys, sealed, write, trouble), daemon=True, name="unseal")
        worker.start()
        try:
            with os.fdopen(read, "rb") as plain, tarfile.open(fileobj=plain, mode="r|") as tar:
                _take(tar, into, keep, counted, lambda: progress(sealed.tell(), file.stat().st_size))
                while plain.read(PIECE):
                    pass  # to the end of the sealed data, where the last seal is
        except tarfile.TarError as error:
            trouble.append(error)
        finally:
            worker.join()
    if trouble:
        raise BackupFailed(_why(trouble))
    return _check(into, counted["recordings"])


def _why(trouble: list[Exception]) -> str:
    for error in trouble:
        if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
            return f"the backup cannot be read: {error.strerror}"
    return "this backup was sealed for another key, is cut short, or is damaged"


def _open(keys: Keys, sealed: io.BufferedReader, write: int, trouble: list[Exception]) -> None:
    try:
        with os.fdopen(write, "wb") as pipe:
            keys.open_stream(sealed, pipe)
    except (OSError, ValueError) as error:
        trouble.append(error)


def _ours(name: str) -> bool:
    """Return whether an entry stays below our folders. File names there are up to the organisation: a computer
    leaves `.DS_Store` beside a prompt."""
    if name in ALONE:
        return True
    first, *rest = name.split("/")
    return first in FOLDERS and bool(rest) and not any(part in {"", ".", ".."} or "\0" in part for part in rest)


def _take(
    tar: tarfile.TarFile, into: Path, keep: Callable[[str], bool], counted: dict[str, int], step: Callable[[], None]
) -> None:
    for entry in tar:
        source = tar.extractfile(entry)
        # To make such a file the public key is enough: its names are not trusted.
        if source is None or not entry.isreg() or not _ours(entry.name):
            raise BackupFailed("there is something in this backup that Freeline did not put there")
        recording = is_recording(entry.name)
        counted["recordings"] += recording
        target = into / entry.name if keep(entry.name) else Path(os.devnull)
        if keep(entry.name):
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        first = True
        with target.open("wb") as file:
            while piece := source.read(PIECE):
                if first and recording and not piece.startswith(AGE):
                    raise BackupFailed("a recording in this backup is damaged")
                first = False
                file.write(piece)
        if keep(entry.name):
            target.chmod(0o600)
        step()


def _check(folder: Path, recordings: int) -> Manifest:
    try:
        told = json.loads((folder / MANIFEST).read_text())
        if told["format"] > FORMAT:
            raise BackupFailed("this backup is of a newer Freeline: update Freeline first")
        manifest = Manifest(**told)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BackupFailed("this file is no backup of Freeline") from error
    # A recording may have been deleted by its age while the backup was made; none can have been added.
    if recordings > manifest.recordings or not (folder / manifest.database).is_file():
        raise BackupFailed("this backup is not whole: its parts differ from what it says of itself")
    if manifest.database == dumps.SQLITE:
        if dumps.sqlite_shape(folder / dumps.SQLITE) != (manifest.revision, manifest.rows):
            raise BackupFailed("the database in this backup has other rows than the backup says")
    elif not dumps.readable(folder / dumps.POSTGRESQL):
        raise BackupFailed("the database in this backup is damaged")
    if not manifest.keys and (folder / "keys").exists():
        raise BackupFailed("this backup is not whole: it has keys and says that it has none")
    if manifest.keys:
        try:
            identity = pyrage.x25519.Identity.from_str((folder / "keys" / IDENTITY).read_text().strip())
            fits = str(identity.to_public()) == (folder / "keys" / PUBLIC).read_text().strip()
        except (OSError, ValueError, pyrage.IdentityError):
            fits = False
        if not fits:
            raise BackupFailed("the keys in this backup are not whole, or do not fit each other")
    return manifest
