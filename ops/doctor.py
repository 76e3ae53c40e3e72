"""`freeline doctor`: looks at the machine and the set-up, and says what to do."""

import os
import shutil
import socket
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from sqlalchemy.exc import SQLAlchemyError

from hotline import languages
from hotline.errors import FreelineError
from hotline.settings import Settings
from ivr import prompts
from models import Database
from ops.run import redis_binary
from ops.status import status
from recordings import speech
from telephony.obtain import find_asterisk


@dataclass(frozen=True)
class Finding:
    """One thing looked at. `note` works but is not good; `bad` must be mended."""

    grade: Literal["ok", "note", "bad"]
    text: str


def examine(settings: Settings) -> Iterator[Finding]:
    """Look at one thing after another."""
    yield from _programs(settings)
    yield from _disk(settings)
    running = status(settings)
    if running["ready"]:
        yield Finding("ok", "Freeline runs and is ready")
    else:
        yield Finding("note", "Freeline does not run now; start it with `freeline up`")
        yield from _ports(settings)
    yield from _keys(settings)
    yield from _speech_and_prompts(settings)


def _programs(settings: Settings) -> Iterator[Finding]:
    try:
        asterisk = find_asterisk(settings)
        yield Finding("ok", f"Asterisk {asterisk.version}")
    except FreelineError as error:
        yield Finding("bad", str(error))
    try:
        redis_binary()
        yield Finding("ok", "Redis")
    except FreelineError as error:
        yield Finding("bad", str(error))
    for program in ("sox", "espeak-ng"):
        if shutil.which(program):
            yield Finding("ok", program)
        else:
            yield Finding("bad", f"{program} is missing: apt-get install {program}")


def _disk(settings: Settings) -> Iterator[Finding]:
    folder = settings.data if settings.data.exists() else settings.data.parent
    try:
        free_mb = shutil.disk_usage(folder).free // 1_000_000
    except OSError as error:
        yield Finding("bad", f"the data folder cannot be read: {error.strerror}")
        return
    if not os.access(folder, os.W_OK):
        yield Finding("bad", f"the data folder {folder} cannot be written")
    if free_mb < settings.free_space_floor_mb:
        yield Finding("bad", f"{free_mb} MB are free; under {settings.free_space_floor_mb} MB no message is recorded")
    elif free_mb < 5 * settings.free_space_floor_mb:
        yield Finding("note", f"only {free_mb} MB are free")
    else:
        yield Finding("ok", f"{free_mb:,} MB free")


def _ports(settings: Settings) -> Iterator[Finding]:
    wanted = {
        "CONSOLE_PORT": (settings.console_host, settings.console_port, socket.SOCK_STREAM),
        "SIP_PORT": (settings.sip_host, settings.sip_port, socket.SOCK_DGRAM),
        "AMI_PORT": (settings.ami_host, settings.ami_port, socket.SOCK_STREAM),
        "AGI_PORT": (settings.agi_host, settings.agi_port, socket.SOCK_STREAM),
        "ASTERISK_HTTP_PORT": (settings.asterisk_http_host, settings.asterisk_http_port, socket.SOCK_STREAM),
    }
    for name, (host, port, kind) in wanted.items():
        try:
            with socket.socket(socket.AF_INET, kind) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((host, port))
            yield Finding("ok", f"port {port} is free")
        except OSError:
            yield Finding("bad", f"port {port} is taken by another program: set FREELINE_{name}")


def _keys(settings: Settings) -> Iterator[Finding]:
    if not settings.keys.exists():
        yield Finding("note", "no keys yet; the first start makes them")
        return
    loose = [p.name for p in settings.keys.iterdir() if p.stat().st_mode & 0o077]
    if loose:
        yield Finding("bad", f"others may read the keys: chmod 600 {settings.keys}/*")
    else:
        yield Finding("ok", "keys are there and private; keep a copy of the keys folder in a safe place")


def _speech_and_prompts(settings: Settings) -> Iterator[Finding]:
    installed = {model.language for model in speech.list_models(settings) if model.installed}
    db = Database(settings.database, busy_s=2.0)
    try:
        with db.read() as session:
            spoken = languages.spoken(session)
            yield Finding("ok", "the database answers")
            for language in spoken:
                if language.code not in installed:
                    yield Finding("note", f"{language.name}: no speech model is installed; messages need a listener")
    except SQLAlchemyError:
        yield Finding("note", "the database does not answer, or was not made yet")
    finally:
        db.dispose()
    for problem in prompts.problems(settings):
        yield Finding("note", problem)
    unrecorded = Counter(name.partition("/")[0] for name in prompts.placeholders(settings))
    for code, count in unrecorded.items():
        name = languages.catalogue()[code].name if code in languages.catalogue() else code
        yield Finding(
            "note",
            f"{name}: {count} prompts are placeholders in English. Record them into {settings.own_prompts / code}/",
        )
