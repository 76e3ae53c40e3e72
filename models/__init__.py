"""What the hotline remembers: tables, database sessions and migrations.

This room holds *data* models. Speech models are large downloads and live in the data folder as `speech-models/`.
"""

from models.access import AuditEntry, KnownBrowser, SignIn
from models.callbacks import Callback, CallbackAttempt
from models.calls import Caller, Contact
from models.cases import Case, CaseEvent, Note, Safety
from models.db.database import Database
from models.directory import CallerLimit, DirectoryEntry
from models.enums import (
    AccessEnd,
    AccessKind,
    AgentStatus,
    AlertKind,
    AttemptOutcome,
    CallbackEnd,
    CallbackKind,
    CallbackSafety,
    CaseStatus,
    Channel,
    ConsentPurpose,
    Direction,
    Disposition,
    EntryKind,
    EventKind,
    JobState,
    MessageEnd,
    Outcome,
    PartyKind,
    Place,
    Proficiency,
    RecordingKind,
    RecordingState,
    RefusedKind,
    Role,
    TalkRecording,
)
from models.jobs import Job
from models.lines import Language, Line, RefusedCalls, Wording
from models.oversight import AccessRequest, Alert
from models.recordings import Recording, Transcript
from models.staff import Agent, AgentState, AgentStateChange, Shift, Speaks
from models.talks import Consent, Draft, Party, Talk

__all__ = [
    "AccessEnd",
    "AccessKind",
    "AccessRequest",
    "Agent",
    "AgentState",
    "AgentStateChange",
    "AgentStatus",
    "Alert",
    "AlertKind",
    "AttemptOutcome",
    "AuditEntry",
    "Callback",
    "CallbackAttempt",
    "CallbackEnd",
    "CallbackKind",
    "CallbackSafety",
    "Caller",
    "CallerLimit",
    "Case",
    "CaseEvent",
    "CaseStatus",
    "Channel",
    "Consent",
    "ConsentPurpose",
    "Contact",
    "Database",
    "Direction",
    "DirectoryEntry",
    "Disposition",
    "Draft",
    "EntryKind",
    "EventKind",
    "Job",
    "JobState",
    "KnownBrowser",
    "Language",
    "Line",
    "MessageEnd",
    "Note",
    "Outcome",
    "Party",
    "PartyKind",
    "Place",
    "Proficiency",
    "Recording",
    "RecordingKind",
    "RecordingState",
    "RefusedCalls",
    "RefusedKind",
    "Role",
    "Safety",
    "Shift",
    "SignIn",
    "Speaks",
    "Talk",
    "TalkRecording",
    "Transcript",
    "Wording",
]
