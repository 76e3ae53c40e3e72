"""A backup is sealed, whole or refused, and restored for real into a new folder."""

import io
import os
import sqlite3
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pyrage
import pytest
from sqlmodel import select

from hotline.keys import Keys, load_keys, make_keys
from hotline.settings import ROOT, Settings
from models import Agent, Case, Contact, Database
from models.db.types import now
from ops.backup import create, dumps, restore, sealing
from ops.backup.last_backup import last_backup
from ops.backup.restore import Secret
from ops.backup.sealing import BackupFailed
from recordings.vault.vault import Vault
from tests.support import cast
from tests.support.postgres import Postgres

VOICE = b"what she said on the telephone " * 1000
ALIAS = "The one with the blue bicycle"
WORDS = "five words that nobody guesses"


@pytest.fixture
def identity() -> pyrage.x25519.Identity:
    return pyrage.x25519.Identity.generate()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "stick"
    made.mkdir()
    return made


def quiet(_done: int, _total: int) -> None:
    """Nobody looks."""


def fill(settings: Settings, database: str = "") -> tuple[Settings, str]:
    """A data folder with people, a case, a sealed recording and a prompt; and the recording's vault key."""
    settings = settings.model_copy(update={"database_url": database})
    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    make_keys(settings.keys)
    voice = Vault(settings.vault, load_keys(settings.keys, may_open=True)).put(io.BytesIO(VOICE))
    (settings.vault / ".part-unfinished").write_bytes(VOICE)
    settings.audit_anchors.parent.mkdir()
    settings.audit_anchors.write_text("an anchor\n")
    (settings.own_prompts / "km").mkdir(parents=True)
    (settings.own_prompts / "km" / "opening.wav").write_bytes(b"RIFF")
    db = Database(settings.database)
    db.migrate()
    with db.write() as session:
        cast.hire(session)
        contact = Contact(call="x", arrived_at=now(), line="1800123456")
        session.add_all([contact, Case(language="km", alias=ALIAS)])
    db.dispose()
    return settings, voice


def backed_up(settings: Settings, folder: Path, identity: pyrage.x25519.Identity, **options: bool) -> Path:
    return create.create(settings, folder, sealing.for_key(str(identity.to_public())), quiet, **options)


def elsewhere(settings: Settings, tmp_path: Path, database: str = "") -> Settings:
    return settings.model_copy(update={"data": tmp_path / "elsewhere", "database_url": database})


def is_as_before(restored: Settings, voice: str) -> None:
    """The people, the case and the voice are there, and private."""
    db = Database(restored.database)
    with db.read() as session:
        assert {agent.login for agent in session.exec(select(Agent))} >= {"alice", "adam"}
        assert session.exec(select(Case)).one().alias == ALIAS
    db.dispose()
    assert Vault(restored.vault, load_keys(restored.keys, may_open=True)).open(voice) == VOICE
    assert (restored.own_prompts / "km" / "opening.wav").read_bytes() == b"RIFF"
    assert restored.audit_anchors.read_text() == "an anchor\n"
    files = [path for path in restored.data.rglob("*") if path.is_file()]
    assert {path.stat().st_mode & 0o077 for path in files if path.suffix != ".db-wal"} == {0}
    assert not list(restored.data.glob(".restore-*"))


def test_it_is_restored_into_a_new_folder(
    settings: Settings, folder: Path, identity: pyrage.x25519.Identity, tmp_path: Path
) -> None:
    settings, voice = fill(settings)
    seen: list[tuple[int, int]] = []
    sealer = sealing.for_key(str(identity.to_public()))
    file = create.create(settings, folder, sealer, lambda done, total: seen.append((done, total)))
    assert seen[-1][0] == seen[-1][1] > 0
    assert last_backup(settings) is not None
    assert [path.name for path in folder.iterdir()] == [file.name], "nothing half made beside it"
    assert file.stat().st_mode & 0o777 == 0o600
    assert not list(settings.data.glob(".backup-*"))
    secret = Secret(identity=str(identity))
    assert restore.verify(file, secret, quiet).recordings == 1
    restored = elsewhere(settings, tmp_path)
    manifest = restore.restore(restored, file, secret, quiet)
    assert manifest.rows["agent"] == 5
    is_as_before(restored, voice)


def test_nothing_in_it_is_in_the_clear(settings: Settings, folder: Path, identity: pyrage.x25519.Identity) -> None:
    settings, _voice = fill(settings)
    raw = backed_up(settings, folder, identity).read_bytes()
    own = [path.read_bytes().strip() for path in settings.keys.iterdir()]
    for word in (ALIAS.encode(), b"alice", VOICE[:40], b"AGE-SECRET-KEY", b"manifest", *own):
        assert word not in raw


