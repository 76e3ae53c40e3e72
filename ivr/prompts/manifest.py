"""The sources of the built sounds: sounds/manifest.json."""

import json
from dataclasses import asdict, dataclass, field
from typing import TypedDict

from hotline.settings import Settings
from ivr.prompts.synthesis import put

FILE = "manifest.json"
VERSION = 1  # raise it when the same words would sound different
OWN, VOICE, PLACEHOLDER = "own", "voice", "placeholder"


class PromptRow(TypedDict):
    """One sound: `mark` changes when it would sound different, `source` is what spoke, `problem` is in words or empty."""

    mark: str
    source: str
    problem: str


@dataclass
class Manifest:
    """All sounds by language/prompt, and the languages of the last build."""

    version: int = 0
    languages: list[str] = field(default_factory=list)
    sounds: dict[str, PromptRow] = field(default_factory=dict)

    def placeholders(self) -> list[str]:
        """Sounds that are English in place of another language."""
        return [name for name, row in self._here() if row["source"] == PLACEHOLDER]

    def problems(self) -> list[str]:
        """The problems, in words."""
        return [row["problem"] for _, row in self._here() if row["problem"]]

    def _here(self) -> list[tuple[str, PromptRow]]:
        return [(name, self.sounds[name]) for name in sorted(self.sounds) if name.partition("/")[0] in self.languages]


def load(settings: Settings) -> Manifest:
    """The manifest of the last build; an empty one when there is none or it cannot be read: then all is built again."""
    try:
        found = json.loads((settings.sounds / FILE).read_text())
        manifest = Manifest(int(found["version"]), list(found["languages"]), dict(found["sounds"]))
        if manifest.version == VERSION and all(
            set(row) == set(PromptRow.__annotations__) for row in manifest.sounds.values()
        ):
            return manifest
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return Manifest()


def store(settings: Settings, manifest: Manifest) -> None:
    """Write it, completely or not at all."""
    put(settings.sounds / FILE, json.dumps(asdict(manifest), indent=1).encode())
