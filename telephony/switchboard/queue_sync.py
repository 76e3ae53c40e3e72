"""Makes Asterisk's queues equal to what the database says, and reads from Asterisk whose phone can be rung."""

from collections.abc import Iterable
from dataclasses import dataclass

from hotline.queue.members import Member
from telephony.clients.ami import AmiMessage
from telephony.names import agent_of

# Device states of a phone that cannot be rung. No such endpoint is INVALID.
INVALID = "INVALID"
NOT_REACHABLE = {INVALID, "UNAVAILABLE", "UNKNOWN"}


@dataclass(frozen=True)
class Queues:
    """The queues Asterisk has, and the members of ours that are in them."""

    names: frozenset[str]
    members: frozenset[Member]


def queues_in(status: Iterable[AmiMessage]) -> Queues:
    """Return what the rows of QueueStatus say."""
    rows = list(status)
    return Queues(
        names=frozenset(row.get("Queue") for row in rows if row.event == "QueueParams"),
        members=frozenset(
            Member(row.get("Queue"), row.get("Location"), int(row.get("Penalty") or 0), row.get("Paused") == "1")
            for row in rows
            if row.event == "QueueMember" and agent_of(row.get("Location")) is not None
        ),
    )


def difference(desired: Iterable[Member], actual: Queues) -> list[dict[str, str]]:
    """The AMI actions that make `actual` equal to `desired`. A queue that Asterisk does not have is left out."""
    before = {(m.queue, m.interface): m for m in actual.members}
    actions: list[dict[str, str]] = []
    wanted = {(m.queue, m.interface): m for m in desired if m.queue in actual.names}
    for place in sorted(before.keys() - wanted.keys()):
        actions.append({"Action": "QueueRemove", **_place(*place)})
    for place, member in sorted(wanted.items()):
        is_now = before.get(place)
        paused = "true" if member.paused else "false"
        if is_now is None:
            actions.append(
                {
                    "Action": "QueueAdd",
                    **_place(*place),
                    "Penalty": str(member.penalty),
                    "Paused": paused,
                    "StateInterface": member.interface,
                }
            )
            continue
        if is_now.penalty != member.penalty:
            actions.append({"Action": "QueuePenalty", **_place(*place), "Penalty": str(member.penalty)})
        if is_now.paused != member.paused:
            actions.append({"Action": "QueuePause", **_place(*place), "Paused": paused})
    return actions


def _place(queue: str, interface: str) -> dict[str, str]:
    return {"Queue": queue, "Interface": interface}


def can_be_rung(device_state: str) -> bool:
    """Whether a phone in this state is registered."""
    return device_state not in NOT_REACHABLE
