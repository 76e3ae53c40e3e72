"""An engine in a process of its own: a crash of the engine is a failed attempt, not the end of the transcriber."""

import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

from hotline.log import log
from hotline.settings import ROOT
from recordings.transcription.engines import Draft, EngineFailed, OnProgress

COMMAND = (sys.executable, "-m", "recordings.transcription.engine_process")
# A process that sends nothing for so long hangs. Loading a large model from a slow disk must fit in.
SILENT_S = 120.0
LOOK_S = 0.2


class Stopped(Exception):
    """The transcriber is stopping; the decode was given up."""


class Apart:
    """Runs one model in a child process, one recording after another. Not for two threads at once."""

    def __init__(
        self,
        folder: Path,
        model: str,
        language: str,
        stop: Event,
        name: str = "vosk",
        command: tuple[str, ...] = COMMAND,
    ) -> None:
        self.name = name
        self.model = model
        self.languages = frozenset({language})
        self._folder = folder
        self._language = language
        self._stop = stop
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._used_at = time.monotonic()

    @property
    def idle_s(self) -> float:
        """Seconds since the engine was last used."""
        return time.monotonic() - self._used_at

    def transcribe(self, pcm16: bytes, rate_hz: int, on_progress: OnProgress) -> Draft:
        """Transcribe in the child. Raises `EngineFailed` also when the child crashes or hangs, `Stopped` when we stop."""
        process = self._running()
        head = json.dumps({"rate_hz": rate_hz, "bytes": len(pcm16)}).encode()
        try:
            for said in self._talk(process, head + b"\n" + pcm16):
                if "draft" in said:
                    return Draft(**said["draft"])
                if "failed" in said:
                    raise EngineFailed(str(said["failed"]), permanent=bool(said.get("permanent")))
                on_progress(float(said["done"]))
        except EngineFailed:
            raise
        except (OSError, ValueError, KeyError, TypeError) as error:
            self.close()
            raise EngineFailed("the speech engine's process gave no answer that can be read") from error
        except BaseException:
            self.close()
            raise
        finally:
            self._used_at = time.monotonic()
        raise EngineFailed(f"the speech engine stopped ({_why(self.close())})")

    def close(self) -> int | None:
        """End the child and free its memory; the next recording starts another. Returns its exit code."""
        process, self._process = self._process, None
        if process is None:
            return None
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError as error:
                    log().debug("a pipe to the speech engine was broken", error=error)
        try:
            return process.wait(timeout=0.5)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self.close()
            # The environment is not passed on: it may hold secrets, and the engine needs none of it.
            self._process = subprocess.Popen(
                [*self._command, self.name, self.model, self._language, str(self._folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
                cwd=ROOT,
                env={"PATH": os.defpath, "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8"},
            )
            assert self._process.stdin is not None  # noqa: S101
            # A child that hangs before it has read everything must not make us hang too.
            os.set_blocking(self._process.stdin.fileno(), False)
        return self._process

    def _talk(self, process: subprocess.Popen[bytes], request: bytes) -> Iterator[dict[str, Any]]:
        """Send the request, through memory and never through a file, and yield the answers; ends when the child does.

        Raises `EngineFailed` when the child hangs, `Stopped` when we stop.
        """
        asked, answers = process.stdin, process.stdout
        assert asked is not None  # noqa: S101  (both are asked for in _running)
        assert answers is not None  # noqa: S101
        left, kept = memoryview(request), b""
        heard_at = time.monotonic()
        with selectors.DefaultSelector() as selector:
            selector.register(answers, selectors.EVENT_READ)
            selector.register(asked, selectors.EVENT_WRITE)
            while True:
                if self._stop.is_set():
                    process.kill()
                    raise Stopped
                ready = {key.fileobj for key, _ in selector.select(LOOK_S)}
                if asked in ready:
                    left = left[_write(asked.fileno(), left) :]
                    if not left:
                        selector.unregister(asked)
                if answers in ready:
                    piece = os.read(answers.fileno(), 1 << 16)
                    if not piece:
                        return
                    *lines, kept = (kept + piece).split(b"\n")
                    yield from map(json.loads, lines)
                if ready:
                    heard_at = time.monotonic()
                elif time.monotonic() - heard_at > SILENT_S:
                    process.kill()
                    self.close()
                    raise EngineFailed(f"the speech engine said nothing for {SILENT_S:.0f} s")


def _write(pipe: int, left: memoryview) -> int:
    """Write to the pipe and return how much it took. For a child that has ended, all: its missing answer will show that."""
    try:
        return os.write(pipe, left[: 1 << 16])
    except BlockingIOError:
        return 0
    except BrokenPipeError:
        return len(left)


def _why(code: int | None) -> str:
    if code is None:
        return "unknown"
    return f"signal {-code}" if code < 0 else f"exit code {code}"
