"""Questions that more than one script asks."""

from ivr import names
from ivr.call import ANY_KEY, CallerSession
from models import CallbackSafety

YES = "1"
ASKED = 2


def ask_whether_safe(call: CallerSession) -> CallbackSafety:
    """Ask whether the caller may be called back: only a pressed 1 is yes, everything else leaves it unknown."""
    for _ in range(ASKED):
        pressed = call.play(names.SAFE_TO_CALL, ANY_KEY) or call.hear(call.settings.menu_wait_s)
        if pressed:
            return CallbackSafety.SAFE if pressed == YES else CallbackSafety.UNKNOWN
    return CallbackSafety.UNKNOWN
