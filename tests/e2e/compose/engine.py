"""podman and podman-compose in place of a Docker engine, with a store of their own, and the base images they begin from.

No image registry is reached: bases are made from Debian packages under the very names that the Dockerfile and the compose
file use. They are kept in the cache, by what they are made of.
"""

import fcntl
import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hotline.settings import ROOT, Settings
from telephony.asterisk.obtain import debian_mirror

HERE = Path(__file__).parent
STANDINS = HERE / "standins"
PROGRAMS = ("podman", "runc", "netavark", "aardvark-dns", "iptables", "catatonit", "mmdebstrap")
# What `debian:…-slim` is: the essential packages, and a dpkg that does not wait for the disk after each file. A mirror may
# lag behind the date in its release file.
DEBIAN = (
    "mmdebstrap", "--variant=minbase", "--quiet", "--include=ca-certificates",
    '--aptopt=Acquire::Check-Valid-Until "false"', "--dpkgopt=force-unsafe-io",
    *(f"--dpkgopt=path-exclude=/usr/share/{kind}/*" for kind in ("doc", "man", "locale", "info")), "bookworm",
)  # fmt: skip
UNNAMED_MAX = 12
WHERE = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/lib/podman:/usr/libexec/podman"


def missing() -> list[str]:
    """The programs that are not here; none means that the stack can be run."""
    absent = [name for name in PROGRAMS if shutil.which(name, path=WHERE) is None]
    return absent + ([] if composer().exists() else ["podman-compose"])


def composer() -> Path:
    """podman-compose of our own environment."""
    return Path(sys.executable).parent / "podman-compose"


def images() -> dict[str, str]:
    """Names of the foreign images, as the files say them, and the stand-in for each."""
    dockerfile, compose = (ROOT / "Dockerfile").read_text(), (ROOT / "docker-compose.yml").read_text()
    base = re.search(r"^ARG BASE=(\S+)$", dockerfile, re.MULTILINE)
    caddy = re.search(r"^ARG CADDY=(\S+)$", dockerfile, re.MULTILINE)
    assert base, "the Dockerfile names no base"
    assert caddy, "the Dockerfile names no Caddy"
    found = {base[1]: "", caddy[1]: "caddy"}
    for name in re.findall(r"^ *image: (docker\.io/\S+)$", compose, re.MULTILINE):
        found[name] = "coturn" if "coturn" in name else "postgres"
    return found


