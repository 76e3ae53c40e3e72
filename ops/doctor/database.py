"""The database: reachable, migrated, and set up as our tables need it."""

from collections.abc import Iterator

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from hotline.settings import Settings
from models import Database
from ops.doctor.finding import Finding, bad, ok, warn

PROCESSES = 5  # ivr, switchboard, transcriber, jobs and console use the database all the time
LOCALES = {"C", "C.UTF-8", "C.UTF8"}
CHECK_UP_TO_BYTES = 500_000_000


def check(settings: Settings) -> Iterator[Finding]:
    """Check that it is reachable and migrated, and for PostgreSQL its encoding, extension and limit."""
    db = Database(settings.database, busy_s=3.0)
    if db.sqlite and not (settings.data / "freeline.db").exists() and not settings.database_url:
        yield warn("there is no database yet", "the first start makes it: freeline up --no-demo")
        return
    try:
        with db.engine.connect() as connection:
            yield ok("SQLite in the data folder answers" if db.sqlite else "PostgreSQL answers")
            yield _migrated(db, connection)
            yield from _sqlite(settings, connection) if db.sqlite else _postgres(settings, connection)
    except SQLAlchemyError as error:
        mend = "look whether PostgreSQL runs, and at the host, user and password of FREELINE_DATABASE_URL"
        yield bad(f"the database does not answer ({type(error).__name__})", "restore a backup" if db.sqlite else mend)
    finally:
        db.dispose()


def _migrated(db: Database, connection: Connection) -> Finding:
    script = ScriptDirectory.from_config(db.alembic_config())
    newest, has = script.get_current_head(), MigrationContext.configure(connection).get_current_revision()
    if has == newest:
        return ok("its tables are the newest")
    if has is None:
        return warn("it has no tables of ours yet", "the next start makes them")
    if has not in {revision.revision for revision in script.walk_revisions()}:
        return bad(
            "its tables are of a newer Freeline than this one", "update Freeline, or restore the backup made before"
        )
    return warn("its tables are of an older Freeline", "make a backup; the next start brings them up to date")


def _sqlite(settings: Settings, connection: Connection) -> Iterator[Finding]:
    file = settings.data / "freeline.db"
    if not file.exists() or file.stat().st_size > CHECK_UP_TO_BYTES:
        return
    said = str(connection.execute(text("PRAGMA quick_check(1)")).scalar())
    if said != "ok":
        yield bad("the database file is damaged", "stop Freeline and restore the last backup: freeline backup restore")


def _postgres(settings: Settings, connection: Connection) -> Iterator[Finding]:
    def one(query: str) -> str:
        return str(connection.execute(text(query)).scalar())

    encoding = one("SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()")
    collate = one("SELECT datcollate FROM pg_database WHERE datname = current_database()")
    again = "make it anew, TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8', and restore a backup into it"
    if encoding != "UTF8":
        yield bad(f"its encoding is {encoding}, not UTF8: callers' scripts cannot be kept", again)
    elif collate not in LOCALES:
        yield warn(
            f"its locale is {collate}, not C.UTF-8: after an update of the system its indexes may be wrong", again
        )
    else:
        yield ok(f"its encoding is UTF8 and its locale {collate}")
    if one("SELECT count(*) FROM pg_extension WHERE extname = 'pg_trgm'") == "1":
        yield ok("pg_trgm, for finding parts of words")
    else:
        yield warn(
            "pg_trgm is missing: finding parts of words is slow",
            "in that database, as PostgreSQL's administrator: CREATE EXTENSION pg_trgm; then start Freeline again",
        )
    most, kept = int(one("SHOW max_connections")), int(one("SHOW superuser_reserved_connections"))
    for limit in (
        "SELECT datconnlimit FROM pg_database WHERE datname = current_database()",
        "SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user",
    ):
        if (own := int(one(limit))) >= 0:
            most, kept = min(most, own), 0
    others = int(one("SELECT count(*) FROM pg_stat_activity WHERE datname <> current_database()"))
    room = most - kept - others
    wanted = PROCESSES * settings.database_connections
    if room < wanted:
        yield warn(
            f"{room} connections are left for us; we may want {wanted}", "raise max_connections in postgresql.conf"
        )
    else:
        yield ok(f"{room} connections are left for us")
