"""Made-up callers for the tests: the acts of a person on the phone, step by step."""

import array
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from ops.place_call import wait_for_tone, wait_for_voice
from telephony.softphone.g711 import RATE_HZ
from telephony.softphone.phone import Phone
from tests.support.stack import Whole


def hum(seconds: float, hz: float = 300.0) -> bytes:
    """A hum in place of words: it must only be heard again, not understood."""
    count = int(seconds * RATE_HZ)
    wave = (int(8000 * math.sin(2 * math.pi * hz * n / RATE_HZ)) for n in range(count))
    return array.array("h", wave).tobytes()


@dataclass
class Story:
    """The result of one caller's call."""

    number: str
    answered: bool = False
    tone: bool = False
    said: bool = False
    heard_s: float = 0.0
    errors: list[str] = field(default_factory=list)


def leave_message(
    it: Whole, number: str | None, key: str = "6", say_s: float = 3.0, tone_within_s: float = 120.0
) -> Story:
    """Call, press a key, wait for the tone, speak, press a key, and wait for the goodbye."""
    story = Story(number or "withheld")
    with Phone(it.line) as phone:
        call = phone.call("1800123456", number)
        story.answered = call.wait_answered()
        if not story.answered:
            return story
        wait_for_voice(call, 60)
        call.press(key)
        story.tone = wait_for_tone(call, tone_within_s)
        if story.tone:
            call.say(hum(say_s))
            call.press("#")
            story.said = call.wait_said(say_s + 60)
            call.wait_ended()
        story.heard_s = len(call.heard) / 2 / RATE_HZ
    return story


def all_at_once(count: int, each: Callable[[int], Story], apart_s: float = 0.0) -> list[Story]:
    """Let many callers call, `apart_s` seconds after one another, and wait for all."""
    stories: list[Story | None] = [None] * count

    def one(n: int) -> None:
        stories[n] = each(n)

    threads = [threading.Thread(target=one, args=(n,), daemon=True) for n in range(count)]
    for thread in threads:
        thread.start()
        threading.Event().wait(apart_s)
    for thread in threads:
        thread.join(400)
    return [s if s is not None else Story("stuck", errors=["never came back"]) for s in stories]
