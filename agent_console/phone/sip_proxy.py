"""SIP over WebSocket, from a page to Asterisk: a page reaches Asterisk only as somebody who is signed in here.

Here it is decided who may. The connection itself is then handed to a process of its own (sip_process.py), so that nothing
which holds up the console holds up an agent's phone. Frames are passed on as they are; none is read, kept or logged.
"""

import asyncio
import contextlib
import json
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

from aiohttp import web

from agent_console.asterisk_limit import PHONES, turn
from agent_console.console import CONSOLE, Console
from agent_console.phone.registry import AGAIN, CLOSE_S, SIGNED_OUT, TAKEN, Line
from agent_console.phone.sip_process import MESSAGE_MAX, PROTOCOL
from hotline.log import log
from hotline.nudges import AGENTS_CHANGED
from hotline.permissions import Permission
from hotline.settings import ROOT, Settings
from hotline.staff import states as agents
from models import AgentState
from models.db.types import now
from telephony.operator.operator import LineFailed
from web.routes import Routes, SignedIn

routes = Routes()
COMES_BACK_S = 5.0
READY_S = 10.0
# How often the other process is asked whether it still turns, and how long it may take to say so.
ASK_S, HUNG_S = 5.0, 10.0
# What the other process needs of a request; a cookie is not among it.
HEAD = ("Host", "Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version", "Sec-WebSocket-Protocol")


