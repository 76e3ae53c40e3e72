"""Phones pushed into Asterisk, with a wire that is slow at the wrong moment."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from telephony.clients.ari import Ari

SLOW_S = 0.2
HA1 = "0" * 32


class SlowAsterisk(BaseHTTPRequestHandler):
    """Keeps what is put, and takes its time; the server's `put` is the kinds in their order."""

    def do_GET(self) -> None:
        """What it keeps under the path."""
        kept = self.server.kept.get(self.path)  # type: ignore[attr-defined]
        time.sleep(SLOW_S)
        self._answer(200 if kept else 404, kept or [])

    def do_PUT(self) -> None:
        """Keep it."""
        fields = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["fields"]
        self.server.put.append(self.path.split("/")[-2])  # type: ignore[attr-defined]
        self.server.kept[self.path] = fields  # type: ignore[attr-defined]
        self._answer(200, fields)

    def log_message(self, *_: object) -> None:
        """Nothing."""

    def _answer(self, status: int, body: object) -> None:
        coded = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(coded)))
        self.end_headers()
        self.wfile.write(coded)


def test_two_pages_that_open_at_once_make_one_address() -> None:
    """An address put twice keeps every phone that ever registered, and the newest never rings."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), SlowAsterisk)
    server.put, server.kept = [], {}  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        host, port = str(server.server_address[0]), int(server.server_address[1])
        with ThreadPoolExecutor(2) as pages:
            for page in [pages.submit(Ari((host, port), "u", "p").put_browser, 1, HA1) for _ in range(2)]:
                page.result()
        assert sorted(server.put) == ["aor", "auth", "auth", "endpoint"]  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        server.server_close()
