"""The data folder's disk: whether a message can be kept, what is wrong with it in words, and the reserve.

The reserve is a file that holds some megabytes and nothing else. On a disk that fills up it is given back, so that what is
known of calls still fits: their rows, numbers and notes. It is taken again when there is room.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from hotline.log import log
from hotline.settings import Settings

MB = 1_000_000
RESERVE = "reserve"


def can_write(folder: Path) -> bool:
    """Whether files can be made in a folder, as far as can be told without trying: rights, a read-only disk."""
    return os.access(folder, os.W_OK | os.X_OK)


def can_record(settings: Settings) -> bool:
    """Whether a message can be kept now: the spool takes files, and there is more room than the floor."""
    try:
        return room(settings) >= settings.free_space_floor_mb * MB and can_write(settings.spool)
    except OSError:
        return False


def room(settings: Settings) -> int:
    """How many bytes there are for messages. The room of a reserve that was given back is for what is known of calls."""
    free = shutil.disk_usage(settings.spool).free
    return free if (settings.work / RESERVE).exists() else free - settings.reserve_mb * MB


def troubles(settings: Settings) -> Iterator[str]:
    """Return what is wrong with the folders that are here, a sentence each; nothing personal."""
    folders = [settings.run, settings.spool, settings.vault, settings.asterisk]
    if settings.apart:
        folders = [settings.run, *(folder for folder in folders[1:] if _is_given_to_write(folder))]
    else:
        folders = [settings.data, *folders]
    for folder in folders:
        if folder.exists() and not can_write(folder):
            yield f"{folder} cannot be written"
    with suppress(OSError):
        if room(settings) < settings.free_space_floor_mb * MB:
            free_mb = shutil.disk_usage(settings.spool).free // MB
            yield f"the disk is full: {free_mb} MB are free, and no message is recorded"


def _is_given_to_write(folder: Path) -> bool:
    """In a container: whether this folder is a volume of it, and not given for reading alone. `run` tells of a disk that
    cannot be written: it is on the same one, and every container may write there."""
    return folder.is_mount() and not os.statvfs(folder).f_flag & os.ST_RDONLY


def keep_reserve(settings: Settings) -> None:
    """Give the reserve back or take it again, as there is room. Cheap, and never raises; for one process at a time."""
    path, size = settings.work / RESERVE, settings.reserve_mb * MB
    try:
        free, held = shutil.disk_usage(settings.work).free, path.exists()
        if held and free < size // 2:
            give_back(settings)
        elif not held and size and free > settings.free_space_floor_mb * MB + 2 * size:
            _take(path, size)
    except OSError as error:
        log().debug("the reserve cannot be looked at", error=error)


def give_back(settings: Settings) -> bool:
    """Make the reserve's room free. False when there was none."""
    try:
        (settings.work / RESERVE).unlink()
    except OSError:
        return False
    log().warning("the disk is full; the reserve was given back, and no message is recorded until there is room")
    return True


def _take(path: Path, size: int) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.posix_fallocate(file, 0, size)
    except OSError:
        path.unlink(missing_ok=True)
    finally:
        os.close(file)
