"""The settings that the running processes were started with: later changes are not in force yet."""

import contextlib
import hashlib
import json
import os
import secrets
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from hotline.settings import PREFIX, Settings

# Read by docker-compose.yml, the front, the tests and the bench, not by the processes.
BESIDES = (
    "FAULTS",
    "FAULTS_S",
    "HTTPS_PORT",
    "HTTP_PORT",
    "INNER",
    "OUTSIDE",
    "PARENT_PID",
    "SITE",
    "STORM",
    "TEST_AT",
    "TEST_DATABASE",
    "TEST_LANE",
    "TLS",
    "TURN_PORT",
    "TURN_PORTS",
)
# Set by the environment in which a command runs, not by the operator.
_OF_THE_PLACE = {"data", "cache", "apart", "front"}


def unknown(environment: Mapping[str, str]) -> dict[str, str]:
    """Variables that look like settings of ours but are not, each with the setting that may have been meant, or nothing."""
    fields = [name.upper() for name in Settings.model_fields]
    names = {f"{PREFIX}{name}" for name in [*fields, *(f"{name}_FILE" for name in fields), *BESIDES]}
    close = {
        name: get_close_matches(name, names, n=1, cutoff=0.75)
        for name in _like_ours(environment)
        if name.upper() not in names
    }
    return {name: found[0] if found else "" for name, found in close.items()}


def _like_ours(environment: Iterable[str]) -> list[str]:
    """Variables with the prefix, or nearly: FREELNE_LINES and freeline_lines are meant for us too."""
    meant = PREFIX.rstrip("_")
    return sorted(name for name in environment if get_close_matches(name.split("_")[0].upper(), [meant], 1, 0.8))


def note(settings: Settings, process: str) -> None:
    """Store marks of the settings that a process starts with. On a full disk nothing is stored: nothing depends on it."""
    salt = secrets.token_hex(16)
    kept = {"pid": os.getpid(), "salt": salt, "marks": _marks(settings, salt), "unknown": sorted(unknown(os.environ))}
    path = _path(settings, process)
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = path.with_suffix(".new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(kept, file)
        fresh.replace(path)


def changed(settings: Settings) -> dict[str, list[str]]:
    """The settings that running processes have with another value, each with these processes."""
    found: dict[str, list[str]] = {}
    for process, kept in _kept(settings).items():
        now = _marks(settings, kept["salt"])
        for name, mark in now.items():
            if kept["marks"].get(name) != mark:
                found.setdefault(name, []).append(process)
    return found


def unknown_to_the_running(settings: Settings) -> list[str]:
    """Variables like ours in the running processes that are not settings."""
    return sorted({name for kept in _kept(settings).values() for name in kept["unknown"]})


def _marks(settings: Settings, salt: str) -> dict[str, str]:
    """A salted hash of each value: passwords are among them."""
    values = settings.model_dump()
    return {
        name: hashlib.sha256(f"{salt}{name}={value}".encode()).hexdigest()
        for name, value in values.items()
        if name not in _OF_THE_PLACE
    }


def _kept(settings: Settings) -> dict[str, dict[str, Any]]:
    """The marks of each process that runs here."""
    found = {}
    for path in sorted(_path(settings, "x").parent.glob("*.json")):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            kept = json.loads(path.read_text())
            if {"pid", "salt", "marks", "unknown"} <= kept.keys() and (settings.apart or _alive(kept["pid"])):
                found[path.stem] = kept
    return found


def _alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def _path(settings: Settings, process: str) -> Path:
    return settings.run / "settings" / f"{process}.json"
