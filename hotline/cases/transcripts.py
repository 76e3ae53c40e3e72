"""Acts of people on recordings: hear them, correct the draft, ask for another try."""

from datetime import timedelta

from sqlmodel import Session, col, select

from hotline import scope
from hotline.audit import note_act
from hotline.cases import timeline
from hotline.errors import Invalid, NotFound, Refused
from hotline.permissions import Permission, need
from hotline.scope import Who
from models import Agent, AuditEntry, Case, Contact, EventKind, Recording, RecordingState, Transcript
from models.db.types import now

TEXT_MAX = 50_000
BY_HAND = "person"
# A player asks for the same recording many times; an hour is one sitting.
ONE_SITTING = timedelta(hours=1)


def load(session: Session, recording_id: int, who: Who) -> Recording:
    """Return a recording. Raises `NotFound` when there is none, or when it belongs to a case that `who` may not see."""
    recording = session.get(Recording, recording_id)
    if recording is None or (_case_id(session, recording) is not None and case_of(session, recording, who) is None):
        raise NotFound("There is no such recording.")
    return recording


def case_of(session: Session, recording: Recording, who: Who) -> Case | None:
    """Return the case a recording belongs to; None while its call goes on, or when `who` may not see it."""
    return scope.find(session, who, _case_id(session, recording))


def _case_id(session: Session, recording: Recording) -> int | None:
    contact = session.get(Contact, recording.contact_id)
    return contact.case_id if contact is not None else None


def correct(session: Session, recording_id: int, text: str, by: Agent, *, was: str | None = None) -> Transcript:
    """Keep what a person heard beside the draft, never over it. A recording without a draft is written by hand.

    `was` is the correction the person started from: when somebody else saved another since, it is `Refused`.
    """
    need(by, Permission.WORK_CASES)
    recording = load(session, recording_id, by)
    text = text.replace("\r\n", "\n").replace("\x00", "").strip()
    if not text:
        raise Invalid(text="Write what you heard first.")
    if len(text) > TEXT_MAX:
        raise Invalid(text=f"A transcript holds {TEXT_MAX:,} characters; this has {len(text):,}.")
    transcript = session.get(Transcript, recording_id)
    if transcript is None:
        if recording.state in {RecordingState.WAITING, RecordingState.TRANSCRIBING}:
            raise Refused("It is being transcribed now. Correct the draft when it is there.")
        transcript = Transcript(
            recording_id=recording_id,
            engine=BY_HAND,
            model="",
            language=recording.language or "",
            text="",
            took_s=0.0,
        )
        recording.state, recording.error = RecordingState.TRANSCRIBED, None
    elif was is not None and was != (transcript.corrected_text or ""):
        raise Refused("Somebody else corrected this a moment ago. Look at it, then save yours again.")
    transcript.corrected_text, transcript.corrected_by_id, transcript.corrected_at = text, by.id, now()
    session.add(transcript)
    _heard(session, recording, by)
    case = case_of(session, recording, by)
    if case is not None:
        timeline.tell(session, case, EventKind.CORRECTED, now(), by, recording=recording_id)
    session.flush()
    return transcript


def try_again(session: Session, recording_id: int, by: Agent) -> Recording:
    """Put a failed recording back to the transcriber, with all its tries."""
    need(by, Permission.WORK_CASES)
    recording = load(session, recording_id, by)
    if recording.state not in {RecordingState.FAILED, RecordingState.NEEDS_LISTENER}:
        raise Refused("This recording did not fail; there is nothing to try again.")
    recording.state, recording.attempts, recording.error = RecordingState.WAITING, 0, None
    recording.next_try_at = recording.lease_until = recording.claimed_by = None
    session.add(recording)
    session.flush()
    return recording


def mark_heard(session: Session, recording_id: int, by: Agent) -> Recording:
    """Say that a person listened to it to the end; the first one is kept."""
    need(by, Permission.HEAR_AUDIO)
    recording = load(session, recording_id, by)
    if _heard(session, recording, by):
        case = case_of(session, recording, by)
        if case is not None:
            timeline.tell(session, case, EventKind.HEARD, now(), by, recording=recording_id, whole=True)
    return recording


def _heard(session: Session, recording: Recording, by: Agent) -> bool:
    first = recording.heard_at is None
    if first:
        recording.heard_at, recording.heard_by_id = now(), by.id
    session.add(recording)
    session.flush()
    return first


def hearing_noted(session: Session, recording_id: int, by: Agent, sign_in: str) -> bool:
    """Whether this sign-in's hearing of a recording was audited within the hour."""
    recent = select(AuditEntry).where(
        col(AuditEntry.subject) == f"recording:{recording_id}",
        col(AuditEntry.act) == "audio_heard",
        col(AuditEntry.by_id) == by.id,
        col(AuditEntry.at) > now() - ONE_SITTING,
    )
    return any(entry.detail.get("sign_in") == sign_in[:12] for entry in session.exec(recent))


def note_hearing(session: Session, recording_id: int, by: Agent, sign_in: str) -> bool:
    """Audit that audio was asked for: once an hour for a sign-in and a recording. True when it was noted now.

    `sign_in` is any stable name of the sign-in; it is kept cut to 12 characters.
    """
    need(by, Permission.HEAR_AUDIO)
    recording = load(session, recording_id, by)
    if hearing_noted(session, recording_id, by, sign_in):
        return False
    note_act(session, "audio_heard", f"recording:{recording_id}", by_id=by.id, sign_in=sign_in[:12])
    case = case_of(session, recording, by)
    if case is not None:
        timeline.tell(session, case, EventKind.HEARD, now(), by, recording=recording_id)
    return True
