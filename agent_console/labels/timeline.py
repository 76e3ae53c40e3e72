"""The lines of a case's timeline as sentences."""

from dataclasses import dataclass
from typing import Any

from agent_console.labels import callbacks as callback_labels
from agent_console.labels.cases import disposition_word, outcome_word, reason_word, status_word
from models import CaseEvent, EventKind
from web.i18n import gettext as _
from web.templating import language, length_of


@dataclass(frozen=True)
class TimelineLine:
    """A line of the timeline: what happened, then the rest of the sentence."""

    what: str
    rest: str = ""


def told(event: CaseEvent, names: dict[int, str]) -> TimelineLine:
    """A line of the timeline in the reader's language."""
    detail = event.detail
    by = _("by %(name)s") % {"name": names.get(event.by_id, "?")} if event.by_id else ""
    match event.kind:
        case EventKind.FILED:
            ended = detail.get("outcome")
            return TimelineLine(outcome_word(ended) if ended else _("Call taken"), _("filed as this case"))
        case EventKind.JOINED:
            return TimelineLine(_("Called again"), outcome_word(detail.get("outcome")).lower())
        case EventKind.HANDED_OVER:
            return TimelineLine(_("Handed over"), f"{_to(detail, names)} {by}".strip())
        case EventKind.MOVED:
            what = _("Moved to %(status)s") % {"status": status_word(detail["to"]).lower()}
            reason = reason_word(str(detail["reason"])) if detail.get("reason") else ""
            return TimelineLine(what, f"{by}: {reason}" if reason else by)
        case EventKind.DISPOSITION:
            return TimelineLine(disposition_word(detail["disposition"]), by)
        case EventKind.RECORDED if detail.get("destroyed"):
            taken_back = detail["destroyed"] == "taken_back"
            why = _("consent was taken back") if taken_back else _("there is no consent to it")
            return TimelineLine(_("Conversation destroyed unheard"), why)
        case EventKind.RECORDED if detail.get("what") == "conversation":
            return TimelineLine(_("Conversation recorded"), length_of(detail.get("seconds")))
        case EventKind.RECORDED:
            return TimelineLine(_("Recorded"), length_of(detail.get("seconds")))
        case EventKind.TRANSCRIBED:
            took = detail.get("took_s", detail.get("seconds"))
            return TimelineLine(
                _("Transcribed"), _("offline in %(seconds)s s") % {"seconds": round(took)} if took else ""
            )
        case EventKind.NEEDS_LISTENER:
            return TimelineLine(_("Needs a listener"), _no_model(detail.get("language")))
        case EventKind.SUMMARY if detail.get("about") == "worker":
            return TimelineLine(_("Worker described"), by)
        case EventKind.HEARD if detail.get("whole"):
            return TimelineLine(_("Heard to the end"), by)
    return _of_calls(event, names, by) or TimelineLine(_plain(event.kind), by)


def _of_calls(event: CaseEvent, names: dict[int, str], by: str) -> TimelineLine | None:
    """What was done in calls and about calling the worker back; None for every other kind."""
    detail = event.detail
    match event.kind:
        case EventKind.CALLBACK:
            what, rest = callback_labels.told(detail)
            return TimelineLine(what, f"{rest} {by}".strip())
        case EventKind.CONSENT:
            what = _("Agreed to be recorded") if detail.get("given") else _("Does not agree to be recorded")
            return TimelineLine(what, f"{language(detail.get('language'))} {by}".strip())
        case EventKind.MOVED_CALL:
            return _moved_call(detail, by)
        case EventKind.LIMITED:
            return TimelineLine(_limited(str(detail.get("what"))), by)
        case EventKind.TRANSFERRED:
            return TimelineLine(_("Handed over in the call"), f"{_to(detail, names)} {by}".strip())
        case EventKind.CALLED_IN:
            return TimelineLine(_("Called in"), _called_in(detail, names))
    return None


def _to(detail: dict[str, Any], names: dict[int, str]) -> str:
    return _("to %(name)s") % {"name": names.get(detail.get("to", 0), "?")}


def _moved_call(detail: dict[str, Any], by: str) -> TimelineLine:
    """A call that was joined by hand, as either case tells it."""
    other = {"reference": detail.get("reference") or "?"}
    if detail.get("undo"):
        what = _("Joining undone")
        where = _("the call went back to %(reference)s") if "to" in detail else _("the call is back from %(reference)s")
    else:
        what = _("Call joined by hand")
        where = _("it went to %(reference)s") if "to" in detail else _("it came from %(reference)s")
    return TimelineLine(what, f"{where % other} {by}".strip())


def _limited(what: str) -> str:
    return {
        "limited": _("Only messages from this telephone"),
        "renewed": _("Only messages from this telephone: renewed"),
        "lifted": _("This telephone is answered again"),
    }.get(what, _("Only messages from this telephone"))


def _called_in(detail: dict[str, Any], names: dict[int, str]) -> str:
    if detail.get("agent"):
        return names.get(detail["agent"], "?")
    return {"supervisor": _("a supervisor"), "outside": _("somebody of the directory")}.get(str(detail.get("who")), "")


def _no_model(code: str | None) -> str:
    return _("no speech model for %(language)s") % {"language": language(code)} if code else ""


def _plain(kind: EventKind) -> str:
    return {
        EventKind.CLAIMED: _("Claimed"),
        EventKind.RELEASED: _("Released"),
        EventKind.NOTE: _("Note"),
        EventKind.TRANSCRIPTION_FAILED: _("Transcription failed"),
        EventKind.CORRECTED: _("Transcript corrected"),
        EventKind.SAFETY: _("Safety reviewed"),
        EventKind.SUMMARY: _("Title changed"),
        EventKind.HEARD: _("Audio opened"),
        EventKind.NUMBER_SHOWN: _("Number shown"),
        EventKind.ANSWERED: _("Answered"),
        EventKind.DANGER: _("In danger: a supervisor has taken it"),
        EventKind.EMERGENCY: _("Emergency: a supervisor was called"),
    }[kind]
