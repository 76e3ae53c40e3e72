"""The meaning of AMI's events for the hotline. No database, no network: an event in, changes out.

Which channels there are, and which are together, is taken from the channels' own events alone: once legs are moved, what
app_queue says of the end of a call comes at the wrong time and with the wrong reason.
"""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from hotline import nudges
from models import Place
from models.db.types import now
from telephony import names
from telephony.clients.ami import CHANNEL_UP, AmiMessage
from telephony.names import agent_of
from telephony.switchboard.call_state import CallState, Leg, dialled_leg_of, leg_of
from telephony.switchboard.changes.calls import (
    Answered,
    Arrived,
    CallbackDialled,
    CallRef,
    Change,
    Changed,
    Dropped,
    Ended,
    LeftCall,
    PartyGone,
    PartyMoved,
    PhoneSeen,
    Queued,
    Resumed,
    WorkerMoved,
)
from telephony.switchboard.changes.recording import NotRecorded
from telephony.switchboard.changes.rings import Missed, RingStarted, StoppedRinging

NORMAL = "16"
# No hang-up: a way out of order, a failure in between, silence past the limit (44), a carrier that answers no more.
LINE_BROKE = {"27", "38", "41", "44", "102"}
OUT_OF_REACH = {"0", "4", "5"}  # app_queue's numbers for unknown, invalid and unavailable
# The dialplan waits for the agent and then rings them; by now they have answered or somebody else was rung.
COMES_BACK = timedelta(seconds=45)
# The events of a channel that is surely there: what comes after its hang-up must not bring it back.
LIVE_CHANNEL_EVENTS = {"Newstate", "BridgeEnter", "MusicOnHoldStart", "QueueCallerJoin", "DialBegin"}