def test_age_itself_opens_what_is_sealed_for_a_key(
    settings: Settings, folder: Path, identity: pyrage.x25519.Identity
) -> None:
    """Without Freeline there is still a way to it."""
    settings, _voice = fill(settings)
    plain = pyrage.decrypt(backed_up(settings, folder, identity).read_bytes(), [identity])
    with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
        names = tar.getnames()
    assert {"manifest.json", "database.sqlite", "keys/identity.age", "prompts/km/opening.wav"} <= set(names)
    assert not [name for name in names if "part" in name]


def test_a_passphrase_opens_it_and_no_other(settings: Settings, folder: Path, tmp_path: Path) -> None:
    settings, voice = fill(settings)
    file = create.create(settings, folder, sealing.with_passphrase(WORDS), quiet)
    assert sealing.wants_passphrase(file)
    with pytest.raises(BackupFailed, match="not its passphrase"):
        restore.verify(file, Secret(passphrase="another one, quite long"), quiet)
    restored = elsewhere(settings, tmp_path)
    restore.restore(restored, file, Secret(passphrase=WORDS), quiet)
    is_as_before(restored, voice)


def test_without_the_keys_they_are_kept_apart(
    settings: Settings, folder: Path, identity: pyrage.x25519.Identity, tmp_path: Path
) -> None:
    settings, voice = fill(settings)
    file = backed_up(settings, folder, identity, with_keys=False)
    restored = elsewhere(settings, tmp_path)
    restored.keys.mkdir(mode=0o700, parents=True)
    for key in settings.keys.iterdir():
        (restored.keys / key.name).write_bytes(key.read_bytes())
        (restored.keys / key.name).chmod(0o600)
    assert not restore.restore(restored, file, Secret(identity=str(identity)), quiet).keys
    is_as_before(restored, voice)


def test_postgresql_is_restored_into_an_empty_database(
    settings: Settings, folder: Path, identity: pyrage.x25519.Identity, tmp_path: Path, postgres: Postgres
) -> None:
    settings, voice = fill(settings, postgres.create("backed_up", "freeline_template"))
    file = backed_up(settings, folder, identity)
    secret = Secret(identity=str(identity))
    assert restore.verify(file, secret, quiet).rows["case_file"] == 1
    with pytest.raises(BackupFailed, match="not empty"):
        restore.restore(elsewhere(settings, tmp_path, settings.database_url), file, secret, quiet)
    with pytest.raises(BackupFailed, match="is of PostgreSQL"):
        restore.restore(elsewhere(settings, tmp_path), file, secret, quiet)
    restored = elsewhere(settings, tmp_path, postgres.create("restored"))
    restore.restore(restored, file, secret, quiet)
    is_as_before(restored, voice)


def test_a_sqlite_backup_is_not_poured_into_postgresql(
    settings: Settings, folder: Path, identity: pyrage.x25519.Identity, tmp_path: Path, postgres: Postgres
) -> None:
    settings, _voice = fill(settings)
    file = backed_up(settings, folder, identity)
    restored = elsewhere(settings, tmp_path, postgres.create("not_for_sqlite"))
    with pytest.raises(BackupFailed, match="is of SQLite"):
        restore.restore(restored, file, Secret(identity=str(identity)), quiet)


def test_what_is_there_is_never_overwritten(settings: Settings, folder: Path, identity: pyrage.x25519.Identity) -> None:
    settings, voice = fill(settings)
    file = backed_up(settings, folder, identity)
    with pytest.raises(BackupFailed, match=r"freeline\.db, vault, prompts, keys, audit already"):
        restore.restore(settings, file, Secret(identity=str(identity)), quiet)
    assert Vault(settings.vault, load_keys(settings.keys, may_open=True)).open(voice) == VOICE


def test_what_a_crash_left_beside_the_old_database_does_not_get_into_the_restored_one(
    settings: Settings, folder: Path, identity: pyrage.x25519.Identity, tmp_path: Path
) -> None:
    file = backed_up(fill(settings)[0], folder, identity)
    restored = elsewhere(settings, tmp_path)
    restored.data.mkdir(parents=True)
    (restored.data / "freeline.db-wal").write_bytes(b"of another")
    with pytest.raises(BackupFailed, match=r"freeline\.db-wal already"):
        restore.restore(restored, file, Secret(identity=str(identity)), quiet)


