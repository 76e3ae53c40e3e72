"""A FastAGI server whose scripts a test writes itself, to fail where it wants: it closes, says nothing, or dies half-way."""

import contextlib
import socket
import threading
from collections.abc import Callable, Mapping
from types import TracebackType

Script = Callable[["Line"], None]


class Line:
    """One AGI conversation. `env` is what Asterisk said first."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._file = connection.makefile("rb")
        self.env: dict[str, str] = {}
        while line := self._file.readline().decode(errors="replace").strip():
            name, _, value = line.partition(":")
            self.env[name.strip()] = value.strip()

    @property
    def script(self) -> str:
        """What the dialplan asked for."""
        return self.env.get("agi_network_script", "")

    def ask(self, command: str) -> str:
        """Send one command; the reply line, empty when the connection ended."""
        self.connection.sendall(f"{command}\n".encode())
        return self._file.readline().decode(errors="replace").strip()

    def variable(self, name: str) -> str:
        """A channel variable, or a global."""
        return self.ask(f"GET VARIABLE {name}").partition("(")[2].rstrip(")")

    def put(self, name: str, value: str) -> None:
        """Set a channel variable."""
        self.ask(f'SET VARIABLE {name} "{value}"')

    def done(self) -> None:
        """Say, as a script's last act, that it went well."""
        self.put("FREELINE_DONE", self.script)


class FakeIvr:
    """Runs a test's scripts by name; one that is missing closes the line at once. `asked` is what was asked for."""

    def __init__(self, port: int, scripts: Mapping[str, Script]) -> None:
        self.scripts, self.asked = scripts, list[str]()
        self._open: list[socket.socket] = []
        self._server = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            self._open.append(connection)
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError):
            line = Line(connection)
            self.asked.append(line.script)
            script = self.scripts.get(line.script)
            if script is not None:
                script(line)
        self._end(connection)

    def _end(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()

    def die(self) -> None:
        """Close every conversation and stop listening, as a killed process does."""
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for connection in self._open:
            self._end(connection)

    def __enter__(self) -> "FakeIvr":
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.die()
