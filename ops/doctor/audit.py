"""The audit: every entry as it was written, and none missing, by the key and the anchors outside the database."""

from collections.abc import Iterator

from hotline import audit, audit_anchors
from hotline.audit import Trouble
from hotline.keys import audit_key
from hotline.settings import Settings
from models import Database
from ops.doctor.finding import Finding, bad, ok, warn

WHAT = {
    Trouble.CHANGED: "entry {id} of the audit was changed, or one before it removed",
    Trouble.UNKEYED: "entry {id} of the audit was written without our key",
    Trouble.CUT: "the end of the audit is missing: there were entries up to {id}",
    Trouble.REPLACED: "entry {id} of the audit is not the one that stood there",
    Trouble.ANCHOR_FORGED: "the file of the audit's anchors was changed, at entry {id}",
    Trouble.ANCHORS_GONE: "the file of the audit's anchors is gone",
}
MEND = (
    "somebody could write to the database or the data folder. Keep both as they are, compare them with a backup, "
    "and find out who had access"
)


def check(settings: Settings) -> Iterator[Finding]:
    """Check the whole chain against the key, and against every anchor."""
    key = audit_key(settings.keys)
    if key is None:
        yield warn("the audit cannot be checked without keys", "the first start makes them: freeline up --no-demo")
        return
    if not settings.database_url and not (settings.data / "freeline.db").exists():
        return
    try:
        anchors = audit_anchors.read(settings.audit_anchors, key)
    except OSError as error:
        yield bad(f"the file of the audit's anchors cannot be read: {error.strerror}", "look at its folder's rights")
        return
    db = Database(settings.database, busy_s=3.0, audit_key=key)
    try:
        with db.read() as session:
            verdict = audit.verify(session, anchors)
    finally:
        db.dispose()
    if verdict.trouble is not None:
        yield bad(WHAT[verdict.trouble].format(id=verdict.entry_id), MEND)
    else:
        yield ok(f"the audit is whole: {verdict.checked} entries, {len(anchors.lines)} anchors")
