"""Callers who send no sound: a muted phone keeps its place, and one whose network is gone is ended.

Asterisk's own RTP timeout cannot tell the two apart, and its session timer ends a call whose carrier refuses to be asked. So
a call without packets is asked in its dialog (a re-INVITE): any answer keeps it, even a refusal; none within SIP's 32
seconds ends it.
"""

import time
from collections.abc import Callable, Iterable

from telephony import names
from telephony.clients.ami import CHANNEL_UP, AmiMessage

SILENT_S = 60.0
LOOK_S = 15.0
PACKETS = "CHANNEL(rtcp,rxcount)"
ASK = "PJSIP_SEND_SESSION_REFRESH()"
_LINES = (f"PJSIP/{names.TRUNK}-", f"PJSIP/{names.CALLER}-")

Read = Callable[[str, str], str]
Put = Callable[[str, str, str], None]


class SilentCallers:
    """Remembers since when each call of a line has sent nothing. `read` and `put` are of a variable, on a channel."""

    def __init__(
        self, read: Read, put: Put, silent_s: float = SILENT_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._read, self._put, self._silent_s, self._clock = read, put, silent_s, clock
        self._seen: dict[str, tuple[str, float]] = {}

    def look(self, channels: Iterable[AmiMessage]) -> int:
        """Ask in the dialog of every call that was silent for so long; again each time it was. How many were asked."""
        before, self._seen, asked = self._seen, {}, 0
        for row in channels:
            channel = row.get("Channel")
            if not channel.startswith(_LINES) or row.get("ChannelState") != CHANNEL_UP:
                continue
            count, moment = self._read(PACKETS, channel), self._clock()
            since = before[channel][1] if channel in before and before[channel][0] == count else moment
            if moment - since >= self._silent_s:
                self._put(ASK, "invite", channel)
                since, asked = moment, asked + 1
            self._seen[channel] = (count, since)
        return asked
