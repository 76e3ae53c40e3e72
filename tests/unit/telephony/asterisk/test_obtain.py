"""Obtaining Asterisk, with small programs in place of apt and mmdebstrap."""

from pathlib import Path

import pytest

from hotline.errors import PartMissing
from hotline.settings import Settings
from telephony.asterisk import obtain
from telephony.asterisk.obtain import find_asterisk, install_asterisk, version_tuple

APT = "echo 'Debian http://mirror.test/debian-security/'; echo 'Debian http://mirror.test/debian/'"


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with nothing on it but what the test puts there."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(obtain, "_system", lambda: None)
    return folder


def put(folder: Path, name: str, script: str) -> None:
    """A program."""
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


# It lays out what Debian's packages do: a loader that runs the program it is given, and the program.
UNPACKS = """
for root; do case "$root" in */root) break;; esac; done
lib="$root/usr/lib/x86_64-linux-gnu"
/bin/mkdir -p "$lib/asterisk/modules" "$root/usr/sbin" "$root/usr/share/doc"
printf '#!/bin/sh\\nshift 2; exec "$@"\\n' > "$lib/ld-linux-x86-64.so.2"
printf '#!/bin/sh\\necho Asterisk VERSION\\n' > "$root/usr/sbin/asterisk"
: > "$lib/asterisk/modules/app_queue.so"
/bin/chmod 755 "$lib/ld-linux-x86-64.so.2" "$root/usr/sbin/asterisk"
echo "$@" > "$root/../../asked"
"""


def test_versions_are_compared_by_number() -> None:
    assert version_tuple("22.10.1+dfsg+~cs6.17.60671434-1") == (22, 10, 1)
    assert version_tuple("22.9.3") < (22, 10, 1) < version_tuple("23.0")
    assert version_tuple("GIT-master") == ()


def test_what_is_missing_is_named(settings: Settings, programs: Path, tmp_path: Path) -> None:
    nothing = settings.model_copy(update={"cache": tmp_path / "cache"})
    with pytest.raises(PartMissing, match=r"Asterisk 22\.10\.1 or newer"):
        find_asterisk(nothing)
    with pytest.raises(PartMissing, match="apt-get install mmdebstrap"):
        install_asterisk(nothing.cache, lambda _: None)


def test_it_is_fetched_from_the_machines_own_archive(settings: Settings, programs: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    put(programs, "apt-get", APT)
    put(programs, "mmdebstrap", UNPACKS.replace("VERSION", "22.10.1"))
    install_asterisk(cache, lambda _: None)
    found = find_asterisk(settings.model_copy(update={"cache": cache}))
    assert found.version == "22.10.1"
    assert found.command[0].endswith("ld-linux-x86-64.so.2")
    assert (cache / "asked").read_text().split()[-1] == "http://mirror.test/debian/"
    assert not (cache / "asterisk-root" / "usr" / "share" / "doc").exists()
    assert [path.name for path in cache.iterdir() if path.name.startswith("asterisk-root.")] == []


def test_one_that_is_too_old_is_not_used(settings: Settings, programs: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    put(programs, "apt-get", APT)
    put(programs, "mmdebstrap", UNPACKS.replace("VERSION", "20.4.0"))
    with pytest.raises(PartMissing):
        install_asterisk(cache, lambda _: None)
    with pytest.raises(PartMissing):
        find_asterisk(settings.model_copy(update={"cache": cache}))


def test_a_failed_fetch_says_why_and_leaves_nothing(programs: Path, tmp_path: Path) -> None:
    put(programs, "apt-get", APT)
    put(programs, "mmdebstrap", "echo 'I: working' >&2; echo 'E: no route to the mirror' >&2; exit 1")
    with pytest.raises(PartMissing, match="no route to the mirror"):
        install_asterisk(tmp_path / "cache", lambda _: None)
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_machine_without_a_debian_archive_is_told_so(programs: Path, tmp_path: Path) -> None:
    put(programs, "apt-get", "echo 'Ubuntu http://mirror.test/ubuntu/'")
    put(programs, "mmdebstrap", "exit 0")
    with pytest.raises(PartMissing, match="no Debian archive"):
        install_asterisk(tmp_path / "cache", lambda _: None)
