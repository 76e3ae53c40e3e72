"""Makes a backup: one sealed file with the database, the vault, the organisation's own prompts and the keys."""

import io
import json
import os
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from sqlalchemy.exc import OperationalError

from hotline.keys import IDENTITY, INDEX, PUBLIC
from hotline.settings import Settings
from models import Database
from models.db.types import now
from ops.backup import dumps
from ops.backup.cleanup import BACKUP, sweep
from ops.backup.last_backup import Made, save
from ops.backup.sealing import BackupFailed, Sealer
from recordings.vault.vault import SEALED, UNFINISHED

MANIFEST = "manifest.json"
ANCHORS = "anchors.jsonl"
FORMAT = 1
Progress = Callable[[int, int], None]
Entry = tuple[str, Path]


@dataclass(frozen=True)
class Manifest:
    """The description of a backup, as its first entry. `rows` are counts by table; nothing in it is personal."""

    at: str
    database: str
    revision: str | None
    rows: dict[str, int]
    keys: bool
    recordings: int
    format: int = FORMAT


def is_recording(name: str) -> bool:
    """Return whether an entry of a backup is a sealed recording; the vault also holds the file of the trusted clock."""
    return name.startswith("vault/") and name.endswith(SEALED)


def create(settings: Settings, folder: Path, sealer: Sealer, progress: Progress, *, with_keys: bool = True) -> Path:
    """Make a backup in a folder, and return its path. The line may run meanwhile; the spool is not in it.

    Raises `BackupFailed`. A part that was written is removed when it fails.
    """
    _refuse_nothing(settings, with_keys=with_keys)
    made = now()
    part = folder / f".freeline-{os.getpid()}.part"
    db = Database(settings.database)
    try:
        sweep(settings.work, BACKUP + "*")
        sweep(folder, ".freeline-*.part")
        with _work(settings) as work:
            # Before the database: an anchor that is newer than the copy would say that entries are missing.
            anchors = _anchors(settings, work)
            copied, (revision, rows) = dumps.copy(db, work)
            entries = [(copied.name, copied), *anchors, *_files(settings, with_keys=with_keys)]
            recordings = sum(is_recording(name) for name, _path in entries)
            manifest = Manifest(made.isoformat(), copied.name, revision, rows, with_keys, recordings)
            _write(part, sealer, manifest, entries, progress)
        final = folder / f"freeline-{made:%Y%m%dT%H%M%SZ}.age"
        part.rename(final)
    except OperationalError as error:
        raise BackupFailed("the database does not answer: `freeline doctor` says what to look at") from error
    except (OSError, tarfile.TarError, sqlite3.Error) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        raise BackupFailed(f"the backup was not made: {why}") from error
    finally:
        part.unlink(missing_ok=True)
        db.dispose()
    try:
        save(settings, Made(made, with_keys))
    except OSError as error:
        raise BackupFailed(f"{final} is whole, but that it was made cannot be noted: {error.strerror}") from error
    return final


def _refuse_nothing(settings: Settings, *, with_keys: bool) -> None:
    # Otherwise a wrong folder could be backed up every night, unnoticed.
    if not settings.database_url and not (settings.data / "freeline.db").is_file():
        raise BackupFailed(f"there is no database in {settings.data}: is FREELINE_DATA right?")
    missing = [name for name in (PUBLIC, IDENTITY, INDEX) if not (settings.keys / name).is_file()]
    if with_keys and missing:
        raise BackupFailed(f"missing in {settings.keys}: {', '.join(missing)}; `freeline doctor` says more")


@contextmanager
def _work(settings: Settings) -> Iterator[Path]:
    # Beside our data: the copy of the database is plaintext, like the database itself.
    work = Path(tempfile.mkdtemp(prefix=BACKUP, dir=settings.work))
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _anchors(settings: Settings, work: Path) -> list[Entry]:
    if not settings.audit_anchors.is_file():
        return []
    kept = work / ANCHORS
    shutil.copyfile(settings.audit_anchors, kept)
    return [(f"audit/{ANCHORS}", kept)]


def _files(settings: Settings, *, with_keys: bool) -> list[Entry]:
    roots = {"vault": settings.vault, "prompts": settings.own_prompts} | ({"keys": settings.keys} if with_keys else {})
    return [
        (f"{name}/{path.relative_to(root)}", path)
        for name, root in roots.items()
        for path in sorted(root.rglob("*"))
        if path.is_file() and UNFINISHED not in path.name
    ]


def _write(part: Path, sealer: Sealer, manifest: Manifest, entries: list[Entry], progress: Progress) -> None:
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    read, write = os.pipe()

    def pack() -> None:
        with os.fdopen(write, "wb") as pipe, tarfile.open(fileobj=pipe, mode="w|") as tar:
            _pack(tar, manifest, entries, progress)

    with os.fdopen(descriptor, "wb") as target, ThreadPoolExecutor(1, "pack") as packer:
        packed = packer.submit(pack)
        with os.fdopen(read, "rb") as plain:
            sealer.seal(plain, target)
        packed.result()  # whatever stopped it: the sealed file is not complete
        target.flush()
        os.fsync(target.fileno())


def _pack(tar: tarfile.TarFile, manifest: Manifest, entries: list[Entry], progress: Progress) -> None:
    told = json.dumps(asdict(manifest)).encode()
    head = tarfile.TarInfo(MANIFEST)
    head.size = len(told)
    tar.addfile(head, io.BytesIO(told))
    sizes = {path: path.stat().st_size for _name, path in entries if path.exists()}
    done, total = 0, sum(sizes.values())
    for name, path in entries:
        try:
            file = path.open("rb")
        except FileNotFoundError:
            continue  # a recording whose time was over meanwhile
        with file:
            entry = tarfile.TarInfo(name)
            entry.size = os.fstat(file.fileno()).st_size
            tar.addfile(entry, file)
        done += sizes.get(path, 0)
        progress(done, total)
