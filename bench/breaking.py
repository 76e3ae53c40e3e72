"""A whole Freeline on a small disk of its own, and ways to break both, for `faults` and `storm`. Root only: it mounts."""

import os
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlmodel import col, select

from hotline.heartbeat import UP, ask_supervisor
from hotline.keys import load_keys
from hotline.line import languages
from hotline.settings import ROOT, Settings
from ivr import prompts
from models import Caller, Case, Contact
from tests.support.stack import Whole

DISK_MB = 160
STOPPED_S = 30.0
SETTLES_S = 400.0
PROCESSES = ("redis", "asterisk", "ivr", "switchboard", "transcriber", "jobs", "console")
# The callers' numbers: this and three digits. Nobody calls twice, for the second call would join the first one's case.
NUMBERS = "0812{:06}"


class Small(Whole):
    """Freeline with its data folder on a disk of `DISK_MB`; what `up` prints goes elsewhere."""

    def __init__(self, folder: Path, sounds: Path, database_url: str = "") -> None:
        self.disk = folder / "disk"
        self.disk.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(self.disk)], check=True)
        subprocess.run(["cp", "-r", str(sounds), str(self.disk / "sounds")], check=True)
        super().__init__(
            self.disk, None, FREE_SPACE_FLOOR_MB="10", RESERVE_MB="10", DATABASE_URL=database_url, SIP_HOST="127.0.0.1"
        )
        self.output = folder / "up.log"
        self.db.migrate()
        with self.db.write() as session:
            languages.seed(session, self.settings.line_numbers, demo=True)

    def begin(self) -> None:
        """Start `up` and wait for nothing: the disk may be in any state."""
        with self.output.open("a") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "ops", "up", "--no-demo"],
                cwd=ROOT, env=self.env, stdout=file, stderr=subprocess.STDOUT, text=True, start_new_session=True,
            )  # fmt: skip

    def pids(self) -> dict[str, int]:
        """The process ids of the supervisor and its processes, as it reports them; no file is needed."""
        told = ask_supervisor(self.settings, UP) or {}
        found = {name: int(row["pid"] or 0) for name, row in told.get("processes", {}).items()}
        return {name: pid for name, pid in found.items() if pid} | ({UP: told["supervisor"]} if told else {})

    def hit(self, name: str, how: int) -> None:
        """Send a process a signal; Asterisk and the process beside it get it together."""
        pid = self.pids().get(name)
        if pid is not None:
            with suppress(OSError):
                (os.killpg if name == "asterisk" else os.kill)(pid, how)

    def restart(self) -> None:
        """End `up`, as its service would, and start it at once."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(STOPPED_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.begin()

    def ready(self, within_s: float = 120) -> bool:
        """Return whether everything is ready in time."""
        return wait_for(lambda: bool(self.status()["ready"]), within_s)

    def over(self) -> bool:
        """Return whether every row is ended and filed, and the spool is empty."""
        rows = self.contacts()
        return all(row.ended_at and row.case_id for row in rows) and not list(self.settings.spool.iterdir())

    def settled(self, calls: int) -> bool:
        """Wait until there is a row for each call and all is filed; a minute longer, for rows that are too many."""
        done = wait_for(lambda: len(self.contacts()) >= calls and self.over(), SETTLES_S)
        time.sleep(65)
        return done and self.over()

    def counted(self) -> tuple[Counter[str], int, int]:
        """How many rows each number has, how many rows have none, and how many cases there are."""
        keys = load_keys(self.settings.keys, may_open=False)
        with self.db.read() as session:
            rows = session.exec(
                select(Caller.number_index).join(Contact, col(Contact.caller_id) == col(Caller.id))
            ).all()
            unknown = len(session.exec(select(Contact.id).where(col(Contact.caller_id).is_(None))).all())
            cases = len(session.exec(select(Case.id)).all())
        wanted = {
            keys.find_by(self.settings.numbering.certain(number) or ""): number
            for number in map(NUMBERS.format, range(2000))
        }
        return Counter(wanted.get(row, "another") for row in rows), unknown, cases

    def end(self) -> None:
        """Stop it and take its disk away."""
        with suppress(Exception):
            self.stop()
        subprocess.run(["umount", "-l", str(self.disk)], check=False)


def quick_sounds(folder: Path) -> Path:
    """The prompts, each cut after a second: the steps are wanted, not the words."""
    settings = Settings(data=folder / "sounds-of")
    prompts.build(settings, {}, [(str(n), code) for n, code in enumerate(languages.first_menu(demo=False), start=1)])
    for file in settings.sounds.glob("??/*.sln"):
        os.truncate(file, min(file.stat().st_size, 16_000))
    return settings.sounds


def wait_for(what: Callable[[], bool], within_s: float, every_s: float = 0.5) -> bool:
    """Return whether it became true in time; a check that fails counts as false."""
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        with suppress(Exception):
            if what():
                return True
        time.sleep(every_s)
    return False


# The disks


@contextmanager
def well(_it: Small) -> Iterator[None]:
    """A healthy disk."""
    yield


@contextmanager
def full(it: Small) -> Iterator[None]:
    """A full disk: another program has taken all space, and for a second takes what is given back."""
    filler = it.disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"\0" * 65536)
    try:
        yield
    finally:
        filler.unlink()


def _locked(folder: Path) -> Iterator[None]:
    subprocess.run(["mount", "--bind", str(folder), str(folder)], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextmanager
def read_only(it: Small) -> Iterator[None]:
    """A read-only data folder; files that are open for writing stay so, as after `chmod`."""
    yield from _locked(it.disk)


@contextmanager
def run_locked(it: Small) -> Iterator[None]:
    """A locked `run`: the folder of states, heartbeats and the log."""
    yield from _locked(it.settings.run)


@contextmanager
def spool_locked(it: Small) -> Iterator[None]:
    """A locked spool: the folder of messages and notes."""
    yield from _locked(it.settings.spool)


@contextmanager
def no_descriptors(it: Small) -> Iterator[None]:
    """The supervisor and our processes can open nothing more; Asterisk can: that would be a full line, another fault."""
    before: dict[int, tuple[int, int]] = {}
    for name, pid in it.pids().items():
        if name in {"asterisk", "redis"}:
            continue
        with suppress(OSError):
            opened = len(list(Path(f"/proc/{pid}/fd").iterdir()))
            before[pid] = resource.prlimit(pid, resource.RLIMIT_NOFILE)
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (opened, before[pid][1]))
    try:
        yield
    finally:
        for pid, limits in before.items():
            with suppress(OSError):
                resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)


DISKS = {
    "well": well,
    "full": full,
    "read-only": read_only,
    "run locked": run_locked,
    "spool locked": spool_locked,
    "no descriptors": no_descriptors,
}
