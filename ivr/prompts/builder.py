"""Builds the sounds that changed since the last time, and lists those that are still placeholders."""

import contextlib
import fcntl
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

from sqlmodel import select

from hotline.line import languages
from hotline.log import log
from hotline.settings import Settings
from ivr import names
from ivr.prompts.manifest import OWN, PLACEHOLDER, VERSION, VOICE, Manifest, PromptRow, load, store
from ivr.prompts.synthesis import NoSound, convert, hold, put, speak, tone
from ivr.prompts.words import ENGLISH, Spoken, Wordings, english, spoken
from models import Database, Wording

WORKERS = 2
KINDS = ("wav", "flac", "ogg", "mp3")  # the first one found wins

Progress = Callable[[int, int], None]


@dataclass
class Built:
    """The result of a build: the sounds made, and problems in words for the person who put the recordings there."""

    made: int = 0
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Job:
    """One sound to build: from the own recording if there is one, else from the text."""

    language: str
    prompt: str
    own: Path | None
    says: Spoken
    english: Spoken

    @property
    def name(self) -> str:
        return f"{self.language}/{self.prompt}"

    @property
    def mark(self) -> str:
        """A mark that changes when the sound would."""
        own = ""
        if self.own is not None:
            with contextlib.suppress(OSError):
                found = self.own.stat()
                own = f"{self.own.name} {found.st_size} {found.st_mtime_ns}"
        what = [VERSION, own, self.says.words, self.says.voice]
        return hashlib.sha256(json.dumps(what).encode()).hexdigest()


def build_from(settings: Settings, db: Database, progress: Progress | None = None) -> Built:
    """Build from the menu and the wordings in the database. Raises the errors of the database and of `build`."""
    with db.read() as session:
        no_key = languages.for_no_key(session)
        menu = [(row.key or "", row.code) for row in languages.spoken(session) if row.key or row.code == no_key]
        wordings = {(row.language, row.prompt): row.text for row in session.exec(select(Wording))}
    return build(settings, wordings, menu, progress)


def build(
    settings: Settings, wordings: Wordings, menu: Sequence[tuple[str, str]], progress: Progress | None = None
) -> Built:
    """Make every sound of these languages that is missing or changed.

    `menu` is pairs of key and language code; the key is empty for a language that is not in the menu. English is always
    built. `progress` gets how many of how many changed sounds are done. Two processes may build at once: the second
    waits and finds nothing to do. Raises `PartMissing` when espeak-ng or sox is not installed and is needed.
    """
    keys = dict.fromkeys([ENGLISH, *(code for _, code in menu)], "")
    keys.update({code: key for key, code in menu})
    jobs = [
        _job(settings, code, prompt, key, wordings)
        for code, key in keys.items()
        for prompt in names.PROMPTS
        if key or prompt not in names.OF_THE_KEY
    ]
    settings.sounds.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone(settings.sounds):
        before = load(settings)
        built = Built(made=_plain_sounds(settings, before))
        sounds = {name: row for name, row in before.sounds.items() if (settings.sounds / f"{name}.sln").is_file()}
        to_do = [job for job in jobs if job.name not in sounds or sounds[job.name]["mark"] != job.mark]
        try:
            for done, (job, row) in enumerate(_made(settings, to_do), start=1):
                sounds[job.name] = row
                built.made += 1
                if progress is not None:
                    progress(done, len(to_do))
        finally:
            _drop_keyless(settings, sounds, {job.name for job in jobs})
            after = Manifest(VERSION, sorted(keys), sounds)
            if after != before:
                store(settings, after)
    built.problems = after.problems()
    return built


def placeholders(settings: Settings) -> list[str]:
    """The sounds, as language/prompt, that are in English in place of a language without a voice or a text."""
    return load(settings).placeholders()


def problems(settings: Settings) -> list[str]:
    """The problems with own recordings and voices at the last build, in words."""
    return load(settings).problems()


def _job(settings: Settings, language: str, prompt: str, key: str, wordings: Wordings) -> _Job:
    found = (settings.own_prompts / language / f"{prompt}.{kind}" for kind in KINDS)
    return _Job(
        language,
        prompt,
        next((path for path in found if path.is_file()), None),
        spoken(language, prompt, key, settings.audio_days, wordings),
        english(language, prompt, key, settings.audio_days, wordings),
    )


def _made(settings: Settings, jobs: list[_Job]) -> Iterator[tuple[_Job, PromptRow]]:
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="prompt") as pool:
        waiting = {pool.submit(_make, settings, job): job for job in jobs}
        try:
            for future in as_completed(waiting):
                yield waiting[future], future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _make(settings: Settings, job: _Job) -> PromptRow:
    """Make one sound, from the best source that works; return its row of the manifest."""
    mark, problem = job.mark, ""
    tries: list[tuple[str, Callable[[], bytes]]] = []
    if job.own is not None:
        own = job.own
        tries.append((OWN, lambda: convert(own)))
    tries.append((PLACEHOLDER if job.says.placeholder else VOICE, lambda: speak(job.says.words, job.says.voice)))
    if not job.says.placeholder:
        tries.append((PLACEHOLDER, lambda: speak(job.english.words, job.english.voice)))
    for source, made in tries:
        try:
            put(settings.sounds / f"{job.name}.sln", made())
            return PromptRow(mark=mark, source=source, problem=problem)
        except NoSound as error:
            what = (
                f"prompts/{job.language}/{job.own.name}" if source == OWN and job.own else f"the voice for {job.name}"
            )
            problem = problem or f"{what} cannot be used ({error}); something else is spoken in its place"
            log().warning("a prompt could not be made from its source", prompt=job.name, source=source)
    return PromptRow(mark=mark, source="", problem=problem)


def _plain_sounds(settings: Settings, before: Manifest) -> int:
    made = 0
    for name, make in ((names.TONE, tone), (names.HOLD, hold)):
        path = settings.sounds / f"{name}.sln"
        if not path.is_file() or before.version != VERSION:
            put(path, make())
            made += 1
    return made


def _drop_keyless(settings: Settings, sounds: dict[str, PromptRow], wanted: set[str]) -> None:
    """Delete the invitation of a language that lost its key: it would say a key of another language."""
    for name in [n for n in sounds if n not in wanted and n.partition("/")[2] in names.OF_THE_KEY]:
        del sounds[name]
        (settings.sounds / f"{name}.sln").unlink(missing_ok=True)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    with (folder / ".building").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
