"""Assigns recordings to workers: each is claimed under a lock, held by a lease, and finished only by its holder."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, update
from sqlmodel import Session, col, func, select

from hotline import scope
from hotline.cases import timeline
from models import Contact, Database, EventKind, Recording, RecordingKind, RecordingState, Transcript
from models.db.types import now
from recordings.transcription.engines import Draft
from recordings.vault.vault import Vault, VaultDamaged, VaultMissing

# The case exists when the call has ended; a recording whose call never ends is transcribed after this all the same.
UNFILED = timedelta(minutes=10)
FIRST_BACKOFF_S = 30
LONGEST_BACKOFF_S = 3600
ERROR_MAX = 200
# How every error of the vault begins with which a recording failed: see recordings.vault.vault.
IN_VAULT = "The recording "
LOOKED_AT_ONCE = 50


@dataclass(frozen=True)
class Claim:
    """A recording that is ours until `lease_s` after the last renewal. `attempts` counts this one."""

    recording_id: int
    who: str
    vault_key: str
    sha256: str
    rate_hz: int
    duration_s: float
    kind: RecordingKind
    language: str | None
    attempts: int


@dataclass(frozen=True)
class Ended:
    """How a claim ended, with the ids for the nudges. `ours` is False when another worker had taken the recording over."""

    ours: bool
    case_id: int | None = None
    contact_id: int | None = None
    state: RecordingState | None = None


@dataclass(frozen=True)
class Claims:
    """The claims of one worker, `who`. The lease is in seconds; after `tries` attempts a recording has failed."""

    db: Database
    who: str
    lease_s: int
    tries: int
    backoff_s: int = field(default=FIRST_BACKOFF_S)

    def take(self, kind: RecordingKind | None = None) -> Claim | None:
        """Claim a recording, of this kind only when one is given; None when there is nothing to do.

        Messages come before conversations, which an agent has heard, then the longest wait. Rows that another is claiming
        at this moment are skipped, so no claim waits for one: on SQLite there is one writer anyway. The attempt is
        counted here, so that a recording that kills its worker is given up like one that fails.
        """
        moment = now()
        query = (
            select(Recording, Contact)
            .join(Contact, col(Contact.id) == col(Recording.contact_id))
            .where(_free(moment), col(Contact.ended_at).is_not(None) | (col(Recording.ingested_at) < moment - UNFILED))
            .order_by(col(Recording.kind) != RecordingKind.MESSAGE, col(Recording.recorded_at), col(Recording.id))
            .limit(1)
        )
        if kind is not None:
            query = query.where(col(Recording.kind) == kind)
        with self.db.read() as session:  # an idle poll each second takes no lock
            if session.exec(query).first() is None:
                return None
        with self.db.write() as session:
            found = session.exec(query.with_for_update(of=Recording, skip_locked=True)).first()
            if found is None:
                return None
            claim = self._claim(*found)
        if claim.attempts > self.tries:
            self.fail(claim, "the speech engine stopped each time without an answer", permanent=True)
            return self.take(kind)  # the next one need not wait for this one
        return claim

    def _claim(self, recording: Recording, contact: Contact) -> Claim:
        recording.state, recording.claimed_by = RecordingState.TRANSCRIBING, self.who
        recording.lease_until, recording.attempts = self._lease(), recording.attempts + 1
        recording.language = recording.language or contact.language
        return Claim(
            recording_id=recording.id,
            who=self.who,
            vault_key=recording.vault_key,
            sha256=recording.sha256,
            rate_hz=recording.rate_hz,
            duration_s=recording.duration_s,
            kind=recording.kind,
            language=recording.language,
            attempts=recording.attempts,
        )

    def renew(self, claim: Claim) -> bool:
        """Renew the lease; False when the claim is no longer ours."""
        with self.db.write() as session:
            return self._change(session, claim, self._mine(), lease_until=self._lease())

    def finish(self, claim: Claim, draft: Draft, engine: str, model: str, took_s: float) -> Ended:
        """Save the draft, if the claim is still ours. A person's correction beside an older draft stays."""
        with self.db.write() as session:
            if not self._let_go(session, claim, RecordingState.TRANSCRIBED):
                return Ended(ours=False)
            transcript = session.get(Transcript, claim.recording_id) or Transcript(
                recording_id=claim.recording_id, engine="", model="", language="", text="", took_s=0
            )
            transcript.engine, transcript.model, transcript.language = engine, model, claim.language or ""
            transcript.text, transcript.words, transcript.sure = draft.text, draft.words, draft.sure
            transcript.took_s, transcript.at = round(took_s, 2), now()
            session.add(transcript)
            said = {"seconds": round(took_s, 1), "engine": engine, "model": model}
            return self._tell(session, claim, RecordingState.TRANSCRIBED, EventKind.TRANSCRIBED, said)

    def needs_listener(self, claim: Claim) -> Ended:
        """Mark that no model recognises this language: a person has to listen. That is not an error."""
        with self.db.write() as session:
            if not self._let_go(session, claim, RecordingState.NEEDS_LISTENER, attempts=0):
                return Ended(ours=False)
            said: dict[str, Any] = {"language": claim.language}
            return self._tell(session, claim, RecordingState.NEEDS_LISTENER, EventKind.NEEDS_LISTENER, said)

    def fail(self, claim: Claim, error: str, *, permanent: bool = False) -> Ended:
        """Record a failed attempt: retry after a growing pause, or give up. `error` says why in a few words, no content."""
        given_up = permanent or claim.attempts >= self.tries
        state = RecordingState.FAILED if given_up else RecordingState.WAITING
        wait_s = min(self.backoff_s * 4 ** (claim.attempts - 1), LONGEST_BACKOFF_S)
        again = None if given_up else now() + timedelta(seconds=wait_s)
        with self.db.write() as session:
            if not self._let_go(session, claim, state, error=error[:ERROR_MAX], next_try_at=again):
                return Ended(ours=False)
            if not given_up:
                return Ended(ours=True, state=state)
            said = {"error": error[:ERROR_MAX], "tries": claim.attempts}
            return self._tell(session, claim, state, EventKind.TRANSCRIPTION_FAILED, said)

    def give_back(self, claim: Claim) -> Ended:
        """Release the claim without counting an attempt: the worker is stopping."""
        with self.db.write() as session:
            ours = self._let_go(session, claim, RecordingState.WAITING, attempts=claim.attempts - 1)
            return Ended(ours=ours, state=RecordingState.WAITING)

    def _mine(self) -> ColumnElement[bool]:
        return (col(Recording.state) == RecordingState.TRANSCRIBING) & (col(Recording.claimed_by) == self.who)

    def _lease(self) -> datetime:
        return now() + timedelta(seconds=self.lease_s)

    def _let_go(self, session: Session, claim: Claim, state: RecordingState, **values: object) -> bool:
        values = {"error": None, "next_try_at": None} | values
        return self._change(session, claim, self._mine(), state=state, claimed_by=None, lease_until=None, **values)

    def _change(self, session: Session, claim: Claim, where: ColumnElement[bool], **values: object) -> bool:
        changed = session.execute(
            update(Recording)
            .where(col(Recording.id) == claim.recording_id, where)
            .values(**values)
            .execution_options(synchronize_session=False)
        )
        return bool(changed.rowcount)  # type: ignore[attr-defined]

    def _tell(
        self, session: Session, claim: Claim, state: RecordingState, kind: EventKind, said: dict[str, Any]
    ) -> Ended:
        recording = session.get(Recording, claim.recording_id)
        contact = session.get(Contact, recording.contact_id) if recording is not None else None
        case = scope.find(session, scope.SYSTEM, contact.case_id) if contact is not None else None
        if case is not None:
            timeline.tell(session, case, kind, now(), recording=claim.recording_id, **said)
        return Ended(
            ours=True,
            case_id=case.id if case is not None else None,
            contact_id=contact.id if contact is not None else None,
            state=state,
        )


