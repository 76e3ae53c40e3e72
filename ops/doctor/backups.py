"""The last backup: when it was made, and whether the keys were in it."""

from collections.abc import Iterator
from datetime import timedelta

from hotline.settings import Settings
from models.db.types import now
from ops.backup.last_backup import last_backup
from ops.doctor.finding import Finding, bad, ok, warn

LATE, VERY_LATE = timedelta(days=2), timedelta(days=14)
DAILY = "make one each night and copy it off this machine: freeline backup create (docs/operations.md, Backup)"


def check(settings: Settings) -> Iterator[Finding]:
    """Check its age. Only the operator knows where the file is now."""
    made = last_backup(settings)
    if made is None:
        yield warn("no backup was made yet: with this disk every case would be gone", DAILY)
        return
    days = (now() - made.at) / timedelta(days=1)
    if now() - made.at > VERY_LATE:
        yield bad(f"the last backup is {days:.0f} days old", DAILY)
    elif now() - made.at > LATE:
        yield warn(f"the last backup is {days:.0f} days old", DAILY)
    else:
        yield ok(f"the last backup is {days * 24:.0f} hours old")
    if not made.keys:
        yield warn(
            "the keys are not in it",
            f"keep a copy of {settings.keys} apart from it, or make the next one without --without-keys",
        )
