"""The vault keeps what it is given, and says clearly when it cannot."""

import errno
import os
from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pytest

from hotline.errors import NotAllowed
from hotline.keys import Keys
from models.db.types import now
from recordings.vault.vault import Vault, VaultDamaged, VaultFull, VaultMissing

VOICE = b"a voice of a worker" * 1000


@pytest.fixture
def vault(tmp_path: Path, keys: Keys) -> Vault:
    return Vault(tmp_path / "vault", keys)


def files(vault: Vault) -> list[Path]:
    return [path for path in vault.folder.rglob("*") if path.is_file()]


def test_what_is_put_can_be_opened_and_is_not_on_the_disk_in_the_clear(vault: Vault) -> None:
    key = vault.put(BytesIO(VOICE))
    assert vault.open(key) == VOICE
    (path,) = files(vault)
    assert VOICE[:19] not in path.read_bytes()
    assert path.relative_to(vault.folder).parts == (key[:2], key[2:4], f"{key}.age")
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_same_voice_gets_another_name_each_time(vault: Vault) -> None:
    assert vault.put(BytesIO(VOICE)) != vault.put(BytesIO(VOICE))


def test_putting_needs_no_identity_and_opening_does(vault: Vault, keys: Keys) -> None:
    sealer = replace(vault, keys=replace(keys, identity=None))
    key = sealer.put(BytesIO(VOICE))
    with pytest.raises(NotAllowed):
        sealer.open(key)
    assert vault.open(key) == VOICE


def test_a_full_disk_says_so_and_leaves_nothing(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    vault.put(BytesIO(VOICE))
    before = files(vault)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(VaultFull, match="full"):
        vault.put(BytesIO(VOICE))
    assert files(vault) == before


def test_trouble_while_reading_says_so_and_leaves_nothing(vault: Vault) -> None:
    class Torn(BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(OSError, match="Input/output") as caught:
        vault.put(Torn())
    assert caught.value.errno == errno.EIO
    assert files(vault) == []


def test_a_conversation_of_hours_is_sealed_in_little_memory(vault: Vault) -> None:
    """Some kilobytes at a time, whatever its length."""

    class Watching:
        left, largest = 40_000_000, 0

        def read(self, size: int = -1, /) -> bytes:
            assert size > 0
            self.largest = max(self.largest, size)
            size = min(size, self.left)
            self.left -= size
            return bytes(size)

    long = Watching()
    key = vault.put(long)
    assert long.largest <= 1 << 20
    assert vault.open(key) == bytes(40_000_000)


def test_damage_is_told_from_absence(vault: Vault) -> None:
    key = vault.put(BytesIO(VOICE))
    (path,) = files(vault)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(VaultDamaged):
        vault.open(key)
    assert vault.delete(key)
    assert not vault.delete(key)
    with pytest.raises(VaultMissing):
        vault.open(key)


@pytest.mark.parametrize("key", ["../../keys/identity", "", "A" * 32, "0" * 31, "0" * 32])
def test_a_name_that_is_no_vault_key_opens_nothing(vault: Vault, key: str) -> None:
    with pytest.raises(VaultMissing):
        vault.open(key)
    assert not vault.delete(key)


def test_an_orphan_is_set_aside_before_it_is_deleted(vault: Vault) -> None:
    key = vault.put(BytesIO(VOICE))
    assert [name for name, _age in vault.kept()] == [key]
    vault.set_aside(key)
    assert list(vault.kept()) == []
    assert vault.sweep(aside_before=now() - timedelta(minutes=1)) == 0
    assert vault.sweep(aside_before=None) == 0
    assert len(files(vault)) == 1
    assert vault.sweep(aside_before=now() + timedelta(minutes=1)) == 1
    assert files(vault) == []