class EventReader:
    """Knows the callers' channels by their Uniqueid and the legs of each call; everything else it forgets at once.

    A caller's own channel is the one whose Uniqueid is the Linkedid. Newchannel does not carry FREELINE_CALL: the arrival
    is kept until another event of that channel does. `lines` maps each way a trunk may dial a line to the line's number;
    `comes_back` is how long the dialplan tries to bring an agent back.
    """

    def __init__(self, lines: Mapping[str, str], comes_back: timedelta = COMES_BACK) -> None:
        self._lines, self._comes_back = lines, comes_back
        self._callers: dict[str, CallRef] = {}
        self._talks: dict[str, CallState] = {}
        self._lost: dict[int, tuple[str, datetime]] = {}
        self._reachable: dict[int, bool] = {}
        self._vain: list[str] = []
        self._kinds: dict[str, Callable[[AmiMessage], list[Change]]] = {
            "Newchannel": self._new,
            "Newstate": self._state,
            "QueueCallerJoin": self._queued,
            "QueueCallerLeave": self._looked_at,
            "QueueCallerAbandon": self._looked_at,
            "AgentConnect": self._answered,
            "DialBegin": self._rings,
            "DialEnd": self._resumed,
            "AgentRingNoAnswer": self._missed,
            "BridgeEnter": self._together,
            "BridgeLeave": self._apart,
            "MusicOnHoldStart": self._held,
            "QueueMemberStatus": self._phone,
            "Hangup": self._hangup,
        }

    def changes(self, event: AmiMessage) -> list[Change]:
        """Return what this event changes, in order; the arrival first when it is the first to name the call."""
        arrived = self._named(event)
        if event.event in LIVE_CHANNEL_EVENTS:
            self._keep(leg_of(event), _call_id(event))
        return [*arrived, *(kind(event) if (kind := self._kinds.get(event.event)) else [])]

    def orphaned_rings(self) -> list[str]:
        """Return, and forget, the channels that still ring for a finished conversation."""
        vain, self._vain = self._vain, []
        return vain

    def lost_agents(self, at: datetime) -> set[int]:
        """Agents whose leg broke off a moment ago and whose caller is held for them: nobody else may ring them."""
        return {agent_id for agent_id, (_, since) in list(self._lost.items()) if at - since < self._comes_back}

    def in_progress(self, channels: list[AmiMessage]) -> list[Change]:
        """The calls that CoreShowChannels shows: their arrival, who talks with whom, and whose phone rings."""
        changes: list[Change] = []
        for row in channels:
            if _is_callers(row) and (_call_id(row) or self._dialled(row)):
                call = self._callers.get(row.get("Uniqueid")) or self._call(row, row.at - _duration(row))
                self._callers[row.get("Uniqueid")] = call
                if call.call:
                    changes.append(Arrived(call, row.at))
        for row in channels:
            leg = self._keep(leg_of(row), _call_id(row))
            if leg is not None and leg.agent_id is not None and row.get("ChannelState") not in {"", CHANNEL_UP}:
                self._talks[_call_id(row)].rung.add(leg.agent_id)
                changes.append(RingStarted(leg.agent_id, _call_id(row), row.at))
        up = {row.get("Uniqueid") for row in channels if row.get("ChannelState") == CHANNEL_UP}
        for talk in self._talks.values():
            changes += self._as_it_is(talk, up, now())
        return changes

    def _as_it_is(self, talk: CallState, up: set[str], at: datetime) -> list[Change]:
        changes: list[Change] = []
        bridged = [leg for leg in talk.legs.values() if leg.bridge]
        # An agent on the way into the room is in no bridge, and leads all the same.
        there = [*talk.with_worker, *bridged, *(leg for leg in talk.legs.values() if leg.uniqueid in up)]
        talk.answered = any(leg.worker for leg in bridged)
        own = [leg.agent_id for leg in there if leg.agent_id is not None and not leg.party]
        called_in = [leg.agent_id for leg in talk.with_worker if leg.party]
        lead = next(iter([*own, *called_in]), None)
        if lead is not None:
            talk.led_by(lead)
            if lead in {leg.agent_id for leg in talk.with_worker}:
                changes.append(Answered(talk.call, at, lead) if own else Resumed(talk.call, at, lead))
        changes += [PartyMoved(talk.call, leg.party, Place.ROOM, at, leg.agent_id) for leg in bridged if leg.party]
        return changes

    # Arrivals

    def _named(self, event: AmiMessage) -> list[Change]:
        """The arrival, at the first event of a caller's channel that carries the call's id."""
        known = self._callers.get(event.get("Uniqueid"))
        if not _call_id(event) or not _is_callers(event) or (known and known.call):
            return []
        call = replace(known, call=_call_id(event)) if known else self._call(event, event.at)
        self._callers[event.get("Uniqueid")] = call
        return [Arrived(call, event.at)]

    def _new(self, event: AmiMessage) -> list[Change]:
        if _is_callers(event) and self._dialled(event):
            self._callers[event.get("Uniqueid")] = self._call(event, event.at)
        return []

    def _call(self, event: AmiMessage, arrived_at: datetime) -> CallRef:
        return CallRef(event.get("Linkedid"), _call_id(event) or None, arrived_at, self._dialled(event))

    def _dialled(self, event: AmiMessage) -> str | None:
        """The line, while the channel is still where the trunk put it; a call that goes out has none."""
        return self._lines.get(event.get("Exten")) if event.get("Context") == names.CONTEXT_TRUNK else None

    # Legs

    def _keep(self, leg: Leg, call: str) -> Leg | None:
        """Remember a leg of a call, and whose call it is; the further half of a mobile's is not looked at."""
        if not call or not leg.uniqueid or leg.behind:
            return None
        if call not in self._talks:
            self._talks[call] = CallState(CallRef(leg.uniqueid if leg.first else None, call))
        talk = self._talks[call]
        leg = talk.keep(leg)
        if leg.uniqueid in self._callers:
            talk.call = self._callers[leg.uniqueid]
        elif leg.calls_back or leg.word == names.LEG_WORKER:
            linkedid = leg.uniqueid if leg.calls_back else talk.call.linkedid
            talk.call = CallRef(linkedid, call, ours=True)
        return leg

    def _talk(self, event: AmiMessage) -> CallState | None:
        """The conversation that an event is about."""
        known = self._callers.get(event.get("Linkedid"))
        return self._talks.get(_call_id(event) or (known.call if known and known.call else ""))

    def _caller(self, event: AmiMessage) -> CallRef | None:
        talk = self._talk(event)
        if talk is not None:
            return talk.call
        known = self._callers.get(event.get("Linkedid"))
        if known is None and _call_id(event):
            known = CallRef(event.get("Linkedid"), _call_id(event))
        return known

    def _state(self, event: AmiMessage) -> list[Change]:
        """An agent who calls a worker has picked up their own phone."""
        talk, leg = self._talk(event), leg_of(event)
        if talk is None or event.get("ChannelState") != CHANNEL_UP or leg.agent_id is None or not leg.calls_back:
            return []
        talk.led_by(leg.agent_id)
        return [CallbackDialled(talk.call, event.at, leg.agent_id)]

    def _together(self, event: AmiMessage) -> list[Change]:
        """A leg is with others: the worker's, a party's, or an agent's who alone has the worker now."""
        talk = self._talk(event)
        leg = talk.legs.get(event.get("Uniqueid")) if talk else None
        if talk is None or leg is None:
            return []
        leg.bridge = event.get("BridgeUniqueid")
        changes: list[Change] = []
        if leg.worker:
            if leg.word == names.LEG_WORKER and not talk.answered:
                talk.answered = True
                changes.append(Answered(talk.call, event.at, talk.lead))
            changes.append(WorkerMoved(talk.call, Place.ROOM, event.at))
        if leg.party:
            changes.append(PartyMoved(talk.call, leg.party, Place.ROOM, event.at, leg.agent_id))
        return [*changes, *self._take_over(talk, event.at)]

    def _apart(self, event: AmiMessage) -> list[Change]:
        talk = self._talk(event)
        leg = talk.legs.get(event.get("Uniqueid")) if talk else None
        if leg is not None and leg.bridge == event.get("BridgeUniqueid"):
            leg.bridge = ""
        return []

    def _held(self, event: AmiMessage) -> list[Change]:
        talk, leg = self._talk(event), leg_of(event)
        if talk is None or event.get("Context") != names.CONTEXT_HELD:
            return []
        if leg.worker:
            return [WorkerMoved(talk.call, Place.HELD, event.at)]
        return [PartyMoved(talk.call, leg.party, Place.HELD, event.at, leg.agent_id)] if leg.party else []

    def _take_over(self, talk: CallState, at: datetime) -> list[Change]:
        """The lead is gone, and another agent is with the worker: that agent leads now."""
        if talk.lead is None:
            # Who was rung for the queue; that they were connected is told by the queue.
            for leg in talk.with_worker:
                if leg.agent_id is not None and not leg.party:
                    talk.led_by(leg.agent_id)
            return []
        successor = talk.successor
        if successor is None:
            return []
        talk.led_by(successor)
        return [*self._release(talk, at), Resumed(talk.call, at, successor)]

    # Queues and rings

    def _queued(self, event: AmiMessage) -> list[Change]:
        call, talk = self._caller(event), self._talk(event)
        if call is None:
            return []
        queued = Queued(call, event.at, event.get("Queue"))
        if talk is None:
            return [queued]
        talk.lead = None
        return [*self._release(talk, event.at), queued]

    def _looked_at(self, _event: AmiMessage) -> list[Change]:
        return [Changed((nudges.QUEUE_CHANGED,))]

    def _answered(self, event: AmiMessage) -> list[Change]:
        call, talk, agent_id = self._caller(event), self._talk(event), agent_of(event.get("Interface"))
        if call is None or agent_id is None:
            return []
        if talk is None:
            return [Answered(call, event.at, agent_id)]
        talk.led_by(agent_id)
        # Whoever broke off before is not waited for any more.
        return [*self._release(talk, event.at), Answered(call, event.at, agent_id)]

    def _release(self, talk: CallState, at: datetime) -> list[Change]:
        waited_for = [agent_id for agent_id, (call, _) in self._lost.items() if call == talk.call.call]
        for agent_id in waited_for:
            del self._lost[agent_id]
        return [LeftCall(agent_id, talk.call.call, at) for agent_id in waited_for if agent_id != talk.lead]

    def _rings(self, event: AmiMessage) -> list[Change]:
        call = event.dest_variables.get(names.CALL) or _call_id(event)
        leg = self._keep(dialled_leg_of(event), call)
        if leg is None or leg.agent_id is None:
            return []
        self._talks[call].rung.add(leg.agent_id)
        return [RingStarted(leg.agent_id, call, event.at)]

    def _resumed(self, event: AmiMessage) -> list[Change]:
        """An agent who was rung from the worker's own channel has answered; who was called in comes another way."""
        talk, agent_id = self._talk(event), agent_of(event.get("DestChannel"))
        by_worker = talk is not None and (leg := talk.legs.get(event.get("Uniqueid"))) is not None and leg.worker
        if talk is None or not by_worker or agent_id is None:
            return []
        status = event.get("DialStatus")
        if event.get("Exten") == names.EXTENSION_TO_AGENT and status not in {"ANSWER", "CANCEL"}:
            # Handed over, and not taken: as with the queue's rings, which would come next.
            return [Missed(agent_id, event.at)]
        if status != "ANSWER":
            return []
        if talk.lead is not None:
            talk.led_by(agent_id)
        resumed = Resumed(talk.call, event.at, agent_id)
        return [*self._release(talk, event.at), resumed, NotRecorded(talk.call, event.at)]

    def _missed(self, event: AmiMessage) -> list[Change]:
        """Somebody did not answer: only who was heard to ring, for a caller who is there."""
        talk, agent_id = self._talk(event), agent_of(event.get("Interface"))
        if talk is None or event.get("Uniqueid") not in talk.legs or agent_id not in talk.rung:
            return []
        return [Missed(agent_id, event.at, mobile=event.get("Interface") == names.mobile_interface(agent_id))]

    def _phone(self, event: AmiMessage) -> list[Change]:
        agent_id, reachable = agent_of(event.get("Interface")), event.get("Status") not in OUT_OF_REACH
        # It comes for each queue and for each step of a call; that a mobile could be rung says nothing of the agent's phone.
        if agent_id is None or event.get("Interface") != names.agent_interface(agent_id):
            return []
        if self._reachable.get(agent_id) == reachable:
            return []
        self._reachable[agent_id] = reachable
        return [PhoneSeen(agent_id, reachable)]

    # Ends

    def _hangup(self, event: AmiMessage) -> list[Change]:
        call = _call_id(event)
        talk, leg = self._talk(event), leg_of(event)
        if talk is not None:
            known = talk.legs.pop(leg.uniqueid, None)
            leg = replace(known, word=known.word or leg.word) if known else leg
            if not talk.legs:
                self._talks.pop(talk.call.call or call, None)
        caller = self._callers.pop(leg.uniqueid, None)
        if caller is not None and talk is None:
            return [Ended(caller, event.at)]
        if talk is None:
            # Nothing else was heard of this leg: the connection was lost in between.
            talk = CallState(CallRef(event.get("Linkedid"), call, ours=leg.calls_back or leg.word == names.LEG_WORKER))
        if caller is not None or (leg.worker and leg.word):
            return self._worker_gone(talk, caller or talk.call, event)
        changes: list[Change] = []
        if leg.party and leg.party not in talk.parties:
            changes.append(PartyGone(talk.call, leg.party, event.at))
        if leg.agent_id is not None and call:
            changes += self._agent_gone(talk, leg, leg.agent_id, event)
        self._vain += talk.rings_for_nobody
        return changes

    def _worker_gone(self, talk: CallState, call: CallRef, event: AmiMessage) -> list[Change]:
        talked = talk.lead is not None and (talk.answered or not call.ours)
        hers_broke = talked and not talk.marked and event.get("Cause") in LINE_BROKE
        dropped = [Dropped(call, event.at)] if talk.broken or hers_broke else []
        talk.over, talk.broken, talk.lead = True, False, None
        self._vain += talk.rings_for_nobody
        return [*dropped, *self._release(talk, event.at), Ended(call, event.at)]

    def _agent_gone(self, talk: CallState, leg: Leg, agent_id: int, event: AmiMessage) -> list[Change]:
        if talk.has(agent_id):
            return []
        call, successor = talk.call.call, self._take_over(talk, event.at)
        ended: list[Change] = []
        if talk.call.ours and talk.worker is None and not talk.over and leg.calls_back:
            # Nobody has answered; and nobody was rung, when it is the agent's own phone that rang in vain.
            talk.over, ended = True, [Ended(talk.call, event.at, dialled=event.get("ChannelState") == CHANNEL_UP)]
        if event.get("ChannelState") != CHANNEL_UP:
            return [*successor, StoppedRinging(agent_id, call, event.at), *ended]
        broke_off = event.get("Cause") != NORMAL and talk.worker is not None
        talk.marked = talk.marked or broke_off
        if broke_off and talk.lead == agent_id:
            self._lost[agent_id], talk.broken = (call or "", event.at), True
            return [Changed((nudges.AGENTS_CHANGED,))]
        # Not AgentComplete: it also comes for a leg that broke off, and before the leg's end can say so.
        wrap_up = not leg.party or agent_id in talk.led
        # Only while somebody else has the worker can there be anything to rejoin.
        return [
            *successor,
            LeftCall(agent_id, call, event.at, wrap_up, broke=broke_off and talk.lead is not None),
            *ended,
        ]


def _is_callers(event: AmiMessage) -> bool:
    leg = leg_of(event)
    return leg.first and leg.worker


def _call_id(event: AmiMessage) -> str:
    return event.variables.get(names.CALL, "")


def _duration(row: AmiMessage) -> timedelta:
    with contextlib.suppress(ValueError):
        hours, minutes, seconds = (int(part) for part in row.get("Duration").split(":"))
        return timedelta(hours=hours, minutes=minutes, seconds=seconds)
    return timedelta()
