"""Queue membership as it should be, computed from the database. The switchboard makes Asterisk equal to it."""

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from hotline.queue.routing import BUSY, THERE
from hotline.settings import Settings
from hotline.staff.mobiles import on_duty
from hotline.staff.states import speakers

PENALTY_FIRST = 0
PENALTY_BACKUP = 10
# Past every caller's limit: the agent is not rung, and yet is somebody to wait for.
PENALTY_BUSY = 1000


@dataclass(frozen=True)
class Member:
    """A phone in a queue. Not ready means paused, never removed: removing forgets who was idle longest.

    Busy agents are not paused: `leavewhenempty` would drop waiting callers. A high penalty keeps them from being rung, from
    before the call ends, so that the next call does not ring in between.
    """

    queue: str
    interface: str
    penalty: int
    paused: bool


def desired_members(session: Session, at: datetime, settings: Settings) -> set[Member]:
    """Return every speaker in the queue of each language they speak: ready and busy ones unpaused.

    Agents on an at-home shift are also members through their mobile, unless their own page or phone can be rung.
    """
    at_home = on_duty(session, at, settings)
    members = set()
    for s in speakers(session):
        first = PENALTY_BACKUP if s.backup else PENALTY_FIRST
        penalty = PENALTY_BUSY if s.status in BUSY else first
        paused = s.status not in THERE
        members.add(Member(s.language, f"PJSIP/agent{s.agent_id}", penalty, paused))
        if s.agent_id in at_home:
            # The agent's own phone, if it can be rung, is nearer than the mobile.
            nearer = s.reachable and s.status in THERE
            members.add(Member(s.language, f"Local/m{s.agent_id}@confirm/n", penalty, paused=nearer))
    return members
