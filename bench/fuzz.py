"""`python -m bench.fuzz`: 20,000 broken SIP messages at one Asterisk of its own, on loopback, and what is left afterwards.

Not part of `make bench`: it measures nothing, it says whether a real call is still answered, no channel is left, memory
stays bounded, and nothing of the known name and number is in the data folder. 0 when all is well. `--seed` repeats a run.
"""

import argparse
import itertools
import random
import secrets
import socket
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from hotline.settings import Settings
from tests.support import sip_torture as torture
from tests.support.asterisk import AsteriskUnderTest
from tests.support.ports import free_port, rtp_range
from tests.support.tones import write_tone

TRUNK, STRANGER = "127.0.0.1", "127.0.0.3"
A_SECOND = 1000  # messages, at most
AT_MOST_S = 600
MB_MORE = 150  # after some 1,000 messages have filled its pools
FIRST = 1000
NO_CHANNEL_WITHIN_S = 120  # an INVITE that nobody acknowledges is given up after 32 s, a menu that nobody hears later


def main(arguments: list[str]) -> int:
    """Send, look, say."""
    parser = argparse.ArgumentParser(prog="python -m bench.fuzz")
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=secrets.randbits(32))
    told = parser.parse_args(arguments)
    print(f"{told.messages} messages, seed {told.seed}")
    with tempfile.TemporaryDirectory(prefix="freeline-fuzz-") as folder:
        settings = Settings(
            data=Path(folder) / "data",
            sip_host="127.0.0.1",
            sip_port=free_port(),
            rtp_ports=rtp_range(200),
            asterisk_http_port=free_port(),
            ami_port=free_port(),
            agi_port=free_port(),
            trunk_match=TRUNK,
        )
        for name in ("en/opening", "en/message_terms", "tone", "hold/hold"):
            write_tone(settings.sounds / f"{name}.sln", 440)
        with AsteriskUnderTest(settings, {"FREELINE_NO_KEY": "en"}) as asterisk:
            wrong = _attack(asterisk, torture.fuzzed(told.seed), told.messages, told.seed)
    print("\n".join(wrong) or "all is well")
    return 1 if wrong else 0


def _attack(asterisk: AsteriskUnderTest, packets: Iterable[bytes], count: int, seed: int) -> list[str]:
    server, began = (asterisk.settings.sip_host, asterisk.settings.sip_port), time.monotonic()
    whose = random.Random(seed)
    before = 0.0
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trunk,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger,
    ):
        trunk.bind((TRUNK, 0))
        stranger.bind((STRANGER, 0))
        for number, packet in enumerate(itertools.islice(packets, count)):
            (trunk if whose.random() < 0.5 else stranger).sendto(packet, server)
            late_s = began + number / A_SECOND - time.monotonic()
            if late_s > 0:
                time.sleep(late_s)
            if number == FIRST:
                before = _memory_mb(asterisk)
            if time.monotonic() - began > AT_MOST_S:
                return [f"only {number} messages were sent in {AT_MOST_S} s"]
    wrong = []
    with asterisk.phone() as phone:
        call = phone.call(torture.LINE)
        if not call.wait_answered(60):
            wrong.append(f"a real call is not answered: {call.status}")
    after = _memory_mb(asterisk)
    end = time.monotonic() + NO_CHANNEL_WITHIN_S
    while asterisk.channels and time.monotonic() < end:
        time.sleep(1)
    left = asterisk.channels
    wrong += [f"{left} channels are left"] if left else []
    wrong += [f"memory grew from {before:.0f} to {after:.0f} MB"] if after - before > MB_MORE else []
    kept = torture.kept_in(asterisk.settings.data)
    wrong += [f"something of a caller is in {file}" for file in kept]
    size = sum(file.stat().st_size for file in (asterisk.settings.asterisk / "log").glob("messages.log*"))
    print(f"{time.monotonic() - began:.0f} s; {before:.0f} MB before, {after:.0f} MB after; {size} bytes of log")
    return wrong


def _memory_mb(asterisk: AsteriskUnderTest) -> float:
    process = asterisk.running.process
    assert process is not None
    line = next(x for x in Path(f"/proc/{process.pid}/status").read_text().splitlines() if x.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
