"""Queue membership as it should be, computed from the database. The switchboard makes Asterisk equal to it."""

from dataclasses import dataclass

from sqlmodel import Session

from hotline.agents import speakers
from hotline.routing import THERE

PENALTY_FIRST = 0
PENALTY_BACKUP = 10


@dataclass(frozen=True)
class Member:
    """A phone in a queue. Not ready means paused, never removed: removing forgets who was idle longest.

    On a call is not paused: Asterisk does not ring a busy phone, and callers may wait for whoever is soon free.
    """

    queue: str
    interface: str
    penalty: int
    paused: bool


def desired_members(session: Session) -> set[Member]:
    """Every speaker in the queue of each language she speaks; ready and busy ones unpaused."""
    return {
        Member(
            queue=s.language,
            interface=f"PJSIP/agent{s.agent_id}",
            penalty=PENALTY_BACKUP if s.backup else PENALTY_FIRST,
            paused=s.status not in THERE,
        )
        for s in speakers(session)
    }
