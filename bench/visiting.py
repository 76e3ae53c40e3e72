"""Visitors of the console: real HTTP over real sockets, with as little work of their own as can be."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

WITHIN_S = 60.0


class Refused(RuntimeError):
    """A page was not answered with 200."""


class Visitor:
    """One kept connection to one server, with a sign-in's cookie."""

    def __init__(self, port: int, cookie: str) -> None:
        self.port, self.cookie = port, cookie
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def get(self, path: str) -> tuple[float, bytes]:
        """How long the page took, in seconds, to its last byte, and the page. Raises `Refused`."""
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self.port)
        assert self._reader is not None
        began = time.perf_counter()
        self._writer.write(request(path, self.cookie))
        async with asyncio.timeout(WITHIN_S):
            head = await self._reader.readuntil(b"\r\n\r\n")
            fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
            body = await self._reader.readexactly(int(fields[b"content-length"]))
        took = time.perf_counter() - began
        if not head.startswith(b"HTTP/1.1 200"):
            raise Refused(f"{path}: {head.splitlines()[0].decode()}")
        return took, body

    async def close(self) -> None:
        """Hang up."""
        if self._writer is not None:
            self._writer.close()
            self._reader = self._writer = None


def request(path: str, cookie: str) -> bytes:
    """A request as a browser sends it, as far as the console reads it."""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: freeline_session={cookie}\r\n\r\n".encode()


@dataclass
class Times:
    """How long pages took, round by round, in seconds; and how many a second were made when several asked at once."""

    rounds: list[list[float]] = field(default_factory=list)
    per_s: list[float] = field(default_factory=list)

    @property
    def all(self) -> list[float]:
        """All of them, sorted."""
        return sorted(t for times in self.rounds for t in times)


def point(times: Sequence[float], share: float) -> float:
    """A percentile of sorted times: the least that at least this share of them does not exceed."""
    return times[min(len(times) - 1, max(0, -(-int(share * len(times) * 1000) // 1000) - 1))]


async def one_after_another(visitor: Visitor, paths: Sequence[str], longest_s: float) -> list[float]:
    """Fetch these pages one by one, for at most so long; how long each took."""
    times, end = [], time.perf_counter() + longest_s
    for path in paths:
        took, _page = await visitor.get(path)
        times.append(took)
        if time.perf_counter() > end:
            break
    return times


async def at_once(visitors: Sequence[Visitor], path_of: Callable[[int], str], for_s: float) -> float:
    """All of these visitors fetch pages without a pause for so long; pages a second."""
    end, began, pages = time.perf_counter() + for_s, time.perf_counter(), 0

    async def one(first: int, visitor: Visitor) -> None:
        nonlocal pages
        number = first
        while time.perf_counter() < end:
            await visitor.get(path_of(number))
            number += len(visitors)
            pages += 1

    jobs: list[Awaitable[None]] = [one(n, visitor) for n, visitor in enumerate(visitors)]
    await asyncio.gather(*jobs)
    return pages / (time.perf_counter() - began)
