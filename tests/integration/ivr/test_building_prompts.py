"""Building the prompts with real voices: what changed and nothing else, own recordings first, always something to hear."""

import array
import itertools
import subprocess
from pathlib import Path

import pytest

from hotline.errors import PartMissing
from hotline.line import languages
from hotline.settings import Settings
from ivr import names
from ivr.prompts import build, build_from, builder, placeholders, problems
from ivr.prompts.manifest import load
from models import Database, Wording

MENU = [("1", "my"), ("2", "km"), ("3", "en")]


@pytest.fixture(scope="module")
def first_build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the prompts of three languages, built once for all."""
    data = tmp_path_factory.mktemp("prompts")
    build(Settings(data=data), {}, MENU)
    return data


@pytest.fixture
def built(first_build: Path, tmp_path: Path) -> Settings:
    """A copy of it, for one test."""
    subprocess.run(["cp", "-a", str(first_build), str(tmp_path / "mine")], check=True)
    return Settings(data=tmp_path / "mine")


def samples(path: Path) -> "array.array[int]":
    return array.array("h", path.read_bytes())


def recording(path: Path, hz: int, seconds: float = 1.0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    made = ["sox", "-n", "-r", "44100", "-c", "2", str(path), "synth", str(seconds), "sine", str(hz)]
    subprocess.run(made, check=True, capture_output=True)


def pitch(path: Path) -> float:
    """Sign changes tell the pitch of a sine, in Hz, over its loud middle."""
    middle = samples(path)
    middle = middle[len(middle) // 3 : len(middle) // 2]
    changes = sum((a < 0) != (b < 0) for a, b in itertools.pairwise(middle))
    return changes / 2 / (len(middle) / 8000)


def everything(settings: Settings) -> dict[str, tuple[int, int]]:
    return {
        str(path.relative_to(settings.sounds)): (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in settings.sounds.rglob("*.sln")
    }


def test_every_prompt_of_every_language_can_be_heard(built: Settings) -> None:
    for code in ("my", "km", "en"):
        for prompt in names.PROMPTS:
            heard = samples(built.sounds / code / f"{prompt}.sln")
            assert 0.5 < len(heard) / 8000 < 60, (code, prompt)
            assert max(heard) > 5000, (code, prompt)


def test_a_second_build_makes_nothing(built: Settings) -> None:
    before = everything(built)
    told: list[tuple[int, int]] = []
    assert build(built, {}, MENU, lambda done, total: told.append((done, total))).made == 0
    assert everything(built) == before
    assert told == []


def test_a_new_wording_is_the_only_thing_that_is_made(built: Settings) -> None:
    before = everything(built)
    told: list[tuple[int, int]] = []
    done = build(built, {("en", "opening"): "Good day."}, MENU, lambda *n: told.append(n))
    after = everything(built)
    # Khmer has no voice: its placeholder is the same English.
    assert {name for name in after if after[name] != before[name]} == {"en/opening.sln", "km/opening.sln"}
    assert told[-1] == (done.made, done.made)


def test_a_new_menu_makes_the_invitations_new(built: Settings) -> None:
    before = everything(built)
    build(built, {}, [("2", "my"), ("1", "km"), ("3", "en")])
    after = everything(built)
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"my/invite.sln", "my/again.sln", "km/invite.sln", "km/again.sln"}


def test_a_language_that_lost_its_key_invites_no_more(built: Settings) -> None:
    build(built, {}, [("1", "my"), ("3", "en")])
    assert not (built.sounds / "km" / "invite.sln").exists()
    assert (built.sounds / "km" / "thanks.sln").exists()
    assert not [name for name in placeholders(built) if name.startswith("km/")]


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg"])
def test_an_own_recording_wins_over_the_voice(built: Settings, kind: str) -> None:
    recording(built.own_prompts / "km" / f"thanks.{kind}", 600)
    assert build(built, {}, MENU).made == 1
    assert pitch(built.sounds / "km" / "thanks.sln") == pytest.approx(600, abs=15)
    assert "km/thanks" not in placeholders(built)


def test_a_changed_own_recording_is_taken_and_a_removed_one_gives_way(built: Settings) -> None:
    own = built.own_prompts / "my" / "thanks.wav"
    spoken = samples(built.sounds / "my" / "thanks.sln")
    recording(own, 600)
    build(built, {}, MENU)
    recording(own, 900, seconds=1.5)
    assert build(built, {}, MENU).made == 1
    assert pitch(built.sounds / "my" / "thanks.sln") == pytest.approx(900, abs=15)
    own.unlink()
    assert build(built, {}, MENU).made == 1
    assert samples(built.sounds / "my" / "thanks.sln") == spoken


@pytest.mark.parametrize("content", [b"", b"this is no sound", b"RIFF\0\0\0\0WAVEfmt "])
def test_a_broken_own_recording_is_said_and_the_voice_speaks(built: Settings, content: bytes) -> None:
    own = built.own_prompts / "my" / "thanks.wav"
    own.parent.mkdir(parents=True)
    own.write_bytes(content)
    spoken = samples(built.sounds / "my" / "thanks.sln")
    done = build(built, {}, MENU)
    assert samples(built.sounds / "my" / "thanks.sln") == spoken
    assert len(done.problems) == 1
    assert "prompts/my/thanks.wav cannot be used" in done.problems[0]
    assert problems(built) == done.problems
    assert build(built, {}, MENU).made == 0, "it is not tried again until it changes"


def test_english_in_place_of_a_language_is_listed(built: Settings) -> None:
    listed = placeholders(built)
    assert "km/opening" in listed
    assert not [name for name in listed if name.startswith(("my/", "en/"))]


def test_a_lost_sound_is_made_again(built: Settings) -> None:
    (built.sounds / "my" / "thanks.sln").unlink()
    assert build(built, {}, MENU).made == 1


def test_a_damaged_manifest_builds_all_again(built: Settings) -> None:
    (built.sounds / "manifest.json").write_text('{"version": 1, "languages": [], "sounds": {"my/thanks": 3}}')
    assert build(built, {}, [("3", "en")]).made >= len(names.PROMPTS)
    assert load(built).languages == ["en"]


def test_without_espeak_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(PartMissing, match="espeak-ng is missing"):
        build(Settings(data=tmp_path), {}, MENU)


def test_a_voice_that_fails_leaves_english_in_its_place(built: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builder.speak

    def without_burmese(words: str, voice: str) -> bytes:
        if voice == "my":
            raise builder.NoSound("no such voice")
        return real(words, voice)

    monkeypatch.setattr(builder, "speak", without_burmese)
    done = build(built, {("my", "thanks"): "အသစ်"}, MENU)
    assert "my/thanks" in placeholders(built)
    assert "the voice for my/thanks cannot be used" in done.problems[0]


def test_the_tone_is_one_pure_pitch_and_the_hold_sound_is_quiet_and_has_no_seam(built: Settings) -> None:
    from ivr.prompts import TONE_HZ, TONE_S

    tone = samples(built.sounds / "tone.sln")
    assert len(tone) / 8000 == pytest.approx(TONE_S)
    assert pitch(built.sounds / "tone.sln") == pytest.approx(TONE_HZ, abs=15)
    hold = samples(built.sounds / "hold" / "hold.sln")
    assert len(hold) / 8000 == 20
    assert 500 < max(hold) < 4000
    steps = [abs(b - a) for a, b in itertools.pairwise(hold)]
    assert abs(hold[0] - hold[-1]) <= max(steps), "the jump from the end to the start is no click"


def test_the_menu_and_the_wordings_come_from_the_database(db: Database, built: Settings) -> None:
    with db.write() as session:
        languages.put_language(session, "my", key="1", position=1)
        languages.put_language(session, "en", key=None, position=9, is_for_no_key=True)
        languages.put_language(session, "shn", key=None, position=10)
        session.add(Wording(language="my", prompt="thanks", text="ကျေးဇူး"))
    assert build_from(built, db).made >= 1
    assert load(built).languages == ["en", "my"], "a language without a key is not heard by anybody"
    assert not (built.sounds / "en" / "invite.sln").exists()
    assert build_from(built, db).made == 0


def test_two_builds_at_once_do_not_harm_each_other(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    settings = Settings(data=tmp_path)
    with ThreadPoolExecutor(2) as pool:
        made = [f.result().made for f in [pool.submit(build, settings, {}, [("1", "en")]) for _ in range(2)]]
    assert sorted(made)[0] == 0
    assert not list(settings.sounds.rglob("*.part"))
