"""One conversation with Asterisk by AGI: pyst2's protocol, with its defects on a public line fixed.

Every failure has a type. `CallerGone`: this channel is no longer ours (hung up, or Asterisk closed the connection).
`AgiFailed`: a command failed while the caller is still there. `AgiRefused`: Asterisk does not know the command, or
its reply is not AGI. `AgiSilent`: Asterisk sent nothing for too long.
"""

import contextlib
import re
import socket
import time
from pathlib import Path
from typing import Any

from asterisk.agi import AGI, AGIAppError, AGIError, AGIHangup

BYTES_PER_S = 16000  # headerless 8 kHz 16-bit sound
ENVIRONMENT_LINES = 100
ENVIRONMENT_BYTES = 16 * 1024
ENVIRONMENT_S = 5.0
REPLY_LINES = 100
REPLY_BYTES = 64 * 1024
REPLY_S = 10.0
COMMAND_BYTES = 2000  # Asterisk's buffer for a command is 2048
FORBIDDEN = re.compile(r"[\r\n\0]")
RESULT = re.compile(r"200 result=(?P<value>\S*)(?: \((?P<data>.*)\))?", re.DOTALL)
OPEN_VALUE = re.compile(r"200 result=\S* \([^)]*$")
ON_THE_LINE = {"4", "5", "6"}  # CHANNEL STATUS: ringing, remote ringing, up


class CallerGone(AGIHangup):  # type: ignore[misc]  # pyst2 carries no types
    """The caller hung up, or Asterisk took the call back. No more commands are possible."""


class AgiFailed(AGIAppError):  # type: ignore[misc]
    """Asterisk could not run the command, for instance play a missing file; the caller is still on the line."""


class AgiRefused(AGIError):  # type: ignore[misc]
    """Asterisk refused the command, our command would be unsafe, or the other side does not speak AGI."""


class AgiSilent(AGIError):  # type: ignore[misc]
    """The other side did not answer in time."""


