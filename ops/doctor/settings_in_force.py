"""Settings that are misspelt, and settings that the running processes do not have yet."""

import os
from collections.abc import Iterator

from hotline.settings import PREFIX, Settings
from ops import in_force
from ops.doctor.finding import Finding, bad, ok, warn


def check(settings: Settings) -> Iterator[Finding]:
    """Check the variables of this command and of the running processes. A value is never shown."""
    here = in_force.unknown(os.environ)
    there = in_force.unknown(dict.fromkeys(in_force.unknown_to_the_running(settings), ""))
    wrong = {**there, **here}
    for name, meant in wrong.items():
        yield bad(
            f"{name} is no setting, and does nothing",
            f"perhaps {meant} was meant" if meant else "look in docs/operations.md, or take it away",
        )
    changed = in_force.changed(settings)
    for name, processes in changed.items():
        # Also when the doctor runs without the environment file of the service.
        yield warn(
            f"{PREFIX}{name.upper()} is not what {', '.join(processes)} started with",
            "start Freeline again; or give this command the settings that the service has",
        )
    if not wrong and not changed:
        yield ok("every setting is known, and in force where Freeline runs")
