"""Makes what the processes need before they start: folders, keys, tables, the menu and the prompts."""

import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from alembic.util import CommandError
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from hotline.errors import FreelineError, PartMissing
from hotline.keys import INDEX, PUBLIC, make_keys
from hotline.line import languages
from hotline.log import log
from hotline.settings import Settings
from ivr import prompts
from models import Database
from ops.backup.cleanup import RESTORE, sweep
from telephony.asterisk import secrets

Say = Callable[[str], None]
DATABASE_WITHIN_S = 120.0
# SQLite's errors for a disk that is full or cannot be written, and for another writer: not the tables' fault, and temporary.
PASSES = ("SQLITE_FULL", "SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_IOERR", "SQLITE_READONLY", "SQLITE_CANTOPEN")


class UpgradeFailed(FreelineError):
    """The tables could not be migrated; they are as they were."""


def prepare(settings: Settings, *, demo: bool, say: Say) -> None:
    """Make what is missing; each step says what it does. Fast when nothing is missing.

    Raises `PartMissing`, `UpgradeFailed`, SQLAlchemyError and OSError; what was made by then stays for the next attempt.
    """
    for folder in (settings.data, settings.run, settings.spool, settings.vault):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.stat().st_mode & 0o777 != 0o700:  # it was made beforehand
            with suppress(OSError):  # the doctor reports a folder of another owner, or on a read-only disk
                folder.chmod(0o700)
    # A restore runs before the first start: a leftover here is of a killed one, and has the keys in it.
    with suppress(OSError):
        sweep(settings.work, RESTORE + "*", older_than_s=0)
    make_keys(settings.keys)
    secrets.make_secrets(settings)
    db = Database(settings.database)
    try:
        say("tables")
        slower = _migrate(db)
        if slower:
            say(slower)
        with db.write() as session:
            languages.seed(session, settings.line_numbers, demo=demo)
        build_prompts(settings, db, say)
    finally:
        db.dispose()


def _migrate(db: Database) -> str | None:
    try:
        db.ping()
    except SQLAlchemyError as error:
        raise PartMissing("the database does not answer: `freeline doctor` says what to look at") from error
    try:
        return db.migrate()
    except CommandError as error:
        raise UpgradeFailed("the tables are of a newer Freeline than this one: go back to that version") from error
    except SQLAlchemyError as error:
        if _passes(error):
            raise PartMissing("the database cannot be used now: `freeline doctor` says what to look at") from error
        raise UpgradeFailed(
            f"the tables could not be brought up to date ({type(error).__name__}); they are as they were. "
            "Go back to the version before, start it, and report this."
        ) from error


def _passes(error: SQLAlchemyError) -> bool:
    """Return whether the error is temporary: the database is full, locked or down, and the tables are not at fault."""
    if not isinstance(error, OperationalError):
        return False
    if isinstance(error.orig, sqlite3.Error):
        return str(getattr(error.orig, "sqlite_errorname", "")).startswith(PASSES)
    return True


def prepare_without_database(settings: Settings, *, demo: bool) -> None:
    """Make what a line needs to answer before its database exists for the first time: prompts, and the menu that they name.

    Does nothing where prompts were built before. Never raises.
    """
    try:
        if any(settings.sounds.glob("*/*.sln")):
            return
        menu = [(str(key), code) for key, code in enumerate(languages.first_menu(demo=demo), start=1)]
        prompts.build(settings, {}, menu)
    except (FreelineError, OSError) as error:
        log().warning("the prompts could not be built without the database", error=error)


def build_prompts(settings: Settings, db: Database, say: Say) -> None:
    """Build the prompts that changed since the last time."""

    def progress(done: int, total: int) -> None:
        if done == total or done % 20 == 0:
            say(f"prompts {done} of {total}")

    prompts.build_from(settings, db, progress)


def prepare_apart(settings: Settings, hand_out: Path | None, say: Say) -> None:
    """Prepare for processes in containers of their own, whose database may still be starting.

    Into `hand_out` go copies of the keys folder for services that may not have all of it: line/ for Asterisk, without a key,
    and sealing/ for those that seal and never open. Raises `PartMissing` when the database does not answer.
    """
    wait_for_database(settings, say)
    prepare(settings, demo=False, say=say)
    if hand_out is None:
        return
    words = [path.name for path in settings.keys.glob("*.secret")]
    for folder, which in (("line", words), ("sealing", [*words, PUBLIC, INDEX])):
        target = hand_out / folder
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in which:
            _hand_out(settings.keys / name, target / name)
    say("keys are handed out")


def _hand_out(source: Path, target: Path) -> None:
    """Copy one file atomically: no reader sees half of it."""
    if target.exists() and target.read_bytes() == source.read_bytes():
        return
    fresh = target.with_name(f".{target.name}.new")
    shutil.copy2(source, fresh)
    fresh.replace(target)


def wait_for_database(settings: Settings, say: Say) -> None:
    """Wait for a database that may still be starting. Raises `PartMissing` when it does not answer within two minutes."""
    db = Database(settings.database)
    end = time.monotonic() + DATABASE_WITHIN_S
    try:
        while not db.sqlite:
            try:
                return db.ping()
            except OperationalError as error:
                if time.monotonic() > end:
                    raise PartMissing("the database does not answer: look at FREELINE_DATABASE_URL") from error
            say("waiting for the database")
            time.sleep(2)
    finally:
        db.dispose()
