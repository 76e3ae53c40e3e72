"""The legs of one conversation, from the channels that Asterisk has at this moment."""

from collections.abc import Iterable
from dataclasses import dataclass

from telephony import names
from telephony.clients.ami import CHANNEL_UP, AmiMessage
from telephony.names import agent_of


@dataclass(frozen=True)
class LegNow:
    """One channel, as Asterisk shows it when it is asked.

    `leg` is its FREELINE_LEG, `agent_id` whose phone it is, when it is an agent's.
    """

    channel: str
    context: str
    application: str
    bridge: str
    leg: str
    agent_id: int | None
    up: bool

    @property
    def in_room(self) -> bool:
        """Whether it is in the conversation's room."""
        return self.context == names.CONTEXT_ROOM

    @property
    def held(self) -> bool:
        """Whether it hears music."""
        return self.context == names.CONTEXT_HELD


@dataclass(frozen=True)
class Legs:
    """A conversation's channels; `behind` are those that nobody speaks on, which only have to end with it."""

    talking: tuple[LegNow, ...]
    behind: tuple[LegNow, ...]

    @property
    def worker(self) -> LegNow | None:
        """The worker's own: marked when we called them, else the one that is nobody else's."""
        ours = [leg for leg in self.talking if leg.agent_id is None]
        return next((leg for leg in ours if leg.leg in {names.LEG_WORKER, ""}), None)

    def agent(self, agent_id: int) -> LegNow | None:
        """This agent's, once they have answered."""
        return next((leg for leg in self.talking if leg.agent_id == agent_id and leg.up), None)

    def party(self, leg: str) -> LegNow | None:
        """The party's with this id, once they have answered."""
        return next((found for found in self.talking if found.leg == leg and found.up), None)

    @property
    def parties(self) -> list[LegNow]:
        """Who was called in and has answered."""
        return [leg for leg in self.talking if leg.leg not in names.LEGS_OF_NO_PARTY and leg.up]

    @property
    def recorder(self) -> LegNow | None:
        """What records the conversation, when it is recorded."""
        return next((leg for leg in self.talking if leg.leg == names.LEG_RECORDER), None)

    @property
    def all(self) -> list[LegNow]:
        """Every channel, the worker's first: when that ends, nobody is rung again for the worker."""
        worker = self.worker
        others = [leg for leg in (*self.talking, *self.behind) if leg is not worker]
        return [worker, *others] if worker is not None else others


def legs_of(rows: Iterable[AmiMessage], call: str) -> Legs:
    """Return what CoreShowChannels shows of one call."""
    found = [_leg(row) for row in rows if row.variables.get(names.CALL) == call]
    behind = [leg for leg in found if leg.channel.endswith(names.BEHIND) or leg.leg == names.LEG_MOBILE]
    return Legs(tuple(leg for leg in found if leg not in behind), tuple(behind))


def ringing_for(rows: Iterable[AmiMessage], leg: str) -> list[str]:
    """Return the channels by which a party is called: they carry its id, or the call for it was given that id."""
    return [row.get("Channel") for row in rows if row.variables.get(names.LEG) == leg or row.get("Uniqueid") == leg]


def _leg(row: AmiMessage) -> LegNow:
    channel = row.get("Channel")
    return LegNow(
        channel,
        row.get("Context"),
        row.get("Application"),
        row.get("BridgeId"),
        row.variables.get(names.LEG, ""),
        agent_of(channel),
        row.get("ChannelState") == CHANNEL_UP,
    )
