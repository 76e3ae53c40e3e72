"""Seals files of the spool into the vault, once, however often the transaction after it fails."""

from dataclasses import dataclass, field

from sqlmodel import col, select

from models import Database, Recording
from recordings.spool.files import File
from recordings.vault.audio import First, Sound, measure
from recordings.vault.vault import Vault


@dataclass
class SpoolSealer:
    """Remembers files that were sealed and are in no row yet."""

    db: Database
    vault: Vault
    _sealed: dict[tuple[str, str], str] = field(default_factory=dict)

    def measure(self, file: File) -> Sound:
        """Measure a file of the spool, as far as it was written when it was scanned."""
        with file.path.open("rb") as raw:
            return measure(raw, file.size)

    def keep(self, file: File, sound: Sound) -> Recording | None:
        """The recording, sealed in the vault but in no row yet; None when a row has it already.

        Raises `VaultFull`, and OSError for other trouble with the disk.
        """
        stem, suffix = file.path.stem, file.path.suffix
        spool_name = file.path.name
        with self.db.read() as session:
            before = session.exec(select(Recording.sha256).where(col(Recording.spool_name) == spool_name)).first()
            if before is not None and before != sound.sha256:
                # It was recorded again under this name after the first recording was taken: keep both.
                spool_name = f"{stem}.{sound.sha256[:12]}{suffix}"
                before = session.exec(select(Recording.sha256).where(col(Recording.spool_name) == spool_name)).first()
        if before is not None:
            return None
        key = (stem, sound.sha256)
        if key not in self._sealed:
            with file.path.open("rb") as raw:
                self._sealed[key] = self.vault.put(First(raw, sound.size), self.vault.key_of(f"{stem} {sound.sha256}"))
        return Recording(
            spool_name=spool_name,
            contact_id=0,
            vault_key=self._sealed[key],
            sha256=sound.sha256,
            duration_s=round(sound.duration_s, 3),
            peaks=sound.peaks,
            cut_short=sound.odd,
            recorded_at=file.began_at,
        )

    def in_a_row(self, stem: str) -> None:
        """Forget this file: its recording is in a row now, or the file is gone."""
        self._sealed = {key: kept for key, kept in self._sealed.items() if key[0] != stem}

    def forget_gone(self, stems: set[str]) -> None:
        """Forget files that are no longer in the spool."""
        self._sealed = {key: kept for key, kept in self._sealed.items() if key[0] in stems}
