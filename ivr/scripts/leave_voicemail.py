import array
import sys
import time
from pathlib import Path

from hotline.calls.facts import Fact
from hotline.disk import can_record
from ivr import names
from ivr.call import CallerSession
from ivr.questions import ask_whether_safe
from ivr.session import BYTES_PER_S, AgiFailed
from models import MessageEnd
from telephony.names import RECORD_STATUS, RECORDED, RECORDING, spool_sound

# Append to the file, keep it on hang-up, no beep of Record's own, any key ends it.
ADD_KEEP_QUIET_ANY_KEY = "akqy"
SLACK_S = 30.0
OPENED_AND_CLOSED_S = 3.0
GOES_ON = {"TIMEOUT", "HANGUP"}  # after a real hang-up nothing can be asked any more
QUIET_IN_A_ROW = 2
# The smallest steps of mu-law and A-law around zero: a muted phone, or one that suppresses silence, sends no more. A
# whisper, at 60 dB below full scale, is twice as loud.
NOTHING = 16
PACKET_S = 0.02
PACKETS = "CHANNEL(rtcp,rxcount)"


def leave_voicemail(call: CallerSession) -> None:
    """Say what happens to a message, record it, and ask whether a call-back is safe. Hanging up keeps what was recorded."""
    if not _has_room(call):
        return
    # No key may skip it: that the message is recorded, who hears it and how long it is kept is said before the tone.
    call.play(names.MESSAGE_TERMS)
    # Checked again just before the tone: nobody should speak a message that cannot be kept.
    if not _has_room(call):
        return
    call.remember(Fact.MESSAGE)
    whole, ended = _record(call)
    if not whole:
        _apologise(call)
        return
    if ended is not None:
        call.remember(Fact.MESSAGE, message_end=ended)
    if not call.withheld:
        call.remember(Fact.MESSAGE, callback_said=ask_whether_safe(call))
    call.play(names.THANKS)
    call.play(names.GOODBYE)


def _record(call: CallerSession) -> tuple[bool, MessageEnd | None]:
    """Record to the spool. Return whether the message is complete, and what ended it; None when nobody saw that.

    A quiet caller never ends it: only a key, the hang-up, the limit, or some time in which nothing at all came. Record
    detects silence only while packets come, so it is run in steps, and what each added is checked in between. When
    no packet came at all it reports HANGUP and would end the call: hence TryExec.
    """
    settings, path = call.settings, spool_sound(call.settings.spool, call.facts.call)
    packets = _packets(call)
    call.tone()
    call.left_something = True
    call.session.set_variable(RECORDING, "1")
    began, recorded_s = time.monotonic(), 0
    quiet, status = 0, "TIMEOUT"
    while status in GOES_ON and recorded_s < settings.message_max_s and quiet < QUIET_IN_A_ROW:
        slice_s = min(max(1, settings.message_silence_s // QUIET_IN_A_ROW), settings.message_max_s - recorded_s)
        before = _size(path)
        record = f"Record({path},0,{slice_s},{ADD_KEEP_QUIET_ANY_KEY})"
        try:
            call.session.exec_("TryExec", record, within_s=slice_s + SLACK_S)
        except AgiFailed:
            status = "ERROR"
            break
        recorded_s += slice_s
        status = call.session.get_variable(RECORD_STATUS)
        quiet = 0 if sounds(path, before) else quiet + 1
    took_s, came = time.monotonic() - began, _packets(call)
    # From here on the file may be on its way to the vault: a missing file does not mean that nothing was said.
    call.session.set_variable(RECORDING, RECORDED)
    kept_s = _size(path) / BYTES_PER_S
    if status == "ERROR" and not kept_s:
        call.remember(Fact.FAILED)
    if status in GOES_ON:
        took_s = max(took_s, recorded_s)
    came_s = None if packets is None or came is None else (came - packets) * PACKET_S
    if status == "ERROR" or _cut_short(status, kept_s, took_s, came_s):
        return False, None
    if status in GOES_ON:
        return True, MessageEnd.SILENCE if quiet >= QUIET_IN_A_ROW else MessageEnd.LIMIT
    return True, MessageEnd.KEY if status == "DTMF" else None


def sounds(path: Path, start: int) -> bool:
    """Return whether a recording holds anything but silence from this byte on."""
    try:
        with path.open("rb") as file:
            file.seek(start)
            samples = array.array("h", (added := file.read())[: len(added) // 2 * 2])
    except OSError:
        return False
    if sys.byteorder == "big":
        samples.byteswap()
    return bool(samples) and (max(samples) > NOTHING or min(samples) < -NOTHING)


def _packets(call: CallerSession) -> int | None:
    """How many packets of sound the caller's phone has sent; None when Asterisk does not know."""
    told = call.session.get_variable(PACKETS)
    return int(told) if told.isdecimal() else None


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _cut_short(status: str, kept_s: float, took_s: float, came_s: float | None) -> bool:
    """Return whether the file holds too little for what came: on a disk that fills up Record reports only TIMEOUT.

    A phone may send nothing while it is quiet. Where Asterisk does not know how much came, half of the time is enough,
    except when the time limit was reached.
    """
    if came_s is not None:
        return kept_s + OPENED_AND_CLOSED_S < min(came_s, took_s) * 0.9
    return kept_s + OPENED_AND_CLOSED_S < took_s * (0.9 if status in GOES_ON else 0.5)


def _has_room(call: CallerSession) -> bool:
    """Return whether a message can be kept; if not, say so and record it."""
    if can_record(call.settings):
        return True
    call.remember(Fact.FAILED)
    _apologise(call)
    return False


def _apologise(call: CallerSession) -> None:
    call.play(names.CANNOT_RECORD)
    call.play(names.GOODBYE)
