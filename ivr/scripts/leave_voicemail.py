import time

from hotline.calls import Fact
from hotline.disk import can_record
from ivr import names
from ivr.asking import ask_whether_safe
from ivr.call import Call
from ivr.session import BYTES_PER_S, AgiFailed
from telephony.names import RECORD_STATUS, RECORDED, RECORDING, spool_sound

KEEP_QUIET_ANY_KEY = "kqy"  # kept on hang-up, no beep of Record's own, any key ends it
SLACK_S = 30.0
OPENED_AND_CLOSED_S = 3.0


def leave_voicemail(call: Call) -> None:
    """Say what becomes of a message, record it, and ask whether she may be called back. Hanging up keeps what was said."""
    if not _has_room(call):
        return
    # Not to be cut short: that she is recorded, who hears it and for how long it is kept is told before the tone.
    call.play(names.MESSAGE_TERMS)
    # Again, just before the tone: nobody is to speak in vain.
    if not _has_room(call):
        return
    call.remember(Fact.MESSAGE)
    if not _record(call):
        _apologise(call)
        return
    if not call.withheld:
        call.remember(Fact.MESSAGE, callback_said=ask_whether_safe(call))
    call.play(names.THANKS)
    call.play(names.GOODBYE)


def _record(call: Call) -> bool:
    """Record to the spool. False when what is there is less than what was said."""
    settings = call.settings
    path = spool_sound(settings.spool, call.facts.call)
    call.tone()
    call.left_something = True
    call.session.set_variable(RECORDING, "1")
    began = time.monotonic()
    try:
        call.session.exec_(
            "Record",
            path,
            settings.message_silence_s,
            settings.message_max_s,
            KEEP_QUIET_ANY_KEY,
            within_s=settings.message_max_s + SLACK_S,
        )
    except AgiFailed:
        call.remember(Fact.FAILED)
        return False
    took_s = time.monotonic() - began
    # From here on the file may be on its way to the vault: that it is gone does not mean that nothing was said.
    call.session.set_variable(RECORDING, RECORDED)
    status = call.session.get_variable(RECORD_STATUS)
    if status == "ERROR":
        call.remember(Fact.FAILED)
        return False
    size = path.stat().st_size if path.is_file() else 0
    return not _cut_short(status, size / BYTES_PER_S, took_s, settings.message_silence_s, settings.message_max_s)


def _cut_short(status: str, kept_s: float, took_s: float, silence_s: float, max_s: float) -> bool:
    """Whether the file holds too little for the time it took: a disk that fills up says TIMEOUT and nothing else.

    A phone may send nothing while it is quiet, so half of the time is enough, except where the time itself was up.
    """
    if status == "TIMEOUT":
        return kept_s + OPENED_AND_CLOSED_S < max_s * 0.9
    silent_s = silence_s if status == "SILENCE" else 0.0
    return kept_s + OPENED_AND_CLOSED_S < (took_s - silent_s) * 0.5


def _has_room(call: Call) -> bool:
    """Whether a message can be kept; else that is said and noted."""
    if can_record(call.settings):
        return True
    call.remember(Fact.FAILED)
    _apologise(call)
    return False


def _apologise(call: Call) -> None:
    call.play(names.CANNOT_RECORD)
    call.play(names.GOODBYE)
