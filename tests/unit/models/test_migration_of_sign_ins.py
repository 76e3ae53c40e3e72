"""The migration to known browsers and a keyed audit, on a database that has been used."""

from alembic import command
from sqlalchemy import inspect, text
from sqlmodel import Session

from hotline import audit
from hotline.keys import Keys
from hotline.staff import known_browsers, sign_ins
from models import Database
from models.db.types import now
from tests.support.cast import Cast


def test_it_keeps_sign_ins_and_entries_and_the_chain_goes_on_with_a_key(db: Database, staff: Cast, keys: Keys) -> None:
    """There and back and there again: what was audited before is covered by the first entry with a key."""
    with db.write() as session:
        granted = sign_ins.grant(session, staff.alice, 12)
        audit.note_act(session, "number_shown", "case:1", by_id=staff.alice.id)
    with db.engine.connect().execution_options(freeline_write=True) as connection, connection.begin():
        before = connection.execute(text("SELECT count(*) FROM audit_entry")).scalar_one()
    command.downgrade(db.alembic_config(), "0003_console")
    tables = set(inspect(db.engine).get_table_names())
    assert "sign_in_attempt" in tables
    assert "known_browser" not in tables
    with db.write() as session:
        session.execute(text("INSERT INTO sign_in_attempt (who, at) VALUES ('x', :at)"), {"at": now().isoformat()})
    db.migrate()
    ours = Database(db.url, audit_key=keys.audit)
    with ours.write() as session:
        assert sign_ins.find(session, granted.token) is not None
        assert known_browsers.remember(session, "", staff.alice.id, keys.index)
        audit.note_act(session, "number_shown", "case:2", by_id=staff.alice.id)
    with ours.read() as session:
        assert _whole(session) == before + 1
    ours.dispose()


def _whole(session: Session) -> int:
    assert audit.first_broken(session) is None
    return audit.count(session)
