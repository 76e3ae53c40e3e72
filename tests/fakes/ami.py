"""A fake Asterisk that speaks AMI on the wire, so that a test can lose connections and mix up answers."""

import contextlib
import itertools
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType

Fields = dict[str, str]
Row = tuple[str, Mapping[str, str]]  # an event's name and its headers


class Session:
    """One connection, from the side of Asterisk."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection, self.hears_events = connection, False
        self._lock = threading.Lock()

    def send(self, fields: Mapping[str, str], variables: Mapping[str, str] | None = None) -> None:
        """One message. `variables` become ChanVariable headers."""
        lines = [f"{k}: {v}" for k, v in fields.items()]
        lines += [f"ChanVariable: {k}={v}" for k, v in (variables or {}).items()]
        with self._lock, contextlib.suppress(OSError):
            self.connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())

    def raw(self, packet: bytes) -> None:
        """Bytes as they are."""
        with self._lock, contextlib.suppress(OSError):
            self.connection.sendall(packet)

    def list(self, action: Fields, rows: Sequence[tuple[Fields, Fields]]) -> None:
        """A list answer: rows of headers and variables."""
        mark = {"ActionID": action["ActionID"]}
        self.send({"Response": "Success", **mark, "EventList": "start"})
        for headers, variables in rows:
            self.send({**headers, **mark}, variables)
        self.send({"Event": f"{action['Action']}Complete", **mark, "EventList": "Complete"})


Handler = Callable[[Session, Fields], None]


class FakeAmi:
    """Listens on `port`. It keeps members, globals and channels as Asterisk does; `on` replaces what it does for an action.

    `done` is every action it was sent, `members` maps (queue, interface) to [penalty, paused], `channels` are rows of
    CoreShowChannels with their variables, and `devices` the device states of phones. While it is not `booted` it has not
    loaded everything yet. Its events carry its `name`.
    """

    def __init__(
        self, port: int, password: str | None = None, queues: Sequence[str] = ("my", "th", "km", "en"), name: str = ""
    ) -> None:
        self.port, self.password, self.queues, self.name = port, password, list(queues), name
        self.done: list[Fields] = []
        self.members: dict[tuple[str, str], list[str]] = {}
        self.globals: dict[str, str] = {}
        self.channels: list[tuple[Fields, Fields]] = []
        self.devices: dict[str, str] = {}
        self.on: dict[str, Handler] = {}
        self.sessions: list[Session] = []
        self.logins = itertools.count()
        self.booted = True
        self._server = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._accept, daemon=True).start()

    def tell(
        self, event: str, headers: Mapping[str, str] | None = None, variables: Mapping[str, str] | None = None
    ) -> None:
        """An event, to every connection that hears them."""
        for session in list(self.sessions):
            if session.hears_events:
                named = {"SystemName": self.name} if self.name else {}
                session.send({"Event": event, **named, **(headers or {})}, variables)

    def drop(self) -> None:
        """Close every connection, as a crash of Asterisk does; it can be connected to again."""
        sessions, self.sessions = self.sessions, []
        for session in sessions:
            with contextlib.suppress(OSError):
                session.connection.shutdown(socket.SHUT_RDWR)
            session.connection.close()

    def count(self, action: str) -> int:
        """How often it was asked for this action."""
        return sum(fields["Action"] == action for fields in list(self.done))

    def close(self) -> None:
        """Drop everybody and listen no more."""
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self.drop()

    def __enter__(self) -> "FakeAmi":
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                session = Session(connection)
                self.sessions.append(session)
                threading.Thread(target=self._talk, args=(session,), daemon=True).start()

    def _talk(self, session: Session) -> None:
        session.raw(b"Asterisk Call Manager/11.0.0\r\n")
        with contextlib.suppress(OSError, ValueError), session.connection.makefile("r", newline="\r\n") as stream:
            fields: Fields = {}
            for line in stream:
                name, _, value = line.rstrip("\r\n").partition(": ")
                if name:
                    fields[name] = value
                    continue
                self.done.append(fields)
                handler = self.on.get(fields["Action"], getattr(self, f"_{fields['Action'].lower()}", self._success))
                handler(session, fields)
                fields = {}

    def _success(self, session: Session, action: Fields, **more: str) -> None:
        session.send({"Response": "Success", "ActionID": action["ActionID"], **more})

    def refuse(self, session: Session, action: Fields) -> None:
        """Answer that it will not."""
        session.send({"Response": "Error", "ActionID": action["ActionID"], "Message": "Permission denied"})

    def _login(self, session: Session, action: Fields) -> None:
        if self.password is not None and action["Secret"] != self.password:
            self.refuse(session, action)
            return
        next(self.logins)
        session.hears_events = action["Events"] == "on"
        self._success(session, action)
        if self.booted and session.hears_events:
            session.send({"Event": "FullyBooted"})

    def _queuestatus(self, session: Session, action: Fields) -> None:
        rows: list[tuple[Fields, Fields]] = [({"Event": "QueueParams", "Queue": queue}, {}) for queue in self.queues]
        for (queue, interface), (penalty, paused) in list(self.members.items()):
            row = {"Event": "QueueMember", "Queue": queue, "Location": interface, "Penalty": penalty, "Paused": paused}
            rows.append((row, {}))
        session.list(action, rows)

    def _coreshowchannels(self, session: Session, action: Fields) -> None:
        session.list(action, [({"Event": "CoreShowChannel", **row}, variables) for row, variables in self.channels])

    def _getvar(self, session: Session, action: Fields) -> None:
        device = action["Variable"].removeprefix("DEVICE_STATE(").removesuffix(")")
        self._success(session, action, Value=self.devices.get(device, "INVALID"))

    def _setvar(self, session: Session, action: Fields) -> None:
        self.globals[action["Variable"]] = action.get("Value", "")
        self._success(session, action)

    def _queueadd(self, session: Session, action: Fields) -> None:
        paused = "1" if action["Paused"] == "true" else "0"
        self.members[action["Queue"], action["Interface"]] = [action["Penalty"], paused]
        self._success(session, action)

    def _queuepause(self, session: Session, action: Fields) -> None:
        self.members[action["Queue"], action["Interface"]][1] = "1" if action["Paused"] == "true" else "0"
        self._success(session, action)

    def _queuepenalty(self, session: Session, action: Fields) -> None:
        self.members[action["Queue"], action["Interface"]][0] = action["Penalty"]
        self._success(session, action)

    def _queueremove(self, session: Session, action: Fields) -> None:
        del self.members[action["Queue"], action["Interface"]]
        self._success(session, action)
