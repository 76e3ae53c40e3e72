"""What the switchboard has to write when a recording ends by itself: the page must not go on saying that it runs."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from hotline import nudges
from hotline.calls import facts as calls
from telephony.switchboard.changes.calls import CallRef, ChangeContext


@dataclass(frozen=True)
class NotRecorded:
    """The worker is with an agent who was rung from the worker's own channel: not in the room that a recorder would hear."""

    call: CallRef
    at: datetime

    def apply(self, session: Session, desk: ChangeContext) -> Iterable[str]:  # noqa: ARG002
        """The worker agreed as before; whoever has them starts it again."""
        contact = self.call.find(session)
        return [nudges.AGENTS_CHANGED] if contact is not None and calls.not_recorded(contact) else []
