"""The vault keeps what it is given, and says clearly when it cannot."""

import errno
import os
from dataclasses import replace
from pathlib import Path

import pytest

from hotline.errors import NotAllowed
from hotline.keys import Keys
from recordings.vault import Vault, VaultDamaged, VaultFull, VaultMissing

VOICE = b"a voice of a worker" * 1000


@pytest.fixture
def vault(tmp_path: Path, keys: Keys) -> Vault:
    return Vault(tmp_path / "vault", keys)


def files(vault: Vault) -> list[Path]:
    return [path for path in vault.folder.rglob("*") if path.is_file()]


def test_what_is_put_can_be_opened_and_is_not_on_the_disk_in_the_clear(vault: Vault) -> None:
    key = vault.put(VOICE)
    assert vault.open(key) == VOICE
    (path,) = files(vault)
    assert VOICE[:19] not in path.read_bytes()
    assert path.relative_to(vault.folder).parts == (key[:2], key[2:4], f"{key}.age")
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_same_voice_gets_another_name_each_time(vault: Vault) -> None:
    assert vault.put(VOICE) != vault.put(VOICE)


def test_putting_needs_no_identity_and_opening_does(vault: Vault, keys: Keys) -> None:
    sealer = replace(vault, keys=replace(keys, identity=None))
    key = sealer.put(VOICE)
    with pytest.raises(NotAllowed):
        sealer.open(key)
    assert vault.open(key) == VOICE


def test_a_full_disk_says_so_and_leaves_nothing(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    vault.put(VOICE)
    before = files(vault)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(VaultFull, match="full"):
        vault.put(VOICE)
    assert files(vault) == before


def test_damage_is_told_from_absence(vault: Vault) -> None:
    key = vault.put(VOICE)
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
    key = vault.put(VOICE)
    assert [name for name, _age in vault.kept()] == [key]
    vault.set_aside(key)
    assert list(vault.kept()) == []
    assert vault.sweep(aside_s=60) == 0
    assert len(files(vault)) == 1
    assert vault.sweep(aside_s=-1) == 1
    assert files(vault) == []
