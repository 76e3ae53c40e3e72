"""The Asterisk Manager Interface: actions with their own answers, and events in the order they came.

Asterisk puts values into its events as they are. One that a stranger chose and that holds a line break would be read as an
event of its own, so an event is believed only when it carries what no stranger knows: Asterisk's own secret name.

Of pyst2 only the message is used. Its Manager would have to be replaced method by method: it matches replies by order, its
dispatcher ends at the first exception of a callback, it never connects again, it lets line breaks into values, and its
message raises on every ChanVariable header under Python 3, which ends its reader.
"""

import contextlib
import itertools
import queue
import re
import secrets
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import BinaryIO

from asterisk.manager import ManagerMsg

from hotline.errors import FreelineError
from models.db.types import now

LINE_END = "\r\n"
UNNAMED = "Generated Header"  # what pyst2 calls a message that is neither an event nor an answer
GREETING = b"Asterisk Call Manager/"
LINE_MAX = 64 * 1024
FORBIDDEN = "\r\n\0"
# Ids of channels. Those that Asterisk gives by itself begin with its name; those that we give have no such form.
CHANNEL_IDS = ("Uniqueid", "Linkedid", "DestUniqueid", "DestLinkedid")
UNNAMED_ID = re.compile(r"\d+\.\d+")
CHANNEL_UP = "6"  # ChannelState of a channel that was answered
BOOTED = "FullyBooted"  # told at the end of a start, and right after signing in when that was before


class AmiLost(FreelineError):
    """Asterisk does not answer; what was asked may or may not have been done."""


class AmiRefused(FreelineError):
    """Asterisk answered that it will not do this."""


class AmiMessage(ManagerMsg):  # type: ignore[misc]  # pyst2 carries no types
    """An event or an answer. `at` is when it was read.

    `variables` are the variables of its (first) channel, `dest_variables` those of the channel that is dialled.
    """

    headers: dict[str, str]

    def __init__(self, lines: list[str]) -> None:
        self.at: datetime = now()
        self.variables: dict[str, str] = {}
        self.dest_variables: dict[str, str] = {}
        self._doubled = False
        super().__init__(lines)

    def parse(self, response: list[str]) -> None:
        """Take the variables out before pyst2 sees them."""
        plain: list[str] = []
        seen: set[str] = set()
        for line in response:
            header, _, rest = line.partition(":")
            kept = {"ChanVariable": self.variables, "DestChanVariable": self.dest_variables}.get(header)
            if kept is not None:
                name, _, value = rest.strip().partition("=")
                kept[name] = value
            elif "ChanVariable" not in header:  # also ChanVariable(a channel's name), in OriginateResponse
                self._doubled = self._doubled or header in seen
                seen.add(header)
                plain.append(line)
        super().parse(plain)

    def get(self, header: str) -> str:
        """A header's value, empty when it is not there."""
        return self.headers.get(header, "")

    @property
    def event(self) -> str:
        """The event's name, empty for an answer."""
        return self.get("Event")

    def sent_by(self, asterisk: str) -> bool:
        """Whether this event is whole and from the Asterisk of this secret name, and no part of it is a stranger's."""
        return self.get("SystemName") == asterisk and self.sound

    @property
    def sound(self) -> bool:
        """Whether no header comes twice, and no channel's id is of the form that an Asterisk without a name gives."""
        return not self._doubled and not any(UNNAMED_ID.fullmatch(self.get(name)) for name in CHANNEL_IDS)


# A list is put by whoever has read a snapshot, so that it keeps its place among the events; None is a lost connection.
Events = queue.Queue[AmiMessage | list[AmiMessage] | None]


@dataclass
class _Asked:
    """An action that waits for its answer."""

    listing: bool
    done: threading.Event = field(default_factory=threading.Event)
    answer: AmiMessage | None = None
    rows: list[AmiMessage] = field(default_factory=list)


