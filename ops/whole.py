"""The check that all data is here: in containers each process has only its part."""

from hotline.errors import PartMissing
from hotline.settings import Settings


def needs_all(settings: Settings, command: str) -> None:
    """Refuse a command where only some of our volumes are. Raises `PartMissing` with where to run it."""
    if settings.apart and not (settings.sounds.is_mount() and settings.vault.is_mount()):
        raise PartMissing(
            f"not all of the data is in this container. Run: docker compose run --rm prepare freeline {command}"
        )
