"""The pages that have a phone: their connections to Asterisk, and when each page was last heard. In memory only."""

import asyncio
import time
from dataclasses import dataclass, field

# Why a connection is closed, as the page reads it. 1012 is the protocol's own word for 'come back in a moment'.
AGAIN = 1012
TAKEN = 4001
SIGNED_OUT = 4002
CLOSE_S = 2.0


def clock() -> float:
    """Seconds that never go back, and that count while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(eq=False)
class Line:
    """The connection of one page: whose it is, and the sign-in that it ends with.

    `over` is set when it is to be closed, `closed` when it is. `left` tells that the page said that it is left or
    loaded again; of a network or a front that is lost it says nothing, and the voices may well go on.
    """

    agent_id: int
    page: str
    token_sha256: str
    code: int = AGAIN
    left: bool = False
    since: float = field(default_factory=clock)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    def end(self, code: int) -> None:
        """Ask the task that serves this connection to close it with a code that the page understands. Idempotent."""
        if not self.over.is_set():
            self.code = code
            self.over.set()


@dataclass
class Phones:
    """One line an agent, the newest. `heard` is called from any thread, the rest on the event loop."""

    turning_since: float = field(default_factory=clock)
    _lines: dict[int, Line] = field(default_factory=dict)
    _heard: dict[str, float] = field(default_factory=dict)
    _later: set[asyncio.Task[None]] = field(default_factory=set)
    _loop: asyncio.AbstractEventLoop | None = None

    def opened(self, line: Line) -> None:
        """This page has the agent's phone; a page that had it before is told so."""
        self._loop = asyncio.get_running_loop()
        before = self._lines.get(line.agent_id)
        self._lines[line.agent_id] = line
        if before is not None:
            before.end(TAKEN)

    def closed(self, line: Line) -> None:
        """The page's connection ended."""
        if self._lines.get(line.agent_id) is line:
            del self._lines[line.agent_id]

    def lines(self) -> list[Line]:
        """The connections that are open now."""
        return list(self._lines.values())

    def end_of(self, agent_id: int, code: int) -> None:
        """End an agent's line, from any thread."""

        def end() -> None:
            if agent_id in self._lines:
                self._lines[agent_id].end(code)

        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(end)

    def heard(self, page: str) -> None:
        """The page has said that it is there."""
        self._heard[page] = clock()

    def forget(self, page: str) -> None:
        """The page has the phone no more."""
        self._heard.pop(page, None)

    def silent_s(self, page: str) -> float:
        """For how many seconds nothing was heard of a page, while we listened."""
        return clock() - max(self._heard.get(page, 0.0), self.turning_since)

    def keep(self, task: asyncio.Task[None]) -> None:
        """Hold on to something that is done a little later; it is dropped when the console stops."""
        self._later.add(task)
        task.add_done_callback(self._later.discard)