class Ami:
    """One account's connection. After `AmiLost`, call `connect` again; it may be called as often as one likes.

    Events go into `events`, and None when the connection is lost; without a queue the account asks for no events. The
    reading thread does nothing else, so no handler can stop it. `asterisk` is the name that only Asterisk and we know: what
    does not carry it is no event of Asterisk's, is `refused` and counted. Without one every event is believed.
    """

    def __init__(
        self,
        address: tuple[str, int],
        user: str,
        password: str,
        events: Events | None = None,
        timeout_s: float = 10.0,
        asterisk: str = "",
    ) -> None:
        self.address, self.user, self.timeout_s, self.asterisk = address, user, timeout_s, asterisk
        self.refused = 0
        self._password, self._events = password, events
        self._numbers = itertools.count(1)
        self._asked: dict[str, _Asked] = {}
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._booted: socket.socket | None = None

    @property
    def connected(self) -> bool:
        """Whether actions can be sent."""
        return self._socket is not None

    @property
    def booted(self) -> bool:
        """Whether Asterisk said on this connection that all of it is loaded. Only an account that reads `system` is told."""
        connection = self._socket
        return connection is not None and self._booted is connection

    def connect(self) -> None:
        """Connect and sign in. Raises `AmiLost` when nobody answers, `AmiRefused` for a wrong password."""
        self.close()
        try:
            connection = socket.create_connection(self.address, timeout=self.timeout_s)
            stream = connection.makefile("rb")
            if not stream.readline(LINE_MAX).startswith(GREETING):
                connection.close()
                raise AmiLost("what listens on the AMI port is not Asterisk")
            connection.settimeout(None)
        except OSError as error:
            raise AmiLost("Asterisk's AMI does not answer") from error
        with self._lock:
            self._socket = connection
        threading.Thread(target=self._read, args=(connection, stream), daemon=True, name="ami").start()
        wanted = "on" if self._events is not None else "off"
        try:
            self.send_action({"Action": "Login", "Username": self.user, "Secret": self._password, "Events": wanted})
        except AmiRefused:
            self.close()
            raise

    def close(self) -> None:
        """End the connection; whoever waits for an answer gets `AmiLost`."""
        with self._lock:
            connection = self._socket
        if connection is not None:
            self._lost(connection)

    def send_action(self, fields: Mapping[str, str]) -> AmiMessage:
        """Do one thing and return its answer. Raises `AmiRefused`, `AmiLost`, and ValueError for a line break."""
        answer = self._ask(fields, listing=False).answer
        assert answer is not None  # noqa: S101  (_ask raises otherwise)
        return answer

    def list_action(self, fields: Mapping[str, str]) -> list[AmiMessage]:
        """Ask for a list and return its rows when it is complete. Raises as `send_action`."""
        return self._ask(fields, listing=True).rows

    def _ask(self, fields: Mapping[str, str], *, listing: bool) -> _Asked:
        # Not to be guessed: a row of a list is believed because it carries this.
        number = f"{secrets.token_hex(8)}-{next(self._numbers)}"
        command = _command({**fields, "ActionID": number})
        asked = _Asked(listing)
        with self._lock:
            connection = self._socket
            if connection is None:
                raise AmiLost("there is no connection to Asterisk")
            self._asked[number] = asked
            with contextlib.suppress(OSError):  # the reader sees the same loss and tells it
                connection.sendall(command)
        if not asked.done.wait(self.timeout_s):
            # An Asterisk that is silent for so long hangs; connecting again finds out.
            self._lost(connection)
        if asked.answer is None:
            raise AmiLost(f"Asterisk did not answer {fields.get('Action')}")
        if asked.answer.get("Response") == "Error":
            raise AmiRefused(f"Asterisk refused {fields.get('Action')}: {asked.answer.get('Message')}")
        return asked

    def _read(self, connection: socket.socket, stream: BinaryIO) -> None:
        try:
            with contextlib.suppress(OSError, ValueError), stream:
                while (lines := _lines(stream)) is not None:
                    if lines:
                        message = AmiMessage(lines)
                        self._deliver(message, connection)
        finally:
            # Whatever ended it: a connection that nobody reads has to be made anew.
            self._lost(connection)

    def _deliver(self, message: AmiMessage, connection: socket.socket) -> None:
        number = message.get("ActionID")
        with self._lock:
            asked = self._asked.get(number)
            if asked is not None:
                if not message.event:
                    asked.answer = message
                elif message.get("EventList") != "Complete":
                    if message.sound or not self.asterisk:
                        asked.rows.append(message)
                    else:
                        self.refused += 1
                refused = message.get("Response") == "Error"
                if not asked.listing or refused or message.get("EventList") == "Complete":
                    del self._asked[number]
                    asked.done.set()
        if asked is None and (message.event or message.get("Response") == UNNAMED):
            self._believe(message, connection)

    def _believe(self, message: AmiMessage, connection: socket.socket) -> None:
        """Hand an event on. What is neither an event nor an answer is what is left of one that was torn apart."""
        # Told to each connection by itself, with nobody's words in it, and without the name.
        booted = message.event == BOOTED and message.sound
        if self.asterisk and not booted and not message.sent_by(self.asterisk):
            self.refused += 1
            return
        if booted:
            self._booted = connection
        if message.event and self._events is not None:
            self._events.put(message)

    def _lost(self, connection: socket.socket) -> None:
        with self._lock:
            if self._socket is not connection:
                return
            self._socket = None
            left, self._asked = self._asked, {}
            for asked in left.values():
                asked.answer = None
                asked.done.set()
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()
        if self._events is not None:
            self._events.put(None)


def _command(fields: Mapping[str, str]) -> bytes:
    for name, value in fields.items():
        if any(c in FORBIDDEN for c in name + value):
            raise ValueError(f"a line break or NUL in {name!r} would become another action")
    return (LINE_END.join(f"{name}: {value}" for name, value in fields.items()) + LINE_END * 2).encode()


def _lines(stream: BinaryIO) -> list[str] | None:
    """The lines of the next message; None at the end of the connection."""
    lines: list[str] = []
    while True:
        raw = stream.readline(LINE_MAX)
        if not raw.endswith(b"\n"):
            return None
        line = raw.decode(errors="replace")
        if not line.strip():
            return lines
        lines.append(line)
