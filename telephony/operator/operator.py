"""The operator: acts on conversations in progress, for the console. Each act looks afresh which channels there are."""

import re
import shutil
import threading
from collections.abc import Iterable

from hotline.settings import Settings
from telephony import names
from telephony.asterisk.render import caller_id
from telephony.operator.agent_phones import NUMBER, AgentPhones, PhoneSecret, check
from telephony.operator.ami_actions import FREE_WITHIN_S, Actor, LineFailed
from telephony.operator.legs import LegNow, Legs, legs_of, ringing_for

__all__ = ["LineFailed", "Operator", "PhoneSecret"]

OVER = "The call is over."
NOT_IN_IT = "You are not in this call any more."
PARTY_GONE = "Whoever you called in is not in the call any more."
NOBODY_TO_RING = "The phone of whoever you want to call cannot be rung now."
NOT_READY = "Your phone is not ready. Nobody was called."
NO_TRUNK = "This line cannot call out: no trunk is set."
DISK_FULL = "The disk is nearly full, so nothing can be recorded."

_WORD = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LANGUAGE = re.compile(r"[A-Za-z0-9-]{0,16}")


class Operator(AgentPhones):
    """Thread-safe. Every method blocks until Asterisk has answered, ten seconds at most, and raises `LineFailed`.

    Never call it inside a transaction. `call` is the call's id (FREELINE_CALL), `leg` a party's own id (FREELINE_LEG, a
    random hex word made by whoever calls the party in). Every act is idempotent.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        super().__init__(Actor(settings))
        self._one_recorder = threading.Lock()

    def close(self) -> None:
        """Leave Asterisk. Idempotent."""
        self._asterisk.close()

    # The worker: held, back, handed over

    def hold(self, call: str, agent_id: int) -> None:
        """The worker hears music; the agent who leads is alone in the room."""
        legs, worker = self._talk(call)
        lead = _agent(legs, agent_id)
        if not worker.held:
            self._hold(legs, worker, lead)

    def resume(self, call: str, agent_id: int) -> None:
        """The worker is back with the agent."""
        legs, worker = self._talk(call)
        _agent(legs, agent_id)
        if worker.held:
            self._take_back(call, worker)

    def to_queue(self, call: str, language: str) -> None:
        """Hand the worker to the queue of a language, before all who wait; everybody else is hung up.

        Where nobody speaks it now they are offered to leave a message, as a caller would be.
        """
        self._hand_over(call, language, names.EXTENSION_TO_QUEUE)

    def to_agent(self, call: str, agent_id: int, language: str) -> None:
        """Hand the worker to one agent; when that agent does not take it, to the head of that language's queue."""
        self._hand_over(call, language, names.EXTENSION_TO_AGENT, agent_id)

    # Parties

    def call_agent(self, call: str, lead_id: int, leg: str, agent_id: int) -> None:
        """Ring a colleague into the room with the lead, while the worker hears music. Nobody is moved when they cannot
        be rung."""
        interface = names.agent_interface(agent_id)
        if not self._asterisk.rings(interface):
            raise LineFailed(NOBODY_TO_RING)
        party = self._consult(call, lead_id, leg)
        self._asterisk.originate(
            interface,
            {"Context": names.CONTEXT_ROOM, "Exten": names.EXTENSION_AGENT},
            {**party, **_headers(call, names.KIND_CONSULT)},
            self.settings.ring_s,
        )

    def call_outside(self, call: str, lead_id: int, leg: str, number: str) -> None:
        """The same with a number outside. Raises ValueError for anything but digits, with or without a leading +."""
        channel = self._outside(number)
        party = self._consult(call, lead_id, leg)
        target = {"Context": names.CONTEXT_ROOM, "Exten": names.EXTENSION_OUTSIDE}
        self._asterisk.originate(
            channel,
            {**target, "CallerID": caller_id(self.settings)},
            party,
            self.settings.callback_ring_s,
        )

    def call_supervisors(self, call: str, lead_id: int, leg: str, agent_ids: Iterable[int]) -> None:
        """Ring supervisors while the worker and the lead talk on: who answers first joins, the others stop ringing."""
        check(_WORD, leg)
        interfaces = [names.agent_interface(agent_id) for agent_id in agent_ids]
        there = [one for one in interfaces if self._asterisk.rings(one)]
        if not there:
            raise LineFailed(NOBODY_TO_RING)
        legs, worker = self._talk(call)
        lead = _agent(legs, lead_id)
        self._tell(worker, lead)
        self._into_room(worker, lead)
        told = {f"__{names.ROOM}": call, f"__{names.PARTY}": leg, f"__{names.CALLER_CHANNEL}": worker.channel}
        # The call for them has the party's id for its own, so that it can be found and taken back.
        self._asterisk.originate(
            f"Local/{names.EXTENSION}@{names.CONTEXT_SUMMON}/n",
            {"Application": "Wait", "Data": "1", "ChannelId": leg},
            {**told, names.RING: "&".join(there)},
            self.settings.ring_s + 5,
        )

    def rejoin(self, call: str, agent_id: int, leg: str) -> None:
        """Ring an agent's own phone into the call that they lost and others have now; nobody else is moved or held."""
        check(_WORD, leg)
        interface = names.agent_interface(agent_id)
        # The page was loaded a moment ago: its phone may be registering.
        if not self._asterisk.rings(interface, FREE_WITHIN_S):
            raise LineFailed(NOT_READY)
        legs, worker = self._talk(call)
        lead = next((one for one in legs.talking if one.agent_id is not None and one.up), None)
        if lead is None:
            raise LineFailed(NOT_IN_IT)
        self._tell(worker, lead)
        self._into_room(worker, lead)
        told = {names.CALL: call, names.LEG: leg, names.CALLER_CHANNEL: worker.channel}
        target = {"Context": names.CONTEXT_ROOM, "Exten": names.EXTENSION_AGENT}
        self._asterisk.originate(
            interface, target, {**told, **_headers(call, names.KIND_BACK)}, self.settings.come_back_s
        )

    def swap(self, call: str, leg: str) -> None:
        """The lead talks with the other of the two: the held one comes in, the one in the room is held."""
        legs, worker = self._talk(call)
        party = _party(legs, leg)
        if worker.held:
            self._asterisk.put(names.LEAD, self._asterisk.read(names.LEAD, worker.channel), party.channel)
            self._asterisk.move((party, names.CONTEXT_HELD, names.EXTENSION_PARTY))
            self._take_back(call, worker)
        else:
            self._rest(legs)
            self._asterisk.move((worker, names.CONTEXT_HELD, names.EXTENSION_WORKER))
            self._asterisk.move((party, names.CONTEXT_ROOM, _room_extension(party)))

    def merge(self, call: str) -> None:
        """Everybody of the conversation is in the room."""
        legs, worker = self._talk(call)
        for party in legs.parties:
            if party.held:
                self._asterisk.move((party, names.CONTEXT_ROOM, _room_extension(party)))
        if worker.held:
            self._take_back(call, worker)

    def drop_party(self, call: str, leg: str) -> None:
        """Hang up a party, or stop ringing it. Idempotent. The worker stays where they are."""
        check(_WORD, leg, call)
        for channel in ringing_for(self._asterisk.channels(), leg):
            self._asterisk.hang_up(channel)

    def complete(self, call: str, agent_id: int, leg: str) -> None:
        """The worker comes to the party who was called in, and the agent leaves."""
        legs, worker = self._talk(call)
        lead, party = legs.agent(agent_id), _party(legs, leg)
        # A worker whose lead leaves comes back to the queue's head if the line to the party breaks.
        interface = names.agent_interface(party.agent_id) if party.agent_id is not None else ""
        self._asterisk.put(names.AGENT, interface, worker.channel)
        self._asterisk.put(names.LEAD, party.channel, worker.channel)
        if party.agent_id is None:
            # None of ours stays to see that it is recorded.
            with self._one_recorder:
                self._asterisk.put(names.RECORDS, "", worker.channel)
                self._rest(legs_of(self._asterisk.channels(), call))
            self._asterisk.move((party, names.CONTEXT_ROOM, names.EXTENSION_KEPT))
        elif not party.in_room:
            self._asterisk.move((party, names.CONTEXT_ROOM, names.EXTENSION_AGENT))
        if worker.held:
            self._take_back(call, worker)
        if lead is not None:
            self._leave(call, lead, leg)

    def _leave(self, call: str, lead: LegNow, leg: str) -> None:
        """Hang up who led, unless the party has hung up while we were at it: the worker must not be left alone."""
        legs = legs_of(self._asterisk.channels(), call)
        if legs.party(leg) is None and legs.worker is not None:
            self._tell(legs.worker, lead)
            raise LineFailed(PARTY_GONE)
        self._asterisk.hang_up(lead.channel)

    def end(self, call: str) -> None:
        """Hang up everybody in the conversation. Idempotent."""
        check(_WORD, call)
        for leg in legs_of(self._asterisk.channels(), call).all:
            self._asterisk.hang_up(leg.channel)

    # Calling back

    def call_back(self, call: str, agent_id: int, number: str, language: str = "") -> None:
        """Ring the agent's own phone and dial the worker from there, so that the agent hears the ringing.

        `language` is the queue that the worker goes to when the agent's line breaks and they do not come back; without one
        the call ends. Raises ValueError for anything but digits, with or without a leading +.
        """
        self._outside(number)
        check(_WORD, call)
        check(_LANGUAGE, language)
        interface = names.agent_interface(agent_id)
        # The agent pressed a button of the page that has the phone: it may have registered, or tried its sound, just now.
        if not self._asterisk.rings(interface, FREE_WITHIN_S):
            raise LineFailed(NOT_READY)
        told = {f"__{names.CALL}": call, f"_{names.DIAL}": number}
        self._asterisk.originate(
            interface,
            {"Context": names.CONTEXT_CALL_BACK, "Exten": names.EXTENSION},
            {**told, f"_{names.QUEUE}": language, f"_{names.AGENT}": interface, **_headers(call, names.KIND_CALL_BACK)},
            self.settings.ring_s,
        )

    # Recording

    def start_recording(self, call: str) -> None:
        """Record the worker and the agents from now on, in a file of its own each time. Idempotent while it runs.

        What is said while the worker is held is not recorded.
        """
        spool = self.settings.spool
        if spool.is_dir() and shutil.disk_usage(spool).free < self.settings.free_space_floor_mb * 1_000_000:
            raise LineFailed(DISK_FULL)
        with self._one_recorder:
            self._start_recording(call)

    def stop_recording(self, call: str) -> None:
        """Stop recording. Idempotent."""
        with self._one_recorder:  # one that begins in this very moment is found, and ended
            legs, worker = self._talk(call)
            self._asterisk.put(names.RECORDS, "", worker.channel)
            if legs.recorder is not None:
                self._asterisk.hang_up(legs.recorder.channel)

    # How it is done

    def _talk(self, call: str) -> tuple[Legs, LegNow]:
        """The conversation's legs and the worker's."""
        check(_WORD, call)
        legs = legs_of(self._asterisk.channels(), call)
        if legs.worker is None:
            raise LineFailed(OVER)
        return legs, legs.worker

    def _consult(self, call: str, lead_id: int, leg: str) -> dict[str, str]:
        """Hold the worker for a party to be called; what the party's leg is told."""
        check(_WORD, leg)
        legs, worker = self._talk(call)
        lead = _agent(legs, lead_id)
        if not worker.held:
            self._hold(legs, worker, lead)
        return {names.CALL: call, names.LEG: leg, names.CALLER_CHANNEL: worker.channel}

    def _hold(self, legs: Legs, worker: LegNow, lead: LegNow) -> None:
        self._tell(worker, lead)
        self._rest(legs)
        moved = (worker, names.CONTEXT_HELD, names.EXTENSION_WORKER)
        if lead.in_room:
            self._asterisk.move(moved)
        else:
            self._asterisk.move(moved, (lead, names.CONTEXT_ROOM, names.EXTENSION_AGENT))

    def _into_room(self, worker: LegNow, lead: LegNow) -> None:
        """Both out of their bridge of two into the room; whoever is in it, or held, stays."""
        if not worker.in_room and not worker.held:
            self._asterisk.move(
                (worker, names.CONTEXT_ROOM, names.EXTENSION_WORKER), (lead, names.CONTEXT_ROOM, names.EXTENSION_AGENT)
            )

    def _tell(self, worker: LegNow, lead: LegNow) -> None:
        """Write on both legs who the other is: their dialplan looks after each other."""
        self._asterisk.put(names.LEAD, lead.channel, worker.channel)
        if lead.agent_id is not None:
            local = lead.channel.startswith("Local/")
            interface = names.mobile_interface if local else names.agent_interface
            self._asterisk.put(names.AGENT, interface(lead.agent_id), worker.channel)
        self._asterisk.put(names.CALLER_CHANNEL, worker.channel, lead.channel)

    def _take_back(self, call: str, worker: LegNow) -> None:
        self._asterisk.move((worker, names.CONTEXT_ROOM, names.EXTENSION_WORKER))
        with self._one_recorder:
            if self._asterisk.read(names.RECORDS, worker.channel) == "1":
                self._record(call, worker)

    def _rest(self, legs: Legs) -> None:
        """Stop the recorder while the worker is away: what they agreed to is their own conversation."""
        if legs.recorder is not None:
            self._asterisk.hang_up(legs.recorder.channel)

    def _start_recording(self, call: str) -> None:
        legs, worker = self._talk(call)
        self._asterisk.put(names.RECORDS, "1", worker.channel)
        if worker.held or legs.recorder is not None:
            return
        if not worker.in_room:
            lead = next((leg for leg in legs.talking if leg.agent_id is not None and leg.up), None)
            if lead is None:
                raise LineFailed(NOT_IN_IT)
            self._tell(worker, lead)
            self._into_room(worker, lead)
        self._record(call, worker)

    def _record(self, call: str, worker: LegNow) -> None:
        number = int(self._asterisk.read(names.TALK_FILES, worker.channel) or 0) + 1
        self._asterisk.put(names.TALK_FILES, str(number), worker.channel)
        file = names.spool_talk(self.settings.spool, call, number).stem
        told = {names.CALL: call, names.LEG: names.LEG_RECORDER, names.CALLER_CHANNEL: worker.channel}
        self._asterisk.originate(
            f"Local/{names.EXTENSION}@{names.CONTEXT_RECORDER}/n",
            {"Context": names.CONTEXT_ROOM, "Exten": names.EXTENSION_RECORDER},
            {**told, names.FILE: file},
            5,
            wait=True,
        )

    def _hand_over(self, call: str, language: str, extension: str, agent_id: int | None = None) -> None:
        check(_LANGUAGE, language)
        legs, worker = self._talk(call)
        self._asterisk.put(names.QUEUE, language, worker.channel)
        self._asterisk.put(names.RECORDS, "", worker.channel)
        if agent_id is not None:
            self._asterisk.put(names.AGENT, names.agent_interface(agent_id), worker.channel)
        self._asterisk.move((worker, names.CONTEXT_LINE, extension))
        for leg in legs.all[1:]:
            self._asterisk.hang_up(leg.channel)

    def _outside(self, number: str) -> str:
        check(NUMBER, number)
        # Without a trunk Asterisk would write the number into its log, as an address that it cannot find.
        if not self.settings.trunk_host:
            raise LineFailed(NO_TRUNK)
        return f"PJSIP/{number}@{names.TRUNK}"


def _agent(legs: Legs, agent_id: int) -> LegNow:
    found = legs.agent(agent_id)
    if found is None:
        raise LineFailed(NOT_IN_IT)
    return found


def _party(legs: Legs, leg: str) -> LegNow:
    found = legs.party(leg)
    if found is None:
        raise LineFailed(PARTY_GONE)
    return found


def _room_extension(party: LegNow) -> str:
    return names.EXTENSION_AGENT if party.agent_id is not None else names.EXTENSION_OUTSIDE


def _headers(call: str, kind: str) -> dict[str, str]:
    """Return what the INVITE that rings an agent carries."""
    return {f"PJSIP_HEADER(add,{names.CALL_HEADER})": call, f"PJSIP_HEADER(add,{names.KIND_HEADER})": kind}
