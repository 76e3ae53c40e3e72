"""`freeline backup`: create, verify and restore."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from hotline.settings import settings
from ops.whole import needs_all

if TYPE_CHECKING:  # all our processes read this file, and need none of these
    from ops.backup.create import Manifest
    from ops.backup.restore import Secret

app = typer.Typer(no_args_is_help=True, help="One sealed file with everything that cannot be made again.")
KeyFile = Annotated[Path | None, typer.Option("--key", help="The file that `freeline backup key` made.")]


@app.command()
def key(file: Path) -> None:
    """Make the key pair that backups are sealed for. Keep the file away from this machine, and never lose it."""
    import pyrage

    from ops.backup.sealing import BackupFailed

    identity = pyrage.x25519.Identity.generate()
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise BackupFailed(f"{file} cannot be made: {error.strerror}") from error
    with os.fdopen(descriptor, "w") as made:
        made.write(f"# public key: {identity.to_public()}\n{identity}\n")
    print(
        f"Take {file} off this machine, print it, and keep it where no fire reaches both. It alone opens the backups."
    )
    print(f"On this machine set:  FREELINE_BACKUP_FOR={identity.to_public()}")


@app.command()
def create(
    folder: Path,
    for_: Annotated[str, typer.Option("--for", help="The age public key; else FREELINE_BACKUP_FOR.")] = "",
    passphrase: Annotated[bool, typer.Option("--passphrase", help="Seal with a passphrase instead.")] = False,
    without_keys: Annotated[bool, typer.Option("--without-keys", help="You keep the keys folder elsewhere.")] = False,
) -> None:
    """Make a backup in FOLDER while Freeline runs; the last line is its path."""
    from ops.backup import create as making
    from ops.backup import sealing
    from ops.backup.sealing import BackupFailed
    from ops.status import spool_files

    config = settings()
    needs_all(config, "backup create FOLDER")
    public = for_ or config.backup_for
    if not folder.is_dir():
        raise BackupFailed(f"there is no folder {folder}")
    if passphrase or (not public and config.backup_passphrase):
        sealer = sealing.with_passphrase(_passphrase(confirm=True))
    elif public:
        sealer = sealing.for_key(public)
    else:
        raise BackupFailed("for whom? Give --for KEY (`freeline backup key FILE` makes one) or --passphrase")
    with _bar("backup") as progress:
        made = making.create(config, folder, sealer, progress, with_keys=not without_keys)
    waiting = len(spool_files(config))
    if waiting:
        Console(stderr=True).print(f"{waiting} messages are not in the vault yet, and so not in this backup")
    print(made)


@app.command()
def verify(file: Path, key: KeyFile = None) -> None:
    """Open all of a backup and say what is in it. Do it where the key is kept, not on the server."""
    from ops.backup import restore as restoring

    with _bar("verify") as progress:
        found = restoring.verify(file, _secret(file, key), progress)
    _tell("whole", found)


@app.command()
def restore(file: Path, key: KeyFile = None) -> None:
    """Restore a backup into an empty data folder (FREELINE_DATA), and with it the keys."""
    from ops.backup import restore as restoring
    from ops.prepare import wait_for_database

    needs_all(settings(), "backup restore FILE")
    secret = _secret(file, key)
    if settings().apart:  # this very command may have started it
        wait_for_database(settings(), say=print)
    with _bar("restore") as progress:
        found = restoring.restore(settings(), file, secret, progress)
    _tell("restored", found)
    if not found.keys:
        print(f"The keys were not in it: put your copy of the keys folder at {settings().keys}")
    print(f"Start it with: {'docker compose up -d' if settings().apart else 'freeline up --no-demo'}")


def _tell(what: str, found: "Manifest") -> None:
    counts = (
        f"{found.rows.get('contact', 0)} calls, {found.rows.get('case_file', 0)} cases, {found.recordings} recordings"
    )
    print(f"{what}: made {found.at[:16]} UTC, {counts}, {'with' if found.keys else 'without'} the keys")


def _secret(file: Path, key: Path | None) -> "Secret":
    from ops.backup import restore as restoring
    from ops.backup import sealing
    from ops.backup.sealing import BackupFailed

    if sealing.wants_passphrase(file):
        return restoring.Secret(passphrase=_passphrase(confirm=False))
    try:
        return restoring.Secret(identity=key.read_text() if key else "")
    except OSError as error:
        raise BackupFailed(f"the key cannot be read: {error.strerror}") from error


def _passphrase(*, confirm: bool) -> str:
    found: str = settings().backup_passphrase or typer.prompt(
        "Passphrase", hide_input=True, confirmation_prompt=confirm
    )
    return found


@contextmanager
def _bar(what: str) -> Iterator[Callable[[int, int], None]]:
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(what), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
