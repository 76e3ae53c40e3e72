"""Removes plaintext that a killed backup or restore left behind: it would outlive an erasure in the database."""

import shutil
import time
from contextlib import suppress
from pathlib import Path

BACKUP, RESTORE = ".backup-", ".restore-"  # how their folders begin
LEFT_AFTER_S = 12 * 3600.0  # no backup takes so long: its process is gone. Less than a day: a backup is made each night


def sweep(folder: Path, pattern: str, older_than_s: float = LEFT_AFTER_S) -> None:
    """Delete entries of this pattern that are older. Raises OSError for one that may not be read."""
    for left in folder.glob(pattern):
        with suppress(FileNotFoundError):  # another process has removed it
            if left.stat().st_mtime <= time.time() - older_than_s:
                if left.is_dir():
                    shutil.rmtree(left, ignore_errors=True)
                else:
                    left.unlink()
