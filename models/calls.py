"""Contacts: each call as the line saw it."""

from datetime import datetime
from enum import StrEnum

from sqlmodel import Field, Index, SQLModel

from models.cases import CallbackSafety
from models.db.types import UtcDateTime, stored

__all__ = [
    "Channel",
    "Contact",
    "Direction",
    "Disposition",
    "MessageEnd",
    "Outcome",
    "TalkRecording",
]


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
    """The direction of a call."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"


class Outcome(StrEnum):
    """The outcome of a call, as the line saw it."""

    ANSWERED = "answered"
    VOICEMAIL = "voicemail"
    ABANDONED_IN_MENU = "abandoned_in_menu"
    ABANDONED_IN_QUEUE = "abandoned_in_queue"
    CALLBACK_REQUESTED = "callback_requested"
    FAILED = "failed"
    NOT_REACHED = "not_reached"  # we called and nobody answered


class Disposition(StrEnum):
    """A disposition: what a person said a contact was. Silent, test, wrong number and abusive are set by a person only."""

    SUBSTANTIVE = "substantive"
    INFORMATION = "information"
    FOLLOW_UP = "follow_up"
    TEST = "test"
    SILENT = "silent"
    WRONG_NUMBER = "wrong_number"
    ABUSIVE = "abusive"


class MessageEnd(StrEnum):
    """What ended a message that was kept whole. A hang-up, or a line that failed, is none of these."""

    KEY = "key"
    SILENCE = "silence"  # nothing at all came from the caller's phone for `message_silence_s`
    LIMIT = "limit"


class TalkRecording(StrEnum):
    """Whether a conversation is recorded. It never is without consent."""

    OFF = "off"
    CONSENTED = "consented"
    RUNNING = "running"


class Contact(SQLModel, table=True):
    """One call: exactly one row, unique on FREELINE_CALL. Facts are filled in and never overwritten.

    `caller_id` is None when the number was withheld or not certain; `number_form` is what it looked like, without a digit.
    `linkedid` is Asterisk's id for the call, the only one CEL has.
    `dropped_at`: the conversation broke off, and nobody ended it. `waits_again_at`: the caller was answered and is back in a
    queue since then; None once somebody has them. `recording` is that of the conversation.
    """

    __tablename__ = "contact"
    __table_args__ = (
        Index("ix_contact_open", "ended_at", "arrived_at"),
        Index("ix_contact_caller", "caller_id", "arrived_at"),
        Index("ix_contact_arrived", "arrived_at"),
    )
    id: int = Field(default=None, primary_key=True)
    call: str = Field(max_length=64, unique=True)
    linkedid: str | None = Field(default=None, max_length=64, unique=True)
    channel: Channel = Field(default=Channel.VOICE, sa_type=stored(Channel))
    direction: Direction = Field(default=Direction.INBOUND, sa_type=stored(Direction))
    line: str | None = Field(default=None, max_length=32)
    language: str | None = Field(default=None, max_length=16)
    queue: str | None = Field(default=None, max_length=16)
    caller_id: int | None = Field(default=None, foreign_key="caller.id")
    number_form: str | None = Field(default=None, max_length=48)
    handler_id: int | None = Field(default=None, foreign_key="agent.id")
    case_id: int | None = Field(default=None, foreign_key="case_file.id", index=True)
    arrived_at: datetime = Field(sa_type=UtcDateTime)
    key_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    language_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    queued_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    answered_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    message_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    callback_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    failed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    dropped_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    waits_again_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    callback_said: CallbackSafety = Field(
        default=CallbackSafety.UNKNOWN,
        sa_type=stored(CallbackSafety),
    )
    message_end: MessageEnd | None = Field(default=None, sa_type=stored(MessageEnd))
    outcome: Outcome | None = Field(default=None, sa_type=stored(Outcome))
    disposition: Disposition | None = Field(default=None, sa_type=stored(Disposition))
    recording: TalkRecording = Field(default=TalkRecording.OFF, sa_type=stored(TalkRecording))

    @property
    def wait_s(self) -> int | None:
        """Seconds in the queue, until answered or gone; None for a call that never queued."""
        if self.queued_at is None:
            return None
        until = self.answered_at or self.message_at or self.callback_at or self.ended_at
        return None if until is None else max(0, round((until - self.queued_at).total_seconds()))

    @property
    def talk_s(self) -> int | None:
        """Seconds in conversation; None for a call nobody answered or that still goes on."""
        if self.answered_at is None or self.ended_at is None:
            return None
        return max(0, round((self.ended_at - self.answered_at).total_seconds()))

    @property
    def duration_s(self) -> int | None:
        """Seconds from arrival to the end; None while it goes on."""
        return None if self.ended_at is None else max(0, round((self.ended_at - self.arrived_at).total_seconds()))