class Engine:
    """podman with a store in the cache. One at a time; `take_down` leaves only images."""

    def __init__(self, settings: Settings, work: Path) -> None:
        self.work = work
        text = (
            b"".join(p.read_bytes() for p in sorted(STANDINS.iterdir()))
            + repr((DEBIAN, sorted(images().items()))).encode()
        )
        stores = settings.cache / "compose-test"
        self.store = stores / hashlib.sha256(text).hexdigest()[:16]
        for old in stores.glob("*") if stores.exists() else ():
            if old != self.store:
                shutil.rmtree(old, ignore_errors=True)
        self.store.mkdir(parents=True, exist_ok=True)
        conf = work / "containers.conf"
        # The machine's own limits may be lower than what podman wants to set, and then nothing starts.
        files, processes = (_hard(kind) for kind in ("RLIMIT_NOFILE", "RLIMIT_NPROC"))
        conf.write_text(
            f'[containers]\ndefault_ulimits = ["nofile={files}:{files}", "nproc={processes}:{processes}"]\n'
            '[engine]\nruntime = "runc"\n[network]\nnetwork_backend = "netavark"\n'
        )
        self.env = os.environ | {"CONTAINERS_CONF": str(conf)}
        # Always the same for this store, or podman refuses it; and podman wants the second to be short.
        self.state = Path("/tmp") / f"freeline-compose-{self.store.name[:8]}"
        self.options = [
            "--runtime", "runc", "--root", str(self.store / "images"), "--runroot", str(self.state / "run"),
            "--storage-driver", "overlay", "--tmpdir", str(self.state / "lib"),
            "--network-config-dir", str(self.state / "networks"),
        ]  # fmt: skip
        self._forwarding = Path("/proc/sys/net/ipv4/ip_forward")
        self._forwarded = self._forwarding.read_text()
        self.pip_mounts = _pip_as_here(work)

    def podman(self, *words: str, check: bool = True, given: str | None = None, within_s: float = 120) -> str:
        """Run podman; what it printed."""
        done = subprocess.run(
            ["podman", *self.options, *words],
            env=self.env, input=given, capture_output=True, text=True, timeout=within_s, check=False,
        )  # fmt: skip
        assert done.returncode == 0 or not check, f"podman {words[0]}: {done.stdout[-1500:]}{done.stderr[-1500:]}"
        return done.stdout

    def compose(self, folder: Path, *words: str, within_s: float = 600, check: bool = True) -> str:
        """Run podman-compose in a checkout; what it printed."""
        mounts = [word for mount in self.pip_mounts for word in ("--volume", mount)]
        build = shlex.join(["--network", "host", "--isolation", "chroot", *mounts])
        done = subprocess.run(
            [
                str(composer()), "--in-pod", "false", "--podman-args", shlex.join(self.options),
                "--podman-build-args", build, "--parallel", "1", *words,
            ],
            cwd=folder, env=self.env, capture_output=True, text=True, timeout=within_s, check=False,
        )  # fmt: skip
        said = done.stdout + done.stderr
        assert done.returncode == 0 or not check, f"podman-compose {' '.join(words)}: {said[-4000:]}"
        return said

    def make_bases(self) -> None:
        """Make the images that would come from a registry, those that are not in the store."""
        there = self.podman("images", "--format", "{{.Repository}}:{{.Tag}}").split()
        for name, standin in images().items():
            if name in there:
                continue
            if standin:
                self.podman(
                    "build", "--quiet", "--network", "host", "--isolation", "chroot", "--target", standin, "--tag", name,
                    "--file", str(STANDINS / "Containerfile"), str(STANDINS), within_s=1200,
                )  # fmt: skip
            else:
                self._make_debian(name)

    def take_down(self) -> None:
        """Remove every container, volume and network; and unnamed images, once they are many: they make a build quick."""
        for kind in ("container", "volume", "network"):
            words = ["--force"] if kind != "container" else ["--force", "--time", "0"]
            names = self.podman(kind, "ls", "--quiet", *(["--all"] if kind == "container" else []), check=False).split()
            for name in names:
                if name != "podman":
                    self.podman(kind, "rm", *words, name, check=False)
        if len(self.podman("images", "--filter", "dangling=true", "--quiet", check=False).split()) > UNNAMED_MAX:
            self.podman("image", "prune", "--force", check=False, within_s=400)

    def restore(self) -> None:
        """Set back what podman changed on the machine itself."""
        shutil.rmtree(self.state, ignore_errors=True)
        if self._forwarding.read_text() != self._forwarded:
            self._forwarding.write_text(self._forwarded)

    def _make_debian(self, name: str) -> None:
        tar = self.work / "debian.tar"
        subprocess.run(
            [*DEBIAN, str(tar), debian_mirror()], check=True, capture_output=True, timeout=1200,
        )  # fmt: skip
        self.podman("import", "--quiet", str(tar), name)
        tar.unlink()


@contextmanager
def engine(settings: Settings, work: Path) -> Iterator[Engine]:
    """The engine, for one test run at a time on this machine; whatever happens, it is taken down."""
    settings.cache.mkdir(parents=True, exist_ok=True)
    with (settings.cache / "compose-test.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        it = Engine(settings, work)
        try:
            it.take_down()  # what a run left that was killed
            it.make_bases()
            yield it
        finally:
            try:
                it.take_down()
            finally:
                it.restore()


def _hard(kind: str) -> int:
    import resource

    hard = resource.getrlimit(getattr(resource, kind))[1]
    return 20_000 if hard == resource.RLIM_INFINITY else min(hard, 20_000)


def _pip_as_here(work: Path) -> list[str]:
    """Mounts that let pip in a build find packages as this machine's own pip does: its index, folders and authorities."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
    ).stdout
    wanted = ("index-url", "extra-index-url", "find-links", "cert", "trusted-host")
    found = {
        key: value for key, value in re.findall(r"^\S+?\.([a-z-]+)='(.*)'$", listed, re.MULTILINE) if key in wanted
    }
    mounts = []
    if "cert" in found:
        mounts.append(f"{Path(found['cert']).resolve()}:/etc/authorities-of-the-host.crt:ro")
        found["cert"] = "/etc/authorities-of-the-host.crt"
    for place in " ".join(found.get(key, "") for key in ("find-links", "index-url", "extra-index-url")).split():
        folder = Path(place.removeprefix("file://"))
        if folder.name == "simple":  # an index on disk keeps its files beside itself
            folder = folder.parent
        if folder.is_absolute() and folder.is_dir():
            mounts.append(f"{folder}:{folder}:ro")
    conf = work / "pip.conf"
    conf.write_text("[global]\n" + "".join(f"{key} = {value}\n" for key, value in found.items()))
    return [*mounts, f"{conf}:/etc/pip.conf:ro"]
