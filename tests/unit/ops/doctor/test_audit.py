"""The doctor on the audit: whole, cut, written by a stranger."""

from hotline import audit, audit_anchors
from hotline.keys import Keys
from hotline.settings import Settings
from models import AuditEntry, Database
from ops.doctor import audit as audit_area
from tests.unit.ops.doctor.conftest import one, said


def test_a_whole_audit_a_cut_one_and_one_with_a_strangers_entry(settings: Settings, keys: Keys, db: Database) -> None:
    ours = Database(db.url, audit_key=keys.audit)
    with ours.write() as session:
        for n in range(4):
            last = audit.note_act(session, "number_shown", f"case:{n}", by_id=None)
        audit_anchors.add(settings.audit_anchors, keys.audit, last.id, last.digest)
    assert said(audit_area.check, settings) == ["ok the audit is whole: 4 entries, 1 anchors"]
    with db.write() as session:
        stranger = audit.note_act(session, "number_shown", "case:1", by_id=None)
    one(said(audit_area.check, settings), f"bad entry {stranger.id} of the audit was written without our key")
    with db.write() as session:
        for entry_id in (stranger.id, last.id):
            session.delete(session.get_one(AuditEntry, entry_id))
    one(said(audit_area.check, settings), f"bad the end of the audit is missing: there were entries up to {last.id}")
    ours.dispose()


def test_before_the_first_start_there_is_nothing_to_check(settings: Settings) -> None:
    one(said(audit_area.check, settings), "warn the audit cannot be checked without keys")
