"""What AMI's events mean for the hotline. No database, no network: an event in, changes out."""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from hotline import events
from telephony import names
from telephony.ami import Message
from telephony.changes import (
    Answered,
    Arrived,
    Call,
    Change,
    Changed,
    Ended,
    LeftCall,
    Missed,
    PhoneSeen,
    Queued,
    Resumed,
)
from telephony.membership import agent_of

UP, NORMAL = "6", "16"
OUT_OF_REACH = {"0", "4", "5"}  # app_queue's numbers for unknown, invalid and unavailable
# The dialplan waits for the agent and then rings her; by now she has answered or somebody else was rung.
COMES_BACK = timedelta(seconds=45)


class Notices:
    """Knows the callers' channels by their Uniqueid; everything else it forgets at once.

    A caller's own channel is the one whose Uniqueid is the Linkedid. Newchannel does not carry FREELINE_CALL: the arrival
    is kept until another event of that channel does. `lines` maps each way a trunk may dial a line to the line's number.
    """

    def __init__(self, lines: Mapping[str, str]) -> None:
        self._lines = lines
        self._callers: dict[str, Call] = {}
        self._lost: dict[int, tuple[str, datetime]] = {}
        self._reachable: dict[int, bool] = {}
        self._kinds: dict[str, Callable[[Message], list[Change]]] = {
            "Newchannel": self._new,
            "QueueCallerJoin": self._queued,
            "QueueCallerLeave": self._looked_at,
            "QueueCallerAbandon": self._looked_at,
            "AgentConnect": self._answered,
            "DialEnd": self._resumed,
            "AgentRingNoAnswer": self._missed,
            "QueueMemberStatus": self._phone,
            "Hangup": self._hangup,
        }

    def changes(self, event: Message) -> list[Change]:
        """What this event changes, in order; the arrival first when it is the first to name the call."""
        return [*self._named(event), *(kind(event) if (kind := self._kinds.get(event.event)) else [])]

    def lost_agents(self, at: datetime) -> set[int]:
        """Agents whose leg broke off a moment ago and whose caller is held for them: nobody else may ring them."""
        return {agent_id for agent_id, (_, since) in list(self._lost.items()) if at - since < COMES_BACK}

    def in_progress(self, channels: list[Message]) -> list[Change]:
        """The calls that CoreShowChannels shows: their arrival, and who talks with whom."""
        changes: list[Change] = []
        by_bridge = {}
        for row in channels:
            if _is_callers(row) and (_call_id(row) or self._dialled(row)):
                call = self._callers.get(row.get("Uniqueid")) or self._call(row, row.at - _duration(row))
                self._callers[row.get("Uniqueid")] = call
                if call.call:
                    changes.append(Arrived(call, row.at))
                if row.get("BridgeId"):
                    by_bridge[row.get("BridgeId")] = call
        for row in channels:
            agent_id, caller = agent_of(row.get("Channel")), by_bridge.get(row.get("BridgeId"))
            if agent_id is not None and caller is not None:
                changes.append(Answered(caller, row.at, agent_id))
        return changes

    def _named(self, event: Message) -> list[Change]:
        """The arrival, at the first event of a caller's channel that carries the call's id."""
        known = self._callers.get(event.get("Uniqueid"))
        if not _call_id(event) or not _is_callers(event) or (known and known.call):
            return []
        call = replace(known, call=_call_id(event)) if known else self._call(event, event.at)
        self._callers[event.get("Uniqueid")] = call
        return [Arrived(call, event.at)]

    def _new(self, event: Message) -> list[Change]:
        if _is_callers(event) and self._dialled(event):
            self._callers[event.get("Uniqueid")] = self._call(event, event.at)
        return []

    def _call(self, event: Message, arrived_at: datetime) -> Call:
        return Call(event.get("Linkedid"), _call_id(event) or None, arrived_at, self._dialled(event))

    def _dialled(self, event: Message) -> str | None:
        """The line, while the channel is still where the trunk put it; a call that goes out has none."""
        return self._lines.get(event.get("Exten")) if event.get("Context") == names.CONTEXT_TRUNK else None

    def _caller(self, event: Message) -> Call | None:
        known = self._callers.get(event.get("Linkedid"))
        if known is None and _call_id(event):
            known = Call(event.get("Linkedid"), _call_id(event))
        return known

    def _queued(self, event: Message) -> list[Change]:
        call = self._caller(event)
        return [Queued(call, event.at, event.get("Queue"))] if call else []

    def _looked_at(self, _event: Message) -> list[Change]:
        return [Changed((events.QUEUE_CHANGED,))]

    def _answered(self, event: Message) -> list[Change]:
        call, agent_id = self._caller(event), agent_of(event.get("Interface"))
        if call is None or agent_id is None:
            return []
        # Whoever broke off before is not waited for any more.
        return [*self._release(call, event.at), Answered(call, event.at, agent_id)]

    def _release(self, call: Call, at: datetime) -> list[Change]:
        waited_for = [agent_id for agent_id, (linkedid, _) in self._lost.items() if linkedid == call.linkedid]
        for agent_id in waited_for:
            del self._lost[agent_id]
        return [LeftCall(agent_id, call.call, at) for agent_id in waited_for]

    def _resumed(self, event: Message) -> list[Change]:
        call, agent_id = self._caller(event), agent_of(event.get("DestChannel"))
        if call is None or agent_id is None or event.get("DialStatus") != "ANSWER":
            return []
        self._lost.pop(agent_id, None)
        return [Resumed(call, event.at, agent_id)]

    def _missed(self, event: Message) -> list[Change]:
        agent_id = agent_of(event.get("Interface"))
        return [Missed(agent_id, event.at)] if agent_id is not None else []

    def _phone(self, event: Message) -> list[Change]:
        agent_id, reachable = agent_of(event.get("Interface")), event.get("Status") not in OUT_OF_REACH
        # It comes for each queue and for each step of a call.
        if agent_id is None or self._reachable.get(agent_id) == reachable:
            return []
        self._reachable[agent_id] = reachable
        return [PhoneSeen(agent_id, reachable)]

    def _hangup(self, event: Message) -> list[Change]:
        known = self._callers.pop(event.get("Uniqueid"), None)
        if known is not None:
            return [*self._release(known, event.at), Ended(known, event.at)]
        agent_id = agent_of(event.get("Channel"))
        if agent_id is None or not _call_id(event):
            return []
        if event.get("ChannelState") == UP and event.get("Cause") != NORMAL and event.get("Linkedid") in self._callers:
            self._lost[agent_id] = (event.get("Linkedid"), event.at)
            return [Changed((events.AGENTS_CHANGED,))]
        # Not AgentComplete: it also comes for a leg that broke off, and before the leg's end can say so.
        return [LeftCall(agent_id, _call_id(event), event.at)]


def _is_callers(event: Message) -> bool:
    uniqueid = event.get("Uniqueid")
    return bool(uniqueid) and uniqueid == event.get("Linkedid") and agent_of(event.get("Channel")) is None


def _call_id(event: Message) -> str:
    return event.variables.get(names.CALL, "")


def _duration(row: Message) -> timedelta:
    with contextlib.suppress(ValueError):
        hours, minutes, seconds = (int(part) for part in row.get("Duration").split(":"))
        return timedelta(hours=hours, minutes=minutes, seconds=seconds)
    return timedelta()
