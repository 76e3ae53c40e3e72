"""The closed lists of the domain, by the names people use."""

from enum import StrEnum

from sqlalchemy import Enum as SaEnum


def stored(kind: type[StrEnum]) -> SaEnum:
    """A column that keeps the value as plain text, so that adding one needs no migration on either database."""
    return SaEnum(kind, native_enum=False, length=32, values_callable=lambda e: [m.value for m in e])


class Role(StrEnum):
    """What a member of staff may do; see hotline.permissions."""

    AGENT = "agent"
    SUPERVISOR = "supervisor"
    ADMINISTRATOR = "administrator"


class RefusedKind(StrEnum):
    """Why a call never became one of the line's."""

    UNKNOWN_NUMBER = "unknown_number"
    FOREIGN_ADDRESS = "foreign_address"
    WRONG_PASSWORD = "wrong_password"  # noqa: S105  (a kind)
    NO_SOUND = "no_sound"


class Proficiency(StrEnum):
    """How well an agent speaks a language. Basic speakers are rung as backup only."""

    NATIVE = "native"
    FLUENT = "fluent"
    BASIC = "basic"


class AgentStatus(StrEnum):
    """What an agent is doing now."""

    OFFLINE = "offline"
    READY = "ready"
    NOT_READY = "not_ready"
    RINGING = "ringing"
    ON_CALL = "on_call"
    WRAP_UP = "wrap_up"
    BREAK = "break"


class Channel(StrEnum):
    """How a worker reached the hotline."""

    VOICE = "voice"
    VOICEMAIL = "voicemail"
    SMS = "sms"
    CHAT = "chat"
    SOCIAL = "social"
    OUTREACH = "outreach"
    WALK_IN = "walk_in"


class Direction(StrEnum):
    """Who called whom."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"


class Outcome(StrEnum):
    """What the line saw of a call."""

    ANSWERED = "answered"
    VOICEMAIL = "voicemail"
    ABANDONED_IN_MENU = "abandoned_in_menu"
    ABANDONED_IN_QUEUE = "abandoned_in_queue"
    CALLBACK_REQUESTED = "callback_requested"
    FAILED = "failed"
    NOT_REACHED = "not_reached"  # we called and nobody answered


class Disposition(StrEnum):
    """What a person said a contact was. Silent, test, wrong number and abusive are set by a person only."""

    SUBSTANTIVE = "substantive"
    INFORMATION = "information"
    FOLLOW_UP = "follow_up"
    TEST = "test"
    SILENT = "silent"
    WRONG_NUMBER = "wrong_number"
    ABUSIVE = "abusive"


class CaseStatus(StrEnum):
    """Where a case stands. The allowed moves are data: hotline/data/case_moves.toml."""

    NEW = "new"
    TRIAGED = "triaged"
    ASSESSED = "assessed"
    ACTIVE = "active"
    WITH_SUPPLIER = "with_supplier"
    REFERRED = "referred"
    REMEDY_PROPOSED = "remedy_proposed"
    WORKER_VERIFICATION = "worker_verification"
    RESOLVED = "resolved"
    CLOSED = "closed"


class CallbackSafety(StrEnum):
    """Whether the caller may be called back. Only `safe` ever allows it."""

    UNKNOWN = "unknown"
    SAFE = "safe"
    UNSAFE = "unsafe"
    NEVER = "never"


class EventKind(StrEnum):
    """What a line of a case's timeline tells."""

    FILED = "filed"
    JOINED = "joined"
    CLAIMED = "claimed"
    RELEASED = "released"
    HANDED_OVER = "handed_over"
    MOVED = "moved"
    NOTE = "note"
    DISPOSITION = "disposition"
    RECORDED = "recorded"
    TRANSCRIBED = "transcribed"
    NEEDS_LISTENER = "needs_listener"
    TRANSCRIPTION_FAILED = "transcription_failed"
    CORRECTED = "corrected"
    SAFETY = "safety"
    SUMMARY = "summary"
    HEARD = "heard"
    NUMBER_SHOWN = "number_shown"
    ANSWERED = "answered"
    TRANSFERRED = "transferred"
    CALLED_IN = "called_in"
    EMERGENCY = "emergency"
    CONSENT = "consent"
    CALLBACK = "callback"
    MOVED_CALL = "moved_call"
    LIMITED = "limited"


class RecordingState(StrEnum):
    """Where a recording stands on its way to text."""

    WAITING = "waiting"
    TRANSCRIBING = "transcribing"
    TRANSCRIBED = "transcribed"
    NEEDS_LISTENER = "needs_listener"
    FAILED = "failed"


class Place(StrEnum):
    """Where somebody in a conversation is."""

    RINGING = "ringing"
    ROOM = "room"
    HELD = "held"


class PartyKind(StrEnum):
    """Who was called into a conversation."""

    AGENT = "agent"
    SUPERVISOR = "supervisor"
    OUTSIDE = "outside"


class TalkRecording(StrEnum):
    """Whether a conversation is recorded. It never is without consent."""

    OFF = "off"
    CONSENTED = "consented"
    RUNNING = "running"


class RecordingKind(StrEnum):
    """What was recorded."""

    MESSAGE = "message"
    CONVERSATION = "conversation"


class ConsentPurpose(StrEnum):
    """What a worker may agree to."""

    RECORDING = "recording"


class CallbackKind(StrEnum):
    """Why a worker is to be called back, the most pressing first."""

    REQUESTED = "requested"
    DROPPED = "dropped"
    MISSED = "missed"
    ABANDONED = "abandoned"


class MessageEnd(StrEnum):
    """What ended a message that was kept whole. A hang-up, or a line that failed, is none of these."""

    KEY = "key"
    SILENCE = "silence"  # nothing at all came from the caller's phone for `message_silence_s`
    LIMIT = "limit"


class AttemptOutcome(StrEnum):
    """What came of an attempt to reach a worker."""

    REACHED = "reached"
    NOBODY = "nobody"
    MACHINE = "machine"
    SOMEBODY_ELSE = "somebody_else"
    DROPPED = "dropped"


class CallbackEnd(StrEnum):
    """How a call-back ended."""

    REACHED = "reached"
    SHE_REACHED_US = "she_reached_us"
    UNSAFE = "unsafe"
    CLOSED = "closed"


class EntryKind(StrEnum):
    """What a number of the directory is."""

    INTERPRETER = "interpreter"
    SHELTER = "shelter"
    EMBASSY = "embassy"
    HEALTH = "health"
    LEGAL = "legal"
    PARTNER = "partner"
    OTHER = "other"


class AlertKind(StrEnum):
    """What supervisors must take note of: an unusual amount that was shown to one person, or an access request."""

    NUMBERS = "numbers"
    CASES = "cases"
    AUDIO = "audio"
    ACCESS = "access"


class AccessKind(StrEnum):
    """What an access request is for: somebody new, a higher role, a password, or letting somebody in again."""

    ADD = "add"
    RAISE = "raise"
    PASSWORD = "password"  # noqa: S105  (the kind of a request)
    LET_IN = "let_in"


class AccessEnd(StrEnum):
    """How an access request was decided. `waited`: nobody said no in time. `lapsed`: it made no sense any more."""

    CONFIRMED = "confirmed"
    WAITED = "waited"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"


class JobState(StrEnum):
    """Where background work stands. The last three are ends: such a job is never worked on again."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
