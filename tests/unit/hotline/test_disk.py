"""The disk: what is told of it, and the reserve that is given back when it is full. On a disk of its own of 64 MB."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hotline import disk
from hotline.keys import INDEX, load_keys, make_keys
from hotline.settings import Settings


@pytest.fixture
def small(settings: Settings, tmp_path: Path) -> Iterator[Settings]:
    """Settings whose data folder is on a small disk."""
    settings.data.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(settings.data)], check=True)
    try:
        mine = settings.model_copy(update={"free_space_floor_mb": 5, "reserve_mb": 10})
        mine.spool.mkdir()
        yield mine
    finally:
        subprocess.run(["umount", "-l", str(settings.data)], check=True)


def fill(folder: Path, leave: int = 0) -> Path:
    """A file that takes all there is, but for so many bytes."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 65536)
        except OSError:
            pass
        file.truncate(max(0, file.tell() - leave))
    return filler


def test_the_reserve_is_given_back_when_the_disk_is_full_and_taken_again(small: Settings) -> None:
    reserve = small.data / disk.RESERVE
    disk.keep_reserve(small)
    assert reserve.stat().st_blocks * 512 >= 10_000_000
    assert disk.can_record(small)
    filler = fill(small.data)
    disk.keep_reserve(small)
    assert not reserve.exists()
    (small.spool / "note").write_bytes(b"x" * 1_000_000)  # there is room again for what is known of calls
    assert not disk.can_record(small), "this room is not for messages"
    disk.keep_reserve(small)
    assert not reserve.exists(), "there is no room yet to hold anything back"
    filler.unlink()
    disk.keep_reserve(small)
    assert reserve.exists()


def test_without_room_no_message_is_asked_for_and_it_is_told(small: Settings) -> None:
    fill(small.data, leave=3_000_000)
    assert not disk.can_record(small)
    [told] = disk.troubles(small)
    assert "the disk is full" in told


def test_a_spool_that_cannot_be_written_takes_no_message(small: Settings) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=50m,ro", "tmpfs", str(small.spool)], check=True)
    try:
        assert not disk.can_record(small)
        assert list(disk.troubles(small)) == [f"{small.spool} cannot be written"]
    finally:
        subprocess.run(["umount", "-l", str(small.spool)], check=True)


def test_in_a_container_nothing_is_wrong_with_what_it_was_not_given_to_write(small: Settings) -> None:
    """The console has the spool and the vault for reading; others have folders of the image alone, which is read-only."""
    mine = small.model_copy(update={"apart": True})
    for folder in (mine.run, mine.vault, mine.asterisk):
        folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=50m", "tmpfs", str(mine.run)], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=50m,ro", "tmpfs", str(mine.vault)], check=True)
    subprocess.run(["mount", "-o", "remount,ro", str(mine.data)], check=True)
    try:
        assert list(disk.troubles(mine)) == []
        subprocess.run(["mount", "-o", "remount,ro", str(mine.run)], check=True)
        assert list(disk.troubles(mine)) == [f"{mine.run} cannot be written"]
    finally:
        for folder in (mine.run, mine.vault):
            subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_reserve_of_nothing_is_none(small: Settings) -> None:
    disk.keep_reserve(small.model_copy(update={"reserve_mb": 0}))
    assert not (small.data / disk.RESERVE).exists()


def test_keys_that_do_not_fit_are_not_half_there(small: Settings) -> None:
    """A first start on a full disk: half a key would stand for a whole one ever after."""
    small.keys.mkdir()
    (small.keys / "filled").write_bytes(b"")
    filler = fill(small.data)
    with pytest.raises(OSError, match="No space left"):
        make_keys(small.keys)
    assert [path.name for path in small.keys.iterdir()] == ["filled"]
    filler.unlink()
    make_keys(small.keys)
    keys = load_keys(small.keys, may_open=True)
    assert keys.open(keys.seal(b"x")) == b"x"
    assert len((small.keys / INDEX).read_text()) == 64


def test_keys_made_by_half_are_made_whole(small: Settings) -> None:
    make_keys(small.keys)
    before = load_keys(small.keys, may_open=True)
    (small.keys / "public.age").unlink()
    make_keys(small.keys)
    assert load_keys(small.keys, may_open=True) == before
