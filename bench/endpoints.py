"""The agent's phone of the ring benchmark: our own SIP phone, or a page in Chromium, ours or the least there can be.

All report when it begins to ring: the SIP phone when the INVITE arrives, a page when its JsSIP has given the
call to the page's script, which then shows it. The least page loads the same JsSIP, and registers straight to Asterisk.
"""

import contextlib
import http.server
import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from playwright.sync_api import Browser, Page, sync_playwright

from hotline.settings import ROOT
from telephony.softphone.phone import Phone

JSSIP = ROOT / "agent_console" / "static" / "vendor" / "jssip.min.js"
LEAST_PAGE = """<!doctype html><title>bare</title><script src="/jssip.min.js"></script><script>
const ua = new JsSIP.UA({sockets: [new JsSIP.WebSocketInterface("ws://127.0.0.1:%(port)d/ws")],
  uri: "sip:%(user)s@bare.invalid", authorization_user: "%(user)s", password: "%(secret)s", session_timers: false});
ua.on("registered", () => { document.title = "registered"; });
ua.on("newRTCSession", () => document.body.dispatchEvent(new CustomEvent("phone-rings", {bubbles: true})));
ua.start();
</script><body></body>"""
WATCH = "window.rangAt = []; addEventListener('phone-rings', () => rangAt.push(Date.now() / 1000), true);"


class Endpoint(Protocol):
    """An agent's phone; `kind` says which."""

    kind: str

    def forget(self) -> None:
        """Forget earlier rings."""

    def rang(self, within_s: float) -> float | None:
        """When it began to ring, in seconds since the epoch; None when it did not in time."""

    def close(self) -> None:
        """Sign it off."""


class SipEndpoint:
    """Our own SIP phone."""

    kind = "SIP phone"

    def __init__(self, phone: Phone) -> None:
        self._rang: queue.Queue[float] = queue.Queue()
        self._phone = phone
        phone.on_ring = lambda _call: self._rang.put(time.time())

    def forget(self) -> None:
        """Begin anew."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._rang.get_nowait()

    def rang(self, within_s: float) -> float | None:
        """When the INVITE came."""
        try:
            return self._rang.get(timeout=within_s)
        except queue.Empty:
            return None

    def close(self) -> None:
        """Close the phone."""
        self._phone.close()


class PageEndpoint:
    """A page in Chromium that was opened with `watched_page`; it keeps itself when it rings, in whole milliseconds."""

    kind = "page in Chromium"

    def __init__(self, page: Page) -> None:
        self._page = page

    def forget(self) -> None:
        """Begin anew."""
        self._page.evaluate("rangAt.length = 0")

    def rang(self, within_s: float) -> float | None:
        """When the page began to show it."""
        end = time.monotonic() + within_s
        while not (found := self._page.evaluate("rangAt[0] ?? null")):
            if time.monotonic() > end:
                return None
            self._page.wait_for_timeout(20)
        return float(found)

    def close(self) -> None:
        """Close the page, and all that belongs to it."""
        self._page.context.close()


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, with a made-up microphone."""
    with sync_playwright() as p:
        browser = p.chromium.launch(
            executable_path="/usr/bin/chromium",
            args=["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
                  "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"],
        )  # fmt: skip
        try:
            yield browser
        finally:
            browser.close()


def watched_page(browser: Browser) -> Page:
    """Open a page that will record when it rings."""
    context = browser.new_context()
    context.add_init_script(WATCH)
    page = context.new_page()
    page.set_default_timeout(20_000)
    return page


@contextmanager
def least_page(browser: Browser, http_port: int, user: str, secret: str) -> Iterator[PageEndpoint]:
    """The least page that can ring, registered straight to Asterisk's WebSocket."""
    body = (LEAST_PAGE % {"port": http_port, "user": user, "secret": secret}).encode()

    class Files(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_script = self.path == "/jssip.min.js"
            found = JSSIP.read_bytes() if is_script else body
            self.send_response(200)
            self.send_header("Content-Type", "text/javascript" if is_script else "text/html")
            self.send_header("Content-Length", str(len(found)))
            self.end_headers()
            self.wfile.write(found)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Files) as server:
        threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
        page = watched_page(browser)
        try:
            page.goto(f"http://localhost:{server.server_address[1]}/")
            page.wait_for_function("document.title === 'registered'")
            yield PageEndpoint(page)
        finally:
            page.context.close()
            server.shutdown()
