"""Many simulated callers: sipp's cost less than the calls. Our own in Python cost more than the measured calls.

A caller says a hum all the time, as a person's phone sends sound all the time, and presses no key: that would need root.
"""

import array
import csv
import math
import secrets
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from telephony.softphone.g711 import RATE_HZ, pcm_to_ulaw
from tests.support.ports import free_port

SCENARIO = """<?xml version="1.0"?>
<scenario name="caller">
 <send retrans="500"><![CDATA[
INVITE sip:[service]@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:[field0]@[local_ip]:[local_port]>;tag=[pid]x[call_number]
To: <sip:[service]@[remote_ip]:[remote_port]>
Call-ID: [call_id]
CSeq: 1 INVITE
Contact: <sip:caller@[local_ip]:[local_port]>
Max-Forwards: 70
Content-Type: application/sdp
Content-Length: [len]

v=0
o=- 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [media_ip]
t=0 0
m=audio [{port}] RTP/AVP 0 101
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000
]]></send>
 <recv response="100" optional="true"/>
 <recv response="180" optional="true"/>
 <recv response="183" optional="true"/>
 <recv response="200" rtd="true"/>
 <send><![CDATA[
ACK sip:[service]@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:[field0]@[local_ip]:[local_port]>;tag=[pid]x[call_number]
[last_To:]
Call-ID: [call_id]
CSeq: 1 ACK
Max-Forwards: 70
Content-Length: 0

]]></send>
{middle}
</scenario>
"""
SAYS = '<nop><action><exec rtp_stream="{file},-1,0"/></action></nop>'
WAITS_FOR_BYE = """ <recv request="BYE"/>
 <send><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send>"""
HANGS_UP = """ <pause milliseconds="{hold_ms}"/>
 <send retrans="500"><![CDATA[
BYE sip:[service]@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:[field0]@[local_ip]:[local_port]>;tag=[pid]x[call_number]
[last_To:]
Call-ID: [call_id]
CSeq: 2 BYE
Max-Forwards: 70
Content-Length: 0

]]></send>
 <recv response="200"/>"""


@dataclass
class Told:
    """The statistics of sipp so far."""

    called: int = 0
    now: int = 0
    well: int = 0
    failed: int = 0


class Callers:
    """A running sipp. `hold_s` None: they wait until the line hangs up."""

    def __init__(self, process: "subprocess.Popen[bytes]", file: Path) -> None:
        self.process, self._file = process, file

    def told(self) -> Told:
        """The last line of its statistics."""
        try:
            rows = list(csv.DictReader(self._file.open(), delimiter=";"))
        except OSError:
            return Told()
        if not rows:
            return Told()
        names = ("TotalCallCreated", "CurrentCall", "SuccessfulCall(C)", "FailedCall(C)")
        return Told(*(int(rows[-1].get(name) or 0) for name in names))

    def wait(self, within_s: float) -> Told:
        """Wait until all calls are over. Raises `RuntimeError` when they are not in time."""
        try:
            self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"the callers did not end within {within_s:.0f} s: {self.told()}") from None
        return self.told()

    def stop(self) -> None:
        """End it; the line has to end calls that it has not hung up by then."""
        self.process.kill()
        self.process.wait()


@contextmanager
def callers(
    line: tuple[str, int],
    number: str,
    count: int,
    *,
    a_second: float,
    at_once: int,
    hold_s: float | None = None,
    says: bool = True,
) -> Iterator[Callers]:
    """So many callers, `a_second` of them begin each second. The code that lets them hold hangs them up."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        hum = folder / "hum.wav"  # sipp reads it as raw mu-law, whatever it is called
        wave = (int(6000 * math.sin(2 * math.pi * 300 * n / RATE_HZ)) for n in range(RATE_HZ * 4))
        hum.write_bytes(pcm_to_ulaw(array.array("h", wave).tobytes()))
        end = WAITS_FOR_BYE if hold_s is None else HANGS_UP.format(hold_ms=round(hold_s * 1000))
        middle = (SAYS.format(file=hum) + "\n" if says else "") + end
        port = "rtpstream_audio_port" if says else "media_port"
        scenario = folder / "caller.xml"
        scenario.write_text(SCENARIO.replace("{port}", port).replace("{middle}", middle))
        command = [
            "sipp", f"{line[0]}:{line[1]}", "-sf", str(scenario), "-s", number, "-i", "127.0.0.1", "-mi", "127.0.0.1",
            "-p", str(free_port()), "-m", str(count), "-r", str(a_second), "-l", str(at_once),
            "-trace_stat", "-stf", str(folder / "stat.csv"), "-fd", "1", "-nostdin", "-timeout", "300s",
        ]  # fmt: skip
        # Nobody calls twice: a call that follows another of the same number joins its case.
        first = secrets.randbelow(9_000_000) + 80_000_000
        numbers = folder / "numbers.csv"
        numbers.write_text("SEQUENTIAL\n" + "".join(f"0{first + n}9;\n" for n in range(count)))
        command += ["-inf", str(numbers)]
        with (folder / "screen.log").open("wb") as screen:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=screen, stderr=screen, cwd=folder)
        found = Callers(process, folder / "stat.csv")
        try:
            yield found
        finally:
            found.stop()


def until_called(them: Callers, count: int, within_s: float) -> Told:
    """Wait until so many have begun to call and hold; what was told at that moment, or when the time was over."""
    end = time.monotonic() + within_s
    while (told := them.told()).now + told.failed + told.well < count and time.monotonic() < end:
        time.sleep(0.2)
    return told
