"""What people see and do. Every module has `routes`; all of them are in ALL."""

from agent_console.views import (
    access,
    account,
    audit,
    case,
    cases,
    desk,
    health,
    lines,
    menu,
    people,
    queue,
    recording,
    roster,
    settings,
    state,
    wording,
)

ALL = [
    access,
    account,
    audit,
    case,
    cases,
    desk,
    health,
    lines,
    menu,
    people,
    queue,
    recording,
    roster,
    settings,
    state,
    wording,
]
