"""One stack for all tests here: it is up once."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hotline.settings import Settings
from tests.e2e.compose.engine import Engine, engine, missing
from tests.e2e.compose.stack import Stack


def unmount(it: Engine) -> None:
    """podman keeps its store mounted on itself when its last two programs end at the same moment."""
    place = it.store / "images" / "overlay"
    if str(place) in Path("/proc/mounts").read_text():
        subprocess.run(["umount", str(place)], check=False, capture_output=True)


@pytest.fixture(scope="session")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The engine; at the end nothing of it runs or is mounted."""
    absent = missing()
    if absent and not os.environ.get("CI"):
        pytest.skip(
            f"docker-compose.yml is not run here, because these are missing: {', '.join(absent)}. "
            "`ops/setup.sh test` installs them."
        )
    assert not absent, f"missing: {', '.join(absent)}. Run ops/setup.sh test"
    with engine(Settings(), tmp_path_factory.mktemp("engine")) as it:
        yield it
    unmount(it)
    assert str(it.store) not in Path("/proc/mounts").read_text(), "something is still mounted"


@pytest.fixture(scope="session")
def stack(podman: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The stack, up and ready."""
    it = Stack(podman, tmp_path_factory.mktemp("stack"))
    try:
        it.up()
        it.hire("sofia", "supervisor")
        yield it
    finally:
        it.down()
    assert podman.podman("ps", "--all", "--quiet") == ""
    assert podman.podman("volume", "ls", "--quiet") == ""
