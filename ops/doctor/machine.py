"""Disk, memory, clock and name."""

import ctypes
import json
import os
import re
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import func, select

from hotline.settings import Settings
from models import Contact, Database
from models.db.types import now
from ops.doctor.finding import Finding, bad, ok, warn
from recordings.transcription import models as speech_models
from recordings.transcription.process import CLOCK

AT_REST_MB = 400
MODEL_MB = 300  # a small speech model in memory, for each worker
MEMINFO = Path("/proc/meminfo")
CGROUP = Path("/sys/fs/cgroup/memory.max")
# What adjtimex(2) returns.
TIME_WAIT, TIME_ERROR = 4, 5
FUTURE_S = 60


def check(settings: Settings) -> Iterator[Finding]:
    """Check that the machine is large enough, and knows the time."""
    yield _disk(settings)
    yield _memory(settings)
    yield _synchronised(kernel_clock())
    yield from _leaps(settings)
    if not settings.apart:
        yield _name(socket.gethostname())


def _disk(settings: Settings) -> Finding:
    folder = settings.spool if settings.apart else settings.data
    while not folder.exists():
        folder = folder.parent
    if not os.access(folder, os.W_OK):
        return bad(
            f"{folder} cannot be written", f"chown it to the user that runs Freeline, or set FREELINE_DATA: {folder}"
        )
    free_mb, floor_mb = shutil.disk_usage(folder).free // 1_000_000, settings.free_space_floor_mb
    mend = "delete what is not Freeline's, or give the data folder a larger disk"
    if free_mb < floor_mb:
        return bad(f"{free_mb} MB free: under {floor_mb} MB no message is recorded", mend)
    if free_mb < 5 * floor_mb:
        return warn(f"only {free_mb} MB free; under {floor_mb} MB no message is recorded", mend)
    return ok(f"{free_mb:,} MB free on the disk")


def _memory(settings: Settings) -> Finding:
    total_mb, free_mb = memory_mb(limited=not settings.apart)
    models = any(model.installed for model in speech_models.list_models(settings))
    need_mb = AT_REST_MB + (MODEL_MB * settings.workers if models else 0)
    words = f"{need_mb} MB are needed" + (f" with {settings.workers} speech worker(s)" if models else "")
    mend = "take a larger machine" + (", or fewer FREELINE_WORKERS" if models else "")
    if total_mb < need_mb:
        return bad(f"{total_mb} MB of memory; {words}", mend)
    if free_mb < MODEL_MB / 2:
        return warn(f"only {free_mb} MB of {total_mb} MB memory are free", f"stop other programs, or {mend}")
    return ok(f"{total_mb:,} MB of memory, {free_mb:,} MB of it free; {words}")


def _name(host: str) -> Finding:
    """Asterisk puts the machine's name into its SIP. The last part of a name begins with a letter (RFC 3261, section 25.1):
    a browser's phone rejects messages with another one, and never rings.
    """
    if host.rpartition(".")[2][:1].isalpha():
        return ok("browsers' phones can read this machine's name")
    return bad(
        "this machine's name begins with no letter: no browser's phone rings",
        "hostnamectl set-hostname freeline, then start Freeline again",
    )


def memory_mb(*, limited: bool = True) -> tuple[int, int]:
    """The memory that we may use and how much of it is free, in MB; when `limited`, this container's limit counts."""
    told = dict(re.findall(r"^(\w+):\s+(\d+) kB", MEMINFO.read_text(), re.MULTILINE))
    total, free = int(told["MemTotal"]) // 1000, int(told["MemAvailable"]) // 1000
    limit = CGROUP.read_text().strip() if limited and CGROUP.exists() else "max"
    return (min(total, int(limit) // 1_000_000) if limit.isdigit() else total), free


def kernel_clock() -> int:
    """The kernel's state of its clock, as adjtimex(2) returns it: 5 when nothing synchronises it, -1 when we may not ask."""
    asked = ctypes.create_string_buffer(512)  # struct timex; all zero only reads
    return int(ctypes.CDLL(None).adjtimex(asked))


def _synchronised(state: int) -> Finding:
    if state == TIME_ERROR:
        return warn(
            "nothing keeps the clock right: safe hours, shifts, the relay and certificates go by it",
            "apt-get install systemd-timesyncd (or chrony), then look at `timedatectl`; in a container, on its host",
        )
    if state < 0:
        return warn("the kernel does not say whether the clock is kept right", "look on the host: `timedatectl`")
    return ok("the clock is kept right" + ("" if state < TIME_WAIT else ", just now over a leap second"))


def _leaps(settings: Settings) -> Iterator[Finding]:
    try:
        last = json.loads((settings.vault / CLOCK).read_bytes())
        if last["believed"] is not None and last["believed"] != last["wall"]:
            days = (last["wall"] - last["believed"]) / 86400
            yield bad(
                f"the clock leapt ahead by {days:.1f} days",
                "set it right: `timedatectl`; until then no audio is deleted",
            )
    except (OSError, ValueError, KeyError, TypeError):
        pass  # the transcriber has not read it yet
    db = Database(settings.database, busy_s=2.0)
    try:
        with db.read() as session:
            newest = session.exec(select(func.max(Contact.arrived_at))).one()
            if newest is not None and (ahead_s := (newest - now()).total_seconds()) > FUTURE_S:
                yield bad(
                    f"the last call came {ahead_s / 60:.0f} minutes in the future: the clock went back",
                    "set it right: `timedatectl`",
                )
    except SQLAlchemyError:
        return  # reported by the check of the database
    finally:
        db.dispose()
