"""What an agent's states, their reasons and the parts of a conversation are called on screen."""

from hotline.staff import states as agents
from models import AgentStatus, EntryKind
from web.i18n import gettext as _

STATUS_COLOURS = {
    AgentStatus.READY: "green",
    AgentStatus.RINGING: "accent",
    AgentStatus.ON_CALL: "blue",
    AgentStatus.WRAP_UP: "amber",
}


def status_word(status: AgentStatus) -> str:
    """What somebody does now."""
    return {
        AgentStatus.OFFLINE: _("Off duty"),
        AgentStatus.READY: _("Ready"),
        AgentStatus.NOT_READY: _("Not ready"),
        AgentStatus.RINGING: _("Ringing"),
        AgentStatus.ON_CALL: _("On a call"),
        AgentStatus.WRAP_UP: _("Wrapping up"),
        AgentStatus.BREAK: _("Break"),
    }[status]


def status_colour(status: AgentStatus) -> str:
    """The colour of the dot; the word always stands beside it."""
    return STATUS_COLOURS.get(status, "")


def reason_word(reason: str | None) -> str:
    """Why an agent is not ready, in a word or two."""
    return {
        agents.MISSED: _("missed a ring"),
        agents.DECLINED: _("declined a call"),
        agents.PAGE_LOST: _("page lost"),
        agents.PAGE_BACK: _("page was lost"),
        agents.MOBILE_MISSED: _("mobile not answered"),
        agents.MOBILE_RESTS: _("mobile left alone"),
    }.get(reason or "", "") or break_word(reason)


def reason_advice(reason: str | None) -> str:
    """What a reason means to the one whose state it is, and what to do."""
    return {
        agents.MISSED: _("Your phone rang and nobody answered, so calls go to others. Choose Ready when you are back."),
        agents.DECLINED: _("You declined a call, so calls go to others. Choose Ready when you can take one."),
        agents.PAGE_LOST: _("Your page was not heard, so no call could reach you. Choose Ready when it is live again."),
        agents.PAGE_BACK: _("Your page was not heard for a while, and is back now. Choose Ready to take calls again."),
        agents.MOBILE_MISSED: _(
            "Your mobile rang and nobody took the call with 1. Choose Ready to take calls in this page."
        ),
        agents.MOBILE_RESTS: _(
            "Nobody took two calls in a row on your mobile, so it is not rung for a while. Choose Ready when you are there."
        ),
    }.get(reason or "", "")


def break_word(reason: str | None) -> str:
    """What kind of break it is."""
    return {
        "short": _("short break"),
        "meal": _("meal"),
        "after_a_hard_call": _("after a hard call"),
        "meeting": _("meeting"),
        "training": _("training"),
    }.get(reason or "", "")


def breaks() -> list[tuple[str, str, int]]:
    """The kinds of break: code, word, and how many minutes one usually lasts."""
    return [(code, break_word(code), int(limit.total_seconds() // 60)) for code, limit in agents.BREAKS.items()]


def break_limit_s(reason: str | None) -> int | None:
    """After how many seconds a break is longer than it usually is."""
    limit = agents.BREAKS.get(reason or "")
    return int(limit.total_seconds()) if limit is not None else None


def entry_word(kind: EntryKind) -> str:
    """What a number of the directory is."""
    return {
        EntryKind.INTERPRETER: _("Interpreter"),
        EntryKind.SHELTER: _("Shelter"),
        EntryKind.EMBASSY: _("Embassy"),
        EntryKind.HEALTH: _("Health"),
        EntryKind.LEGAL: _("Legal help"),
        EntryKind.PARTNER: _("Partner"),
        EntryKind.OTHER: _("Other"),
    }[kind]
