"""What the switchboard has to write when an agent's phone rings, and when nobody takes the call there."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from hotline import nudges
from hotline.staff import states as agents
from telephony.switchboard.changes.calls import ChangeContext


@dataclass(frozen=True)
class RingStarted:
    """An agent's phone rings with a call."""

    agent_id: int
    call: str
    at: datetime

    def apply(self, session: Session, desk: ChangeContext) -> Iterable[str]:  # noqa: ARG002
        """The agent is being rung, if they were ready."""
        return [nudges.AGENTS_CHANGED] if agents.rings(session, self.agent_id, self.call, self.at) else []


@dataclass(frozen=True)
class StoppedRinging:
    """An agent's phone rings no more, and nobody answered it there. `call` is None when no event told which."""

    agent_id: int
    call: str | None
    at: datetime

    def apply(self, session: Session, desk: ChangeContext) -> Iterable[str]:  # noqa: ARG002
        """The agent is ready again, unless it is already known why not."""
        return [nudges.AGENTS_CHANGED] if agents.stopped_ringing(session, self.agent_id, self.call, self.at) else []


@dataclass(frozen=True)
class Missed:
    """An agent did not take a ring of the queue: they are asked to say that they are there."""

    agent_id: int
    at: datetime
    mobile: bool = False

    def apply(self, session: Session, desk: ChangeContext) -> Iterable[str]:
        """The agent is not ready, and the reason says why, unless their own word or a silent page has said it before."""
        if self.mobile:
            missed = agents.mobile_missed(session, self.agent_id, self.at, desk.settings.mobile_rest_s)
        else:
            missed = agents.missed(session, self.agent_id, self.at)
        return [nudges.AGENTS_CHANGED] if missed else []
