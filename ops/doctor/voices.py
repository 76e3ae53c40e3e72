"""Prompts that are placeholders, and languages without a speech model."""

from collections import Counter
from collections.abc import Iterator

from hotline.line import languages
from hotline.settings import Settings
from ivr import prompts
from models import Database
from ops.doctor.finding import Finding, ok, warn
from recordings.transcription import models as speech_models


def check(settings: Settings) -> Iterator[Finding]:
    """Check what callers hear, and what is transcribed."""
    for problem in prompts.problems(settings):
        yield warn(problem, "mend or replace that recording; until then the machine's voice is heard")
    unrecorded = Counter(name.partition("/")[0] for name in prompts.placeholders(settings))
    known = languages.catalogue()
    for code, count in unrecorded.items():
        name = known[code].name if code in known else code
        yield warn(
            f"{name}: {count} prompts are placeholders in English",
            f"record them into {settings.own_prompts / code}/NAME.wav",
        )
    if not unrecorded and settings.sounds.exists():
        yield ok("every prompt has a voice in its own language")
    yield from _models(settings)


def _models(settings: Settings) -> Iterator[Finding]:
    db = Database(settings.database, busy_s=2.0)
    try:
        with db.read() as session:
            spoken = [(row.code, row.name) for row in languages.spoken(session)]
    finally:
        db.dispose()
    installed = speech_models.installed_languages(settings)
    none = []
    for code, name in spoken:
        offered = next((model.name for model in speech_models.catalogue() if model.language == code), None)
        if code in installed:
            yield ok(f"{name}: messages become text")
        elif offered:
            yield warn(
                f"{name}: no speech model is installed; messages need a listener", f"freeline speech install {offered}"
            )
        else:
            none.append(name)
    if none:
        yield ok(f"listened to by people, as there is no model: {', '.join(none)}")
