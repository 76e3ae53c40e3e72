"""Places a real SIP call into the line: for `freeline call`, the demo and experiments."""

import contextlib
import ipaddress
import math
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from hotline.errors import FreelineError, PartMissing
from hotline.settings import Settings
from ivr.prompts import TONE_HZ
from telephony import names
from telephony.asterisk.secrets import caller_secret
from telephony.softphone.g711 import RATE_HZ
from telephony.softphone.phone import Phone, SoftphoneCall

LOOPBACK = "127.0.0.1"  # where our phone calls from


class CallFailed(FreelineError):
    """The line did not take the call."""


def pcm_of(file: Path) -> bytes:
    """A sound file as 16-bit 8 kHz mono samples. Raises `PartMissing` or `CallFailed`."""
    if not file.is_file():
        raise CallFailed(f"there is no sound file {file.name}")
    try:
        done = subprocess.run(
            ["sox", str(file), "-r", str(RATE_HZ), "-c", "1", "-b", "16", "-e", "signed", "-t", "raw", "-"],
            capture_output=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise PartMissing("sox is missing: apt-get install sox") from error
    if done.returncode != 0 or not done.stdout:
        raise CallFailed(f"{file.name} is not a sound file that sox can read")
    return done.stdout


def has_tone(pcm: bytes, hz: float = TONE_HZ) -> bool:
    """Return whether these samples are mostly one pure tone (Goertzel's algorithm); speech never is for so long."""
    samples = memoryview(pcm[: len(pcm) // 2 * 2]).cast("h")
    if len(samples) == 0:
        return False
    turn = 2 * math.cos(2 * math.pi * hz / RATE_HZ)
    before = before_that = 0.0
    energy = 0.0
    for sample in samples:
        before, before_that = sample + turn * before - before_that, before
        energy += sample * sample
    power = before * before + before_that * before_that - turn * before * before_that
    return energy > 200.0**2 * len(samples) and power / (energy * len(samples) / 2) > 0.8


def wait_for_voice(call: SoftphoneCall, within_s: float = 20.0) -> bool:
    """Wait until the line says something; False when the call ended or time ran out first.

    A key that is pressed before that may be lost: Asterisk passes keys on only while it plays something or listens.
    """
    end = time.monotonic() + within_s
    while time.monotonic() < end and not call.ended.is_set():
        heard = call.heard[-RATE_HZ:]
        if len(heard) > RATE_HZ // 2 and max(memoryview(heard[: len(heard) // 2 * 2]).cast("h")) > 1000:
            return True
        time.sleep(0.05)
    return False


def wait_for_tone(call: SoftphoneCall, within_s: float = 90.0) -> bool:
    """Wait until the message tone is heard; False when the call ended or time ran out first."""
    step = int(0.12 * RATE_HZ) * 2
    seen = 0
    end = time.monotonic() + within_s
    while time.monotonic() < end and not call.ended.is_set():
        heard = call.heard
        while seen + 2 * step <= len(heard):
            if has_tone(heard[seen : seen + step]) and has_tone(heard[seen + step : seen + 2 * step]):
                return True
            seen += step
        time.sleep(0.02)
    return False


def is_the_trunk(settings: Settings, address: str) -> bool:
    """Return whether calls from this address of ours count as the carrier's."""
    for part in settings.trunk_match.split(","):
        with contextlib.suppress(ValueError):  # a host's name is the carrier's, never ours
            if ipaddress.ip_address(address) in ipaddress.ip_network(part.strip(), strict=False):
                return True
    return False


def _phone(settings: Settings, host: str, say: Callable[[str], None]) -> Phone:
    """A phone that the line takes calls from: as its trunk, or, beside a real trunk, with the account `caller`."""
    server = (host, settings.sip_port)
    if is_the_trunk(settings, LOOPBACK):
        return Phone(server)
    say("the trunk is elsewhere: calling with the account `caller`, whose number counts as withheld")
    return Phone(server, names.CALLER, caller_secret(settings))


def place(
    settings: Settings,
    *,
    press: str,
    pcm: bytes = b"",
    number: str | None = "0812345678",
    line: str | None = None,
    safe: bool = False,
    hangup_after_s: float | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> bool:
    """Place one call: press the language's key, speak after the tone (or to the agent who answers), and hang up.

    `number` None withholds it. `safe` presses 1 when asked whether it is safe to be called back.
    `hangup_after_s` gives up after so many seconds. True when all was spoken.
    Raises `CallFailed` when the line does not answer.
    """
    host = "127.0.0.1" if settings.sip_host in {"0.0.0.0", "::"} else settings.sip_host  # noqa: S104
    with _phone(settings, host, say if number is not None else lambda _: None) as phone:
        call = phone.call(line or settings.line_numbers[0], number)
        if not call.wait_answered(10):
            raise CallFailed(f"the line did not answer (SIP status {call.status}); is `freeline up` running?")
        say("answered")
        if not wait_for_voice(call, 5):
            say("the line is silent; pressing all the same")
        call.press(press)
        if hangup_after_s is not None:
            call.wait_ended(hangup_after_s)
            return False
        if not pcm:
            call.wait_ended(600)
            return True
        if not wait_for_tone(call):
            say("no tone was heard")
            return False
        say("the tone was heard; speaking")
        call.say(pcm)
        call.press("#")
        call.wait_said(600)
        if safe:
            call.press("1")
        call.wait_ended(30)
        say("over")
        return True
