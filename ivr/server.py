"""The FastAGI server: one thread a call, bounded. Whatever goes wrong here, Asterisk's own dialplan takes over the call."""

import contextvars
import hmac
import signal
import socket
import socketserver
import sys
import threading
import time
from typing import Any

from hotline.errors import PartMissing
from hotline.keys import load_keys
from hotline.log import log
from hotline.nudges import Nudges
from hotline.settings import Settings
from ivr.call import CallerSession, IvrServices
from ivr.prompts.rebuild import PromptRebuilder
from ivr.scripts import SCRIPTS
from ivr.session import AgiRefused, CallerGone, Session
from ivr.store import BUSY_S, FactStore
from models import Database
from telephony import names
from telephony.asterisk.secrets import agi_token

SPARE = 8  # connections beyond the bound, so that the supervisor's ping is answered on a full line
GRACE_S = 5.0  # how long calls in a script may go on after SIGTERM
NO_DESCRIPTOR_S = 0.05
STACK_BYTES = 1024 * 1024
WAITING = 256  # connections that may wait to be accepted


class Server(socketserver.ThreadingTCPServer):
    """Accepts Asterisk's connections and runs the script each asks for."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = WAITING

    def __init__(self, house: IvrServices, token: str) -> None:
        settings = house.settings
        self._house = house
        self._token = token.encode()
        self._connections = threading.BoundedSemaphore(settings.calls_at_once + SPARE)
        self._calls = 0
        self._most_calls = settings.calls_at_once
        self._changed = threading.Condition()
        super().__init__((settings.agi_host, settings.agi_port), socketserver.BaseRequestHandler)

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection. Without a file descriptor it stays waiting: an immediate retry would only burn time."""
        try:
            return super().get_request()
        except OSError:
            time.sleep(NO_DESCRIPTOR_S)
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start a thread for a connection; over the bound, close it at once: the net serves the caller."""
        if not self._connections.acquire(blocking=False):
            log().warning("over the bound on connections")
            self.shutdown_request(request)
            return
        context = contextvars.copy_context()
        try:
            threading.Thread(
                target=context.run, args=(self.process_request_thread, request, client_address), daemon=True
            ).start()
        except RuntimeError as error:
            self._connections.release()
            log().error("no thread for a call", error=error)
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve one connection, and free its place."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._connections.release()

    def finish_request(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """Run the script; the calling method closes the connection, however this ends."""
        connection: socket.socket = request
        session = Session(connection)
        if session.script == names.PING:
            self._run(session)
            return
        with self._changed:
            if self._calls >= self._most_calls:
                log().warning("over the bound on calls")
                return
            self._calls += 1
        try:
            self._run(session)
        finally:
            with self._changed:
                self._calls -= 1
                self._changed.notify_all()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """Log the type of the error, and nothing of the call: the text may quote the caller."""
        error = sys.exc_info()[1]
        if not isinstance(error, CallerGone):
            log().warning("a script failed; the dialplan goes on with the call", error=error)

    def wait_until_idle(self, within_s: float) -> bool:
        """Wait for running scripts. Return False when some still run."""
        with self._changed:
            return self._changed.wait_for(lambda: self._calls == 0, within_s)

    def _run(self, session: Session) -> None:
        told = session.get_variable(names.TOKEN)
        if not hmac.compare_digest(told.encode(), self._token):
            log().warning("a caller without the token was refused")
            return
        script = SCRIPTS.get(session.script)
        if script is None:
            raise AgiRefused("there is no such script")
        call = CallerSession(session, self._house)
        try:
            script(call)
            # Asterisk reports SUCCESS also for a script that died: only this says that it succeeded.
            session.set_variable(names.DONE, session.script)
        finally:
            # First, so that no caller waits for Redis.
            session.close()
            call.tell()


def main(settings: Settings) -> int:
    """Serve calls until SIGTERM. Raises `PartMissing` when keys or secrets are missing or the port is taken."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    threading.stack_size(STACK_BYTES)
    return serve(settings, stop)


def serve(settings: Settings, stop: threading.Event, ready: threading.Event | None = None) -> int:
    """Serve calls until `stop` is set, then let running scripts end; 0. Sets `ready` once calls are taken."""
    keys = load_keys(settings.keys, may_open=False)
    token = agi_token(settings)
    db = Database(settings.database, BUSY_S, settings.database_connections, audit_key=keys.audit)
    nudges = Nudges(settings.redis)
    house = IvrServices(settings, FactStore(settings, db, keys), keys, nudges)
    try:
        server = Server(house, token)
    except OSError as error:
        raise PartMissing(f"port {settings.agi_port} of the ivr is taken: set FREELINE_AGI_PORT") from error
    rebuilder = PromptRebuilder(settings, db, nudges, stop)
    accepting = threading.Thread(target=contextvars.copy_context().run, args=(server.serve_forever, 0.1), daemon=True)
    try:
        accepting.start()
        rebuilder.start()
        if ready is not None:
            ready.set()
        log().info("taking calls", port=settings.agi_port)
        stop.wait()
    finally:
        stop.set()
        rebuilder.wake()
        server.shutdown()
        server.server_close()
        if not server.wait_until_idle(GRACE_S):
            log().warning("calls were handed to the dialplan")
        db.dispose()
    return 0
