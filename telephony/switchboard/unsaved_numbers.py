"""Numbers that nobody else can keep: with ivr dead and a spool that takes nothing, the net can leave no note of a call.

Then the number is in Asterisk alone, in a variable that the dialplan filled when it had looked at what the caller wished. It
is asked for there while the call lasts; events and Asterisk's own records never have it.
"""

from collections.abc import Callable, Iterable

from hotline import disk
from hotline.settings import Settings
from telephony import names
from telephony.clients.ami import AmiMessage
from telephony.switchboard.changes.calls import CallRef, NumberSeen

_CALLERS = (f"PJSIP/{names.TRUNK}-", f"PJSIP/{names.CALLER}-")


class UnsavedNumbers:
    """Asks once a call. `read` is of a variable, on a channel; `channels` gives the rows of those that are there."""

    def __init__(
        self, settings: Settings, read: Callable[[str, str], str], channels: Callable[[], Iterable[AmiMessage]]
    ) -> None:
        self._settings, self._read, self._channels = settings, read, channels
        self._asked: set[str] = set()

    def look(self) -> list[NumberSeen]:
        """The numbers of the calls that came since the last look; none while a note can be left."""
        if not self._settings.spool.exists() or disk.can_record(self._settings):
            self._asked.clear()
            return []
        found = []
        for row in self._channels():
            call, channel = row.variables.get(names.CALL, ""), row.get("Channel")
            if call and call not in self._asked and not row.variables.get(names.LEG) and channel.startswith(_CALLERS):
                self._asked.add(call)
                found.append(NumberSeen(CallRef(row.get("Linkedid"), call), row.at, self._read(names.NUMBER, channel)))
        return found
