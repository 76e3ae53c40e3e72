"""The record of the last backup: when it was made and what was in it, never where it is."""

import json
from dataclasses import asdict, dataclass
from datetime import datetime

from hotline.settings import Settings

FILE = "last-backup.json"


@dataclass(frozen=True)
class Made:
    """A backup that was made at `at` (aware, UTC); whether the keys were in it."""

    at: datetime
    keys: bool


def last_backup(settings: Settings) -> Made | None:
    """The last backup of this data folder, or None."""
    try:
        kept = json.loads((settings.run / FILE).read_text())
        return Made(datetime.fromisoformat(kept["at"]), bool(kept["keys"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def save(settings: Settings, made: Made) -> None:
    """Record that a backup was made. Raises OSError."""
    settings.run.mkdir(mode=0o700, parents=True, exist_ok=True)
    (settings.run / FILE).write_text(json.dumps(asdict(made) | {"at": made.at.isoformat()}))