def _free(moment: datetime) -> ColumnElement[bool]:
    """The condition for a claim: waiting and due, or held by a worker whose lease has expired."""
    waiting = (col(Recording.state) == RecordingState.WAITING) & (
        col(Recording.next_try_at).is_(None) | (col(Recording.next_try_at) <= moment)
    )
    abandoned = (col(Recording.state) == RecordingState.TRANSCRIBING) & (
        col(Recording.lease_until).is_(None) | (col(Recording.lease_until) < moment)
    )
    return waiting | abandoned


def requeue(db: Database, languages: set[str]) -> int:
    """Queue recordings that waited for a listener again, when a model for their language was installed."""
    if not languages:
        return 0
    late = (
        (col(Recording.state) == RecordingState.NEEDS_LISTENER)
        & col(Recording.language).in_(languages)
        & col(Recording.erased_at).is_(None)
    )
    with db.read() as session:
        if session.exec(select(Recording.id).where(late).limit(1)).first() is None:
            return 0
    with db.write() as session:
        changed = session.execute(
            update(Recording)
            .where(late)
            .values(state=RecordingState.WAITING, attempts=0, next_try_at=None)
            .execution_options(synchronize_session=False)
        )
    return int(changed.rowcount)  # type: ignore[attr-defined]


def put_right(db: Database, vault: Vault, beat: Callable[[], None] = lambda: None) -> int:
    """Queue recordings again whose file in the vault was missing or damaged and is whole now. Returns how many.

    `beat` is called before each is checked: a damaged conversation of hours takes seconds, and many of them are not a hang.
    """
    failed = (
        (col(Recording.state) == RecordingState.FAILED)
        & col(Recording.error).startswith(IN_VAULT)
        & col(Recording.erased_at).is_(None)
    )
    with db.read() as session:
        query = select(Recording.id, Recording.vault_key, Recording.sha256).where(failed).order_by(func.random())
        looked = session.exec(query.limit(LOOKED_AT_ONCE)).all()
    whole = []
    for recording_id, vault_key, sha256 in looked:
        beat()
        if _opens(vault, vault_key, sha256):
            whole.append(recording_id)
    if not whole:
        return 0
    with db.write() as session:
        changed = session.execute(
            update(Recording)
            .where(failed, col(Recording.id).in_(whole))
            .values(state=RecordingState.WAITING, attempts=0, next_try_at=None, error=None)
            .execution_options(synchronize_session=False)
        )
    return int(changed.rowcount)  # type: ignore[attr-defined]


def _opens(vault: Vault, vault_key: str, sha256: str) -> bool:
    try:
        vault.open_whole(vault_key, sha256)
    except (VaultMissing, VaultDamaged, OSError):
        return False
    return True
