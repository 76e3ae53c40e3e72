"""Queue membership as it should be, computed from the database. The switchboard makes Asterisk equal to it."""

from dataclasses import dataclass

from sqlmodel import Session

from hotline.agents import speakers
from models import AgentStatus

PENALTY_FIRST = 0
PENALTY_BACKUP = 10


@dataclass(frozen=True)
class Member:
    """A phone in a queue. Not ready means paused, never removed: removing forgets who was idle longest."""

    queue: str
    interface: str
    penalty: int
    paused: bool


def desired_members(session: Session) -> set[Member]:
    """Every speaker in the queue of each language she speaks; ready ones unpaused."""
    return {
        Member(
            queue=s.language,
            interface=f"PJSIP/agent{s.agent_id}",
            penalty=PENALTY_BACKUP if s.backup else PENALTY_FIRST,
            paused=s.status is not AgentStatus.READY,
        )
        for s in speakers(session)
    }
