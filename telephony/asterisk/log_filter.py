"""Asterisk's errors and warnings, made safe: which line of its source spoke and how often, never what a stranger sent.

Asterisk writes JSON into a pipe, not into a file, so that nothing in a message can look like another message. Nearly all
its texts may quote a packet; only those of parts that know nothing but their configuration are kept.
"""

import json
import os
import re
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from telephony import names

MAX_BYTES = 1_000_000  # of the file, and of the older one beside it
PRINTED_MAX_BYTES = 64 * 1024
SUM_EVERY_S = 60.0
PLACES_MAX = 500
LINE_MAX = 64 * 1024
TEXT_MAX = 300
# Sources whose words hold only our settings and this machine's paths, with what such a text begins with.
PLAIN_SOURCES = {
    "asterisk.c": "",
    "app_record.c": "",
    "config.c": "",
    "config_options.c": "",
    "file.c": "",
    "loader.c": "",
    "logger.c": "",
    "pbx_config.c": "",
    "res_agi.c": "Co",  # 'Connecting to … failed' and 'Couldn't connect to any host'
    "res_musiconhold.c": "",
    "res_pjsip/config_transport.c": "",
    "res_pjsip_endpoint_identifier_ip.c": "",
    "res_pjsip_outbound_registration.c": "",
    "res_sorcery_config.c": "",
    "sorcery.c": "",
    "taskprocessor.c": "",
    "tcptls.c": "Unable to bind",
}
_BANNER = re.compile(rb"\[[^]]*\] Asterisk \S+ built by ")
_NOT_PLAIN = re.compile(r"[^ -~]+")
_LONG_NUMBER = re.compile(r"\d{7,}")
# What Asterisk says at the end of an INVITE that it refused with 488, before a channel: nothing in the offer is for us.
DEBUG = "DEBUG"
_REFUSED_AT = ("chan_pjsip.c", "chan_pjsip_session_end")
_REFUSED = re.compile(rf"\s*(?:{names.TRUNK}|{names.CALLER}): inv_session->cause: 488\s*")

Place = tuple[str, str, int, str]  # level, file, line and function of Asterisk's source


@dataclass
class _Heard:
    """A place that spoke since `since`, and how often it did after its line was written."""

    since: float
    again: int = 0


class Messages:
    """Writes `path` and nothing else. A place speaks at once, and then once in `sum_every_s` with how often it did.

    What cannot be written is forgotten: nobody may wait for this. `refused` counts the calls whose offer held no sound that
    we speak; of what else Asterisk tells for those who look for faults in it, nothing stays.
    """

    def __init__(self, path: Path, *, max_bytes: int = MAX_BYTES, sum_every_s: float = SUM_EVERY_S) -> None:
        self.path, self.max_bytes, self.sum_every_s = path, max_bytes, sum_every_s
        self.refused = 0
        self._heard: dict[Place, _Heard] = {}
        self._lock = threading.Lock()

    def take(self, line: bytes) -> bool:
        """One line of Asterisk's; False when its logger did not write it."""
        if _BANNER.match(line):
            return True
        found = _place_and_text(line)
        if found is None:
            return False
        place, text = found
        if place[0] == DEBUG:
            self.refused += (place[1], place[3]) == _REFUSED_AT and _REFUSED.fullmatch(text) is not None
            return True
        with self._lock:
            known = self._heard.get(place)
            if known is not None:
                known.again += 1
            elif len(self._heard) < PLACES_MAX:
                self._heard[place] = _Heard(time.monotonic())
                self._write(_line(place, _plain(text) if _may_be_kept(place, text) else ""))
        self.sum_up()
        return True

    def sum_up(self, *, all_of_it: bool = False) -> None:
        """Write how often each place spoke, when its time has come."""
        with self._lock:
            due = time.monotonic() - self.sum_every_s
            for place, heard in list(self._heard.items()):
                if all_of_it or heard.since <= due:
                    del self._heard[place]
                    if heard.again:
                        self._write(_line(place, f"(again {heard.again} times)"))

    def _write(self, line: str) -> None:
        with suppress(OSError):
            if self.path.exists() and self.path.stat().st_size + len(line) > self.max_bytes:
                self.path.replace(self.path.with_name(f"{self.path.name}.old"))
            _append(self.path, line.encode())


class Printed:
    """What Asterisk prints before its logger works, in `path`; from `close` on it is read and thrown away."""

    def __init__(self, path: Path) -> None:
        self.path, self._left = path, PRINTED_MAX_BYTES
        with suppress(OSError):
            path.unlink(missing_ok=True)
            _append(path, b"")

    def take(self, line: bytes) -> None:
        """Keep one line, while it is the start."""
        kept, self._left = line[: self._left], max(0, self._left - len(line))
        if kept:
            with suppress(OSError):
                _append(self.path, kept)

    def close(self) -> None:
        """The start is over: from now on a stranger may be heard."""
        self._left = 0


def follow(stream: BinaryIO, take: Callable[[bytes], object]) -> threading.Thread:
    """Read a pipe of Asterisk's to its end, on a thread. It never stops before: Asterisk would wait for it."""

    def read() -> None:
        with suppress(OSError, ValueError), stream:
            while line := stream.readline(LINE_MAX):
                with suppress(Exception):
                    take(line)

    thread = threading.Thread(target=read, daemon=True, name="asterisk's log")
    thread.start()
    return thread


def _place_and_text(line: bytes) -> tuple[Place, str] | None:
    try:
        message = json.loads(line)["logmsg"]
        where = message["location"]
        place = (str(message["level"]), str(where["filename"]), int(where["line"]), str(where["function"]))
        text = str(message["message"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return place, text


def _may_be_kept(place: Place, text: str) -> bool:
    begins = PLAIN_SOURCES.get(place[1])
    return begins is not None and text.startswith(begins)


def _plain(text: str) -> str:
    return _LONG_NUMBER.sub("#", _NOT_PLAIN.sub(" ", text)).strip()[:TEXT_MAX]


def _line(place: Place, text: str) -> str:
    level, file, number, function = place
    at = datetime.now(UTC).isoformat(timespec="seconds")
    return f"{at} {_plain(f'{level} {file}:{number} {function}')} {text}".rstrip() + "\n"


def _append(path: Path, text: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, text)
    finally:
        os.close(descriptor)
