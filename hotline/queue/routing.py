"""Where a call goes next: to the queue of its language when somebody can be rung for it, else straight to a message."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlmodel import Session

from hotline.calls.caller_limits import is_limited
from hotline.settings import Settings
from hotline.staff.mobiles import on_duty
from hotline.staff.states import speakers
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


# Rung = ready and reachable; in a call or wrapping one up = soon free. Both are a reason to wait.
BUSY = {AgentStatus.ON_CALL, AgentStatus.WRAP_UP}
THERE = {AgentStatus.READY, AgentStatus.RINGING} | BUSY


def route(session: Session, language: str, at: datetime, settings: Settings, caller_id: int | None = None) -> Route:
    """Somebody who speaks this language, free or busy: the queue. Nobody: the message at once.

    A telephone that a supervisor limited goes to the message. `at` says who is rung at home at this hour.
    """
    if is_limited(session, caller_id, at):
        return Route(Way.MESSAGE)
    at_home = on_duty(session, at, settings)
    there = [
        s
        for s in speakers(session, language)
        if (s.status in THERE and (s.reachable or s.comes_back)) or s.agent_id in at_home
    ]
    if not there:
        return Route(Way.MESSAGE)
    return Route(Way.QUEUE, backups_at_once=all(s.backup for s in there))
