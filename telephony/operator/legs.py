"""The legs of one conversation, from the channels that Asterisk has at this moment."""

from collections.abc import Iterable
from dataclasses import dataclass

from telephony import names
from telephony.clients.ami import AmiMessage
from telephony.names import agent_of

UP = "6"
# A Local channel has two ends: the first is who talks, the second stands behind it.
BEHIND = ";2"


@dataclass(frozen=True)
class Leg:
    """One channel. `leg` is its FREELINE_LEG, `agent_id` whose phone it is, when it is an agent's."""

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

    talking: tuple[Leg, ...]
    behind: tuple[Leg, ...]

    @property
    def worker(self) -> Leg | None:
        """The worker's own: marked when we called her, else the one that is nobody else's."""
        ours = [leg for leg in self.talking if leg.agent_id is None]
        return next((leg for leg in ours if leg.leg in {names.LEG_WORKER, ""}), None)

    def agent(self, agent_id: int) -> Leg | None:
        """This agent's, once she has answered."""
        return next((leg for leg in self.talking if leg.agent_id == agent_id and leg.up), None)

    def party(self, leg: str) -> Leg | None:
        """The party's with this id, once she has answered."""
        return next((found for found in self.talking if found.leg == leg and found.up), None)

    @property
    def parties(self) -> list[Leg]:
        """Who was called in and has answered."""
        ours = {"", names.LEG_WORKER, names.LEG_RECORDER, names.LEG_MOBILE}
        return [leg for leg in self.talking if leg.leg not in ours and leg.up]

    @property
    def recorder(self) -> Leg | None:
        """What records the conversation, when it is recorded."""
        return next((leg for leg in self.talking if leg.leg == names.LEG_RECORDER), None)

    @property
    def all(self) -> list[Leg]:
        """Every channel, the worker's first: when hers ends, nobody is rung again for her."""
        worker = self.worker
        others = [leg for leg in (*self.talking, *self.behind) if leg is not worker]
        return [worker, *others] if worker is not None else others


def legs_of(rows: Iterable[AmiMessage], call: str) -> Legs:
    """What CoreShowChannels shows of one call."""
    found = [_leg(row) for row in rows if row.variables.get(names.CALL) == call]
    behind = [leg for leg in found if leg.channel.endswith(BEHIND) or leg.leg == names.LEG_MOBILE]
    return Legs(tuple(leg for leg in found if leg not in behind), tuple(behind))


def ringing_for(rows: Iterable[AmiMessage], leg: str) -> list[str]:
    """The channels by which a party is called: by its own id, which she carries, or which the call for her was given."""
    return [row.get("Channel") for row in rows if row.variables.get(names.LEG) == leg or row.get("Uniqueid") == leg]


def _leg(row: AmiMessage) -> Leg:
    channel = row.get("Channel")
    return Leg(
        channel,
        row.get("Context"),
        row.get("Application"),
        row.get("BridgeId"),
        row.variables.get(names.LEG, ""),
        agent_of(channel),
        row.get("ChannelState") == UP,
    )
