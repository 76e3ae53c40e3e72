"""The conversations in progress as the channels' events tell them: whose each channel is, and who is together with whom."""

from dataclasses import dataclass, field

from telephony import names
from telephony.clients.ami import AmiMessage
from telephony.names import agent_of
from telephony.switchboard.changes.calls import CallRef

_LINES = (f"PJSIP/{names.TRUNK}-", f"PJSIP/{names.CALLER}-")


@dataclass
class Leg:
    """A channel of a call, followed from event to event.

    `word` is its FREELINE_LEG; `bridge` is where it is now, empty while it is in none. `first`: its Uniqueid is the
    Linkedid, so it is the first channel of all that belongs together.
    """

    uniqueid: str
    channel: str
    word: str = ""
    first: bool = False
    bridge: str = ""

    @property
    def behind(self) -> bool:
        """Whether it only stands behind another."""
        return self.channel.endswith(names.BEHIND)

    @property
    def agent_id(self) -> int | None:
        """The agent whose leg this is."""
        return None if self.behind else agent_of(self.channel)

    @property
    def party(self) -> str:
        """The id of the party who was called in and has this leg, else empty."""
        return "" if self.word in names.LEGS_OF_NO_PARTY else self.word

    @property
    def worker(self) -> bool:
        """Whether this is the worker: they called us on a line, or we called them and said so."""
        called_us = self.first and not self.word
        return self.channel.startswith(_LINES) and (called_us or self.word == names.LEG_WORKER)

    @property
    def calls_back(self) -> bool:
        """Whether this is the leg of an agent from which a worker is called."""
        return self.first and not self.word and self.agent_id is not None


def leg_of(event: AmiMessage) -> Leg:
    """The (first) channel of an event or of a row of CoreShowChannels."""
    uniqueid = event.get("Uniqueid")
    first = bool(uniqueid) and uniqueid == event.get("Linkedid")
    return Leg(uniqueid, event.get("Channel"), event.variables.get(names.LEG, ""), first, event.get("BridgeId"))


def dialled_leg_of(event: AmiMessage) -> Leg:
    """The channel that an event says is dialled."""
    uniqueid = event.get("DestUniqueid")
    first = bool(uniqueid) and uniqueid == event.get("DestLinkedid")
    return Leg(uniqueid, event.get("DestChannel"), event.dest_variables.get(names.LEG, ""), first)


@dataclass
class CallState:
    """The legs of one call. `lead` has it now and `led` all who ever had it; `rung` are the agents whose phone rang for it.

    `answered`: the worker whom we called spoke.
    `broken`: the lead's leg broke off and nobody has had the worker since. `marked`: an agent's leg broke off before, and
    its cause may stay on the worker's channel, so that this one says nothing any more. `over`: the worker is gone.
    """

    call: CallRef
    legs: dict[str, Leg] = field(default_factory=dict)
    lead: int | None = None
    led: set[int] = field(default_factory=set)
    rung: set[int] = field(default_factory=set)
    answered: bool = False
    broken: bool = False
    marked: bool = False
    over: bool = False

    def keep(self, leg: Leg) -> Leg:
        """Remember a leg. One that is known learns its word, which comes after its first events, and where a snapshot saw
        it."""
        known = self.legs.setdefault(leg.uniqueid, leg)
        known.word, known.bridge = leg.word or known.word, leg.bridge or known.bridge
        return known

    @property
    def worker(self) -> Leg | None:
        """The worker's leg, while it is there."""
        return next((leg for leg in self.legs.values() if leg.worker), None)

    @property
    def with_worker(self) -> list[Leg]:
        """The agents' legs that hear the worker now."""
        worker = self.worker
        if worker is None or not worker.bridge:
            return []
        return [leg for leg in self.legs.values() if leg.agent_id is not None and leg.bridge == worker.bridge]

    @property
    def successor(self) -> int | None:
        """Who has the worker, when the lead is gone and somebody else is with them; None when nothing changes."""
        here = [leg.agent_id for leg in self.with_worker]
        return None if self.lead is None or self.has(self.lead) or not here else here[0]

    @property
    def parties(self) -> set[str]:
        """The parties who have a leg."""
        return {leg.party for leg in self.legs.values()} - {""}

    @property
    def rings_for_nobody(self) -> list[str]:
        """The channels of those who are still rung when the worker and all who led are gone."""
        if not self.over or any(leg.bridge or leg.agent_id in self.led for leg in self.legs.values()):
            return []
        return [leg.channel for leg in self.legs.values()]

    def has(self, agent_id: int) -> bool:
        """Whether a leg of this agent is there."""
        return any(leg.agent_id == agent_id for leg in self.legs.values())

    def led_by(self, agent_id: int) -> None:
        """This agent has the worker."""
        self.lead, self.broken = agent_id, False
        self.led.add(agent_id)
