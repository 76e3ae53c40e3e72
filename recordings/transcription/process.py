"""The transcriber process: moves recordings out of the spool, and has them transcribed."""

import contextlib
import signal
import threading
import time

from sqlalchemy.exc import SQLAlchemyError

from hotline import nudges as events
from hotline.heartbeat import Heartbeat
from hotline.keys import load_keys
from hotline.log import log
from hotline.nudges import Nudges
from hotline.settings import Settings
from models import Database
from models.db import search_indexes
from recordings.spool.ingest import Ingest, OneIngester
from recordings.transcription import claims
from recordings.transcription import models as speech_models
from recordings.transcription.worker import TranscriptionWorker
from recordings.vault import consent_gate, retention
from recordings.vault.trusted_clock import TrustedClock
from recordings.vault.vault import Vault

LOOK_S = 1.0
MODELS_LOOK_S = 10.0
CONSENT_LOOK_S = 5.0
TIDY_S = 3600.0
PUT_RIGHT_LOOK_S = 60.0
CLOCK = "clock.json"
WAKING = {events.SPOOL_CHANGED, events.QUEUE_CHANGED, events.RECORDINGS_CHANGED}


def main(settings: Settings) -> int:
    """Run until SIGTERM or SIGINT, in the main thread. Raises `PartMissing` when there are no keys."""
    transcriber = Transcriber(settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: transcriber.end())
    transcriber.run()
    return 0


class Transcriber:
    """Ingest in the calling thread, `settings.workers` scribes beside it, and a listener for nudges."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._ending = False
        self._stop = threading.Event()
        self._wake = threading.Event()
        keys = load_keys(settings.keys, may_open=True)
        self._heartbeat = Heartbeat(settings, "transcriber")
        self._db = Database(settings.database, connections=settings.database_connections, audit_key=keys.audit)
        self._vault = Vault(settings.vault, keys)
        self._nudges = Nudges(settings.redis)
        self._one = OneIngester(settings.run / "ingest.lock")
        self._ingest = Ingest(settings, self._db, keys, self._vault, self._nudges, beat=self._beat)
        self._scribes = [
            TranscriptionWorker(settings, self._db, keys, self._stop) for _ in range(max(1, settings.workers))
        ]
        self._clock = TrustedClock(settings.vault / CLOCK)
        self._to_forget = False
        self._models_at = self._right_at = self._tidy_at = self._consent_at = float("-inf")

    def end(self) -> None:
        """Ask it to stop; a recording that is being decoded is given back. Safe in a signal handler, so it takes no lock."""
        self._ending = True

    def run(self) -> None:
        """Block until stopped."""
        threads = [threading.Thread(target=scribe.run, name="scribe") for scribe in self._scribes]
        threading.Thread(target=self._hear, name="ear", daemon=True).start()
        try:
            for thread in threads:
                thread.start()
            log().info("the transcriber is ready", workers=len(threads))
            while not self._ending:
                self._look()
                self._wake.wait(LOOK_S)
                self._wake.clear()
        finally:
            # However this thread ends: the others would keep alive a process that does nothing and cannot be stopped.
            self._stop.set()
            self._wake_all()
            for thread in threads:
                if thread.ident is not None:
                    thread.join()
            self._one.release()
            self._db.dispose()

    def _look(self) -> None:
        try:
            self._beat()
            if self._one.held():
                if self._ingest.once():
                    self._wake_all()
                self._beat()
                self._taken_back()
                self._housekeeping()
                self._beat()
            self._new_models()
            self._put_right()
        except (OSError, SQLAlchemyError) as error:
            log().warning("the spool could not be read", error=error)

    def _beat(self) -> None:
        """Show the supervisor that ingest is not hung."""
        self._heartbeat.beat()

    def _new_models(self) -> None:
        if time.monotonic() - self._models_at < MODELS_LOOK_S:
            return
        self._models_at = time.monotonic()
        late = claims.requeue(self._db, speech_models.installed_languages(self._settings))
        if late:
            log().info("a speech model came for recordings that waited for a listener", recordings=late)
            self._nudges.tell(events.RECORDINGS_CHANGED)
            self._wake_all()

    def _put_right(self) -> None:
        if time.monotonic() - self._right_at < PUT_RIGHT_LOOK_S:
            return
        self._right_at = time.monotonic()
        if right := claims.put_right(self._db, self._vault, self._beat):
            log().info("recordings that were missing or damaged in the vault are whole again", recordings=right)
            self._nudges.tell(events.RECORDINGS_CHANGED)
            self._wake_all()

    def _housekeeping(self) -> None:
        if time.monotonic() - self._tidy_at < TIDY_S:
            return
        self._tidy_at = time.monotonic()
        at = self._clock.look()
        if at is not None:
            retention.delete_old_audio(self._db, self._vault, self._settings, at)
        retention.tidy_vault(self._db, self._vault, self._settings, at)

    def _taken_back(self) -> None:
        """Destroy conversations whose consent was taken back."""
        if time.monotonic() - self._consent_at < CONSENT_LOOK_S:
            return
        self._consent_at = time.monotonic()
        for case_id in consent_gate.destroy_taken_back(self._db, self._vault):
            self._to_forget = True
            if case_id is not None:
                self._nudges.tell(events.case_changed(case_id))
        # Retried until it is done: a database that is busy now is not busy for ever.
        if self._to_forget:
            self._to_forget = not search_indexes.forget(self._db.engine, self._beat)

    def _hear(self) -> None:
        """Wake up on nudges; without Redis the scan each second is enough."""
        while not self._stop.is_set():
            with contextlib.closing(self._nudges.hear(LOOK_S)) as names:  # type: ignore[type-var]
                for name in names:
                    if name in WAKING:
                        self._wake_all()
                    if self._stop.is_set():
                        return
            self._stop.wait(LOOK_S)

    def _wake_all(self) -> None:
        self._wake.set()
        for scribe in self._scribes:
            scribe.wake.set()