class Carrier:
    """The other process, as the console sees it. It is begun with the first phone; one that died is begun anew."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._ready, self._turns = asyncio.Event(), asyncio.Event()
        self._lines: dict[int, Line] = {}
        self._last = 0
        self._lock = asyncio.Lock()

    @property
    def pid(self) -> int:
        """The process's id; 0 while there is none."""
        return self._process.pid if self._process is not None else 0

    async def begin(self) -> None:
        """Have it running. Raises OSError or TimeoutError when that cannot be."""
        async with self._lock:
            if self._socket is None:
                self._begin()
            async with asyncio.timeout(READY_S):
                await self._ready.wait()

    def _begin(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        host, port = self._settings.asterisk_http_host, str(self._settings.asterisk_http_port)
        with theirs:
            command = [sys.executable, "-m", "agent_console.phone.sip_process", str(theirs.fileno()), host, port]
            # Ctrl-C in a terminal goes to all: this one ends when the console lets it, with its phones told.
            self._process = subprocess.Popen(
                command, cwd=ROOT, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, process_group=0
            )
        ours.setblocking(False)
        self._socket = ours
        asyncio.get_running_loop().add_reader(ours, self._hear)

    async def watch(self) -> None:
        """Kill it when it hangs, for ever: else no phone is heard, and nobody rung, until the console is begun anew."""
        while True:
            await asyncio.sleep(ASK_S)
            process = self._process
            if process is None or self._socket is None or not self._ready.is_set():
                continue
            self._turns.clear()
            with contextlib.suppress(OSError):
                self._socket.send(json.dumps({"ask": True}).encode())
            try:
                async with asyncio.timeout(HUNG_S):
                    await self._turns.wait()
            except TimeoutError:
                # It may have been we who stood still, and its answer was there all the time.
                if self._process is process and not self._turns.is_set():
                    log().warning("the process of the pages' phones hangs and is killed")
                    process.kill()

    def hand_over(self, request: web.Request, line: Line) -> None:
        """Give the browser's connection away. Raises OSError, and the connection is ours still."""
        if self._socket is None or request.transport is None:
            raise OSError("nobody to hand it to")
        self._last += 1
        lines = [f"{request.method} /phone/sip HTTP/1.1"]
        lines += [f"{name}: {value}" for name in HEAD for value in request.headers.getall(name, [])]
        word = json.dumps({"open": self._last, "head": "\r\n".join([*lines, "", ""])}).encode()
        browser = request.transport.get_extra_info("socket")
        socket.send_fds(self._socket, [word], [browser.fileno()])
        self._lines[self._last] = line
        # Of the connection only our own descriptor is closed: the other process has its own.
        request.transport.abort()

    def end(self, line: Line) -> None:
        """Have a line closed with its code."""
        number = next((number for number, open_line in self._lines.items() if open_line is line), None)
        if number is not None and self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.send(json.dumps({"end": number, "code": line.code}).encode())

    def _hear(self) -> None:
        try:
            message = self._socket.recv(MESSAGE_MAX) if self._socket is not None else b""
        except BlockingIOError:
            return
        except OSError:
            message = b""
        if not message:
            log().warning("the process of the pages' phones ended, and is begun anew")
            self._close()
            return
        word = json.loads(message)
        if "ready" in word:
            self._ready.set()
        elif "turns" in word:
            self._turns.set()
        elif (line := self._lines.pop(word["closed"], None)) is not None:
            line.left = word["left"]
            line.closed.set()

    def _close(self) -> None:
        """Forget the process. The pages see their connections broken, and come back."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._socket, self._process = None, None
        self._ready.clear()
        for line in self._lines.values():
            line.closed.set()
        self._lines.clear()

    async def stop(self) -> None:
        """Let every line be closed with its code, and end the process."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S + 1):
                await asyncio.gather(*(line.closed.wait() for line in list(self._lines.values())))
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
        self._close()


CARRIER = web.AppKey("carrier", Carrier)


async def reach(app: web.Application) -> AsyncIterator[None]:
    """The way to Asterisk, as long as the console runs."""
    app[CARRIER] = Carrier(app[CONSOLE].settings)
    watching = asyncio.create_task(app[CARRIER].watch())
    yield
    watching.cancel()
    await app[CARRIER].stop()


async def let_go(app: web.Application) -> None:
    """End every connection, so that the server can stop; the pages come back to the next one."""
    for line in app[CONSOLE].phones.lines():
        line.end(AGAIN)


class _HandedOver(web.StreamResponse):
    """Nothing is answered here: another process does."""

    async def prepare(self, _request: web.BaseRequest) -> None:
        return None

    async def write_eof(self, _data: bytes = b"") -> None:
        return None


@routes.stream("/phone/sip", Permission.USE_PHONE)
async def sip(request: web.Request, signed: SignedIn) -> web.StreamResponse:
    """A page's phone. `page` is what /phone/credentials gave it."""
    console, carrier = request.app[CONSOLE], request.app[CARRIER]
    if not from_us(request, console.settings):
        raise web.HTTPForbidden
    refused = web.WebSocketResponse(protocols=(PROTOCOL,), timeout=CLOSE_S, compress=False)
    if not refused.can_prepare(request) or PROTOCOL not in _asked(request):
        raise web.HTTPBadRequest
    line = Line(signed.agent_id, request.query.get("page", ""), signed.token_sha256)
    code = AGAIN
    if not await console.in_thread(lambda: _has_it(console, line)):
        code = TAKEN
    else:
        try:
            await carrier.begin()
            carrier.hand_over(request, line)
        except (OSError, TimeoutError) as error:
            log().warning("a page's phone cannot be handed on", error=error)
        else:
            console.phones.opened(line)
            console.phones.keep(asyncio.get_running_loop().create_task(_follow(console, carrier, line)))
            answer = _HandedOver()
            answer.force_close()
            return answer
    await refused.prepare(request)
    await refused.close(code=code)
    return refused


async def _follow(console: Console, carrier: Carrier, line: Line) -> None:
    """As long as the line is open, and a little longer."""
    over = asyncio.ensure_future(line.over.wait())
    closed = asyncio.ensure_future(line.closed.wait())
    await asyncio.wait([over, closed], return_when=asyncio.FIRST_COMPLETED)
    over.cancel()
    if not line.closed.is_set():
        carrier.end(line)
    await closed
    if line.left and not line.over.is_set():
        await console.in_thread(lambda: _end_legs(console, line.agent_id))
    console.phones.closed(line)
    # A page that is loaded again takes the phone a moment later: until then its callers are not sent away.
    await _leave_soon(console, line)


def from_us(request: web.Request, settings: Settings) -> bool:
    """Whether a page of this console asks. Browsers let any site open a WebSocket, and send our cookie with it."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
        return False
    origin = urlsplit(request.headers.get("Origin", ""))
    hosts = [request.headers.get("Host", "")]
    if settings.behind_proxy:
        hosts += request.headers.getall("X-Forwarded-Host", [])[-1:]
    schemes = {"https"} if settings.secure_cookies else {"http", "https"}
    return bool(origin.netloc) and origin.scheme in schemes and origin.netloc.lower() in {h.lower() for h in hosts}


def _asked(request: web.Request) -> list[str]:
    listed = ",".join(request.headers.getall("Sec-WebSocket-Protocol", []))
    return [part.strip() for part in listed.split(",")]


def _end_legs(console: Console, agent_id: int) -> None:
    """The page took its calls with it: without this each would wait for five seconds of silence to be noticed."""
    try:
        with turn(PHONES):
            console.operator.page_gone(agent_id)
    except LineFailed as error:
        log().warning("the calls of a page that is gone could not be ended; Asterisk notices", error=error)


def _has_it(console: Console, line: Line) -> bool:
    with console.database.read() as session:
        state = session.get(AgentState, line.agent_id)
        return state is not None and bool(line.page) and state.page == line.page


async def _leave_soon(console: Console, line: Line) -> None:
    if line.code != SIGNED_OUT:
        await asyncio.sleep(COMES_BACK_S)
    left = await console.in_thread(lambda: _left(console, line))
    # Not before: until now its silence counts from when it was heard last.
    console.phones.forget(line.page)
    if left:
        # A tab that was closed or has crashed is as silent as a frozen one.
        await asyncio.sleep(console.settings.page_silent_s)
        await console.in_thread(lambda: _gone(console, line))


def _left(console: Console, line: Line) -> bool:
    with console.database.write() as session:
        changed = agents.page_left(session, line.agent_id, line.page)
    if changed:
        console.nudges.tell(AGENTS_CHANGED)
    return changed


def _gone(console: Console, line: Line) -> None:
    with console.database.write() as session:
        changed = agents.page_gone(session, line.agent_id, now())
    if changed:
        console.nudges.tell(AGENTS_CHANGED)
