"""Many pages that listen to the live feed, as a process of its own: sockets and the clock, nothing else.

    python -m bench.listeners PORT COUNT FILE < COOKIES

says `listening` when each of them has heard the feed's first word. At each line on its input it writes to FILE what was
heard since, a line each: the name of a nudge, a space, and when it came in seconds of the machine's monotonic clock.
"""

import select
import socket
import sys
import time
from pathlib import Path

from bench.visiting import request

WITHIN_S = 180.0
AT_ONCE = 100  # so many are greeted before more come: a browser waits its turn too


def main(port: int, count: int, file: Path) -> int:
    """Listen until the input ends; 1 when not all were let in."""
    cookies = [line.strip() for line in iter(sys.stdin.readline, "\n")]
    poll = select.epoll()
    open_sockets: dict[int, socket.socket] = {}
    greeted: set[int] = set()
    end = time.monotonic() + WITHIN_S
    while len(greeted) < count:
        if time.monotonic() > end:
            print(f"only {len(greeted)} of {count} listen", flush=True)
            return 1
        while len(open_sockets) < min(count, len(greeted) + AT_ONCE):
            one = socket.create_connection(("127.0.0.1", port), timeout=30)
            one.sendall(request("/live", cookies[len(open_sockets) % len(cookies)]))
            one.setblocking(False)
            open_sockets[one.fileno()] = one
            poll.register(one, select.EPOLLIN)
        for number, _event in poll.poll(1.0):
            said = open_sockets[number].recv(65536)
            if not said or (b"HTTP/1.1" in said and b"HTTP/1.1 200" not in said):
                print(f"a listener was refused: {said[:40]!r}", flush=True)
                return 1
            if b"data: " in said:
                greeted.add(number)
    print("listening", flush=True)
    poll.register(sys.stdin, select.EPOLLIN)
    heard: list[tuple[float, bytes]] = []
    while True:
        for number, _event in poll.poll():
            if number != sys.stdin.fileno():
                said = open_sockets[number].recv(65536)
                heard.append((time.monotonic(), said))
                if not said:
                    poll.unregister(number)
            elif sys.stdin.readline():
                file.write_text("".join(_lines(heard)))
                heard.clear()
                print("written", flush=True)
            else:
                return 0


def _lines(heard: list[tuple[float, bytes]]) -> list[str]:
    return [
        f"{line[6:].decode()} {at}\n"
        for at, said in heard
        for line in said.splitlines()
        if line.startswith(b"data: case-changed:")
    ]


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])))
