"""`freeline migrate-database`: from SQLite to PostgreSQL, compared table by table before it counts."""

import os
import time

from alembic.util import CommandError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from sqlalchemy.exc import ArgumentError, OperationalError, SQLAlchemyError

from hotline.errors import FreelineError, PartMissing, SettingsWrong
from hotline.settings import Settings
from models import Database
from models.db.copying import Compared, CopyFailed, CopyRefused, copy
from ops.up import take_data_folder

# Each process touches its file every few seconds.
BEATS = ("console.alive", "switchboard.alive", "transcriber.alive", "jobs.alive", "asterisk.alive")
STILL_S = 30


class StillRunning(FreelineError):
    """Freeline is running: data written during the copy would be lost."""


class NotMoved(FreelineError):
    """The rows were not copied; both databases are as they were."""


def migrate(settings: Settings, to: str) -> int:
    """Copy all rows to the empty database at the URL `to`. Returns 1 when a table differs, and then nothing is kept.

    Raises `SettingsWrong` for another kind of database, `StillRunning`, `PartMissing` when one does not answer, `NotMoved`.
    """
    source, target = _databases(settings, to)
    hold = take_data_folder(settings)
    try:
        _refuse_while_running(settings)
        compared = _copy(source, target)
    finally:
        os.close(hold)
        source.dispose()
        target.dispose()
    _show(compared)
    if not all(table.same for table in compared):
        print("freeline: the tables differ. Nothing was kept in the new database; the old one is as it was.")
        return 1
    print("Everything is in PostgreSQL. Set FREELINE_DATABASE_URL to it, start Freeline, and look at some cases.")
    print(f"The old database stays in {settings.data}: delete freeline.db when you are sure.")
    return 0


def _databases(settings: Settings, to: str) -> tuple[Database, Database]:
    wrong = "--to takes the URL of a PostgreSQL database: postgresql://user@host/freeline"
    try:
        source = Database(settings.database)
        target = Database(settings.model_copy(update={"database_url": to}).database)
    except (ArgumentError, ImportError, ValueError) as error:
        raise SettingsWrong(wrong) from error
    if not source.sqlite:
        raise SettingsWrong("FREELINE_DATABASE_URL is a server already; this copies from SQLite only")
    if target.engine.dialect.name != "postgresql":
        raise SettingsWrong(wrong)
    file = source.engine.url.database
    if file is None or not os.path.exists(file):  # noqa: PTH110
        raise PartMissing(f"there is no SQLite database at {file}: is FREELINE_DATA right?")
    return source, target


def _refuse_while_running(settings: Settings) -> None:
    for name in BEATS:
        file = settings.run / name
        if file.exists() and time.time() - file.stat().st_mtime < STILL_S:
            raise StillRunning(
                f"{file.stem} runs, or ran less than {STILL_S} seconds ago. Stop Freeline, wait, and start this again."
            )


def _copy(source: Database, target: Database) -> list[Compared]:
    bar = Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), console=Console(stderr=True))
    tasks = {}

    def tell(table: str, done: int, total: int) -> None:
        if table not in tasks:
            tasks[table] = bar.add_task(table, total=total)
        bar.update(tasks[table], completed=done)

    try:
        source.migrate()
        with bar:
            return copy(source, target, tell)
    except CopyRefused as error:
        raise NotMoved(f"{error}.") from error
    except CopyFailed as error:
        raise NotMoved(f"{error}. Nothing was kept in the new database; the old one is as it was.") from error
    except OperationalError as error:
        # The address and the reason, in one line; a driver's error contains no password.
        why = " ".join(str(error.orig).split())[:300]
        raise PartMissing(f"a database does not answer: {why}") from error
    except CommandError as error:
        raise NotMoved("the tables are of a newer Freeline than this one: go back to that version first.") from error
    except SQLAlchemyError as error:
        kind = type(getattr(error, "orig", None) or error).__name__
        raise NotMoved(f"the tables cannot be made in the new database ({kind}): is its user the owner?") from error


def _show(compared: list[Compared]) -> None:
    table = Table(box=None, pad_edge=False)
    for heading in ("table", "rows", "rows there", "checksum", "checksum there", ""):
        table.add_column(heading, justify="right" if heading.startswith("rows") else "left", no_wrap=True)
    for row in compared:
        same = "[green]same[/green]" if row.same else "[red]differs[/red]"
        table.add_row(
            row.table, str(row.source.rows), str(row.target.rows), row.source.checksum, row.target.checksum, same
        )
    Console(highlight=False, soft_wrap=True).print(table)
