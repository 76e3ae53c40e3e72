"""A worker: claims one recording after another and has it transcribed, until told to stop."""

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from hotline import nudges
from hotline.keys import Keys
from hotline.log import log
from hotline.nudges import Nudges
from hotline.settings import Settings
from models import Database, RecordingKind
from recordings.transcription.claims import Claim, Claims, Ended
from recordings.transcription.engines import Draft, EngineFailed, OnProgress, joined
from recordings.transcription.engines.subprocess_engine import Apart, Stopped
from recordings.transcription.models import Installed, model_for
from recordings.vault.audio import SAMPLE_BYTES, parts
from recordings.vault.vault import Vault, VaultDamaged, VaultMissing

LOOK_S = 1.0
# A message waits for a conversation no longer than it takes to decode so many seconds of it.
PART_S = 120
# An idle engine is closed after so long, to free its memory.
IDLE_S = 300.0
MakeEngine = Callable[[Installed, threading.Event], Apart]


class LostClaim(Exception):
    """Our lease ran out and another worker took the recording over."""


def vosk_apart(model: Installed, stop: threading.Event) -> Apart:
    """The engine of an installed model, in a process of its own."""
    return Apart(model.folder, model.name, model.language, stop, name=model.engine)


class TranscriptionWorker:
    """One worker with one engine at a time. `run` blocks until `stop` is set and then gives back the claim it holds."""

    def __init__(
        self,
        settings: Settings,
        db: Database,
        keys: Keys,
        stop: threading.Event,
        make_engine: MakeEngine = vosk_apart,
    ) -> None:
        self._settings = settings
        self._vault = Vault(settings.vault, keys)
        self._nudges = Nudges(settings.redis)
        self._stop = stop
        self._make_engine = make_engine
        self._engine: Apart | None = None
        self._held: list[Claim] = []
        who = f"{socket.gethostname()[:24]}:{os.getpid()}:{secrets.token_hex(4)}"
        self.claims = Claims(db, who, lease_s=settings.lease_s, tries=settings.tries)
        self.wake = threading.Event()

    def run(self) -> None:
        """Work until stopped. Any error, of the database or other, is waited out: nobody would notice a dead thread."""
        while not self._stop.is_set():
            try:
                worked = self.once()
            except SQLAlchemyError as error:
                log().warning("the database does not answer; transcription waits", error=error)
                worked = False
            except Exception as error:  # noqa: BLE001  (the claim's lease runs out, and its tries are counted)
                log().error("transcription failed, will be tried again", error=error)
                worked = False
            if not worked:
                if self._engine is not None and self._engine.idle_s > IDLE_S:
                    self._close_engine()
                self.wake.wait(LOOK_S)
                self.wake.clear()
        self._close_engine()

    def once(self) -> bool:
        """Transcribe one recording; False when there was none to claim."""
        claim = self.claims.take()
        if claim is None:
            return False
        self._work(claim)
        return True

    def _work(self, claim: Claim) -> None:
        self._held.append(claim)
        try:
            ended = self._transcribe(claim)
        finally:
            self._held.remove(claim)
        if not ended.ours:
            log().warning("a recording was taken over by another worker", recording=claim.recording_id)
            return
        names = [nudges.RECORDINGS_CHANGED]
        if ended.case_id is not None:
            names.append(nudges.case_changed(ended.case_id))
        self._nudges.tell(*names)

    def _transcribe(self, claim: Claim) -> Ended:
        model = model_for(self._settings, claim.language)
        if model is None:
            log().info("no speech model for a recording's language; it needs a listener", recording=claim.recording_id)
            return self._insist(lambda: self.claims.needs_listener(claim))
        began = time.monotonic()
        try:
            draft = self._decode(claim, model, self._audio(claim))
        except Stopped:
            return self.claims.give_back(claim)
        except LostClaim:
            return Ended(ours=False)
        except EngineFailed as error:
            return self._failed(claim, str(error), permanent=error.permanent)
        except (VaultMissing, VaultDamaged) as error:
            # Retried when the file is whole again: `claims.put_right` checks.
            return self._failed(claim, str(error), permanent=True)
        except Exception as error:  # noqa: BLE001  (one recording never stops the worker; the type alone is told)
            return self._failed(claim, f"unexpected: {type(error).__name__}", permanent=False)
        took_s = time.monotonic() - began
        log().info(
            "a recording was transcribed",
            recording=claim.recording_id,
            audio_s=round(claim.duration_s),
            took_s=round(took_s, 1),
        )
        return self._insist(lambda: self.claims.finish(claim, draft, model.engine, model.name, took_s))

    def _decode(self, claim: Claim, model: Installed, pcm: bytes) -> Draft:
        """Return the draft. A conversation may take hours: it is decoded in parts, with new messages in between."""
        longest_s = PART_S if claim.kind is RecordingKind.CONVERSATION else round(claim.duration_s) + 1
        drafts: list[tuple[float, Draft]] = []
        for start, end in parts(pcm, claim.rate_hz, longest_s):
            if drafts:
                self._messages_first(claim)
            engine = self._engine_for(model)
            draft = engine.transcribe(pcm[start:end], claim.rate_hz, self._renewing(claim))
            drafts.append((start / SAMPLE_BYTES / claim.rate_hz, draft))
        return joined(drafts)

    def _messages_first(self, claim: Claim) -> None:
        """Transcribe the messages that wait. The claim that we hold meanwhile is renewed with theirs."""
        try:
            while (message := self.claims.take(RecordingKind.MESSAGE)) is not None:
                self._work(message)
            if not self.claims.renew(claim):
                raise LostClaim
        except SQLAlchemyError as error:
            log().warning("messages wait for the database", error=error)

    def _failed(self, claim: Claim, error: str, *, permanent: bool) -> Ended:
        log().warning(
            "a recording could not be transcribed", recording=claim.recording_id, tries=claim.attempts, why=error
        )
        return self._insist(lambda: self.claims.fail(claim, error, permanent=permanent))

    def _audio(self, claim: Claim) -> bytes:
        return self._vault.open_whole(claim.vault_key, claim.sha256)

    def _engine_for(self, model: Installed) -> Apart:
        """The engine of this model; one at a time, because each takes hundreds of megabytes."""
        if self._engine is None or self._engine.model != model.name:
            self._close_engine()
            self._engine = self._make_engine(model, self._stop)
        return self._engine

    def _close_engine(self) -> None:
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def _renewing(self, claim: Claim) -> OnProgress:
        """Renew the lease whenever a third of it has passed, as long as the engine makes progress."""
        renewed_at = time.monotonic()

        def on_progress(_done: float) -> None:
            nonlocal renewed_at
            if time.monotonic() - renewed_at < self._settings.lease_s / 3:
                return
            try:
                # A conversation that waits for this message is renewed too; a loss of it is noticed when it goes on.
                ours = [held for held in self._held if self.claims.renew(held)]
                if claim not in ours:
                    raise LostClaim
            except SQLAlchemyError as error:
                log().warning("a lease could not be renewed", recording=claim.recording_id, error=error)
            renewed_at = time.monotonic()

        return on_progress

    def _insist(self, write: Callable[[], Ended]) -> Ended:
        """Write a result even when the database is down for a while: it cost minutes of decoding."""
        while True:
            try:
                return write()
            except SQLAlchemyError as error:
                log().warning("a result waits for the database", error=error)
                if self._stop.wait(LOOK_S):
                    raise
