"""Acts on Asterisk's channels, each with the sentence that an agent reads when it fails."""

import threading
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from hotline.errors import FreelineError, PartMissing
from hotline.settings import Settings
from telephony import names
from telephony.asterisk.secrets import Secrets, load_secrets
from telephony.clients.ami import Ami, AmiLost, AmiMessage, AmiRefused
from telephony.clients.ari import Ari, AriFailed
from telephony.operator.legs import LegNow

SILENT = "Asterisk does not answer. Nothing was changed; try again."
HALF_DONE = "Asterisk stopped answering. Look how the call stands before you try again."
REFUSED = "This could not be done: somebody in the call has just left. Look how it stands and try again."
NORMAL = "16"
BROKEN = "44"  # as Asterisk ends a leg whose sound stays away
FREE = "NOT_INUSE"
# Asterisk asks a phone that has registered whether it is there, and only then rings it; and the call in which the agent
# tried the sound a moment ago may not be over yet.
FREE_WITHIN_S = 3.0
LOOK_S = 0.1
MOVE_TRIES = 40
MOVE_AGAIN_S = 0.05

T = TypeVar("T")
# A leg, and the context and extension where its dialplan goes on.
Move = tuple[LegNow, str, str]


class LineFailed(FreelineError):
    """What was asked could not be done; the text is a sentence for the agent."""


class Actor:
    """One connection that acts, made when it is first needed and again when it was lost. Thread-safe."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._lock = threading.Lock()
        self._connected: Ami | None = None

    def close(self) -> None:
        """Leave Asterisk. Idempotent."""
        with self._lock:
            if self._connected is not None:
                self._connected.close()
                self._connected = None

    def channels(self) -> list[AmiMessage]:
        """The rows of CoreShowChannels. Raises `LineFailed`, as all here do."""
        return self._ask(lambda ami: ami.list_action({"Action": "CoreShowChannels"}))

    def read(self, variable: str, channel: str = "") -> str:
        """A channel's variable, a global or a function; empty when it is not set."""
        fields = {"Action": "Getvar", "Variable": variable, **({"Channel": channel} if channel else {})}
        return self._ask(lambda ami: ami.send_action(fields)).get("Value")

    def rings(self, interface: str, patience_s: float = 0) -> bool:
        """Whether a phone is there and free; one that is not may still be within so many seconds."""
        end = time.monotonic() + patience_s
        while not (free := self.read(f"DEVICE_STATE({interface})") == FREE) and time.monotonic() < end:
            time.sleep(LOOK_S)
        return free

    def put(self, variable: str, value: str, channel: str = "") -> None:
        """Set a channel's variable, or a global, to a value that the dialplan may use as it is."""
        where = {"Channel": channel} if channel else {}
        self._do({"Action": "Setvar", **where, "Variable": variable, "Value": value})

    def move(self, first: Move, second: Move | None = None) -> None:
        """Send one leg, or two at the same moment, on in the dialplan, out of any bridge."""
        leg, context, extension = first
        fields = {"Channel": leg.channel, "Context": context, "Exten": extension, "Priority": "1"}
        if second is not None:
            other, its_context, its_extension = second
            fields |= {"ExtraChannel": other.channel, "ExtraContext": its_context}
            fields |= {"ExtraExten": its_extension, "ExtraPriority": "1"}
        # A channel that is still on its way from the last move looks like one that hangs up.
        for _ in range(MOVE_TRIES):
            try:
                self._ami().send_action({"Action": "Redirect", **fields})
            except AmiRefused as error:
                if "not up" not in str(error):
                    raise LineFailed(REFUSED) from error
                time.sleep(MOVE_AGAIN_S)
            except AmiLost as error:
                raise LineFailed(HALF_DONE) from error
            else:
                self._wait_moved([first] if second is None else [first, second])
                return
        raise LineFailed(REFUSED)

    def _wait_moved(self, moves: list[Move]) -> None:
        """Until the legs are there, or gone: a second move before that would be accepted and forgotten."""
        for _ in range(MOVE_TRIES):
            now = {row.get("Channel"): row for row in self.channels()}
            if all(move[0].channel not in now or _there(now[move[0].channel], move) for move in moves):
                return
            time.sleep(MOVE_AGAIN_S)

    def originate(
        self, channel: str, target: Mapping[str, str], told: Mapping[str, str], ring_s: int, *, wait: bool = False
    ) -> None:
        """Call somebody, who goes on at `target` when they answer. `told` are variables of that channel, without commas.

        `wait` until they have: only for what answers at once, because nothing else is done meanwhile.
        """
        fields = {"Action": "Originate", "Channel": channel, "Timeout": str(ring_s * 1000), **target}
        fields["Async"] = "false" if wait else "true"
        if "Exten" in target:
            fields["Priority"] = "1"
        self._do({**fields, "Variable": ",".join(f"{name}={value}" for name, value in told.items())})

    def hang_up(self, channel: str, cause: str = NORMAL) -> None:
        """End a channel, as a person does who hangs up unless said otherwise. Idempotent."""
        try:
            self._do({"Action": "Hangup", "Channel": channel, "Cause": cause})
        except LineFailed as error:
            if str(error) != REFUSED:
                raise

    def by_http(self, what: Callable[[Ari], None]) -> None:
        """Do something with ARI."""
        address = (self.settings.asterisk_http_host, self.settings.asterisk_http_port)
        try:
            what(Ari(address, names.ARI_USER, self._secrets().ari))
        except AriFailed as error:
            raise LineFailed(SILENT) from error

    def _do(self, fields: Mapping[str, str]) -> None:
        """Change something; never asked twice."""
        try:
            self._ami().send_action(fields)
        except AmiRefused as error:
            raise LineFailed(REFUSED) from error
        except AmiLost as error:
            raise LineFailed(HALF_DONE) from error

    def _ask(self, what: Callable[[Ami], T]) -> T:
        """Look something up; once more over a new connection when the old one was lost."""
        try:
            try:
                return what(self._ami())
            except AmiLost:
                return what(self._ami())
        except AmiLost as error:
            raise LineFailed(SILENT) from error
        except AmiRefused as error:
            raise LineFailed(REFUSED) from error

    def _ami(self) -> Ami:
        with self._lock:
            if self._connected is None or not self._connected.connected:
                address = (self.settings.ami_host, self.settings.ami_port)
                ami = Ami(address, names.AMI_ACTOR, self._secrets().ami_actor)
                try:
                    ami.connect()
                except (AmiLost, AmiRefused) as error:
                    raise LineFailed(SILENT) from error
                self._connected = ami
            return self._connected

    def _secrets(self) -> Secrets:
        try:
            return load_secrets(self.settings)
        except PartMissing as error:
            raise LineFailed(SILENT) from error


def _there(row: AmiMessage, move: Move) -> bool:
    leg, context, extension = move
    if context == names.CONTEXT_ROOM:
        # At priority 1 the application is still the one that it is leaving.
        in_it = row.get("Application") == "ConfBridge" and row.get("Priority") != "1"
        return in_it and row.get("Exten") == extension
    if context == names.CONTEXT_HELD:
        return row.get("Application") != leg.application
    return row.get("BridgeId") != leg.bridge or not leg.bridge