def test_keys_in_a_backup_that_says_it_has_none_do_not_take_the_place_of_ours(
    settings: Settings, folder: Path, identity: pyrage.x25519.Identity, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, _voice = fill(settings)
    restored = elsewhere(settings, tmp_path)
    make_keys(restored.keys)
    own = {path.name: path.read_bytes() for path in restored.keys.iterdir()}
    files = create._files
    monkeypatch.setattr(create, "_files", lambda settings, with_keys: files(settings, with_keys=True))
    file = backed_up(settings, folder, identity, with_keys=False)
    with pytest.raises(BackupFailed, match="says that it has none"):
        restore.restore(restored, file, Secret(identity=str(identity)), quiet)
    assert {path.name: path.read_bytes() for path in restored.keys.iterdir()} == own


@contextmanager
def damaged(file: Path, how: str) -> Iterator[Path]:
    whole = file.read_bytes()
    middle = len(whole) // 2
    spoilt = {
        "cut": whole[:-100],
        "half": whole[:middle],
        "flipped": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
        "other": b"no backup at all",
        "empty": b"",
    }[how]
    file.write_bytes(spoilt)
    yield file
    file.write_bytes(whole)


@pytest.mark.parametrize("how", ["cut", "half", "flipped", "other", "empty"])
def test_a_damaged_one_is_refused_and_nothing_stays(
    settings: Settings, folder: Path, identity: pyrage.x25519.Identity, tmp_path: Path, how: str
) -> None:
    settings, _voice = fill(settings)
    restored = elsewhere(settings, tmp_path)
    with damaged(backed_up(settings, folder, identity), how) as file, pytest.raises(BackupFailed, match="cut short"):
        restore.restore(restored, file, Secret(identity=str(identity)), quiet)
    assert list(restored.data.iterdir()) == []


def test_another_key_does_not_open_it(settings: Settings, folder: Path, identity: pyrage.x25519.Identity) -> None:
    settings, _voice = fill(settings)
    file = backed_up(settings, folder, identity)
    with pytest.raises(BackupFailed, match="another key"):
        restore.verify(file, Secret(identity=str(pyrage.x25519.Identity.generate())), quiet)
    with pytest.raises(BackupFailed, match="--key"):
        restore.verify(file, Secret(), quiet)


@pytest.mark.parametrize("name", ["../outside", "/etc/outside", "vault/../../outside", "keys/../x", "anything"])
def test_names_in_it_are_not_believed(
    settings: Settings, folder: Path, identity: pyrage.x25519.Identity, tmp_path: Path, name: str
) -> None:
    """Everybody may know the public key, and make a file with it."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as made:
        entry = tarfile.TarInfo(name)
        entry.size = 4
        made.addfile(entry, io.BytesIO(b"evil"))
    file = folder / "made.age"
    file.write_bytes(pyrage.encrypt(tar.getvalue(), [identity.to_public()]))
    with pytest.raises(BackupFailed, match="did not put there"):
        restore.restore(elsewhere(settings, tmp_path), file, Secret(identity=str(identity)), quiet)
    assert not list(tmp_path.rglob("outside"))


def test_a_full_disk_leaves_nothing_behind(
    settings: Settings, folder: Path, identity: pyrage.x25519.Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, _voice = fill(settings)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Keys, "seal_stream", full)
    with pytest.raises(BackupFailed, match="No space left"):
        backed_up(settings, folder, identity)
    assert list(folder.iterdir()) == []
    assert not list(settings.data.glob(".backup-*"))
    assert last_backup(settings) is None


def test_whatever_stops_the_packing_stops_the_backup(
    settings: Settings, folder: Path, identity: pyrage.x25519.Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was packed until then is sealed all the same, and would be taken for all of it."""
    settings, _voice = fill(settings)

    def unforeseen(*_: object) -> None:
        raise RuntimeError("something else than a disk")

    monkeypatch.setattr(create, "_pack", unforeseen)
    with pytest.raises(RuntimeError):
        backed_up(settings, folder, identity)
    assert list(folder.iterdir()) == []
    assert last_backup(settings) is None


@pytest.mark.parametrize("name", [".DS_Store", "ข้อความ.wav", "opening (2).wav", "opening.wav~", "a#b,c.txt"])
def test_how_files_beside_the_prompts_are_called_does_no_harm(
    settings: Settings, folder: Path, identity: pyrage.x25519.Identity, tmp_path: Path, name: str
) -> None:
    settings, voice = fill(settings)
    (settings.own_prompts / name).write_bytes(b"x")
    file = backed_up(settings, folder, identity)
    restored = elsewhere(settings, tmp_path)
    restore.restore(restored, file, Secret(identity=str(identity)), quiet)
    is_as_before(restored, voice)
    assert (restored.own_prompts / name).read_bytes() == b"x"


def test_a_copy_ends_although_somebody_writes_all_the_time(settings: Settings, tmp_path: Path) -> None:
    settings, _voice = fill(settings)
    db, writer = Database(settings.database), sqlite3.connect(settings.data / "freeline.db", check_same_thread=False)
    with closing(writer), writer:
        writer.execute("CREATE TABLE ballast (what)")
        writer.executemany("INSERT INTO ballast VALUES (zeroblob(1000000))", [()] * 40)
    stop, written = threading.Event(), []

    def write() -> None:
        with closing(sqlite3.connect(settings.data / "freeline.db", timeout=20)) as own:
            while not stop.wait(0.001):
                with own:
                    own.execute("INSERT INTO ballast VALUES (1)")
                written.append(1)

    with ThreadPoolExecutor(2) as pool:
        pool.submit(write)
        copying = pool.submit(dumps.copy, db, tmp_path)
        try:
            _file, (_revision, rows) = copying.result(30)
        finally:
            stop.set()
    db.dispose()
    assert (rows["agent"], bool(written)) == (5, True)


def test_what_a_killed_backup_left_goes_with_the_next(
    settings: Settings, folder: Path, identity: pyrage.x25519.Identity
) -> None:
    settings, _voice = fill(settings)
    kept, killed = settings.data / ".backup-now", settings.data / ".backup-killed"
    for path in (kept, killed):
        path.mkdir()
    (half := folder / ".freeline-1.part").touch()
    at = time.time()
    for path, since in ((kept, at), (killed, at - 24 * 3600 + 60), (half, at - 24 * 3600 + 60)):
        os.utime(path, (since, since))
    file = backed_up(settings, folder, identity)
    assert [path.name for path in settings.data.glob(".backup-*")] == [kept.name], "another may be at work"
    assert list(folder.iterdir()) == [file]


def test_a_database_that_cannot_be_copied_is_said_and_leaves_nothing(
    settings: Settings, folder: Path, identity: pyrage.x25519.Identity
) -> None:
    settings, _voice = fill(settings)
    (settings.data / "freeline.db").write_bytes(b"no database" * 1000)
    with pytest.raises(BackupFailed, match="was not made"):
        backed_up(settings, folder, identity)
    assert (list(folder.iterdir()), list(settings.data.glob(".backup-*"))) == ([], [])


def test_nothing_is_no_backup(settings: Settings, folder: Path, identity: pyrage.x25519.Identity) -> None:
    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    with pytest.raises(BackupFailed, match="FREELINE_DATA"):
        backed_up(settings, folder, identity)
    assert not (settings.data / "freeline.db").exists(), "then a restore would find a database there"
    fill(settings)
    (settings.keys / "index.key").unlink()
    with pytest.raises(BackupFailed, match=r"index\.key"):
        backed_up(settings, folder, identity)
    backed_up(settings, folder, identity, with_keys=False)


def test_a_data_folder_of_volumes_is_filled_and_emptied_again(
    settings: Settings, folder: Path, identity: pyrage.x25519.Identity, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In containers the folders are there from the first, and empty."""
    settings, voice = fill(settings)
    file, secret = backed_up(settings, folder, identity), Secret(identity=str(identity))
    restored = elsewhere(settings, tmp_path)
    volumes = (restored.vault, restored.keys, restored.own_prompts)
    for volume in volumes:
        volume.mkdir(parents=True)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched, pytest.raises(BackupFailed, match="No space left"):
        patched.setattr(restore, "_restore_database", full)
        restore.restore(restored, file, secret, quiet)
    assert [list(volume.iterdir()) for volume in volumes] == [[], [], []]
    restore.restore(restored, file, secret, quiet)
    is_as_before(restored, voice)


def test_a_short_passphrase_and_a_wrong_key_are_refused() -> None:
    with pytest.raises(BackupFailed, match="too short"):
        sealing.with_passphrase("short")
    with pytest.raises(BackupFailed, match="age1"):
        sealing.for_key("ssh-rsa AAAA")


def freeline(data: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ops", "backup", *words],
        cwd=ROOT, env=os.environ | {"FREELINE_DATA": str(data)} | env, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip


def test_the_command_from_the_first_key_to_the_restored_folder(
    settings: Settings, folder: Path, tmp_path: Path
) -> None:
    settings, voice = fill(settings)
    done = freeline(settings.data, "key", str(tmp_path / "away.key"))
    public = done.stdout.partition("FREELINE_BACKUP_FOR=")[2].strip()
    assert (tmp_path / "away.key").stat().st_mode & 0o777 == 0o600
    assert freeline(settings.data, "create", str(folder)).returncode == 1, "for nobody"
    made = freeline(settings.data, "create", str(folder), FREELINE_BACKUP_FOR=public)
    file = made.stdout.strip()
    assert (made.returncode, Path(file).parent) == (0, folder), made.stderr
    checked = freeline(settings.data, "verify", file, "--key", str(tmp_path / "away.key"))
    assert "1 calls, 1 cases, 1 recordings, with the keys" in checked.stdout
    new = elsewhere(settings, tmp_path)
    done = freeline(new.data, "restore", file, "--key", str(tmp_path / "away.key"))
    assert "freeline up --no-demo" in done.stdout
    is_as_before(new, voice)
    again = freeline(new.data, "restore", file, "--key", str(tmp_path / "away.key"))
    assert again.returncode == 1
    assert "Traceback" not in again.stderr
