"""Permissions: who may do what. Every route of the console names one of these."""

from enum import StrEnum

from hotline.errors import NotAllowed
from models import Agent, Role


class Permission(StrEnum):
    """A thing a member of staff may be allowed to do. `OVERSEE`: take note of alerts, be the second person for access."""

    SEE_QUEUE = "see_queue"
    WORK_CASES = "work_cases"
    HEAR_AUDIO = "hear_audio"
    SEE_NUMBER = "see_number"
    SET_OWN_STATE = "set_own_state"
    USE_PHONE = "use_phone"
    CALL_BACK = "call_back"
    CHANGE_DIRECTORY = "change_directory"
    LIMIT_CALLERS = "limit_callers"
    EMERGENCY_HELP = "emergency_help"
    HAND_OVER_ANY = "hand_over_any"
    SEE_ROSTER = "see_roster"
    CHANGE_ROSTER = "change_roster"
    MANAGE_PEOPLE = "manage_people"
    MANAGE_LINE = "manage_line"
    SEE_AUDIT = "see_audit"
    OVERSEE = "oversee"


_AGENT = frozenset(
    {
        Permission.SEE_QUEUE,
        Permission.WORK_CASES,
        Permission.HEAR_AUDIO,
        Permission.SEE_NUMBER,
        Permission.SET_OWN_STATE,
        Permission.USE_PHONE,
        Permission.CALL_BACK,
        Permission.SEE_ROSTER,
    }
)
_SUPERVISOR = _AGENT | {
    Permission.HAND_OVER_ANY,
    Permission.CHANGE_ROSTER,
    Permission.SEE_AUDIT,
    Permission.CHANGE_DIRECTORY,
    Permission.LIMIT_CALLERS,
    Permission.EMERGENCY_HELP,
    Permission.OVERSEE,
}

ALLOWED: dict[Role, frozenset[Permission]] = {
    Role.AGENT: _AGENT,
    Role.SUPERVISOR: _SUPERVISOR,
    # An administrator keeps the machine and its people; the callers are none of their business.
    Role.ADMINISTRATOR: frozenset(
        {
            Permission.SEE_ROSTER,
            Permission.CHANGE_ROSTER,
            Permission.MANAGE_PEOPLE,
            Permission.MANAGE_LINE,
            Permission.OVERSEE,
        }
    ),
}


def may(agent: Agent, permission: Permission) -> bool:
    """Whether this member of staff may do this."""
    return agent.active and permission in ALLOWED[agent.role]


def need(agent: Agent, permission: Permission) -> None:
    """Raise `NotAllowed` unless this member of staff may do this."""
    if not may(agent, permission):
        raise NotAllowed("Your role does not allow this. Ask a supervisor.")
