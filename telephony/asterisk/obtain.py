"""Obtaining Asterisk: the machine's own when it is new enough, else a private root in the cache, unpacked from Debian."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hotline.errors import PartMissing
from hotline.settings import Settings

# Advisories fixed up to here include a use-after-free in ICE and an ARI privilege.
FLOOR = (22, 10, 1)
ROOT = "asterisk-root"
# Debian's stable releases carry no Asterisk; its testing release does.
RELEASE = "forky"
PACKAGES = "asterisk,asterisk-core-sounds-en"
# Of what came along; the programs in bin are not run, and Perl is some of them.
UNNEEDED = (
    *(f"share/{name}" for name in ("doc", "man", "locale", "info", "perl", "zoneinfo")),
    *("bin", "lib/*/perl", "lib/*/perl-base", "lib/*/libperl.so*"),
)


@dataclass(frozen=True)
class Asterisk:
    """An Asterisk that can be run: `command` starts it (a private one through its own loader), folders are its own."""

    command: tuple[str, ...]
    version: str
    modules: Path
    share: Path

    def has(self, module: str) -> bool:
        """Whether it carries a module, named without `.so`."""
        return (self.modules / f"{module}.so").exists()


def find_asterisk(settings: Settings) -> Asterisk:
    """The machine's Asterisk when it is new enough, else the private one. Raises `PartMissing` with what to install."""
    for found in (_system(), _private(settings.cache / ROOT)):
        if found is not None:
            return found
    floor = ".".join(map(str, FLOOR))
    raise PartMissing(
        f"Asterisk {floor} or newer is not here. On Debian run `make up` once with mmdebstrap installed "
        "(`apt-get install mmdebstrap`), which fetches a private one; elsewhere install it from asterisk.org."
    )


def version_tuple(version: str) -> tuple[int, ...]:
    """22.10.1 of `Asterisk 22.10.1~dfsg+~cs6.15.60671435-1`; empty when there is none."""
    found = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", version)
    return tuple(int(part or 0) for part in found.groups()) if found else ()


def install_asterisk(cache: Path, progress: Callable[[str], None]) -> None:
    """Fetch the private Asterisk into the cache; does nothing when it is there.

    Two may do this at once: each unpacks into a folder of its own, and the first to finish wins. About 270 MB, 10 to 60
    seconds. Raises `PartMissing` with what stopped it.
    """
    root = cache / ROOT
    if _private(root) is not None:
        return
    if shutil.which("mmdebstrap") is None:
        raise PartMissing("Asterisk cannot be fetched without mmdebstrap: run `apt-get install mmdebstrap`.")
    mirror = debian_mirror()
    cache.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f"{ROOT}.", dir=cache))
    try:
        progress(f"fetching Asterisk from Debian {RELEASE}")
        _unpack(mirror, work / "root")
        for unneeded in [path for name in UNNEEDED for path in (work / "root" / "usr").glob(name)]:
            if unneeded.is_dir() and not unneeded.is_symlink():
                shutil.rmtree(unneeded, ignore_errors=True)
            else:
                unneeded.unlink()
        if _private(work / "root") is None:
            raise PartMissing(f"what Debian {RELEASE} gave as Asterisk does not run here")
        _put_in_place(work / "root", root)
        progress("Asterisk is there")
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _put_in_place(fresh: Path, root: Path) -> None:
    try:
        fresh.rename(root)
    except OSError:
        if _private(root) is not None:  # another run was first
            return
        shutil.rmtree(root, ignore_errors=True)  # an older one that no longer runs
        fresh.rename(root)


def _unpack(mirror: str, target: Path) -> None:
    command = [
        "mmdebstrap",
        "--mode=chrootless",  # nothing is run or mounted, so root is not needed and the files are ours
        "--variant=extract",
        "--quiet",
        # A mirror may lag behind the date in its release file; the signature is checked all the same.
        '--aptopt=Acquire::Check-Valid-Until "false"',
        f"--include={PACKAGES}",
        RELEASE,
        str(target),
        mirror,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.startswith("E:")] or done.stderr.splitlines()
        raise PartMissing(f"Asterisk could not be fetched from {mirror}: {' '.join(said[-2:])[:300]}")


def debian_mirror() -> str:
    """The Debian archive that this machine's own apt uses."""
    try:
        listed = subprocess.run(
            ["apt-get", "indextargets", "--format", "$(ORIGIN) $(REPO_URI)", "Created-By: Packages"],
            capture_output=True,
            text=True,
            check=False,
        ).stdout
    except OSError:
        listed = ""
    for line in listed.splitlines():
        origin, _, uri = line.partition(" ")
        if origin == "Debian" and "security" not in uri:
            return uri
    raise PartMissing(
        "This machine's apt knows no Debian archive (run `apt-get update`), so Asterisk cannot be fetched: "
        f"install Asterisk {'.'.join(map(str, FLOOR))} or newer yourself."
    )


def _system() -> Asterisk | None:
    program = shutil.which("asterisk", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if program is None:
        return None
    for prefix in (Path("/usr"), Path("/usr/local")):
        modules = next(_modules(prefix), None)
        if modules is not None:
            shares = (prefix / "share" / "asterisk", Path("/var/lib/asterisk"))
            share = next((s for s in shares if (s / "documentation").is_dir()), shares[0])
            return _asked((program,), modules, share)
    return None


def _private(root: Path) -> Asterisk | None:
    program = root / "usr" / "sbin" / "asterisk"
    loader = next(iter(sorted(root.glob("usr/lib/*-linux-*/ld-linux*.so.*"))), None)
    modules = next(_modules(root / "usr"), None)
    if not program.exists() or loader is None or modules is None:
        return None
    command = (str(loader), "--library-path", str(loader.parent), str(program))
    return _asked(command, modules, root / "usr" / "share" / "asterisk")


def _modules(prefix: Path) -> Iterator[Path]:
    for pattern in ("lib/*/asterisk/modules", "lib/asterisk/modules", "lib64/asterisk/modules"):
        yield from (folder for folder in sorted(prefix.glob(pattern)) if (folder / "app_queue.so").exists())


def _asked(command: tuple[str, ...], modules: Path, share: Path) -> Asterisk | None:
    try:
        said = subprocess.run([*command, "-V"], capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    version = re.sub(r"^Asterisk\s+", "", said.stdout.strip())
    return Asterisk(command, version, modules, share) if version_tuple(version) >= FLOOR else None
