"""What must be there before the processes start: folders, keys, tables, the menu and the prompts."""

from collections.abc import Callable

from alembic.util import CommandError
from sqlalchemy.exc import SQLAlchemyError

from hotline import languages
from hotline.errors import FreelineError, PartMissing
from hotline.keys import make_keys
from hotline.settings import Settings
from ivr import prompts
from models import Database
from telephony import secrets

Say = Callable[[str], None]


class UpgradeFailed(FreelineError):
    """The tables could not be brought to the newest shape; they are as they were."""


def prepare(settings: Settings, *, demo: bool, say: Say) -> None:
    """Make what is missing; each step says what it does. Quick when all is there."""
    for folder in (settings.data, settings.run, settings.spool, settings.vault):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)  # also when somebody made it beforehand
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
        raise UpgradeFailed(
            f"the tables could not be brought up to date ({type(error).__name__}); they are as they were. "
            "Go back to the version before, start it, and report this."
        ) from error


def build_prompts(settings: Settings, db: Database, say: Say) -> None:
    """Build the prompts that changed since the last time."""

    def progress(done: int, total: int) -> None:
        if done == total or done % 20 == 0:
            say(f"prompts {done} of {total}")

    prompts.build_from(settings, db, progress)
