"""Unpacking a foreign archive: only plain files, only below the folder, and no more than a model can hold."""

import shutil
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from hotline.errors import PartMissing

LARGEST = 8_000_000_000


def unpack(archive: Path, target: Path, *, inside: str) -> None:
    """Put the files below the folder `inside` of a zip or wheel into `target`. Raises `PartMissing` for a bad archive.

    A name that leads out of the folder, a link, or an archive of absurd size is refused as a whole.
    """
    try:
        with zipfile.ZipFile(archive) as packed:
            if sum(member.file_size for member in packed.infolist()) > LARGEST:
                raise PartMissing(f"{archive.name} is refused: it is larger than any speech model")
            for member in packed.infolist():
                place = _place(member, inside, archive.name)
                if place is None:
                    continue
                path = target / place
                path.parent.mkdir(parents=True, exist_ok=True)
                with packed.open(member) as source, path.open("wb") as file:
                    shutil.copyfileobj(source, file, 1 << 20)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        archive.unlink(missing_ok=True)
        raise PartMissing(f"{archive.name} is damaged; it was deleted. Try again.") from error


def _place(member: zipfile.ZipInfo, inside: str, archive: str) -> PurePosixPath | None:
    name = PurePosixPath(member.filename)
    if name.is_absolute() or ".." in name.parts or "\\" in member.filename or stat.S_ISLNK(member.external_attr >> 16):
        raise PartMissing(f"{archive} is refused: it holds a name that leads out of its folder")
    if member.is_dir() or not name.is_relative_to(inside):
        return None
    return name.relative_to(inside)
