"""The speech engine's own process: `python -m recordings.transcription.engine_process ENGINE MODEL LANGUAGE FOLDER`.

Reads a line of JSON and the audio from stdin, answers with lines of JSON on stdout, one recording after another, and ends
with its parent: stdin ends, or the next answer cannot be written. See recordings.transcription.engines.subprocess_engine.
"""

import json
import os
import resource
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from recordings.transcription.engines import Engine, EngineFailed


def engine(name: str, model: str, language: str, folder: Path) -> Engine:
    """The engine by its name. Raises `EngineFailed` for an unknown one."""
    if name == "vosk":
        from recordings.transcription.engines.vosk_engine import VoskEngine

        return VoskEngine(folder, model, language)
    raise EngineFailed(f"there is no speech engine {name!r}", permanent=True)


def serve(name: str, model: str, language: str, folder: Path, asked: BinaryIO, answers: BinaryIO) -> None:
    """Answer until there is nothing more to read."""

    def say(**said: Any) -> None:
        answers.write(json.dumps(said).encode() + b"\n")
        answers.flush()

    made: Engine | None = None
    while head := asked.readline():
        request = json.loads(head)
        pcm = asked.read(request["bytes"])
        if len(pcm) < request["bytes"]:
            return
        try:
            made = made or engine(name, model, language, folder)
            draft = made.transcribe(pcm, request["rate_hz"], lambda done: say(done=round(done, 3)))
        except EngineFailed as error:
            say(failed=str(error), permanent=error.permanent)
        else:
            say(draft=asdict(draft))


def main(arguments: list[str]) -> int:
    """Serve on stdin and stdout."""
    name, model, language, folder = arguments
    # A core file would hold the voice in the clear. And calls come before transcripts.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(10)
    # Output of the engine's library must not come between the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        serve(name, model, language, Path(folder), sys.stdin.buffer, answers)
    except BrokenPipeError:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
