"""What the hotline remembers: tables, database sessions and migrations.

This room holds *data* models. Speech models are large downloads and live in the data folder as `speech-models/`.
"""

from models.access import AuditEntry, SignIn, SignInAttempt
from models.calls import Caller, Contact
from models.cases import Case, CaseEvent, Note, Safety
from models.database import Database
from models.enums import (
    AgentStatus,
    CallbackSafety,
    CaseStatus,
    Channel,
    Direction,
    Disposition,
    EventKind,
    Outcome,
    Proficiency,
    RecordingState,
    Role,
)
from models.lines import Language, Line, Wording
from models.recordings import Recording, Transcript
from models.staff import Agent, AgentState, AgentStateChange, Shift, Speaks

__all__ = [
    "Agent",
    "AgentState",
    "AgentStateChange",
    "AgentStatus",
    "AuditEntry",
    "CallbackSafety",
    "Caller",
    "Case",
    "CaseEvent",
    "CaseStatus",
    "Channel",
    "Contact",
    "Database",
    "Direction",
    "Disposition",
    "EventKind",
    "Language",
    "Line",
    "Note",
    "Outcome",
    "Proficiency",
    "Recording",
    "RecordingState",
    "Role",
    "Safety",
    "Shift",
    "SignIn",
    "SignInAttempt",
    "Speaks",
    "Transcript",
    "Wording",
]
