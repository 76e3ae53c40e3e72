"""Counts the calls that Asterisk refuses: those to unknown numbers, without a codec of ours, and strangers.

What a stranger sent stays here: only its shape, and the address that it came from, are counted. No queue grows: each event
is one more in a table of a fixed size, which the switchboard empties every few seconds.
"""

import ipaddress
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from hotline.line import refused_calls
from hotline.line.refused_calls import OTHER, Counts, shape_of
from models import RefusedKind
from telephony import names
from telephony.clients.ami import AmiMessage
from telephony.switchboard.changes.calls import ChangeContext

KINDS = 200
NO_SOUND_STATUS = "488"  # all that is known of them is what they were answered


class Refusals:
    """What was refused since it was emptied last. `put` and `heard` may be called from different threads."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[RefusedKind, str]] = Counter()
        self._lock = threading.Lock()

    def put(self, event: AmiMessage | list[AmiMessage] | None) -> None:
        """A security event of the watcher's connection, as its queue: counted at once."""
        if not isinstance(event, AmiMessage) or event.event not in names.EVENTS_WATCHED:
            return
        address = _address(event.get("RemoteAddress"))
        if event.get("Service") != "PJSIP" or address is None:
            return
        stranger = event.event == "InvalidAccountID"
        self._count(RefusedKind.FOREIGN_ADDRESS if stranger else RefusedKind.WRONG_PASSWORD, address)

    def heard(self, event: AmiMessage, lines: Mapping[str, str]) -> None:
        """An event of a call: one that came from the trunk and is for no line of ours is counted."""
        if event.event != "Newchannel" or event.get("Context") != names.CONTEXT_TRUNK:
            return
        dialled = event.get("Exten")
        if dialled not in lines and _is_a_number(dialled):
            self._count(RefusedKind.UNKNOWN_NUMBER, shape_of(dialled, lines))

    def without_sound(self, count: int) -> None:
        """So many calls whose offer held no sound that we speak."""
        self._count(RefusedKind.NO_SOUND, NO_SOUND_STATUS, count)

    def take(self) -> Counts:
        """Return what was counted, and begin to count anew."""
        with self._lock:
            taken, self._counts = self._counts, Counter()
        return taken

    def _count(self, kind: RefusedKind, shape: str, count: int = 1) -> None:
        with self._lock:
            full = len(self._counts) >= KINDS and (kind, shape) not in self._counts
            self._counts[kind, OTHER if full else shape] += count


@dataclass(frozen=True)
class CallsRefused:
    """Calls that never became ours, as many as were counted until `at`."""

    counts: Counts
    at: datetime

    def apply(self, session: Session, desk: ChangeContext) -> Iterable[str]:
        """Add them to their day."""
        refused_calls.add(session, self.counts, self.at, desk.settings.zone)
        return []


def _address(remote: str) -> str | None:
    """The address in IPV4/UDP/192.0.2.1/5060."""
    parts = remote.split("/")
    try:
        return str(ipaddress.ip_address(parts[2])) if len(parts) == 4 else None
    except ValueError:
        return None


def _is_a_number(dialled: str) -> bool:
    digits = dialled.removeprefix("+")
    return digits.isascii() and digits.isdigit()
