"""`freeline doctor`: checks the machine and the set-up, one file an area, and says how to fix each problem."""

from collections.abc import Callable, Iterator

from sqlalchemy.exc import SQLAlchemyError

from hotline.errors import FreelineError
from hotline.settings import Settings
from ops.doctor import (
    audit,
    backups,
    callers_keys,
    callers_numbers,
    database,
    keys,
    machine,
    people,
    ports,
    relay,
    running,
    settings_in_force,
    software,
    trunk,
    voices,
    web,
)
from ops.doctor.finding import Finding, bad, warn
from ops.whole import needs_all

Look = Callable[[Settings], Iterator[Finding]]

# In the order in which a person would fix them.
AREAS: dict[str, Look] = {
    "software": software.check,
    "machine": machine.check,
    "settings": settings_in_force.check,
    "running": running.check,
    "ports": ports.check,
    "database": database.check,
    "keys": keys.check,
    "audit": audit.check,
    "backup": backups.check,
    "console": web.check,
    "trunk": trunk.check,
    "numbers": callers_numbers.check,
    "pressed keys": callers_keys.check,
    "relay": relay.check,
    "people": people.check,
    "voices": voices.check,
}


def examine(settings: Settings, begins: Callable[[str], None] = lambda _area: None) -> Iterator[tuple[str, Finding]]:
    """Check one area after another, and call `begins` with each; each finding comes with its area.

    An area that cannot be checked is itself a finding: the others are still checked. Raises `PartMissing` in a
    container that has only some of our volumes.
    """
    needs_all(settings, "doctor")
    for area, look in AREAS.items():
        begins(area)
        try:
            for finding in look(settings):
                yield area, finding
        except SQLAlchemyError:
            yield area, warn("cannot be looked at without the database", "look again when that is mended")
        except Exception as error:  # noqa: BLE001  (whatever it is, the areas after it are still looked at)
            why = str(error) if isinstance(error, FreelineError) else type(error).__name__
            yield area, bad(f"could not be looked at: {why}", "mend what stands above, then look again")
