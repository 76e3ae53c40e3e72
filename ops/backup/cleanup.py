"""What a backup or a restore leaves that was killed: the database in the clear outlives what is erased in it."""

import shutil
import time
from contextlib import suppress
from pathlib import Path

BACKUP, RESTORE = ".backup-", ".restore-"  # how their folders begin
LEFT_AFTER_S = 12 * 3600.0  # no backup takes so long: whoever made it is gone. Less than a day: it is made each night


def sweep(folder: Path, pattern: str, older_than_s: float = LEFT_AFTER_S) -> None:
    """Delete what of this pattern is older. Raises OSError for what may not be looked at."""
    for left in folder.glob(pattern):
        with suppress(FileNotFoundError):  # another at work has taken it away
            if left.stat().st_mtime <= time.time() - older_than_s:
                if left.is_dir():
                    shutil.rmtree(left, ignore_errors=True)
                else:
                    left.unlink()
