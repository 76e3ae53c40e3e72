"""A fake Asterisk that speaks AGI over TCP: one channel, its variables, the keys its caller presses, and how it ends."""

import socket
import struct
import uuid
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from hotline.settings import Settings
from telephony import names
from telephony.asterisk.secrets import make_secrets
from tests.support.wait import PATIENCE_S

ENVIRONMENT = """agi_network: yes
agi_network_script: {script}
agi_request: agi://{host}:{port}/{script}
agi_channel: PJSIP/trunk-00000001
agi_language: en
agi_type: PJSIP
agi_uniqueid: {linkedid}
agi_version: 22.10.1
agi_callerid: {number}
agi_calleridname: {name}
agi_callingpres: 0
agi_dnid: 1800123456
agi_rdnis: unknown
agi_context: freeline
agi_extension: call
agi_priority: 3
agi_enhanced: 0.0
agi_accountcode:
agi_threadid: 140000000000

"""
DEAD = b"511 Command Not Permitted on a dead channel or intercept routine\n"


class Leaving(StrEnum):
    """How the caller's end of a call looks on the wire."""

    EOF = "eof"
    RESET = "reset"
    HANGUP = "hangup"  # a HANGUP line, then 511 for every command
    MINUS_ONE = "minus_one"  # the command says -1, then the line is closed
    DEAD = "dead"  # 511 at once


class CallerLeft(Exception):
    """The caller hung up here, as the test wanted."""


@dataclass
class FakeCall:
    """One caller. `keys` are pressed while a sound plays (by language/prompt, or "wait"), one each time it plays."""

    settings: Settings
    number: str = "+66812345678"
    name: str = "caller"
    keys: dict[str, list[str]] = field(default_factory=dict)
    leaves_after: int | None = None
    leaves_how: Leaving = Leaving.EOF
    record: bytes = b"\1\0" * 8000
    record_status: str = "DTMF"  # what the last Record says, when all of `record` was said
    sends: bool = True  # whether packets come when nothing is said any more
    variables: dict[str, str] = field(default_factory=dict)
    token: str | None = None

    def __post_init__(self) -> None:
        self.call = str(uuid.uuid4())
        self.linkedid = f"1790000000.{uuid.uuid4().int % 10**9}"
        self.commands: list[list[str]] = []
        self.played: list[str] = []
        self.recorded: Path | None = None
        self._packets = 0
        self._left = self.record
        self.applications: list[list[str]] = []
        token = make_secrets(self.settings).agi_token if self.token is None else self.token
        self.variables = {
            names.TOKEN: token,
            names.CALL: self.call,
            names.LINE: "1800123456",
            names.NUMBER: self.number,
            "CHANNEL(linkedid)": self.linkedid,
            **self.variables,
        }

    def run(self, script: str) -> bool:
        """Run a script as the dialplan would; whether it set FREELINE_DONE to its name."""
        with socket.create_connection((self.settings.agi_host, self.settings.agi_port), timeout=PATIENCE_S) as line:
            return self.speak(line, script)

    def speak(self, line: socket.socket, script: str) -> bool:
        """The same on a connection that is there already."""
        self.variables.pop(names.DONE, None)
        try:
            self._send(line, self.environment(script))
            with line.makefile("rb") as commands:
                for command in commands:
                    self._answer(line, command)
        except (CallerLeft, ConnectionError):
            pass
        return self.variables.get(names.DONE) == script

    def environment(self, script: str) -> bytes:
        """What Asterisk says first."""
        return ENVIRONMENT.format(
            script=script,
            host=self.settings.agi_host,
            port=self.settings.agi_port,
            linkedid=self.linkedid,
            number=self.number or "unknown",
            name=self.name,
        ).encode()

    def _answer(self, line: socket.socket, command: bytes) -> None:
        words = split(command.decode().rstrip("\n"))
        if self.leaves_after is not None and len(self.commands) >= self.leaves_after:
            self._leave(line)
        self.commands.append(words)
        self._send(line, self._reply(words).encode() + b"\n")

    def _reply(self, words: list[str]) -> str:
        match words:
            case ["GET", "VARIABLE", "CHANNEL(rtcp,rxcount)"]:
                return f"200 result=1 ({self._packets})"
            case ["GET", "VARIABLE", name]:
                value = self.variables.get(name)
                return "200 result=0" if value is None else f"200 result=1 ({value})"
            case ["SET", "VARIABLE", name, value]:
                self.variables[name] = value
                return "200 result=1"
            case ["STREAM", "FILE", path, escape]:
                return self._play(Path(path), escape)
            case ["WAIT", "FOR", "DIGIT", _]:
                return f"200 result={self._pressed('wait', '0123456789*#')}"
            case ["ANSWER"]:
                return "200 result=0"
            case ["CHANNEL", "STATUS"]:
                return "200 result=6"
            case ["EXEC", "TryExec", record]:
                return self._record(record.removeprefix("Record(").removesuffix(")").split(","))
        return "510 Invalid or unknown command"

    def _play(self, path: Path, escape: str) -> str:
        if not path.with_name(path.name + ".sln").is_file():
            return "200 result=-1 endpos=0"
        name = str(path.relative_to(self.settings.sounds))
        self.played.append(name)
        return f"200 result={self._pressed(name, escape)} endpos=800"

    def _pressed(self, where: str, escape: str) -> int:
        waiting = self.keys.get(where, [])
        if not waiting:
            return 0
        key = waiting.pop(0)
        return ord(key) if key and key in escape else 0

    def _record(self, options: list[str]) -> str:
        self.applications.append(["Record", *options])
        self.recorded = Path(options[0])
        self.recorded.parent.mkdir(parents=True, exist_ok=True)
        size = int(options[2]) * 16000
        with self.recorded.open("ab") as file:
            if self.record_status == "ERROR":  # Asterisk could write nothing: the file is there, and empty
                self.variables[names.RECORD_STATUS] = "ERROR"
                return "200 result=0"
            file.write(self._left[:size])
        self._packets += int(options[2]) * 50 if self.sends else len(self._left[:size]) // 320
        self.variables[names.RECORD_STATUS] = "TIMEOUT" if len(self._left) >= size else self.record_status
        self._left = self._left[size:]
        return "200 result=0"

    def _leave(self, line: socket.socket) -> None:
        if self.leaves_how is Leaving.RESET:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif self.leaves_how is Leaving.HANGUP:
            self._send(line, b"HANGUP\n" + DEAD)
            self._drain(line)
        elif self.leaves_how is Leaving.DEAD:
            self._send(line, DEAD)
            self._drain(line)
        elif self.leaves_how is Leaving.MINUS_ONE:
            self._send(line, b"200 result=-1\nHANGUP\n")
        raise CallerLeft

    def _drain(self, line: socket.socket) -> None:
        """Answer whatever still comes, as a dead channel does."""
        while line.recv(4096):
            self._send(line, DEAD)

    def _send(self, line: socket.socket, data: bytes) -> None:
        line.sendall(data)


def split(command: str) -> list[str]:
    """A command's words as Asterisk's parse_args reads them: quotes, backslashes and spaces."""
    words: list[str] = []
    word, quoted, inside, escaped = "", False, False, False
    for char in command:
        if escaped:
            word, escaped = word + char, False
        elif char == "\\":
            escaped = inside = True
        elif char == '"':
            quoted, inside = not quoted, True
        elif char in " \t" and not quoted:
            if inside:
                words.append(word)
            word, inside = "", False
        else:
            word, inside = word + char, True
    return [*words, word] if inside else words
