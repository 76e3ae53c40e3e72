"""Numbers that were kept by guessing are told from those that are certain, on a database that is in use."""

import sqlalchemy as sa
from alembic import command
from alembic.script import ScriptDirectory
from sqlmodel import select

from hotline.settings import Settings
from models import Caller, Contact, Database
from models.db.types import now

REVISION = "0004_numbers"


def test_what_was_kept_before_is_not_certain_and_nothing_is_lost(settings: Settings, empty_database: str) -> None:
    settings.data.mkdir(parents=True, exist_ok=True)
    db = Database(empty_database or settings.database)
    config = db.alembic_config()
    before = ScriptDirectory.from_config(config).get_revision(REVISION).down_revision
    command.upgrade(config, str(before))
    with db.engine.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO caller (number_index, number_sealed, first_seen_at, last_seen_at) "
                "VALUES ('index', :sealed, :at, :at)"
            ).bindparams(sa.bindparam("at", type_=Caller.__table__.c.first_seen_at.type)),
            {"sealed": b"sealed", "at": now()},
        )
    command.upgrade(config, REVISION)
    command.downgrade(config, str(before))
    db.migrate()
    with db.write() as s:
        old = s.exec(select(Caller)).one()
        assert (old.number_index, old.number_sealed, old.certain) == ("index", b"sealed", False)
        s.add(Caller(number_index="new", number_sealed=b"x"))
        s.add(Contact(call="call", caller_id=old.id, arrived_at=now(), number_form="0ddd"))
    with db.read() as s:
        assert s.exec(select(Caller).where(Caller.number_index == "new")).one().certain
    db.dispose()