class Session(AGI):  # type: ignore[misc]
    """AGI over one TCP connection. `env` holds Asterisk's opening lines; the first value of a name counts."""

    def __init__(self, connection: socket.socket, *, reply_s: float = REPLY_S, environment_s: float = ENVIRONMENT_S):
        # pyst2's own __init__ is not called: it installs a signal handler and prints the caller to stderr.
        self._connection = connection
        self._reply_s = reply_s
        self._unread = b""
        self._gone = False
        self._got_sighup = False
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.env: dict[str, str] = {}
        self._read_environment(time.monotonic() + environment_s)

    @property
    def script(self) -> str:
        """The script that the dialplan asked for."""
        return self.env.get("agi_network_script", "").strip("/")

    def close(self) -> None:
        """End the conversation: Asterisk's dialplan goes on."""
        self._gone = True
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()

    # Commands

    def get_variable(self, name: str) -> str:
        """A channel variable, dialplan function or global; empty when it is not set."""
        value, data = self.execute("GET VARIABLE", self._quote(name))["result"]
        return data if value == "1" else ""

    def set_variable(self, name: str, value: str) -> None:
        """Set a channel variable or dialplan function."""
        self.execute("SET VARIABLE", self._quote(name), self._quote(value))

    def answer(self) -> None:
        """Answer the call; idempotent."""
        self.execute("ANSWER")

    def stream_file(self, filename: Path, escape_digits: str = "") -> str | None:
        """Play a sound (a path without extension); return the digit of `escape_digits` that cut it short, or None."""
        reply = self.execute(
            "STREAM FILE",
            self._quote(filename),
            self._quote(escape_digits),
            within_s=_length_s(filename) + self._reply_s,
        )
        return _digit(reply["result"][0])

    def wait_for_digit(self, timeout: int) -> str | None:
        """Wait for a key, for so many milliseconds; return None when none came."""
        reply = self.execute("WAIT FOR DIGIT", timeout, within_s=timeout / 1000 + self._reply_s)
        return _digit(reply["result"][0])

    def get_data(self, filename: Path, timeout: int = 2000, max_digits: int = 1) -> str:
        """Play a sound and collect digits, `timeout` milliseconds between them; return those pressed, perhaps none."""
        most_s = _length_s(filename) + (max_digits + 1) * timeout / 1000
        reply = self.execute("GET DATA", self._quote(filename), timeout, max_digits, within_s=most_s + self._reply_s)
        return str(reply["result"][0])

    def exec_(self, application: str, *options: object, within_s: float = REPLY_S) -> str:
        """Run a dialplan application for at most so many seconds; return its result. Raises `AgiRefused` when unknown."""
        arguments = ",".join(map(str, options))
        result = str(self.execute("EXEC", application, self._quote(arguments), within_s=within_s)["result"][0])
        if result == "-2":
            raise AgiRefused(f"Asterisk has no application {application}")
        return result

    def channel_status(self, channel: str = "") -> int:
        """The state of this channel as a number; see Asterisk's CHANNEL STATUS."""
        arguments = (self._quote(channel),) if channel else ()
        return int(self._ask("CHANNEL STATUS", *arguments, within_s=self._reply_s)["result"][0])

    # The protocol

    def execute(self, command: str, *args: object, within_s: float | None = None) -> dict[str, tuple[str, str]]:
        """Send a command and read its reply, in pyst2's shape: {"result": (value, text in brackets)}."""
        reply = self._ask(command, *args, within_s=self._reply_s if within_s is None else within_s)
        if reply["result"][0] == "-1":
            # Asterisk answers -1 for a hang-up and for a missing file alike: find out which.
            if str(self._ask("CHANNEL STATUS", within_s=self._reply_s)["result"][0]) not in ON_THE_LINE:
                self._gone = True
                raise CallerGone("the caller hung up")
            raise AgiFailed(f"{command} did not work")
        return reply

    def test_hangup(self) -> None:
        """Raise `CallerGone` when the channel is known to be gone."""
        if self._gone:
            raise CallerGone("the caller hung up")

    def send_command(self, command: str, *args: object) -> None:
        """Send one line. Raises `AgiRefused` for anything that would not be exactly one command."""
        line = " ".join([command.strip(), *map(str, args)])
        coded = line.encode("utf-8", errors="replace") + b"\n"
        if FORBIDDEN.search(line):
            raise AgiRefused("a command holds a line break")
        if len(coded) > COMMAND_BYTES:
            raise AgiRefused("a command is too long for Asterisk")
        try:
            self._connection.settimeout(self._reply_s)
            self._connection.sendall(coded)
        except TimeoutError as error:
            raise AgiSilent("Asterisk reads nothing") from error
        except OSError as error:
            self._gone = True
            raise CallerGone("the connection ended") from error

    def get_result(self, within_s: float | None = None) -> dict[str, tuple[str, str]]:
        """Read one reply of any form."""
        end = time.monotonic() + (self._reply_s if within_s is None else within_s)
        line = self._line(end)
        while line.startswith("100"):
            line = self._line(end)
        code = line[:3]
        if line.startswith("HANGUP") or code == "511":
            # Replies after a HANGUP line are out of step with our commands.
            self._gone = True
            raise CallerGone("the caller hung up")
        if line.startswith("200-"):
            self._skip_to("200 ", end)
            return {"result": ("0", "")}
        if code == "200":
            return self._result(line, end)
        if line.startswith("520-"):
            self._skip_to("520 ", end)
        raise AgiRefused(f"Asterisk answered {code}" if code.isdigit() else "the other side speaks no AGI")

    def _quote(self, string: object) -> str:
        text = str(string)
        if FORBIDDEN.search(text):
            raise AgiRefused("a value holds a line break")
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    def _process_digit_list(self, digits: Any) -> str:
        return self._quote("".join(map(str, digits)))

    def _ask(self, command: str, *args: object, within_s: float) -> dict[str, tuple[str, str]]:
        self.test_hangup()
        self.send_command(command, *args)
        return self.get_result(within_s)

    def _result(self, line: str, end: float) -> dict[str, tuple[str, str]]:
        """A 200 line; a variable's value may hold line breaks of its own."""
        for _ in range(REPLY_LINES):
            if not OPEN_VALUE.match(line):
                break
            line += "\n" + self._line(end)
        found = RESULT.match(line)
        if found is None:
            raise AgiRefused("the other side speaks no AGI")
        return {"result": (found["value"], found["data"] or "")}

    def _skip_to(self, last: str, end: float) -> None:
        for _ in range(REPLY_LINES):
            if self._line(end).startswith(last):
                return
        raise AgiRefused("a reply has no end")

    def _read_environment(self, end: float) -> None:
        size = 0
        for _ in range(ENVIRONMENT_LINES):
            line = self._line(end)
            size += len(line)
            if size > ENVIRONMENT_BYTES:
                break
            if not line:
                return
            name, _, value = line.partition(":")
            # A caller's name comes after Asterisk's own values, and cannot replace them.
            self.env.setdefault(name.strip(), value.strip())
        raise AgiRefused("the environment is too large")

    def _line(self, end: float) -> str:
        """The next line without its end; bad UTF-8 becomes a question mark in a diamond."""
        while b"\n" not in self._unread:
            if len(self._unread) > REPLY_BYTES:
                raise AgiRefused("a line has no end")
            left_s = end - time.monotonic()
            if left_s <= 0:
                raise AgiSilent("Asterisk says nothing")
            try:
                self._connection.settimeout(left_s)
                came = self._connection.recv(4096)
            except TimeoutError as error:
                raise AgiSilent("Asterisk says nothing") from error
            except OSError as error:
                self._gone = True
                raise CallerGone("the connection ended") from error
            if not came:
                self._gone = True
                raise CallerGone("the connection ended")
            self._unread += came
        line, _, self._unread = self._unread.partition(b"\n")
        return line.rstrip(b"\r").decode("utf-8", errors="replace")


def _digit(result: str) -> str | None:
    """A reply's ASCII code as the digit, None for 0."""
    if result == "0":
        return None
    if result.isdigit() and chr(int(result)) in "0123456789*#ABCD":
        return chr(int(result))
    raise AgiRefused("Asterisk answered with no digit")


def _length_s(filename: Path) -> float:
    """How long a sound of ours plays, in seconds; 0 when it is not there, which Asterisk finds at once."""
    try:
        return filename.with_name(filename.name + ".sln").stat().st_size / BYTES_PER_S
    except OSError:
        return 0.0
