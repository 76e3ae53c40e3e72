"""Where a call goes next: to the queue of its language when somebody can be rung for it, else straight to a message."""

from dataclasses import dataclass
from enum import StrEnum

from sqlmodel import Session

from hotline.agents import speakers
from models import AgentStatus


class Way(StrEnum):
    """Where a caller goes."""

    QUEUE = "queue"
    MESSAGE = "message"


@dataclass(frozen=True)
class Route:
    """A way and, for the queue, whether backup speakers are rung from the start because nobody better is there."""

    way: Way
    backups_at_once: bool = False


# Rung = ready and reachable; on a call = soon free. Both are a reason to wait.
THERE = {AgentStatus.READY, AgentStatus.ON_CALL}


def route(session: Session, language: str) -> Route:
    """Somebody who speaks this language, free or busy: the queue. Nobody: the message at once."""
    there = [s for s in speakers(session, language) if s.reachable and s.status in THERE]
    if not there:
        return Route(Way.MESSAGE)
    return Route(Way.QUEUE, backups_at_once=all(s.backup for s in there))
